//! A session that comes out of an archive: the same commits with the same digests, and all that is known of it.

use std::io::BufRead;

use rusqlite::{Transaction, TransactionBehavior, params};
use serde_json::Value;

use crate::error::{Error, Result, Trouble};
use crate::store::sqlite::archiving::description::{Line, Restored, next_line};
use crate::store::sqlite::write::insertion::{INSERT_EVENT, ToCommit};
use crate::store::sqlite::write::recording::Recording;

/// Lines that are written in one transaction.
const STEP_LINES: usize = 1000;

impl Recording {
    /// Write a batch that was committed elsewhere at this time.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit_again(&mut self, what: &ToCommit<'_>, unix_ns: i64) -> Result<()> {
        self.run.committed_unix_ns = Some(unix_ns);
        self.commit(what).map(|_| ())
    }

    /// Take over what an archive says of the session, with its endpoints and its ledger. `continues` is the session here that it
    /// goes on from. Says whether the seal that it had fits what is said of it.
    ///
    /// # Errors
    /// When it is not as a recorder writes it, or the database cannot be written.
    pub fn restore(&mut self, from: &mut impl BufRead, restored: &Restored, continues: Option<i64>) -> Result<bool> {
        let wrong = |cause: String| self.refuse(cause);
        let mut lines = Vec::new();
        let first = next_line(from).map_err(wrong)?;
        if !matches!(first, Some(Line::Session(_))) {
            return Err(self.refuse("it does not begin with the session".to_owned()));
        }
        loop {
            let line = next_line(from).map_err(|cause| self.refuse(cause))?;
            let is_end = line.is_none();
            lines.extend(line.filter(|line| matches!(line, Line::Endpoint(_) | Line::Event(_))));
            if is_end || lines.len() >= STEP_LINES {
                self.write_lines(&lines).map_err(self.file.database.failed("say where a session came from"))?;
                lines.clear();
            }
            if is_end {
                break;
            }
        }
        self.write_session(restored, continues).map_err(self.file.database.failed("say where a session came from"))?;
        let count = |name| restored.number(name).unwrap_or_default().max(0).unsigned_abs();
        (self.session.tally.lost, self.session.tally.unwanted) = (count("lost"), count("unwanted"));
        self.run.ended_unix_ns = restored.number("ended_unix_ns");
        Ok(restored.is_sealed(&self.session.digest))
    }

    fn write_lines(&mut self, lines: &[Line]) -> rusqlite::Result<()> {
        let session_id = self.session.id;
        let transaction = self.file.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for line in lines {
            write_line(&transaction, session_id, line)?;
        }
        transaction.commit()
    }

    fn write_session(&mut self, of: &Restored, continues: Option<i64>) -> rusqlite::Result<()> {
        let connection = &self.file.database.connection;
        connection.execute(
            "UPDATE sessions SET label = ?2, note = ?3, started_unix_ns = ?4, topics = ?5, framing = ?6, host = ?7, boot_id = ?8, \
             version = ?9, durability = ?10, continues = ?11, continues_elapsed_ns = iif(?11 IS NULL, NULL, ?12), unwanted = ?13 \
             WHERE id = ?1",
            params![
                self.session.id,
                of.text("label"),
                of.text("note"),
                of.number("started_unix_ns"),
                of.text("topics"),
                of.text("framing"),
                of.text("host"),
                of.text("boot_id"),
                of.text("version"),
                of.text("durability"),
                continues,
                of.number("continues_elapsed_ns"),
                of.number("unwanted").unwrap_or_default(),
            ],
        )?;
        Ok(())
    }

    /// The error that what an archive has of the session makes no sense.
    pub fn refuse(&self, cause: String) -> Error {
        Error::Database {
            operation: "take over a session",
            path: self.file.database.path.clone(),
            cause,
            hint: "the archive is damaged; nothing of the session was kept",
            trouble: Trouble::Other,
        }
    }
}

/// Write an endpoint, or an entry of the ledger.
pub(super) fn write_line(transaction: &Transaction<'_>, session_id: i64, line: &Line) -> rusqlite::Result<()> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_i64);
    match line {
        Line::Endpoint(of) => transaction
            .prepare_cached("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                session_id,
                number(of, "number"),
                text(of, "endpoint"),
                text(of, "socket"),
                text(of, "side"),
                text(of, "security"),
                text(of, "peer_key"),
            ])?,
        Line::Event(of) => transaction.prepare_cached(INSERT_EVENT)?.execute(params![
            session_id,
            number(of, "unix_ns"),
            number(of, "elapsed_ns"),
            number(of, "until_elapsed_ns"),
            text(of, "kind"),
            text(of, "endpoint"),
            text(of, "peer"),
            number(of, "lost"),
            text(of, "detail"),
        ])?,
        Line::Session(_) | Line::Stream(..) => 0,
    };
    Ok(())
}
