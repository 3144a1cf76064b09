//! A session of an archive without its messages, as it is listed and shown.

use std::io::BufRead;
use std::path::Path;

use rusqlite::params;

use crate::error::Result;
use crate::store::sqlite::archiving::description::{Line, Restored, next_line};
use crate::store::sqlite::archiving::fetched::write_line;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::untrusted::foreign::damaged;

impl Database {
    /// Open an empty file, or one that was begun so, for what a command reads in an archive. Nobody else has it open.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn for_lending(file: &Path) -> Result<Self> {
        Self::for_building(file, file)
    }

    /// Take over what an archive says of a session, under the number that it has there, for a database that nobody keeps. It has so
    /// many messages, which stay there.
    ///
    /// # Errors
    /// When it is not as a recorder writes it, or the database cannot be written.
    pub fn take_card(
        &mut self,
        session_id: i64,
        restored: &Restored,
        from: &mut impl BufRead,
        messages: u64,
    ) -> Result<()> {
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.connection.unchecked_transaction()?;
            let (text, number) = (|name| restored.text(name), |name| restored.number(name));
            let count = |name| restored.number(name).unwrap_or_default().max(0);
            transaction.execute(
                "INSERT OR REPLACE INTO sessions (id, label, note, started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, \
                 version, durability, continues, continues_elapsed_ns, first_elapsed_ns, last_elapsed_ns, messages, undecodable, \
                 unwanted, lost, bytes, first_id, last_id) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                 ?16, ?17, ?18, ?19, ?20, ?21, coalesce(max(last_id), 0) + 1, coalesce(max(last_id), 0) + ?17 FROM sessions",
                params![
                    session_id,
                    text("label"),
                    text("note"),
                    number("started_unix_ns"),
                    number("ended_unix_ns"),
                    text("end_reason"),
                    text("topics"),
                    text("framing"),
                    text("host"),
                    text("boot_id"),
                    text("version"),
                    text("durability"),
                    number("continues"),
                    number("continues_elapsed_ns"),
                    number("first_elapsed_ns"),
                    number("last_elapsed_ns"),
                    i64::try_from(messages).map_err(|_| damaged("it has more messages than there can be"))?,
                    count("undecodable"),
                    count("unwanted"),
                    count("lost"),
                    count("bytes"),
                ],
            )?;
            while let Some(line) = next_line(from).map_err(|_| damaged("what the archive says of it makes no sense"))? {
                if matches!(line, Line::Endpoint(_) | Line::Event(_)) {
                    write_line(&transaction, session_id, &line)?;
                }
            }
            transaction.commit()
        };
        write().map_err(self.failed("read what an archive says of a session"))
    }
}
