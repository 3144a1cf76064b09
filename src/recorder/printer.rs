//! `record --print`: each packet, decoded, as a line on standard output.

use std::io::{self, BufWriter, Stdout, Write, stdout};

use crate::batch::Batch;
use crate::envelope::{Wanted, samples};

/// Writes packets for people.
#[derive(Debug)]
pub struct Printer {
    out: BufWriter<Stdout>,
    wanted: Wanted,
}

impl Printer {
    /// Print packets of these topics.
    pub fn new(wanted: Wanted) -> Self {
        Self { out: BufWriter::new(stdout()), wanted }
    }

    /// Print `#number topic size [samples]` for each packet; the first message of the batch has `first_number`.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&mut self, batch: &Batch, first_number: i64) -> io::Result<()> {
        for (number, message) in (first_number..).zip(batch.messages()) {
            let Ok(envelope) = self.wanted.decode(message.frames()) else { continue };
            let topic = String::from_utf8_lossy(envelope.topic);
            write!(self.out, "#{number} {} {} bytes [", topic.escape_debug(), envelope.payload.len())?;
            for (index, sample) in samples(envelope.payload).enumerate() {
                let comma = if index > 0 { "," } else { "" };
                write!(self.out, "{comma}{sample}")?;
            }
            writeln!(self.out, "]")?;
        }
        self.out.flush()
    }
}
