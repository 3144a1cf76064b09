//! The sessions of a database, one by one or all.

use rusqlite::{Row, params};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::store::Database;
use crate::tally::Tally;

/// One capture, as its row says.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// A name for people, several sessions may share it.
    pub label: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// When it began.
    pub started_unix_ns: i64,
    /// When it ended; `None` while it is open.
    pub ended_unix_ns: Option<i64>,
    /// Why it ended; `None` while it is open.
    pub end_reason: Option<String>,
    /// What was connected to: JSON array of text.
    pub endpoints: Value,
    /// What was asked for: JSON array of text.
    pub topics: Value,
    /// The machine.
    pub host: String,
    /// Which start of the machine.
    pub boot_id: String,
    /// The program's version.
    pub fancyhwd_version: String,
    /// `full` or `normal`.
    pub durability: String,
    /// The first message's id; without messages the id that it would have got.
    pub first_id: i64,
    /// The last message's id; without messages `first_id - 1`.
    pub last_id: i64,
    /// From the first message to the last.
    pub duration_ns: i64,
    /// The totals.
    pub tally: Tally,
}

impl Session {
    /// Whether there is nothing to replay.
    pub fn is_empty(&self) -> bool {
        self.last_id < self.first_id
    }
}

/// Entries of a ledger that are shown; the table has them all.
const LEDGER_MAX_ENTRIES: i64 = 1000;

/// The columns of [`Session`], in the order in which `from_row` reads them.
const SELECT: &str = "SELECT id, label, note, started_unix_ns, ended_unix_ns, end_reason, endpoints, topics, host, boot_id, \
    fancyhwd_version, durability, first_id, last_id, coalesce(last_elapsed_ns - first_elapsed_ns, 0), packets, rejected, lost, bytes FROM sessions";

impl Database {
    /// All sessions, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sessions(&self) -> Result<Vec<Session>> {
        self.query(&format!("{SELECT} ORDER BY id"), [])
    }

    /// The session that `wanted` means: an id, a label (the newest of that name), or `latest` (the newest finished).
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub fn find_session(&self, wanted: &str) -> Result<Session> {
        let found = match wanted.parse::<i64>() {
            Ok(id) => self.query(&format!("{SELECT} WHERE id = ?1"), params![id])?,
            Err(_) if wanted == "latest" => {
                self.query(&format!("{SELECT} WHERE ended_unix_ns IS NOT NULL ORDER BY id DESC LIMIT 1"), [])?
            }
            Err(_) => Vec::new(),
        };
        let found = match found.is_empty() {
            true => self.query(&format!("{SELECT} WHERE label = ?1 ORDER BY id DESC LIMIT 1"), params![wanted])?,
            false => found,
        };
        let missing = || Error::NoSuchSession { wanted: wanted.to_owned(), database: self.path.clone() };
        found.into_iter().next().ok_or_else(missing)
    }

    /// The ledger of a session in the order in which it was written, without the entries that merely say that a link
    /// came up: names and values as in the table `events`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn ledger(&self, session_id: i64) -> Result<Vec<Value>> {
        let sql = "SELECT json_object('kind', kind, 'unix_ns', unix_ns, 'elapsed_ns', elapsed_ns, \
             'until_elapsed_ns', until_elapsed_ns, 'endpoint', endpoint, 'lost', lost, 'detail', detail) \
             FROM events WHERE session_id = ?1 AND kind <> 'connected' ORDER BY id LIMIT ?2";
        let read = || -> rusqlite::Result<Vec<Value>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map(params![session_id, LEDGER_MAX_ENTRIES], |row| {
                Ok(serde_json::from_str(row.get_ref(0)?.as_str()?).unwrap_or_default())
            })?;
            rows.collect()
        };
        read().map_err(self.failed("read the ledger"))
    }

    fn query(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Session>> {
        let read = || -> rusqlite::Result<Vec<Session>> {
            self.connection.prepare(sql)?.query_map(params, from_row)?.collect()
        };
        read().map_err(self.failed("read the sessions"))
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    let json = |column| -> rusqlite::Result<Value> {
        Ok(serde_json::from_str(row.get_ref(column)?.as_str()?).unwrap_or_default())
    };
    let count = |column| row.get(column).map(|number: i64| number.max(0) as u64);
    Ok(Session {
        id: row.get(0)?,
        label: row.get(1)?,
        note: row.get(2)?,
        started_unix_ns: row.get(3)?,
        ended_unix_ns: row.get(4)?,
        end_reason: row.get(5)?,
        endpoints: json(6)?,
        topics: json(7)?,
        host: row.get(8)?,
        boot_id: row.get(9)?,
        fancyhwd_version: row.get(10)?,
        durability: row.get(11)?,
        first_id: row.get(12)?,
        last_id: row.get(13)?,
        duration_ns: row.get(14)?,
        tally: Tally { packets: count(15)?, rejected: count(16)?, lost: count(17)?, bytes: count(18)? },
    })
}
