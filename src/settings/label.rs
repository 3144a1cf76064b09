//! What a session may be called.

use crate::error::Result;
use crate::settings::refuse;
use crate::store::Name;

/// Check a label. One that could be taken for something else would make it unclear which session is meant.
///
/// # Errors
/// When it is no name of its own.
pub fn label(option: &'static str, text: &str) -> Result<String> {
    match Name::of(text) {
        Name::Label => Ok(text.to_owned()),
        Name::Id(_) => Err(refuse(option, text, "digits alone are the id of a session; add a letter".to_owned())),
        Name::Latest => {
            Err(refuse(option, text, "it means the newest finished session; choose another word".to_owned()))
        }
    }
}
