//! What the recorder of a database says that it is doing now.

use std::io::Read;

use serde_json::Value;

use crate::safe_open;
use crate::store::{Database, STATUS_BYTES, status_path};
use crate::time::clock::{NS_PER_S, unix_ns};

/// It says so each second; older words are those of a recorder that hangs or is gone.
const FRESH_NS: u64 = 5 * NS_PER_S as u64;

/// What the recorder of a database says, if there is one. Somebody else may have written it.
pub fn recorder(database: &Database) -> Option<Value> {
    if !database.is_recorded().ok()? {
        return None;
    }
    // What somebody put there is not followed, nor waited for, nor read without end.
    let file = safe_open::to_read(&status_path(database.path())).ok()?;
    let mut text = Vec::new();
    file.take(STATUS_BYTES as u64).read_to_end(&mut text).ok()?;
    let said: Value = serde_json::from_slice(&text).ok()?;
    let said_ns = said.get("unix_ns")?.as_i64()?;
    Some(said).filter(|_| unix_ns().abs_diff(said_ns) < FRESH_NS)
}
