//! Databases that somebody else sent: whatever is in them, they end in a line or in sensible output.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::support::Bench;
use crate::support::hostile::{
    READERS, RUN_MAX_CPU_S, bounded, capture, change, endless, library_survives_mutations, read, read_all,
    survives_mutations, verified_mutations_are_as_before,
};
use crate::support::seal::seal;

/// All readers refuse it, in one line that says this.
#[track_caller]
fn refused(bench: &Bench, name: &str, why: &str) {
    for line in READERS {
        let finished = read(bench, line, name).code(1).says(why);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stdout.is_empty());
    }
}

#[test]
fn what_is_no_capture_is_refused() {
    let bench = Bench::new();
    let original = capture(&bench);
    fs::write(bench.path("text.db"), "some text\n".repeat(1000)).unwrap();
    refused(&bench, "text.db", "no SQLite database");
    fs::write(bench.path("empty.db"), "").unwrap();
    refused(&bench, "empty.db", "it has no tables");
    fs::write(bench.path("short.db"), &original[..original.len() / 2]).unwrap();
    refused(&bench, "short.db", "malformed");
    fs::write(bench.path("head.db"), &original[..50]).unwrap();
    refused(&bench, "head.db", "malformed");
    change(&bench, "theirs.db", &original, "PRAGMA application_id = 77");
    refused(&bench, "theirs.db", "another program");
    change(&bench, "newer.db", &original, "PRAGMA user_version = 77");
    refused(&bench, "newer.db", "schema 77");
}

#[test]
fn tables_that_are_not_as_we_make_them_are_refused() {
    let bench = Bench::new();
    let original = capture(&bench);
    let differs = |table: &str| format!("its table {table} is not as fancyhwd makes it");
    let endless = "DROP VIEW decoded_packets; DROP VIEW samples; DROP VIEW numbers; DROP VIEW texts; DROP VIEW undecodable; \
        DROP TABLE messages; \
        CREATE VIEW messages (id, stream_id, received_unix_ns, elapsed_ns, payload, parts) AS \
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) \
        SELECT n, 1, 0, 0, x'0000', NULL FROM numbers";
    for (sql, why) in [
        (endless, differs("messages")),
        ("CREATE TRIGGER trap AFTER UPDATE ON sessions BEGIN DELETE FROM messages; END", differs("sessions")),
        ("ALTER TABLE events ADD COLUMN more TEXT", differs("events")),
        ("ALTER TABLE messages ADD COLUMN twice TEXT AS (hex(payload))", differs("messages")),
        ("DROP TABLE batches; CREATE VIRTUAL TABLE batches USING fts5(digest)", differs("batches")),
        ("DROP TABLE faults; CREATE TABLE Faults (message_id INTEGER PRIMARY KEY)", differs("faults")),
        ("DROP TABLE streams", "it has no table streams".to_owned()),
    ] {
        change(&bench, "changed.db", &original, sql);
        refused(&bench, "changed.db", &why);
    }
    let many: String = (0..2000).map(|number| format!("CREATE TABLE t{number} (a);")).collect();
    change(&bench, "many.db", &original, &format!("BEGIN; {many} COMMIT"));
    refused(&bench, "many.db", "cannot open database");
}

#[test]
fn what_somebody_added_beside_our_tables_does_no_harm() {
    let bench = Bench::new();
    let added = "CREATE INDEX times ON messages (received_unix_ns); CREATE TABLE remarks (text); \
        CREATE VIEW latest AS SELECT max(id) FROM sessions; ANALYZE; PRAGMA writable_schema = ON; \
        UPDATE sqlite_schema SET sql = replace(sql, '-- order of arrival', '-- another remark: ')";
    change(&bench, "added.db", &capture(&bench), added);
    for line in READERS {
        read(&bench, line, "added.db").success();
    }
}

#[test]
fn tables_with_rows_without_end_come_to_an_end() {
    let bench = Bench::new();
    let original = capture(&bench);
    let roots: Vec<(String, usize)> = Connection::open(bench.path("small.db"))
        .unwrap()
        .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(roots.len() > 6);
    for (name, root) in &roots {
        println!("{name}");
        fs::write(bench.path("endless.db"), endless(&original, *root)).unwrap();
        for line in READERS {
            read(&bench, line, "endless.db");
        }
        let _ = read_all(&bench.path("endless.db"));
    }
    // Rows that nobody asked for are passed over, but not for ever.
    change(&bench, "others.db", &original, "UPDATE events SET session_id = 2; UPDATE batches SET session_id = 2");
    let others = fs::read(bench.path("others.db")).unwrap();
    for (name, line) in [("sessions", "session show nobody"), ("events", "session show 1")] {
        let (_, root) = roots.iter().find(|(table, _)| table == name).unwrap();
        fs::write(bench.path("endless.db"), endless(&others, *root)).unwrap();
        read(&bench, line, "endless.db").code(1).says("reading it finds no end");
    }
}

#[test]
fn absurd_numbers_and_texts_are_shown_or_refused() {
    let bench = Bench::new();
    let original = capture(&bench);
    let numbers = [i64::MIN, -1, i64::MAX];
    let columns = [
        "sessions.id",
        "sessions.started_unix_ns",
        "sessions.ended_unix_ns",
        "sessions.first_id",
        "sessions.last_id",
        "sessions.first_elapsed_ns",
        "sessions.last_elapsed_ns",
        "sessions.messages",
        "sessions.undecodable",
        "sessions.unwanted",
        "sessions.lost",
        "sessions.bytes",
        "messages.id",
        "messages.stream_id",
        "messages.received_unix_ns",
        "messages.elapsed_ns",
        "streams.id",
        "streams.session_id",
        "streams.endpoint",
        "events.elapsed_ns",
        "events.until_elapsed_ns",
        "events.lost",
    ];
    let mut changes = Vec::new();
    for column in columns {
        let (table, column) = column.split_once('.').unwrap();
        for number in numbers {
            changes.push(format!("UPDATE {table} SET {column} = {number} WHERE id = (SELECT max(id) FROM {table})"));
        }
    }
    let deep = format!("'{}{}'", "[".repeat(100_000), "]".repeat(100_000));
    let texts = ["''", "'no JSON'", "'[1, null, [\"a\"]]'", "'[-1]'", "'[4294967296, 1e99]'", &deep];
    let columns = ["sessions.topics", "sessions.host", "messages.parts", "streams.name", "streams.layout"];
    for column in columns {
        let (table, column) = column.split_once('.').unwrap();
        for text in texts {
            changes.push(format!("UPDATE {table} SET {column} = {text} WHERE id = (SELECT max(id) FROM {table})"));
        }
    }
    changes.extend(
        [
            "UPDATE sessions SET first_id = -9223372036854775808, last_id = 9223372036854775807",
            "UPDATE sessions SET first_id = 9223372036854775807, last_id = -9223372036854775808",
            "UPDATE sessions SET first_elapsed_ns = -9223372036854775808, last_elapsed_ns = 9223372036854775807",
            "UPDATE sessions SET first_elapsed_ns = 9223372036854775807, last_elapsed_ns = -9223372036854775808",
            "UPDATE messages SET payload = x'010203'",
            "UPDATE messages SET payload = ''",
            "UPDATE messages SET parts = '[1]'",
            "UPDATE messages SET parts = '[99999999999999999999]'",
            "UPDATE streams SET topic = CAST('a b ' || id AS BLOB)",
            "UPDATE streams SET topic = zeroblob(400) WHERE id = 1",
            "UPDATE streams SET framing = 'whole', layout = 'int16x65536'",
            "UPDATE fields SET channel = NULL, scale = 9e999, \"offset\" = -9e999",
            "UPDATE endpoints SET number = 9223372036854775807",
            "UPDATE sessions SET topics = '[\"*\"]', label = CAST(x'ff1b5b324a0a0d80' AS TEXT)",
        ]
        .map(|sql| if sql.contains("payload = ''") { "UPDATE messages SET payload = x''" } else { sql }.to_owned()),
    );
    for sql in changes {
        println!("{sql:.200}");
        change(&bench, "absurd.db", &original, &sql);
        for line in READERS {
            read(&bench, line, "absurd.db");
        }
    }
}

#[test]
fn the_highest_id_ends_a_session() {
    let bench = Bench::new();
    let shift = |id| format!("{id} = {id} + (9223372036854775807 - (SELECT last_id FROM sessions))");
    let sql = format!(
        "UPDATE messages SET {}; UPDATE faults SET {}; \
         UPDATE sessions SET first_id = first_id + (9223372036854775807 - last_id)",
        shift("id"),
        shift("message_id")
    );
    change(&bench, "last.db", &capture(&bench), &sql);
    seal(&bench.path("last.db"));
    read(&bench, READERS[3], "last.db").success().says("72 messages");
}

#[test]
fn positions_and_times_do_not_overflow() {
    let bench = Bench::new();
    let original = capture(&bench);
    let replay = |options: &str, name| read(&bench, &format!("replay 1 {options} --bind tcp://127.0.0.1:*"), name);
    // Everything but the first message was due long ago.
    change(&bench, "late.db", &original, "UPDATE messages SET elapsed_ns = id - 9223372036854775807 WHERE id > 2");
    seal(&bench.path("late.db"));
    replay("--speed 1", "late.db").success().says("72 messages");
    replay("--speed 0.001 --loop=3 --max-gap 1ms", "late.db").success().says("216 messages");
    let wide = "UPDATE sessions SET first_id = -9223372036854775808, last_id = 9223372036854775807";
    change(&bench, "wide.db", &original, wide);
    for options in ["--from 1ms", "--from #7", "--to 1s", "--from 2020-01-01T00:00:00Z", "--topic topic1"] {
        replay(&format!("--speed max {options}"), "wide.db");
    }
}

#[test]
fn texts_cannot_move_the_cursor_or_make_the_list_wide() {
    let bench = Bench::new();
    let sql = "UPDATE sessions SET label = 'a' || char(27, 10, 8238) || replace(hex(zeroblob(50000)), '00', 'b')";
    change(&bench, "label.db", &capture(&bench), sql);
    let list = read(&bench, "session list", "label.db").success().stdout;
    assert_eq!(list.lines().count(), 2);
    assert!(list.contains("a\\x1b\\n\\u{202e}bbb") && list.contains("bbb...  ") && list.len() < 1000, "{list}");
    let shown = read(&bench, "session show 1", "label.db").success().stdout;
    assert!(shown.contains("a\\x1b\\n\\u{202e}bbb") && shown.len() > 50_000);
}

#[test]
fn values_that_are_far_too_large_are_not_read() {
    let bench = Bench::new();
    let original = capture(&bench);
    change(&bench, "payload.db", &original, "UPDATE messages SET payload = zeroblob(990000000) WHERE id = 3");
    for (line, code) in READERS.iter().zip([0, 0, 0, 1, 3, 1, 1, 1]) {
        let finished = read(&bench, line, "payload.db").code(code);
        match code {
            1 => drop(finished.says("larger than any that is recorded (858.3 MiB for a message)")),
            3 => assert_eq!(finished.stdout, "session 1: damaged at message #2 (id 3): it cannot be read\n"),
            _ => assert!(finished.stderr.is_empty(), "{}", finished.stderr),
        }
    }
    let sql = "UPDATE sessions SET label = CAST(zeroblob(300000000) AS TEXT)";
    change(&bench, "label.db", &original, sql);
    for line in READERS {
        read(&bench, line, "label.db").code(1).says("larger than any that is recorded");
    }
}

#[test]
fn the_largest_messages_are_read_within_the_memory_that_a_reader_may_take() {
    const MESSAGE_BYTES: usize = 16 << 20;
    // A quarter of a gigabyte of text is written.
    const WRITE_MAX_CPU_S: u32 = 60;
    let bench = Bench::new();
    change(&bench, "large.db", &capture(&bench), "");
    bench.fancyhwd("session describe 1 --layout int16 --database large.db").run().success();
    let connection = Connection::open(bench.path("large.db")).unwrap();
    // The sample that takes the most characters.
    let samples = i16::MIN.to_le_bytes().repeat(MESSAGE_BYTES / 2);
    let sql = "UPDATE messages SET payload = ?1, parts = NULL WHERE id BETWEEN 4 AND 9";
    assert_eq!(connection.execute(sql, [&samples]).unwrap(), 6);
    connection.close().unwrap();
    seal(&bench.path("large.db"));
    for line in [
        "session show 1",
        "replay 1 --speed max --map topic0=t --map topic1=u --bind tcp://127.0.0.1:*",
        "session verify 1",
        "session diff 1 1",
        "session export 1 --format csv --output x.csv",
        "session export 1 --format jsonl --output x.jsonl",
        "session export 1 --format sqlite --output x.db",
    ] {
        bounded(&bench, line, "large.db", WRITE_MAX_CPU_S).run().success();
    }
    let copied = "SELECT count(*) FROM messages WHERE length(payload) = 16777216";
    assert_eq!(bench.sqlite3("x.db", copied), "6");
}

#[test]
fn a_file_that_another_program_holds_is_waited_for_less_than_five_seconds_in_all() {
    const WAIT_MAX: Duration = Duration::from_secs(5);
    let bench = Bench::new();
    capture(&bench);
    for hold in ["BEGIN EXCLUSIVE", "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE"] {
        let holder = Connection::open(bench.path("small.db")).unwrap();
        holder.execute_batch(hold).unwrap();
        let started = Instant::now();
        let readers = READERS.map(|line| bounded(&bench, line, "small.db", RUN_MAX_CPU_S).spawn());
        for reader in readers {
            let refused = reader.finish().code(1).says("database is locked: process ").says(") holds a lock on ");
            assert_eq!((refused.stderr.lines().count(), refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
        }
        assert!(started.elapsed() < WAIT_MAX, "{hold}: {:?}", started.elapsed());
        drop(holder);
        read(&bench, READERS[3], "small.db").success().says("72 messages");
    }
}

#[test]
fn a_journal_that_came_with_the_file_is_not_obeyed() {
    let bench = Bench::new();
    let original = capture(&bench);
    let connection = Connection::open(bench.path("small.db")).unwrap();
    // So little memory that the change goes into the file before it is committed.
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE messages SET payload = zeroblob(9000)").unwrap();
    for ending in ["", "-journal"] {
        fs::copy(bench.path(&format!("small.db{ending}")), bench.path(&format!("cut.db{ending}"))).unwrap();
    }
    drop(connection);
    let before = fs::read(bench.path("cut.db")).unwrap();
    assert_ne!(before, original);
    refused(&bench, "cut.db", "its last change was cut off");
    assert_eq!(fs::read(bench.path("cut.db")).unwrap(), before);
    // Its owner has it mended by recording into it.
    bench.fancyhwd("record --database cut.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    read(&bench, READERS[3], "cut.db").success().says("72 messages");
}

#[test]
fn what_stands_beside_the_file_is_a_file() {
    let bench = Bench::new();
    capture(&bench);
    for ending in ["-wal", "-shm", "-journal", "-suspect"] {
        let beside = bench.path(&format!("small.db{ending}"));
        bench.program("mkfifo").arg(&beside).run().success();
        refused(&bench, "small.db", "it is a FIFO, no regular file");
        fs::remove_file(&beside).unwrap();
    }
    fs::write(bench.path("small.db-suspect"), "x\x1b".repeat(1 << 20)).unwrap();
    let warned = read(&bench, "session list", "small.db").success();
    assert!(warned.stderr.contains("is suspect: x\\x1bx") && !warned.stderr.contains('\x1b'), "{}", warned.stderr);
}

/// A seed that is printed; `FANCYHWD_TEST_SEED` repeats a run.
fn seed() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = std::env::var("FANCYHWD_TEST_SEED").map_or(now, |seed| seed.parse().unwrap());
    println!("FANCYHWD_TEST_SEED={seed}");
    seed
}

#[test]
fn damaged_captures_neither_crash_nor_hang_the_program() {
    survives_mutations(&Bench::new(), seed(), 100);
}

#[test]
fn damaged_captures_neither_crash_nor_hang_the_library() {
    library_survives_mutations(&Bench::new(), seed(), 5000);
}

#[test]
fn what_verifies_gives_what_was_recorded() {
    let verified = verified_mutations_are_as_before(&Bench::new(), seed(), 2000);
    println!("{verified} verify");
    assert!(verified > 20);
}
