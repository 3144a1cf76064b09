//! What happened to a capture, as its rows in `events` say.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::error::Result;
use crate::observe::event::Kind;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{id_from, read_past};

/// What is known of what happened to a capture.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Names and values as in the table `events`.
    pub entries: Vec<Value>,
    /// Whether there are more than these.
    pub is_cut: bool,
    /// Whether all of them could be read.
    pub is_whole: bool,
}

/// When something happened: from, to, and to which endpoint.
pub type Span = (i64, Option<i64>, Option<String>);

/// Entries of a ledger that are shown; the table has them all.
const LEDGER_MAX_ENTRIES: i64 = 1000;

/// ... if they are no longer than this together, a kilobyte for each.
const LEDGER_MAX_BYTES: usize = 1 << 20;

impl Database {
    /// The ledger of a session in the order in which it was written, without the entries that merely say that a link
    /// came up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn ledger(&self, session: &Session) -> Result<Ledger> {
        let mut ledger = Ledger { entries: Vec::new(), is_cut: false, is_whole: true };
        let mut bytes = 0;
        for part in session.parts.iter() {
            let begin = ledger.entries.len();
            self.read_ledger(part.id, &mut ledger, &mut bytes)?;
            for entry in ledger.entries.iter_mut().skip(begin).filter(|_| part.later_ns != 0) {
                for name in ["elapsed_ns", "until_elapsed_ns"] {
                    if let Some(at) = entry.get_mut(name).filter(|at| at.is_i64()) {
                        *at = at.as_i64().unwrap_or_default().saturating_add(part.later_ns).into();
                    }
                }
            }
        }
        Ok(ledger)
    }

    /// When all things of a kind happened in a session, and to which endpoint: from, to, and its name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn spans(&self, session: &Session, kind: Kind) -> Result<Vec<Span>> {
        let sql =
            "SELECT elapsed_ns, until_elapsed_ns, endpoint FROM events WHERE session_id = ?1 AND kind = ?2 ORDER BY id";
        let mut spans = Vec::new();
        for part in session.parts.iter() {
            let mut read = || {
                let mut statement = self.connection.prepare_cached(sql)?;
                let mut rows = statement.query(params![part.id, kind.name()])?;
                while let Some(row) = rows.next()? {
                    let until_ns: Option<i64> = row.get(1)?;
                    spans.push((part.later(row.get(0)?), until_ns.map(|ns| part.later(ns)), row.get(2)?));
                }
                Ok(())
            };
            self.quick(&mut read).map_err(self.failed("read the ledger"))?;
        }
        Ok(spans)
    }

    /// The sessions in which messages may have been missed that nobody could count: a link was down, or an endpoint never reached.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sessions_in_doubt(&self) -> Result<BTreeSet<i64>> {
        let sql = "SELECT session_id FROM events WHERE lost IS NULL UNION SELECT session_id FROM events \
             WHERE kind IN ('unreached', 'connected') GROUP BY session_id, endpoint HAVING sum(kind = 'connected') = 0";
        let ask = || self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect();
        self.quick(ask).map_err(self.failed("read the ledger"))
    }

    /// What was lost since a moment of the wall clock, newest first: names and values as in the table `events`. Only the newest
    /// entries of the file are looked at.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn losses_since(&self, unix_ns: i64) -> Result<Vec<Value>> {
        // An interval that began before counts when it ended since, or goes on.
        let sql = "SELECT json_object('session_id', session_id, 'kind', kind, 'unix_ns', unix_ns, 'elapsed_ns', elapsed_ns, 'until_elapsed_ns', \
             until_elapsed_ns, 'endpoint', endpoint, 'peer', peer, 'lost', lost, 'detail', detail) FROM \
             (SELECT * FROM events ORDER BY id DESC LIMIT ?2) \
             WHERE unix_ns + max(coalesce(until_elapsed_ns, elapsed_ns) - elapsed_ns, 0) >= ?1 AND coalesce(lost, 1) > 0";
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![unix_ns, LEDGER_MAX_ENTRIES])?;
            let mut losses = Vec::new();
            while let Some(row) = rows.next()? {
                losses.push(serde_json::from_slice(row.get_ref(0)?.as_bytes()?).unwrap_or_default());
            }
            Ok(losses)
        };
        self.quick(read).map_err(self.failed("read the ledger"))
    }

    /// Append the ledger of one part, as far as it is shown.
    fn read_ledger(&self, session_id: i64, ledger: &mut Ledger, bytes: &mut usize) -> Result<()> {
        let sql = "SELECT id, json_object('kind', kind, 'unix_ns', unix_ns, 'elapsed_ns', elapsed_ns, \
             'until_elapsed_ns', until_elapsed_ns, 'endpoint', endpoint, 'peer', peer, 'lost', lost, 'detail', detail) \
             FROM events WHERE id >= ?1 AND session_id = ?2 AND kind <> 'connected' ORDER BY id LIMIT ?3";
        let Ledger { entries, is_cut, .. } = ledger;
        let read = |next_id: &mut i64| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            // One more says whether there are more.
            let most = LEDGER_MAX_ENTRIES - entries.len() as i64 + 1;
            let mut rows = statement.query(params![*next_id, session_id, most])?;
            while !*is_cut && let Some(row) = rows.next()? {
                *next_id = id_from(row, *next_id)?.saturating_add(1);
                let entry = row.get_ref(1)?.as_bytes()?;
                *bytes += entry.len();
                *is_cut = *bytes > LEDGER_MAX_BYTES || entries.len() as i64 >= LEDGER_MAX_ENTRIES;
                if !*is_cut {
                    entries.push(serde_json::from_slice(entry).unwrap_or_default());
                }
            }
            Ok(())
        };
        let ask = |from_id: i64| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(params![from_id, session_id, 1], |row| id_from(row, from_id)).optional()
        };
        let damaged =
            self.quick(|| read_past(i64::MIN, i64::MAX, read, ask)).map_err(self.failed("read the ledger"))?;
        ledger.is_whole &= damaged.is_empty();
        Ok(())
    }
}
