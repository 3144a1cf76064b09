//! The threads of `record`: the receiver stamps what comes and hands it over in batches, the writer stores a batch in one
//! transaction and passes it on to the printer, if there is one. The queue between receiver and writer takes what the
//! disk cannot take at once.

mod exposure;
mod printer;
mod receiver;
mod reporter;
mod status;
mod writer;

pub use exposure::Exposure;
pub use printer::{PRINT_QUEUE_BYTES, print};
pub use receiver::{Capture, Intake, SplitEvery, Taken};
pub use reporter::Reporter;
pub use status::{BEAT_EVERY_NS, EndOnDrop, Progress, is_watched, percent, watch};
pub use writer::Writer;
