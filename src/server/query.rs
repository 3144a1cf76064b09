//! What stands behind the `?` of an address: checked before it is used.

use std::fmt::Display;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::time::position::Position;

/// An address is no longer than this behind its path.
const QUERY_MAX_BYTES: usize = 2 << 10;

/// Names and values, as they were sent.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Take them apart.
    ///
    /// # Errors
    /// When they are too long.
    pub fn of(text: &str) -> Result<Self> {
        if text.len() > QUERY_MAX_BYTES {
            return Err(Error::CommandLine(format!(
                "the address is too long: at most {QUERY_MAX_BYTES} bytes behind the ?"
            )));
        }
        Ok(Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
    }

    /// A value that is not empty, as a form sends fields that were left out.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// A value of some type.
    ///
    /// # Errors
    /// When it is none.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<T>> {
        let parse = |text: &str| text.parse().map_err(|cause: T::Err| refuse(name, text, cause.to_string()));
        self.text(name).map(parse).transpose()
    }

    /// A position in a capture.
    ///
    /// # Errors
    /// When it is none.
    pub fn position(&self, name: &'static str) -> Result<Option<Position>> {
        self.parsed(name)
    }

    /// A number, not above the most that there may be.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(&self, name: &'static str, default: u64, most: u64) -> Result<u64> {
        Ok(self.parsed(name)?.unwrap_or(default).min(most))
    }

    /// A duration in nanoseconds.
    ///
    /// # Errors
    /// When it is none, or zero.
    pub fn duration_ns(&self, name: &'static str, default_ns: i64) -> Result<i64> {
        let Some(text) = self.text(name) else { return Ok(default_ns) };
        let duration = humantime::parse_duration(text).map_err(|cause| refuse(name, text, cause.to_string()))?;
        i64::try_from(duration.as_nanos())
            .ok()
            .filter(|ns| *ns > 0)
            .ok_or_else(|| refuse(name, text, "a duration is above zero, such as 60s, and below 292 years".to_owned()))
    }
}

fn refuse(name: &'static str, value: &str, cause: String) -> Error {
    Error::Setting { option: name, value: value.to_owned(), cause }
}
