//! A database that is damaged in one part: what lies behind it can still be read.

use std::ops::RangeInclusive;

use rusqlite::{Connection, ErrorCode, Row};

use crate::store::sqlite::untrusted::foreign::damaged;

/// What is damaged is passed over in steps of this part of what was passed over so far.
const STEP_PARTS: u64 = 16;

/// Whether an error says that this part of the file is damaged, or holds what no recorder writes. A disk that fails, or a
/// program that holds the file, is another matter: that is no property of the file.
pub(in crate::store) fn is_damage(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::TooBig))
}

/// What was found, or `None` where there is damage.
pub(in crate::store) fn sound<T>(found: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(cause) if is_damage(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// End a transaction that has read only. After some errors SQLite has done that by itself, and after it has met damage it
/// takes no commit.
pub(in crate::store) fn end_reading(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
}

/// The first id behind `damaged_id` and up to `last_id` at which `ask` meets no damage, and its answer.
///
/// Each leaf of a table that cannot be read makes all ids in it unreadable, and each inner page those of hundreds of
/// leaves. So not every id is tried, but some hundreds at most: further and further away, and then back to where the
/// damage ends. A sound part that is far smaller than the damage before it may be missed.
pub(in crate::store) fn pass_over<T>(
    damaged_id: i64,
    last_id: i64,
    mut ask: impl FnMut(i64) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<(i64, T)>> {
    let mut ask = |id| sound(ask(id).map(|answer| (id, answer)));
    let mut known_damaged_id = damaged_id;
    let mut found = loop {
        if known_damaged_id >= last_id {
            return Ok(None);
        }
        let step = (known_damaged_id.abs_diff(damaged_id) / STEP_PARTS).max(1);
        let id = known_damaged_id.saturating_add_unsigned(step).min(last_id);
        match ask(id)? {
            Some(found) => break found,
            None => known_damaged_id = id,
        }
    };
    while found.0.abs_diff(known_damaged_id) > 1 {
        let middle = known_damaged_id.saturating_add_unsigned(found.0.abs_diff(known_damaged_id) / 2);
        match ask(middle)? {
            Some(nearer) => found = nearer,
            None => known_damaged_id = middle,
        }
    }
    Ok(Some(found))
}

/// Read rows in the order of their ids, and past those that are damaged. `read` takes rows from the id that it is given on
/// and moves it behind each one that it has taken; `ask` gives the id of the first row at or after an id, if there is one.
/// Gives the ranges of ids that were passed over.
pub(in crate::store) fn read_past(
    mut next_id: i64,
    last_id: i64,
    mut read: impl FnMut(&mut i64) -> rusqlite::Result<()>,
    mut ask: impl FnMut(i64) -> rusqlite::Result<Option<i64>>,
) -> rusqlite::Result<Vec<RangeInclusive<i64>>> {
    let mut damaged_ids = Vec::new();
    loop {
        match read(&mut next_id) {
            Err(cause) if is_damage(&cause) => {}
            done => return done.map(|()| damaged_ids),
        }
        match pass_over(next_id, last_id, &mut ask)? {
            Some((_, Some(id))) => {
                damaged_ids.push(next_id..=id.saturating_sub(1));
                next_id = id;
            }
            Some((_, None)) | None => {
                damaged_ids.push(next_id..=last_id);
                return Ok(damaged_ids);
            }
        }
    }
}

/// The id of a row that was asked for from an id on. A damaged table can give the same rows without end.
pub(in crate::store) fn id_from(row: &Row<'_>, from_id: i64) -> rusqlite::Result<i64> {
    match row.get(0)? {
        id if id < from_id => Err(damaged("its rows are out of order")),
        id => Ok(id),
    }
}

/// The lowest id from `low` to `high` behind which nothing is too early. Ids are in an order that `too_early` knows: of
/// the first row at or after an id it gives the id, if that row is too early.
pub(in crate::store) fn lowest(
    mut low: i64,
    mut high: i64,
    mut too_early: impl FnMut(i64) -> rusqlite::Result<Option<i64>>,
) -> rusqlite::Result<i64> {
    while low < high {
        // As the difference of two ids may be larger than any id.
        let middle = low.saturating_add_unsigned(high.abs_diff(low) / 2);
        match too_early(middle)? {
            Some(id) => low = id.max(middle).saturating_add(1),
            None => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn passed_over(damaged_ids: std::ops::RangeInclusive<i64>, last_id: i64) -> (Option<i64>, usize) {
        let asked = Cell::new(0);
        let ask = |id| {
            asked.set(asked.get() + 1);
            if damaged_ids.contains(&id) { Err(damaged("here")) } else { Ok(()) }
        };
        (pass_over(*damaged_ids.start(), last_id, ask).unwrap().map(|(id, ())| id), asked.get())
    }

    #[test]
    fn the_end_of_any_damage_is_found_with_few_questions() {
        for length in [1, 2, 3, 17, 65, 70, 1000, 26_000, 10_000_000_000] {
            let (found, asked) = passed_over(5..=4 + length, i64::MAX);
            assert_eq!(found, Some(5 + length));
            assert!(asked < 500, "{asked} questions for {length}");
        }
        let (found, asked) = passed_over(i64::MIN..=i64::MAX, i64::MAX);
        assert!(found.is_none() && asked < 1000, "{asked}");
        assert_eq!(passed_over(5..=20, 20).0, None);
        assert_eq!(passed_over(5..=20, 21).0, Some(21));
    }

    #[test]
    fn rows_on_both_sides_of_damage_are_read() {
        let is_damaged = |id: i64| (4..=8).contains(&id) || id == 10 || id > 20;
        let row = |id: i64| if is_damaged(id) { Err(damaged("here")) } else { Ok(Some(id)) };
        let mut read = Vec::new();
        let take = |next_id: &mut i64| loop {
            if let Some(id) = row(*next_id)? {
                read.push(id);
                *next_id += 1;
            }
        };
        assert_eq!(read_past(1, i64::MAX, take, row).unwrap(), [4..=8, 10..=10, 21..=i64::MAX]);
        assert_eq!(read, [1, 2, 3, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    }

    #[test]
    fn what_is_no_damage_is_told() {
        let busy = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
        assert!(pass_over(1, 9, |_| Err::<(), _>(busy())).is_err());
    }

    #[test]
    fn the_lowest_id_is_found_among_any() {
        let too_early = |wanted: i64| move |id: i64| Ok((id < wanted).then_some(id));
        for wanted in [i64::MIN, -7, 0, 1, 99, i64::MAX - 1] {
            assert_eq!(lowest(i64::MIN, i64::MAX, too_early(wanted)).unwrap(), wanted);
        }
        assert_eq!(lowest(3, 9, too_early(20)).unwrap(), 9);
    }
}
