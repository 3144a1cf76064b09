//! Where the numbers of `publish` come from.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use crate::codec::layout::Fields;
use crate::codec::number::Scalar;
use crate::error::Result;
use crate::process::stop::Stop;

mod simulated;
mod stream;

pub use simulated::{Numbers, Simulated};
pub use stream::Stream;

/// A source of records, each some numbers.
pub trait Device {
    /// Fill `payload` with the records of the next packet; at the end of the device's data with fewer.
    ///
    /// # Errors
    /// When the device cannot be read.
    fn fill(&mut self, payload: &mut [u8], stop: &Stop) -> Result<Fill>;

    /// Whether that may have to wait for somebody else.
    fn may_wait(&self) -> bool;
}

/// What a device gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The first so many bytes of the payload are records.
    Records(usize),
    /// The device has no more data.
    End {
        /// Bytes left over that make no record.
        odd_bytes: u64,
    },
    /// A stop was asked for while the device was waited for.
    Stopped,
}

/// Which device to publish: `simulated`, `stream:PATH` or `stream:-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The C library's random numbers.
    Simulated,
    /// Raw numbers from a file or FIFO.
    File(PathBuf),
    /// The same from standard input.
    StandardInput,
}

impl Source {
    /// Open the device, which gives records like this one. `seed` is for the simulated one.
    ///
    /// # Errors
    /// When a stream cannot be opened.
    pub fn open(&self, seed: u32, record: &Fields) -> Result<Box<dyn Device>> {
        Ok(match self {
            Self::Simulated if is_int16(record) => Box::new(Simulated::new(seed)),
            Self::Simulated => Box::new(Numbers::new(Simulated::new(seed), record.clone())),
            Self::File(path) => Box::new(Stream::open(path, record.bytes())?),
            Self::StandardInput => Box::new(Stream::standard_input(record.bytes())?),
        })
    }
}

/// Whether a record is what the reference device sends: little-endian int16 alone.
fn is_int16(record: &Fields) -> bool {
    let numbers = record.numbers();
    numbers.iter().all(|number| number.of.kind == Scalar::Int16 && !number.of.is_big_endian)
        && record.bytes() == 2 * numbers.len()
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.strip_prefix("stream:") {
            Some("-") => Ok(Self::StandardInput),
            Some("") => Err("the path is missing: `stream:PATH`, or `stream:-` for standard input"),
            Some(path) => path.parse().map(Self::File).map_err(|never: Infallible| match never {}),
            None if text == "simulated" => Ok(Self::Simulated),
            None => Err("a device is `simulated`, `stream:PATH` or `stream:-`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_the_user_types_them() {
        assert_eq!("simulated".parse(), Ok(Source::Simulated));
        assert_eq!("stream:-".parse(), Ok(Source::StandardInput));
        assert_eq!("stream:./-".parse(), Ok(Source::File("./-".into())));
        assert!("stream:".parse::<Source>().is_err());
        assert!("tape".parse::<Source>().is_err());
    }
}
