//! What a session says of itself that came out of a file.

use rusqlite::{TransactionBehavior, params};
use serde_json::json;

use crate::codec::framing::Framing;
use crate::error::Result;
use crate::escape;
use crate::store::sqlite::write::recording::Recording;

/// What is known of a session when all of its file was read.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// A remark.
    pub note: String,
    /// When it began.
    pub started_unix_ns: i64,
    /// When it ended.
    pub ended_unix_ns: i64,
    /// The endpoints; their numbers count from 1.
    pub endpoints: Vec<String>,
    /// The topics that were asked for.
    pub topics: Vec<String>,
    /// Where the topics were, if somebody said so.
    pub framing: Option<Framing>,
    /// The machine.
    pub host: String,
    /// Which start of the machine.
    pub boot_id: String,
}

impl Recording {
    /// Say of the session where it came from. Its end is as said here.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_origin(&mut self, origin: &Origin) -> Result<()> {
        self.write_origin(origin).map_err(self.file.database.failed("say where a session came from"))?;
        self.run.ended_unix_ns = Some(origin.ended_unix_ns);
        Ok(())
    }

    fn write_origin(&mut self, origin: &Origin) -> rusqlite::Result<()> {
        let session_id = self.session.id;
        let transaction = self.file.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "UPDATE sessions SET note = ?2, started_unix_ns = ?3, topics = ?4, framing = ?5, host = ?6, boot_id = ?7 \
             WHERE id = ?1",
            params![
                session_id,
                origin.note,
                origin.started_unix_ns,
                escape::json::compact(&json!(origin.topics)),
                origin.framing.map_or("auto", Framing::name),
                origin.host,
                origin.boot_id,
            ],
        )?;
        // How they were connected is not known any more.
        let insert = "INSERT INTO endpoints VALUES (?, ?, ?, 'sub', 'connect', 'none', NULL)";
        for (number, endpoint) in (1_i64..).zip(&origin.endpoints) {
            transaction.prepare_cached(insert)?.execute(params![session_id, number, endpoint])?;
        }
        transaction.commit()
    }
}
