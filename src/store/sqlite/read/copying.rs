//! A session into a database of its own: the same rows with the same ids, so that its digests hold there too.

use std::path::Path;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::message::{Batch, Gaps};
use crate::store::sqlite::open::connection::open;
use crate::store::sqlite::open::database::{Database, prepare_empty};
use crate::store::sqlite::read::reader::Reader;
use crate::store::sqlite::read::rows::Selection;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::schema;
use crate::store::sqlite::seal::interrupt;
use crate::store::sqlite::untrusted::damage::{end_reading, id_from, read_past};
use crate::store::sqlite::untrusted::foreign::{self, Deadline, damaged};

/// The row of the session, ...
const COPY_SESSION: (&str, &str) = (
    "SELECT * FROM sessions WHERE id >= ?1 AND id = ?2",
    "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

/// ... the ledger, of which those entries are copied that can be read, ...
const COPY_EVENTS: (&str, &str) = (
    "SELECT * FROM events WHERE id >= ?1 AND session_id = ?2 ORDER BY id",
    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

/// ... the same of the digests, ...
const COPY_BATCHES: (&str, &str) = (
    "SELECT * FROM batches WHERE id >= ?1 AND session_id = ?2 ORDER BY id",
    "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
);

/// ... and of the streams.
const COPY_STREAMS: (&str, &str) = (
    "SELECT * FROM streams WHERE id >= ?1 AND session_id = ?2 ORDER BY id",
    "INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

/// What belongs to the session or its streams and has no id of its own.
const COPY_MORE: [&str; 2] = [
    "INSERT INTO main.endpoints SELECT * FROM source.endpoints WHERE session_id = ?1",
    "INSERT INTO main.fields SELECT * FROM source.fields WHERE stream_id IN (SELECT id FROM main.streams WHERE session_id = ?1)",
];

/// The messages of a range of ids, which of them cannot be read by their layout, and their overviews.
const COPY_MESSAGES: [&str; 3] = [
    "INSERT INTO main.messages SELECT * FROM source.messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    "INSERT INTO main.faults SELECT * FROM source.faults WHERE message_id BETWEEN ?1 AND ?2 ORDER BY message_id",
    "INSERT INTO main.overviews SELECT * FROM source.overviews WHERE last_id BETWEEN ?1 AND ?2 ORDER BY last_id",
];

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Messages.
    pub messages: u64,
    /// What is missing, because no digest proves it.
    pub gaps: Gaps,
    /// Whether the session was deleted meanwhile.
    pub is_deleted: bool,
    /// Whether the ledger has entries that cannot be read.
    pub is_ledger_damaged: bool,
}

impl Database {
    /// Copy what the digests prove of a session into the empty file `target`, which becomes a database in rollback mode,
    /// without side files. It is not synced. Errors call it `name`. `at` is told how many messages were passed, again and
    /// again, and can end it.
    ///
    /// # Errors
    /// When one cannot be read or the other not be written, nothing is proven, or what `at` ends it with. The target is of
    /// no use then.
    pub fn copy_session(
        self,
        session: &Session,
        target: &Path,
        name: &str,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Copied> {
        // Its name can be seen before it is opened.
        let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = open(target, mode)?;
        let (deadline, rows, is_ledger_damaged) = self.begin_copy(&mut connection, session).map_err(failed(name))?;
        // A recorder may have added to it.
        let last_id =
            connection.query_row("SELECT max(last_id) FROM sessions", [], |row| row.get(0)).map_err(failed(name))?;
        let session = Session { last_id, ..session.clone() };
        let mut copied = Copied { is_ledger_damaged, ..Copied::default() };
        if !session.is_empty() {
            let mut reader = Reader::new(self, &session, &Selection::default())?;
            let mut batch = Batch::default();
            while reader.step(&mut batch)? {
                for numbers in batch.numbers().chunk_by(|number, next| number.checked_add(1) == Some(*next)) {
                    let ids = [numbers.first(), numbers.last()];
                    let [first_id, last_id] =
                        ids.map(|id| id.copied().unwrap_or_default().saturating_add(session.first_id));
                    let copy = || copy_messages(&connection, first_id, last_id);
                    let messages = deadline.rows(rows, copy).map_err(failed(name))?;
                    copied.messages += messages as u64;
                    copied.is_deleted |= messages < numbers.len();
                }
                batch.gaps().iter().for_each(|gap| copied.gaps.add(*gap));
                at(reader.passed())?;
                batch.clear();
            }
            if copied.messages == 0 {
                return Err(reader.gone(session.first_id));
            }
            copied.is_deleted |= reader.is_deleted()?;
        }
        connection.close().map_err(|(_, cause)| failed(name)(cause))?;
        Ok(copied)
    }

    /// Gives the deadline of what follows, how many rows there can be, and whether entries of the ledger are damaged.
    fn begin_copy(&self, connection: &mut Connection, session: &Session) -> rusqlite::Result<(Deadline, i64, bool)> {
        // Nobody else sees the target before it is whole, and its user syncs it then. Without a journal there is no
        // second file that could be left behind.
        connection.pragma_update(Some("main"), "journal_mode", "OFF")?;
        connection.pragma_update(Some("main"), "synchronous", "OFF")?;
        prepare_empty(connection)?;
        schema::make(connection)?;
        let (deadline, rows) = foreign::attach(connection, &self.name)?;
        let transaction = connection.transaction()?;
        // As of one moment, so that totals, events and digests belong together also while the session is being recorded.
        self.connection.execute_batch("BEGIN")?;
        let copied = session.parts.iter().try_fold([true; 2], |[sessions, ledger], part| {
            let are_whole = [COPY_SESSION, COPY_EVENTS, COPY_BATCHES, COPY_STREAMS].map(|(select, insert)| {
                self.bounded(rows, || copy_readable(&self.connection, select, &transaction, insert, part.id))
            });
            let [session_is_whole, ledger_is_whole, batches_are_whole, streams_are_whole] = are_whole;
            // What is not proven for want of its digest is known when it is read.
            batches_are_whole?;
            streams_are_whole?;
            Ok::<_, rusqlite::Error>([sessions && session_is_whole?, ledger && ledger_is_whole?])
        });
        end_reading(&self.connection)?;
        let [are_sessions_whole, is_ledger_whole] = copied?;
        if !are_sessions_whole {
            return Err(damaged("the row of the session is not as a recorder writes it"));
        }
        for part in session.parts.iter() {
            for sql in COPY_MORE {
                deadline.rows(rows, || transaction.execute(sql, [part.id]))?;
            }
            let is_open = "SELECT ended_unix_ns IS NULL FROM main.sessions WHERE id = ?1";
            if transaction.query_row(is_open, [part.id], |row| row.get(0))? {
                // Nobody will end it in the copy.
                interrupt(&transaction, part.id)?;
            }
        }
        transaction.commit()?;
        Ok((deadline, rows, !is_ledger_whole))
    }
}

/// Copy the rows of a table that can be read, one by one: without a journal, a statement that fails after it has written
/// something cannot be undone. Says whether they are all.
fn copy_readable(
    source: &Connection,
    select: &str,
    target: &Connection,
    insert: &str,
    session_id: i64,
) -> rusqlite::Result<bool> {
    let (mut rows, mut first) = (source.prepare(select)?, source.prepare(select)?);
    let mut insert = target.prepare(insert)?;
    let mut are_sound = true;
    let copy = |next_id: &mut i64| -> rusqlite::Result<()> {
        let mut rows = rows.query([*next_id, session_id])?;
        while let Some(row) = rows.next()? {
            *next_id = id_from(row, *next_id)?.saturating_add(1);
            for column in 0..insert.parameter_count() {
                insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
            }
            match insert.raw_execute() {
                // It is as no recorder writes it.
                Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => are_sound = false,
                done => drop(done?),
            }
        }
        Ok(())
    };
    let ask = |from_id: i64| first.query_row([from_id, session_id], |row| id_from(row, from_id)).optional();
    let damaged_ids = read_past(i64::MIN, i64::MAX, copy, ask)?;
    Ok(damaged_ids.is_empty() && are_sound)
}

/// Copy the messages of a range of ids. Gives their number.
fn copy_messages(connection: &Connection, first_id: i64, last_id: i64) -> rusqlite::Result<usize> {
    let transaction = connection.unchecked_transaction()?;
    let [messages, faults, overviews] = COPY_MESSAGES;
    let messages = transaction.prepare_cached(messages)?.execute([first_id, last_id])?;
    transaction.prepare_cached(faults)?.execute([first_id, last_id])?;
    transaction.prepare_cached(overviews)?.execute([first_id, last_id])?;
    transaction.commit()?;
    Ok(messages)
}

fn failed(name: &str) -> impl Fn(rusqlite::Error) -> Error {
    move |cause| Error::Export {
        to: name.to_owned(),
        hint: match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "make room on that disk",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "see which program holds the database",
            _ => "check whether the database is damaged, and the health of both disks",
        },
        cause: foreign::words(&cause),
        exit: Exit::Failed,
    }
}
