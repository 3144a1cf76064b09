//! The two threads of `record`: the receiver stamps what comes and hands it over in batches, the writer stores a batch
//! in one transaction. The queue between them takes what the disk cannot take at once.

mod printer;
mod receiver;
mod writer;

pub use printer::Printer;
pub use receiver::{Intake, OnOverflow, Plan, Taken};
pub use writer::write;
