//! `serve` under whatever others send: databases, texts, and clients.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rusqlite::Connection;

use crate::serve::PAGES;
use crate::support::hostile::{capture, change, endless};
use crate::support::http::{Served, serve};
use crate::support::{Bench, eventually};

/// Memory that any number of clients and any database may cost.
const MEMORY_MAX_BYTES: u64 = 512 << 20;

/// Ask for every page: each has an answer.
fn ask_for_all(served: &Served, what: &str) {
    for page in PAGES.iter().chain(&["/metrics", "/healthz", "/captures/{}/verify/start"]) {
        for name in ["1", "small"] {
            let path = page.replace("{}", name);
            let answer = served.get(&path);
            assert!(matches!(answer.status, 200 | 303 | 400 | 404 | 500 | 503), "{what}: {path}: {answer:?}");
            assert!(answer.body.len() < 16 << 20, "{what}: {path}: {} bytes", answer.body.len());
        }
    }
    assert!(!served.daemon.log().contains("panicked"), "{what}: {}", served.daemon.log());
    assert!(!served.daemon.has_ended(), "{what}: {}", served.daemon.log());
}

#[test]
fn every_page_of_a_hostile_database_has_an_answer() {
    let bench = Bench::new();
    let original = capture(&bench);
    let served = serve(&bench, "hostile.db");
    let text = |bytes: &[u8]| fs::write(bench.path("hostile.db"), bytes).unwrap();
    text(b"");
    ask_for_all(&served, "an empty file");
    text(&original[..original.len() / 2]);
    ask_for_all(&served, "half a file");
    let numbers = [i64::MIN, -1, i64::MAX];
    let columns = [
        "sessions.started_unix_ns",
        "sessions.ended_unix_ns",
        "sessions.first_id",
        "sessions.last_id",
        "sessions.first_elapsed_ns",
        "sessions.last_elapsed_ns",
        "sessions.messages",
        "sessions.bytes",
        "messages.elapsed_ns",
        "messages.received_unix_ns",
        "events.elapsed_ns",
        "events.until_elapsed_ns",
        "events.unix_ns",
        "events.lost",
        "streams.endpoint",
    ];
    let mut changes: Vec<String> = columns
        .iter()
        .flat_map(|column| {
            let (table, column) = column.split_once('.').unwrap();
            numbers.map(|number| format!("UPDATE {table} SET {column} = {number}"))
        })
        .collect();
    let deep = format!("'{}{}'", "[".repeat(100_000), "]".repeat(100_000));
    for column in ["sessions.topics", "messages.parts", "streams.layout", "streams.name", "events.kind"] {
        let (table, column) = column.split_once('.').unwrap();
        for text in ["''", "'no JSON'", "'[1, null]'", &deep] {
            changes.push(format!("UPDATE {table} SET {column} = {text}"));
        }
    }
    changes.extend(
        [
            "UPDATE sessions SET first_id = -9223372036854775808, last_id = 9223372036854775807",
            "UPDATE messages SET payload = zeroblob(990000000) WHERE id = 3",
            "UPDATE messages SET payload = zeroblob(60000000) WHERE id = 3",
            "UPDATE sessions SET label = CAST(zeroblob(300000000) AS TEXT)",
            "UPDATE sessions SET note = replace(hex(zeroblob(400000)), '00', '<&')",
            "UPDATE events SET detail = replace(hex(zeroblob(400000)), '00', '<&')",
            "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n LIMIT 20000) INSERT INTO sessions \
             (id, label, started_unix_ns, topics, framing, host, boot_id, version, durability, first_id, last_id) \
             SELECT i, label, started_unix_ns, topics, framing, host, boot_id, version, durability, first_id, last_id \
             FROM sessions, n WHERE sessions.id = 1",
            "DROP TABLE streams",
        ]
        .map(str::to_owned),
    );
    for sql in changes {
        println!("{sql:.200}");
        // Not every version of the tables has each column.
        let made = std::panic::catch_unwind(|| change(&bench, "hostile.db", &original, &sql));
        assert!(made.is_ok(), "{sql:.200}");
        ask_for_all(&served, &sql[..sql.len().min(200)]);
    }
    for table in ["sessions", "events", "messages", "batches", "streams"] {
        println!("{table} without end");
        let connection = Connection::open(bench.path("small.db")).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let root: i64 = connection.query_row(sql, [table], |row| row.get(0)).unwrap();
        drop(connection);
        text(&endless(&original, root as usize));
        ask_for_all(&served, table);
    }
    let most = served.daemon.memory_bytes("VmHWM");
    println!("at most {} MiB", most >> 20);
    // One message of a gigabyte may be in memory while its size is found.
    assert!(most < MEMORY_MAX_BYTES + (1 << 30), "{most}");
}

#[test]
fn markup_from_outside_is_text_everywhere() {
    const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&\n{\"}";
    let bench = Bench::new();
    let original = capture(&bench);
    let quoted = MARKUP.replace('\'', "''");
    let sql = format!(
        "UPDATE sessions SET label = '{quoted}', note = '{quoted}', host = '{quoted}', end_reason = '{quoted}', \
         topics = json_array('{quoted}'); UPDATE streams SET topic = CAST('{quoted}' AS BLOB), name = '{quoted}'; \
         UPDATE endpoints SET endpoint = '{quoted}'; UPDATE events SET kind = '{quoted}', endpoint = '{quoted}', \
         peer = '{quoted}', detail = '{quoted}', lost = NULL, unix_ns = unix_ns + 86400000000000"
    );
    change(&bench, "markup.db", &original, &sql);
    let served = serve(&bench, "markup.db");
    let label: String = MARKUP.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for name in ["1", &label] {
        for path in PAGES.map(|page| page.replace("{}", name)) {
            let page = served.page(&path);
            for wrong in ["<script>alert", "<img", "onerror=alert(2)>", "\"'>"] {
                assert!(!page.contains(wrong), "{path}: {wrong} in {page}");
            }
        }
    }
    assert!(served.page("/").contains("&lt;script&gt;alert(1)"));
    let command = served.page(&format!("/captures/{label}"));
    assert!(command.contains("-- $&#39;&lt;script&gt;"), "{command}");
    let echoed = served.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E%22%3E");
    assert!(!echoed.body.contains("<script>alert") && echoed.body.contains("&lt;script&gt;"), "{echoed:?}");
    for path in ["/captures/%3Cscript%3Ealert(1)", "/captures/1?from=%3Cscript%3Ealert(1)"] {
        let answer = served.get(path);
        assert!(answer.status >= 400 && !answer.body.contains("<script>alert"), "{answer:?}");
    }
    for path in ["/metrics", "/healthz"] {
        let text = served.get(path);
        assert!(text.field("content-type").unwrap().starts_with("text/plain"), "{text:?}");
        assert!(!text.body.lines().any(|line| line.starts_with("{\"}")), "a line of somebody else's: {text:?}");
    }
}

#[test]
fn five_hundred_clients_and_slow_readers_cost_bounded_memory() {
    const CLIENTS: usize = 500;
    let bench = Bench::new();
    let original = capture(&bench);
    // A page of nearly a megabyte.
    let sql = "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n LIMIT 900) \
         INSERT INTO events (session_id, unix_ns, elapsed_ns, kind, lost, detail) \
         SELECT 1, 0, 0, 'stall', 0, replace(hex(zeroblob(500)), '00', 'x') FROM n";
    change(&bench, "long.db", &original, sql);
    let served = serve(&bench, "long.db");
    let page = served.page("/captures/1/ledger");
    assert!(page.len() > 400_000, "{}", page.len());
    let before = served.daemon.memory_bytes("VmRSS");
    let ask = "GET /captures/1/ledger HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut client = served.connect();
            client.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            // Some say nothing, some half a word, the others ask for much and read none of it.
            let request = match number % 4 {
                0 => "",
                1 => "GET / HTTP/1.1\r\nHos",
                _ => &ask,
            };
            let _ = client.write_all(request.as_bytes());
            client
        })
        .collect();
    // Those who say nothing are sent away, so this one has its turn.
    eventually("there is room for one more", || served.get("/captures/1/ledger").status == 200);
    let most = served.daemon.memory_bytes("VmHWM");
    println!("{} MiB before, at most {} MiB", before >> 20, most >> 20);
    assert!(most < MEMORY_MAX_BYTES, "{most}");
    // One who reads slowly has it all in the end.
    eventually("a slow one is served", || {
        let mut slow = served.connect();
        slow.write_all(b"GET /captures/1/ledger HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 32 << 10]);
        loop {
            match slow.read(&mut piece).unwrap() {
                0 => break,
                count => answer.extend_from_slice(&piece[..count]),
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let answer = String::from_utf8_lossy(&answer);
        let is_refused = answer.starts_with("HTTP/1.1 503");
        assert!(is_refused || answer.ends_with("</html>\n"), "{answer}");
        !is_refused
    });
    drop(clients);
    eventually("all others are gone", || served.get("/").status == 200);
    served.daemon.stop().success();
}
