//! The threads of `record`: the receiver stamps what comes and hands it over in batches, the writer stores a batch in one
//! transaction and passes it on to the printer, if there is one. The queue between receiver and writer takes what the
//! disk cannot take at once.

mod arrivals;
mod capture;
mod counters;
mod exposure;
mod gauges;
mod holdup;
mod lag;
mod observer;
mod own_stall;
mod printer;
mod receiver;
mod reporter;
mod sorter;
mod source;
mod status;
mod trigger;
mod writer;

pub use arrivals::{Arrivals, STORING_TIMES};
pub use capture::{Capture, SplitEvery};
pub use exposure::Exposure;
pub use gauges::{BEAT_EVERY_NS, EndOnDrop, Gauges};
pub use holdup::{HeldUp, Holdup};
pub use printer::{PRINT_QUEUE_BYTES, print};
pub use receiver::{Intake, Taken};
pub use reporter::Reporter;
pub use sorter::Sorter;
pub use source::Source;
pub use status::watch;
pub use trigger::{Account, Trigger, When};
pub use writer::Writer;
