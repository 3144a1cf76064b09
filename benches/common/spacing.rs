//! How far messages come from where they should.

use std::path::Path;

use rusqlite::Connection;

/// By how much the distance from each message to the next one differs from what it should be.
pub fn spacing_errors_ns(stamps_ns: &[i64], interval_ns: i64) -> Vec<i64> {
    stamps_ns.windows(2).map(|pair| (pair[1] - pair[0] - interval_ns).abs()).collect()
}

/// The least value that this part of them does not exceed, in microseconds.
pub fn quantile_us(values_ns: &[i64], quantile: f64) -> f64 {
    let mut sorted_ns = values_ns.to_vec();
    sorted_ns.sort_unstable();
    let rank = (sorted_ns.len() as f64 * quantile).ceil() as usize;
    sorted_ns[rank.max(1) - 1] as f64 / 1e3
}

/// The error of the spacing that all but one in a thousand keep below, in microseconds, of the newest session of a database, which
/// must have so many packets.
pub fn recorded_error_us(database: &Path, packets: u64, interval_ns: i64) -> f64 {
    let connection = Connection::open(database).unwrap();
    let sql = "SELECT elapsed_ns FROM messages WHERE id >= (SELECT first_id FROM sessions ORDER BY id DESC LIMIT 1) ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let stamps_ns: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(stamps_ns.len() as u64, packets, "something is lost");
    quantile_us(&spacing_errors_ns(&stamps_ns, interval_ns), 0.999)
}
