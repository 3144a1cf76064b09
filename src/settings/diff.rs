//! From what was typed to what `session diff` uses.

use std::path::PathBuf;

use crate::cli::DiffArguments;
use crate::error::Result;
use crate::settings::{database, duration_ns};

/// What `session diff` compares.
#[derive(Clone, Debug)]
pub struct DiffSettings {
    /// An id, a label, or `latest`.
    pub a: String,
    /// See `a`.
    pub b: String,
    /// Where A is.
    pub database: PathBuf,
    /// Where B is.
    pub other: PathBuf,
    /// By how much the spacing may differ.
    pub timing_tolerance_ns: Option<i64>,
}

/// Check what was typed for `session diff`.
///
/// # Errors
/// [`crate::error::Error::Setting`] for the first value that cannot be used.
pub fn diff(typed: &DiffArguments) -> Result<DiffSettings> {
    const TOLERANCE: &str = "--timing-tolerance";
    let database = database(&typed.output.database)?.path;
    Ok(DiffSettings {
        a: typed.a.clone(),
        b: typed.b.clone(),
        other: typed.other.clone().unwrap_or_else(|| database.clone()),
        database,
        timing_tolerance_ns: typed.timing_tolerance.as_deref().map(|text| duration_ns(TOLERANCE, text)).transpose()?,
    })
}
