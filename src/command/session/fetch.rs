//! `fancyhwd session fetch`.

use crate::command::record::DatabasePath;
use crate::store::{Access, RecorderName};

/// What `session fetch` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose; `None` where the archive has one recorder alone.
    pub recorder: Option<RecorderName>,
    /// An id there, a label, or `latest`.
    pub session: String,
    /// Where from.
    pub access: Access,
    /// Where to.
    pub database: DatabasePath,
}

#[cfg(feature = "archive")]
mod fetching;

#[cfg(feature = "archive")]
pub use fetching::run;

/// The error that archives are not in this binary.
#[cfg(not(feature = "archive"))]
pub(super) fn not_built(access: &Access) -> crate::error::Error {
    crate::error::Error::Archive {
        operation: "use",
        archive: access.address.to_string(),
        cause: "this fancyhwd was built without archives".to_owned(),
        hint: "build it with `--features archive`".to_owned(),
    }
}

/// Say that this binary cannot do it. The command line has refused it before.
///
/// # Errors
/// Always.
#[cfg(not(feature = "archive"))]
pub fn run(settings: &Settings, _: &crate::process::stop::Stop) -> crate::error::Result<crate::exit::Exit> {
    Err(not_built(&settings.access))
}
