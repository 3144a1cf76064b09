//! Is the recorder well? Each reason why it is not is a line.

use std::path::Path;

use serde_json::Value;

use crate::escape;
use crate::store::Database;
use crate::summary::ledger;
use crate::summary::running::recorder;
use crate::time::clock::{NS_PER_S, unix_ns};

/// How long ago a loss is still told of, unless it is said.
pub const WITHIN_NS: i64 = 60 * NS_PER_S;

/// Losses that are named. More make no difference.
const NAMED_MAX: usize = 20;

/// Why the recorder of a database is not well; nothing if it is.
pub fn ills(path: &Path, within_ns: i64) -> Vec<String> {
    let database = match Database::for_viewing(path) {
        Ok(database) => database,
        Err(error) => return vec![error.to_string()],
    };
    let mut ills = Vec::new();
    if let Some((why, next)) = database.suspicion() {
        ills.push(format!("{} is suspect: {why}; recordings go on in {}", path.display(), next.display()));
    }
    match recorder(&database) {
        None => ills.push(match database.is_recorded() {
            Ok(true) => "the recorder has not said for five seconds what it is doing".to_owned(),
            Ok(false) => "no recorder is running".to_owned(),
            Err(error) => error.to_string(),
        }),
        Some(said) => tell_of_recorder(&said, &mut ills),
    }
    match database.losses_since(unix_ns().saturating_sub(within_ns)) {
        Ok(losses) => ills.extend(losses.iter().take(NAMED_MAX).map(|entry| {
            let session = entry.get("session_id").and_then(Value::as_i64).unwrap_or_default();
            format!("session {session} at {}", ledger::line(entry, &ledger::lost(entry)))
        })),
        Err(error) => ills.push(error.to_string()),
    }
    ills
}

/// What a running recorder says of its links, and of what it cannot do.
fn tell_of_recorder(said: &Value, ills: &mut Vec<String>) {
    let text = |value: &Value, name: &str| {
        escape::line(value.get(name).and_then(Value::as_str).unwrap_or_default()).into_owned()
    };
    let links = said.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if said.get("link_count").and_then(Value::as_u64).is_some_and(|count| count > links.len() as u64) {
        ills.push("the recorder has too many links to say how they are".to_owned());
    }
    for link in links {
        let flag = |name: &str| link.get(name).and_then(Value::as_bool).unwrap_or(false);
        if !flag("is_up") {
            let cause = text(link, "cause");
            let cause = if cause.is_empty() { cause } else { format!(" ({cause})") };
            ills.push(format!("link {} is not up: {}{cause}", text(link, "endpoint"), text(link, "state")));
        } else if flag("is_silent") {
            ills.push(format!("link {} is silent", text(link, "endpoint")));
        }
    }
    if let Some(trouble) = said.get("trouble").filter(|trouble| trouble.is_object()) {
        ills.push(format!("the recorder cannot write: {}", text(trouble, "what")));
    }
}
