//! `fancyhwd session verify`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::VerifyArguments;
use crate::command::session::text::pretty;
use crate::command::session::{Answer, open};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::store::{Damage, Database, Session};

/// What became of one session.
struct Verdict {
    session: Session,
    commits: u64,
    damage: Option<Damage>,
}

/// Compare one session, or each of them, with its digests.
pub(super) fn run(typed: &VerifyArguments) -> Result<Answer> {
    let database = open(&typed.output)?;
    let verdicts = match (&typed.session, typed.all) {
        (Some(_), true) => {
            return Err(Error::CommandLine("--all and a session cannot be used together; choose one".to_owned()));
        }
        (None, true) => verify_all(&database)?,
        (wanted, false) => {
            let wanted = wanted.as_deref().unwrap_or("latest");
            vec![verify(&database, database.find_session(wanted)?)?]
        }
    };
    let text = match typed.output.json {
        true => pretty(&verdicts.iter().map(as_json).collect()),
        false => lines(&verdicts),
    };
    Ok(Answer { text, exit: Exit::from_loss(verdicts.iter().any(|verdict| verdict.damage.is_some())) })
}

fn verify_all(database: &Database) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for session in database.sessions()? {
        let id = session.id;
        match verify(database, session) {
            Ok(verdict) => verdicts.push(verdict),
            // A recorder makes room, or somebody tidies up.
            Err(Error::NoSuchSession { .. }) => tracing::warn!("session {id} was deleted while it was verified"),
            Err(error) => return Err(error),
        }
    }
    Ok(verdicts)
}

fn verify(database: &Database, session: Session) -> Result<Verdict> {
    tracing::debug!("verifying session {}", session.id);
    let damage = database.verify(&session)?;
    Ok(Verdict { commits: database.commits(&session)?, session, damage })
}

/// One line per session.
fn lines(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return "no sessions\n".to_owned();
    }
    let mut text = String::new();
    for Verdict { session, commits, damage } in verdicts {
        let verdict = match damage {
            None => {
                let rejected = match session.tally.rejected {
                    0 => String::new(),
                    rejected => format!(" and {rejected} rejected messages"),
                };
                let open = if session.ended_unix_ns.is_none() { ", as far as it is committed" } else { "" };
                format!("ok, {} packets{rejected} in {commits} commits{open}", session.tally.packets)
            }
            Some(damage) => format!("damaged{}: {}", place(session, damage), damage.what),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "session {}: {verdict}", session.id);
    }
    text
}

/// The numbers in the session, from 0, of the first and the last message among which the damage is.
fn numbers(session: &Session, damage: &Damage) -> Option<(i64, i64)> {
    let number = |id: i64| id.saturating_sub(session.first_id);
    (damage.first_id <= damage.last_id).then(|| (number(damage.first_id), number(damage.last_id)))
}

fn place(session: &Session, damage: &Damage) -> String {
    let (first_id, last_id) = (damage.first_id, damage.last_id);
    match numbers(session, damage) {
        None => String::new(),
        Some((first, last)) if first == last => format!(" at packet #{first} (id {first_id})"),
        Some((first, last)) => format!(" at packets #{first} to #{last} (ids {first_id} to {last_id})"),
    }
}

fn as_json(verdict: &Verdict) -> Value {
    let session = &verdict.session;
    let damage = verdict.damage.as_ref().map(|damage| {
        let (first_number, last_number) = numbers(session, damage).unzip();
        let ids = first_number.map(|_| (damage.first_id, damage.last_id));
        let (first_id, last_id) = ids.unzip();
        json!({
            "what": damage.what,
            "first_number": first_number,
            "last_number": last_number,
            "first_id": first_id,
            "last_id": last_id,
        })
    });
    json!({
        "id": session.id,
        "label": session.label,
        "ok": damage.is_none(),
        "open": session.ended_unix_ns.is_none(),
        "packets": session.tally.packets,
        "rejected": session.tally.rejected,
        "commits": verdict.commits,
        "damage": damage,
    })
}
