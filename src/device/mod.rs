//! Where the numbers of `publish` come from.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use crate::codec::layout::{Fields, Layout, Part};
use crate::codec::number::Scalar;
use crate::error::{Error, Result};
use crate::process::stop::Stop;

mod simulated;
mod stream;
mod wav;

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

/// Which device to publish: `simulated`, `stream:PATH`, `stream:-` or `wav:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The C library's random numbers.
    Simulated,
    /// Raw numbers from a file or FIFO.
    File(PathBuf),
    /// The same from standard input.
    StandardInput,
    /// The samples of a sound file.
    Sound(PathBuf),
}

/// A device, and what is known of it.
pub struct Opened {
    /// The device.
    pub device: Box<dyn Device>,
    /// The numbers of a record.
    pub record: Fields,
    /// How many records are of one second, if it says so.
    pub rate_hz: Option<u32>,
}

/// A record of the reference device.
const DEFAULT_RECORD: &str = "int16";

impl Source {
    /// Open the device, which gives records like this one, if one is told. `seed` is for the simulated one.
    ///
    /// # Errors
    /// When a file cannot be opened, or has other records.
    pub fn open(&self, seed: u32, told: Option<&Fields>) -> Result<Opened> {
        let record = || told.cloned().map_or_else(|| fields(DEFAULT_RECORD), Ok);
        let opened = |device: Box<dyn Device>, record| Ok(Opened { device, record, rate_hz: None });
        match self {
            Self::Simulated => match record()? {
                record if is_int16(&record) => opened(Box::new(Simulated::new(seed)), record),
                record => opened(Box::new(Numbers::new(Simulated::new(seed), record.clone())), record),
            },
            Self::File(path) => {
                let record = record()?;
                opened(Box::new(Stream::open(path, record.bytes())?), record)
            }
            Self::StandardInput => {
                let record = record()?;
                opened(Box::new(Stream::standard_input(record.bytes())?), record)
            }
            Self::Sound(path) => {
                let (device, sound) = Stream::sound(path)?;
                let own = fields(&sound.layout())?;
                if let Some(told) = told.filter(|told| told.bytes() != own.bytes()) {
                    let cause = format!("the records of {} are {own}, which --layout need not say", path.display());
                    return Err(Error::Setting { option: "--layout", value: told.to_string(), cause });
                }
                let record = told.cloned().unwrap_or(own);
                Ok(Opened { device: Box::new(device), record, rate_hz: Some(sound.rate_hz) })
            }
        }
    }
}

/// The numbers of a record.
fn fields(text: &str) -> Result<Fields> {
    let refuse = |cause: String| Error::Setting { option: "--layout", value: text.to_owned(), cause };
    let layout: Layout = text.parse().map_err(|cause| refuse(format!("{cause}")))?;
    match layout.parts() {
        [Part::Numbers(numbers)] => Ok(numbers.record.clone()),
        _ => Err(refuse("a device sends numbers in one frame".to_owned())),
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
        if let Some(path) = text.strip_prefix("wav:") {
            return match path {
                "" => Err("the path is missing: `wav:PATH`"),
                path => path.parse().map(Self::Sound).map_err(|never: Infallible| match never {}),
            };
        }
        match text.strip_prefix("stream:") {
            Some("-") => Ok(Self::StandardInput),
            Some("") => Err("the path is missing: `stream:PATH`, or `stream:-` for standard input"),
            Some(path) => path.parse().map(Self::File).map_err(|never: Infallible| match never {}),
            None if text == "simulated" => Ok(Self::Simulated),
            None => Err("a device is `simulated`, `stream:PATH`, `stream:-` or `wav:PATH`"),
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
        assert_eq!("wav:voice.wav".parse(), Ok(Source::Sound("voice.wav".into())));
        assert!("stream:".parse::<Source>().is_err());
        assert!("wav:".parse::<Source>().is_err());
        assert!("tape".parse::<Source>().is_err());
    }
}
