//! What people say of a session later, or while it is being recorded: marks in its ledger, and lines of its note. No digest
//! knows them.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::error::Result;
use crate::observe::event::{Event, Kind};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::parts::Part;
use crate::store::sqlite::read::sessions::{SELECT, Session};
use crate::store::sqlite::untrusted::damage::sound;
use crate::store::sqlite::write::insertion::insert_event;
use crate::time::clock::unix_ns;
use crate::time::position::{Place, Position};

/// What the note of a session may take.
pub const NOTE_MAX_BYTES: usize = 64 << 10;

/// A moment on both clocks. The difference between them changes only where the wall clock is set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    unix_ns: i64,
    elapsed_ns: i64,
}

impl Database {
    /// The session that a recorder is writing into this database, if one is.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub fn running_session(&self) -> Result<Option<Session>> {
        if !self.is_recorded()? {
            return Ok(None);
        }
        let sql = format!("{SELECT} WHERE ended_unix_ns IS NULL ORDER BY id DESC LIMIT 1");
        self.first(&sql, []).map_err(self.failed("read the sessions"))
    }

    /// Set a mark at this time of the wall clock in a session that is being recorded, which is the last part of this one. Gives
    /// the time since the session began; `None` when it is there no longer.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn mark_now(&mut self, session: &Session, now_unix_ns: i64, text: &str) -> Result<Option<i64>> {
        let Some(part) = session.parts.iter().next_back() else { return Ok(None) };
        let at = |connection: &Connection| {
            // The newest message, as far as it is committed by now.
            let sql = "SELECT received_unix_ns, elapsed_ns FROM messages WHERE id = \
                       (SELECT last_id FROM sessions WHERE id = ?1 AND last_id >= first_id)";
            let known = connection.query_row(sql, [part.id], moment).optional()?;
            let known = known.unwrap_or(Moment { unix_ns: part.started_unix_ns, elapsed_ns: 0 });
            let since_ns = now_unix_ns.saturating_sub(known.unix_ns);
            Ok(Moment { unix_ns: now_unix_ns, elapsed_ns: known.elapsed_ns.saturating_add(since_ns).max(0) })
        };
        let marked = self.insert_mark(part, at, text)?;
        Ok(marked.map(|at| part.later(at.elapsed_ns)))
    }

    /// Set a mark at a position of a session. Gives the time since the session began; `None` when it has no such position.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn mark_at(&mut self, session: &Session, position: Position, text: &str) -> Result<Option<i64>> {
        let place = position.place(session.started_unix_ns, session.last_elapsed_ns);
        let id = self.locate(session, position)?;
        if matches!(place, Place::Number(_)) && !(session.first_id..=session.last_id).contains(&id) {
            return Ok(None);
        }
        // What is known of the time near there: of the message, or else of the beginning.
        let id = id.clamp(session.first_id, session.last_id.max(session.first_id));
        let sql = "SELECT received_unix_ns, elapsed_ns FROM messages WHERE id = ?1 AND id <= ?2";
        let ask = || self.connection.query_row(sql, [id, session.last_id], moment).optional();
        let found = sound(self.bounded(0, ask)).map_err(self.failed("find a position"))?.flatten();
        let began = Moment { unix_ns: session.started_unix_ns, elapsed_ns: 0 };
        let known =
            found.map_or(began, |found| Moment { elapsed_ns: session.parts.of(id).later(found.elapsed_ns), ..found });
        let elapsed_ns = match place {
            Place::Number(_) => known.elapsed_ns,
            Place::Elapsed(elapsed_ns) => elapsed_ns,
            Place::Unix(unix_ns) => known.elapsed_ns.saturating_add(unix_ns.saturating_sub(known.unix_ns)),
        };
        let until_unix_ns = session.ended_unix_ns.unwrap_or_else(unix_ns);
        let until_ns = until_unix_ns.saturating_sub(session.started_unix_ns).max(session.last_elapsed_ns);
        if !(0..=until_ns).contains(&elapsed_ns) {
            return Ok(None);
        }
        let Some(part) = session.parts.iter().rfind(|part| part.later_ns <= elapsed_ns) else { return Ok(None) };
        let at = Moment {
            unix_ns: known.unix_ns.saturating_add(elapsed_ns.saturating_sub(known.elapsed_ns)),
            elapsed_ns: elapsed_ns.saturating_sub(part.later_ns),
        };
        Ok(self.insert_mark(part, |_| Ok(at), text)?.map(|_| elapsed_ns))
    }

    /// Set a mark in a part of a session, at a moment that is found out in the same transaction; `None` when the part is there
    /// no longer.
    fn insert_mark(
        &mut self,
        part: Part,
        at: impl Fn(&Connection) -> rusqlite::Result<Moment>,
        text: &str,
    ) -> Result<Option<Moment>> {
        let detail = Some(text.to_owned()).filter(|text| !text.is_empty());
        self.change(|database| {
            let failed = database.failed("set a mark");
            let insert = || {
                let connection = &mut database.connection;
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let sql = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)";
                if !transaction.query_row(sql, [part.id], |row| row.get(0))? {
                    return Ok(None);
                }
                let at = at(&transaction)?;
                let mark = Event::at(at.unix_ns, at.elapsed_ns, Kind::Mark, Some(0));
                insert_event(&transaction, part.id, &Event { detail, ..mark })?;
                transaction.commit().map(|()| Some(at))
            };
            insert().map_err(failed)
        })
    }

    /// Add a line to the note of a session. Says whether there was room for it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn add_note(&mut self, session: &Session, line: &str) -> Result<bool> {
        self.change(|database| {
            let failed = database.failed("write a note");
            let sql = "UPDATE sessions SET note = coalesce(nullif(note, '') || char(10), '') || ?2 \
                       WHERE id = ?1 AND length(CAST(coalesce(note, '') AS BLOB)) + length(CAST(?2 AS BLOB)) < ?3";
            let mut add = || {
                let connection = &mut database.connection;
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                for part in session.parts.iter() {
                    if transaction.execute(sql, params![part.id, line, NOTE_MAX_BYTES as i64])? == 0 {
                        return Ok(false);
                    }
                }
                transaction.commit().map(|()| true)
            };
            add().map_err(failed)
        })
    }
}

fn moment(row: &rusqlite::Row<'_>) -> rusqlite::Result<Moment> {
    Ok(Moment { unix_ns: row.get(0)?, elapsed_ns: row.get(1)? })
}
