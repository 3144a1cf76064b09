//! What a part of a session takes over of it beside messages: its endpoints, and the entries of the ledger that are about that
//! part.

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use crate::error::Result;
use crate::observe::event::Kind;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::parts::Part;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{id_from, is_damage, pass_over, read_past, sound};
use crate::store::sqlite::write::insertion::INSERT_EVENT;
use crate::store::sqlite::write::recording::Recording;
use crate::time::position::{Place, Position};

/// Endpoints that are read of a session: more are not given on a command line.
const ENDPOINTS_MAX: i64 = 10_000;

/// Seals that are named.
const SEALS_MAX: usize = 10;

/// Entries of the ledger that are taken over in one transaction.
const STEP_ENTRIES: usize = 1000;

/// The part of a session that an entry of its ledger is in or not.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Since the session began.
    pub from_ns: i64,
    /// What came then is not in it any more.
    pub to_ns: i64,
    /// Whether it has not all topics.
    pub is_by_topic: bool,
    /// The endpoints that it is of; `None` is all of them.
    pub endpoints: Option<Vec<String>>,
}

/// One entry of the ledger, as its row says.
#[derive(Debug)]
struct Entry {
    unix_ns: i64,
    elapsed_ns: i64,
    until_elapsed_ns: Option<i64>,
    kind: String,
    endpoint: Option<String>,
    peer: Option<String>,
    lost: Option<i64>,
    detail: Option<String>,
}

impl Extract {
    /// Of an entry, what is true for this part. What was lost is only known where all of it is in this part.
    fn of(&self, entry: Entry) -> Option<Entry> {
        let is_of_others =
            |of: &str| self.endpoints.as_ref().is_some_and(|endpoints| !endpoints.iter().any(|one| one == of));
        // As long as they are not over, these have no end. Of one peer among several, they are moments.
        let is_open = entry.until_elapsed_ns.is_none()
            && entry.peer.is_none()
            && Kind::named(&entry.kind).is_some_and(Kind::goes_on);
        let until_ns = if is_open { i64::MAX } else { entry.until_elapsed_ns.unwrap_or(entry.elapsed_ns) };
        let is_in = entry.elapsed_ns < self.to_ns && (entry.elapsed_ns >= self.from_ns || until_ns > self.from_ns);
        if !is_in || entry.endpoint.as_deref().is_some_and(is_of_others) {
            return None;
        }
        let is_whole = entry.elapsed_ns >= self.from_ns
            && until_ns <= self.to_ns
            && !self.is_by_topic
            && (self.endpoints.is_none() || entry.endpoint.is_some());
        Some(match entry.lost {
            Some(lost) if lost > 0 && !is_whole => {
                let before = entry.detail.map_or(String::new(), |detail| detail + "; ");
                let detail = format!("{before}{lost} were lost in all, and not all of that is in this part");
                Entry { lost: None, detail: Some(detail), ..entry }
            }
            lost if entry.kind == Kind::NotTriggered.name() && !is_whole => {
                let before = entry.detail.map_or(String::new(), |detail| detail + "; ");
                Entry {
                    lost,
                    detail: Some(format!("{before}that is in all, and not all of it is in this part")),
                    ..entry
                }
            }
            lost => Entry { lost: lost.map(|lost| lost.max(0)), ..entry },
        })
    }
}

impl Database {
    /// The seals of a capture, which are also over all of its digests, as people write them: one for each part that has ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seals(&self, session: &Session) -> Result<Vec<String>> {
        let sql = "SELECT lower(hex(seal)) FROM sessions WHERE id = ?1 AND length(seal) = 32";
        let seal =
            |part: Part| sound(self.quick(|| self.connection.query_row(sql, [part.id], |row| row.get(0)).optional()));
        let seals = session.parts.iter().take(SEALS_MAX).map(seal).collect::<rusqlite::Result<Vec<_>>>();
        Ok(seals.map_err(self.failed("read the sessions"))?.into_iter().flatten().flatten().collect())
    }

    /// When the message at a position came, since the session began; the moment itself where the position is one. `None` where
    /// that cannot be read, or there is no message.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn elapsed_ns(&self, session: &Session, position: Position) -> Result<Option<i64>> {
        if let Place::Elapsed(elapsed_ns) = position.place(session.started_unix_ns, session.last_elapsed_ns) {
            return Ok(Some(elapsed_ns));
        }
        let id = self.locate(session, position)?;
        let sql = "SELECT elapsed_ns FROM messages WHERE id = ?1 AND id <= ?2";
        let ask = || self.connection.query_row(sql, [id, session.last_id], |row| row.get(0)).optional();
        let found: Option<i64> = sound(self.bounded(0, ask)).map_err(self.failed("find a position"))?.flatten();
        Ok(found.map(|elapsed_ns| session.parts.of(id).later(elapsed_ns)))
    }
}

impl Recording {
    /// Take the endpoints of another session over, with their numbers. Says whether all of them can be read.
    ///
    /// # Errors
    /// When one database cannot be read, or the other not be written.
    pub fn take_endpoints(&mut self, from: &Database, of: &Session) -> Result<bool> {
        of.parts.iter().try_fold(true, |is_whole, part| Ok(is_whole & self.take_endpoints_of(from, part.id)?))
    }

    fn take_endpoints_of(&mut self, from: &Database, of_id: i64) -> Result<bool> {
        let sql = "SELECT number, endpoint, socket, side, security, peer_key FROM endpoints \
                   WHERE session_id = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";
        let mut endpoints = Vec::new();
        let read = |next: &mut i64| -> rusqlite::Result<()> {
            let mut statement = from.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![of_id, *next, ENDPOINTS_MAX - endpoints.len() as i64])?;
            while let Some(row) = rows.next()? {
                let number = id_from(row, *next)?;
                let texts: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                endpoints.push((number, texts, row.get::<_, Option<String>>(5)?));
                *next = number.saturating_add(1);
            }
            Ok(())
        };
        let ask = |number: i64| {
            let mut statement = from.connection.prepare_cached(sql)?;
            statement.query_row(params![of_id, number, 1], |row| id_from(row, number)).optional()
        };
        let damaged = from.quick(|| read_past(0, i64::from(u32::MAX), read, ask));
        let damaged = damaged.map_err(from.failed("read the endpoints"))?;
        let session_id = self.session.id;
        let connection = &mut self.file.database.connection;
        let mut write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (number, [endpoint, socket, side, security], peer_key) in &endpoints {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?)")?
                    .execute(params![session_id, number, endpoint, socket, side, security, peer_key])?;
            }
            transaction.commit()
        };
        let written = write();
        written.map_err(self.file.database.failed("say where a session came from"))?;
        Ok(damaged.is_empty())
    }

    /// Give an endpoint that messages came from, and of which nothing else is known, a row. Says whether it had none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn make_endpoint(&mut self, number: u32, name: &str) -> Result<bool> {
        let database = &self.file.database;
        let sql = "INSERT OR IGNORE INTO endpoints VALUES (?, ?, ?, 'sub', 'connect', 'none', NULL)";
        let made = database.connection.execute(sql, params![self.session.id, number, name]);
        Ok(made.map_err(database.failed("say where a session came from"))? > 0)
    }

    /// Count messages that nobody had asked for when they came.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn take_unwanted(&mut self, unwanted: u64) -> Result<()> {
        let (database, id) = (&self.file.database, self.session.id);
        let sql = "UPDATE sessions SET unwanted = ?2 WHERE id = ?1";
        database.connection.execute(sql, params![id, unwanted as i64]).map_err(database.failed("write a batch"))?;
        self.session.tally.unwanted = unwanted;
        Ok(())
    }

    /// Take some entries over from the ledger of another session that are about a part of it, from a row on. Gives the row to
    /// go on at, if there are more, and whether all of them could be read.
    ///
    /// # Errors
    /// When one database cannot be read, or the other not be written.
    pub fn take_ledger(
        &mut self,
        from: &Database,
        of: Part,
        extract: &Extract,
        from_row: i64,
    ) -> Result<(Option<i64>, bool)> {
        let sql = "SELECT id, unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, peer, lost, detail FROM events \
                   WHERE id >= ?1 AND session_id = ?2 ORDER BY id LIMIT ?3";
        let (mut entries, mut next_row, mut is_whole) = (Vec::new(), Some(from_row), true);
        let mut read = |next_row: &mut Option<i64>| -> rusqlite::Result<()> {
            let mut statement = from.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![*next_row, of.id, STEP_ENTRIES as i64])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let id = id_from(row, next_row.unwrap_or(i64::MAX))?;
                entries.extend(extract.of(parsed(row, of)?));
                *next_row = id.checked_add(1);
                count += 1;
            }
            if count < STEP_ENTRIES {
                *next_row = None;
            }
            Ok(())
        };
        match from.quick(|| read(&mut next_row)) {
            Err(cause) if is_damage(&cause) => {
                is_whole = false;
                let first = |row: i64| {
                    let mut statement = from.connection.prepare_cached(sql)?;
                    statement
                        .query_row(params![row, of.id, 1], |found| parsed(found, of).and(id_from(found, row)))
                        .optional()
                };
                let damaged_row = next_row.unwrap_or(i64::MAX);
                let found = from.quick(|| pass_over(damaged_row, i64::MAX, first));
                next_row = found.map_err(from.failed("read the ledger"))?.and_then(|(_, row)| row);
            }
            done => done.map_err(from.failed("read the ledger"))?,
        }
        self.write_entries(&entries).map_err(self.file.database.failed("write a batch"))?;
        let lost = entries.iter().filter_map(|entry| entry.lost).map(i64::unsigned_abs);
        self.session.tally.lost = lost.fold(self.session.tally.lost, u64::saturating_add);
        Ok((next_row, is_whole))
    }

    fn write_entries(&mut self, entries: &[Entry]) -> rusqlite::Result<()> {
        let (session_id, connection) = (self.session.id, &mut self.file.database.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for entry in entries {
            transaction.prepare_cached(INSERT_EVENT)?.execute(params![
                session_id,
                entry.unix_ns,
                entry.elapsed_ns,
                entry.until_elapsed_ns,
                entry.kind,
                entry.endpoint,
                entry.peer,
                entry.lost,
                entry.detail,
            ])?;
        }
        transaction.commit()
    }
}

/// An entry of a part of a capture, with its times in all of it.
fn parsed(row: &Row<'_>, of: Part) -> rusqlite::Result<Entry> {
    Ok(Entry {
        unix_ns: row.get(1)?,
        elapsed_ns: of.later(row.get(2)?),
        until_elapsed_ns: row.get::<_, Option<i64>>(3)?.map(|until_ns| of.later(until_ns)),
        kind: row.get(4)?,
        endpoint: row.get(5)?,
        peer: row.get(6)?,
        lost: row.get(7)?,
        detail: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(elapsed_ns: i64, until_elapsed_ns: Option<i64>, kind: Kind, lost: Option<i64>) -> Entry {
        let kind = kind.name().to_owned();
        Entry { unix_ns: 0, elapsed_ns, until_elapsed_ns, kind, endpoint: None, peer: None, lost, detail: None }
    }

    #[test]
    fn what_was_lost_is_in_one_of_two_parts_that_meet() {
        let part = |from_ns, to_ns| Extract { from_ns, to_ns, is_by_topic: false, endpoints: None };
        let lost = |part: &Extract, elapsed_ns, until_ns| {
            part.of(entry(elapsed_ns, until_ns, Kind::Overflow, Some(7))).map(|entry| entry.lost)
        };
        let (before, behind) = (part(i64::MIN, 50), part(50, i64::MAX));
        for (elapsed_ns, until_ns, is_before, is_behind) in [
            (10, Some(20), Some(Some(7)), None),
            (10, Some(50), Some(Some(7)), None),
            (49, None, Some(Some(7)), None),
            (50, None, None, Some(Some(7))),
            (50, Some(60), None, Some(Some(7))),
            // Nobody knows how many of them were lost before and behind.
            (40, Some(60), Some(None), Some(None)),
        ] {
            assert_eq!(lost(&before, elapsed_ns, until_ns), is_before, "{elapsed_ns} {until_ns:?}");
            assert_eq!(lost(&behind, elapsed_ns, until_ns), is_behind, "{elapsed_ns} {until_ns:?}");
        }
    }

    #[test]
    fn what_is_not_over_is_in_all_that_follows() {
        let part = Extract { from_ns: 50, to_ns: 60, is_by_topic: false, endpoints: None };
        assert!(part.of(entry(10, None, Kind::Disconnected, None)).is_some());
        assert!(part.of(entry(10, None, Kind::ClockStep, None)).is_none());
        let of_a_peer = Entry { peer: Some("1.2.3.4".to_owned()), ..entry(10, None, Kind::Disconnected, None) };
        assert!(part.of(of_a_peer).is_none());
    }

    #[test]
    fn of_some_topics_or_endpoints_the_loss_is_not_known() {
        let part = |is_by_topic| Extract {
            from_ns: 0,
            to_ns: 100,
            is_by_topic,
            endpoints: Some(vec!["tcp://a:1".to_owned()]),
        };
        let at = |endpoint: &str| Entry {
            endpoint: Some(endpoint.to_owned()),
            ..entry(10, Some(20), Kind::CounterGap, Some(7))
        };
        assert_eq!(part(false).of(at("tcp://a:1")).unwrap().lost, Some(7));
        assert!(part(false).of(at("tcp://b:1")).is_none());
        let unknown = part(true).of(at("tcp://a:1")).unwrap();
        assert_eq!(unknown.lost, None);
        let again = part(true).of(unknown).unwrap();
        assert_eq!(again.detail.unwrap(), "7 were lost in all, and not all of that is in this part");
    }
}
