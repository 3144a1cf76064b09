//! Texts from outside that a terminal, a spreadsheet or the service manager would obey: they are named wherever they are shown,
//! and programs read them as they were.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::hostile::{RUN_MAX_CPU_S, bounded, change};
use crate::support::zmtp::{Impostor, drain, greeting_3};
use crate::support::{Bench, Daemon, Finished, Run, command, eventually};

/// A title for the window, ends of lines, CSI of C1, a text from right to left, and what has no width; and what is only text.
const HOSTILE: &str =
    "\x1b]0;x\x07\r\n\tA=1\u{9b}2J\u{202e}\u{2066}b\u{200b}\u{feff}\u{2028}\u{61c}\x7f 23 \u{b0}C \u{6e29} \u{1f600}";

/// The same in a path of an endpoint, which has at most 107 bytes.
const FILE: &str = "x\x1b[2J\n\u{9b}m\u{202e}\u{200b}\u{fc}";

/// A name that is no UTF-8.
const NO_UTF8: &[u8] = b"n\xff\x1b[2J\nREADY=1";

/// What never comes out. Not the program's own list, so that each is a check of the other.
fn is_obeyed(char: char) -> bool {
    char.is_control()
        || ('\u{200b}'..='\u{200f}').contains(&char)
        || ('\u{2028}'..='\u{202e}').contains(&char)
        || ('\u{2060}'..='\u{2069}').contains(&char)
        || matches!(char, '\u{61c}' | '\u{feff}')
}

/// Lines in which nothing is obeyed.
#[track_caller]
fn is_clean(text: &str) {
    let found = text.lines().find(|line| line.contains(is_obeyed));
    assert!(found.is_none(), "{found:?}");
}

/// A run whose output is that, and whose log has an entry on each line.
#[track_caller]
fn clean(finished: Finished) -> Finished {
    is_clean(&finished.stdout);
    is_clean(&finished.stderr);
    for line in finished.stderr.lines() {
        let mut words = line.split(' ');
        let is_time = words.next().is_some_and(|word| word.ends_with('Z') && word.starts_with("20"));
        let is_level = words.next().is_some_and(|word| ["error:", "warning:", "info:", "debug:"].contains(&word));
        assert!(is_time && is_level, "{line:?} in\n{}", finished.stderr);
    }
    finished
}

/// It fails with this exit code, and says so in one line.
#[track_caller]
fn fails(run: Run<'_>, code: i32) -> Finished {
    let finished = clean(run.run().code(code));
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    finished
}

fn database(bench: &Bench) -> PathBuf {
    bench.path(&format!("{FILE}.db"))
}

/// Our program on the hostile database.
fn ours<'a>(bench: &'a Bench, line: &str) -> Run<'a> {
    bench.fancyhwd(line).arg("--database").arg(database(bench))
}

fn json(text: &str) -> Value {
    is_clean(text);
    serde_json::from_str(text).unwrap()
}

/// What is sent: topics and contents.
fn messages() -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = |topic: &[u8]| (topic.to_vec(), HOSTILE.as_bytes().to_vec());
    vec![
        text(HOSTILE.as_bytes()),
        text(NO_UTF8),
        text(b"nul\0mid"),
        text(b"=1+1"),
        text(b"@a"),
        text(b"-1"),
        text(b"back\\slash"),
        text(FILE.as_bytes()),
        (
            b"json".to_vec(),
            format!("{{\n\t\"a\u{202e}\": [\"\u{9b}2J\", 1.50],\r\n \"b\": \"{}\"}}\n", '\u{7f}').into(),
        ),
        (b"nd".to_vec(), "{\"dtype\": \"\u{9b}\u{202e}\\n\\u001b\", \"shape\": []}".into()),
        (b"num".to_vec(), vec![1, 2, 3]),
    ]
}

/// Send these to a recorder of the hostile database, over a hostile endpoint.
fn record(bench: &Bench, messages: &[(Vec<u8>, Vec<u8>)], look: impl FnOnce(&Daemon)) -> Finished {
    let endpoint = bench.endpoint(FILE);
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    let recorder = ours(bench, "record -v --print --topic * --framing frames --commit-every 1ms")
        .args(["--layout", "text", "--layout", "json=json", "--layout", "nd=ndarray", "--layout", "num=int16"])
        .args(["--label", HOSTILE, "--note", HOSTILE, "--connect", &endpoint])
        .start();
    socket.recv_bytes(0).unwrap();
    for (topic, content) in messages {
        socket.send_multipart([topic, content], 0).unwrap();
    }
    look(&recorder);
    recorder.stop()
}

#[test]
fn what_is_recorded_is_shown_without_harm_and_read_as_it_was() {
    let bench = Bench::new();
    let messages = messages();
    let recorded = record(&bench, &messages, |recorder| {
        is_clean(&recorder.status);
        let told = recorder.wait_until_status(&format!("session 1: {} messages", messages.len()));
        let words: Vec<&str> = told.lines().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(words, ["STATUS"], "{told:?}");
        is_clean(&told);
        let status = PathBuf::from(OsString::from_vec([database(&bench).as_os_str().as_bytes(), b"-status"].concat()));
        let status = json(&fs::read_to_string(status).unwrap());
        assert_eq!(status["links"][0]["endpoint"], bench.endpoint(FILE));
        eventually("all is printed", || recorder.printed().lines().count() == messages.len());
    });
    let printed = clean(recorded.success()).stdout;
    let first = printed.lines().next().unwrap();
    assert!(first.contains("\\x1b]0;x\\x07\\r\\n\\tA=1"), "{first}");
    assert!(first.contains(
        "\\u{9b}2J\\u{202e}\\u{2066}b\\u{200b}\\u{feff}\\u{2028}\\u{61c}\\x7f 23 \u{b0}C \u{6e29} \u{1f600}\""
    ));

    // What a second session has otherwise, for the comparison.
    let others: Vec<_> =
        messages.iter().map(|(topic, content)| (topic.clone(), [content, &b" "[..]].concat())).collect();
    clean(record(&bench, &others, |recorder| {
        eventually("all is printed", || recorder.printed().lines().count() == messages.len());
    }))
    .success();

    people_read_it(&bench);
    programs_read_it(&bench, &messages);
    tables_hold_it(&bench, &messages);
}

fn people_read_it(bench: &Bench) {
    let list = clean(ours(bench, "session list").run().success()).stdout;
    assert_eq!(list.lines().count(), 3, "{list}");
    let show = clean(ours(bench, "session show 1").run().success()).stdout;
    assert!(show.contains("topic x\\x1b[2J\\n\\u{9b}m\\u{202e}\\u{200b}\u{fc} (frames)"), "{show}");
    assert!(show.lines().all(|line| line.as_bytes()[11] == b' '), "{show}");
    clean(ours(bench, "session verify --counter uint8@0").run());
    let diff = clean(ours(bench, "session diff 1 2").run().code(3)).stdout;
    assert!(diff.lines().next().unwrap().contains("\\n\\u{9b}m"), "{diff}");
    clean(ours(bench, "session describe 1 --layout text").run().success());
    for (topic, layout) in [("json", "json"), ("nd", "ndarray"), ("num", "int16")] {
        clean(ours(bench, &format!("session describe 1 {topic} --layout {layout}")).run().success());
    }
    clean(ours(bench, "session label 1").arg(HOSTILE).run().success());
    let endpoint = format!("{}2", bench.endpoint(FILE));
    clean(ours(bench, "replay 1 --speed max").args(["--bind", &endpoint]).run().success()).says("\\n\\u{9b}m");
    for (format, topics) in [("csv", ""), ("jsonl", ""), ("raw", "--topic *"), ("sqlite", "")] {
        let path = bench.path(&format!("{FILE}.{format}"));
        let export = || ours(bench, &format!("session export 1 {topics} --format {format}")).arg("-o");
        clean(export().arg(&path).run().success());
        fails(export().arg(&path), 2);
    }
    fails(ours(bench, "session export 1 --format raw"), 2).says("\\x1b]0;x\\x07\\r\\n\\tA=1");
    let topic = OsString::from_vec(b"\x1b\n\xc2\x9b\xff".to_vec());
    fails(ours(bench, "session export 1 --format csv").arg("--topic").arg(topic), 2);
    clean(bench.fancyhwd("keygen").arg(FILE).arg("--directory").arg(bench.path("")).run());
}

fn programs_read_it(bench: &Bench, messages: &[(Vec<u8>, Vec<u8>)]) {
    let text = |topic: &[u8]| String::from_utf8(topic.to_vec()).ok();
    let list = json(&ours(bench, "session list --json").run().success().stdout);
    assert_eq!(list[0]["label"], HOSTILE);
    let show = json(&ours(bench, "session show 1 --json").run().success().stdout);
    assert_eq!((&show["label"], &show["note"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!(show["endpoints"]["1"], bench.endpoint(FILE));
    for (stream, (topic, _)) in show["streams"].as_array().unwrap().iter().zip(messages) {
        match text(topic) {
            Some(topic) => assert_eq!((&stream["topic"], stream.get("topic_hex")), (&topic.into(), None)),
            None => assert_eq!(stream["topic_hex"], "6eff1b5b324a0a52454144593d31"),
        }
    }
    assert_eq!(json(&ours(bench, "session verify --json").run().success().stdout)[0]["label"], HOSTILE);
    let diff = json(&ours(bench, "session diff 1 2 --json").run().code(3).stdout);
    assert_eq!(diff["a"]["database"], database(bench).to_str().unwrap());
    assert_eq!(diff["first_difference"]["a"]["topic"], HOSTILE);
    let report = bench.path(&format!("{FILE}.json"));
    let endpoint = format!("{}2", bench.endpoint(FILE));
    let replay = ours(bench, "replay 1 --speed max").args(["--bind", &endpoint, "--timing-report"]).arg(&report);
    clean(replay.run().success());
    json(&fs::read_to_string(report).unwrap());
}

fn tables_hold_it(bench: &Bench, messages: &[(Vec<u8>, Vec<u8>)]) {
    let lines = clean(ours(bench, "session export 1 --format jsonl").run().success()).stdout;
    assert_eq!(lines.lines().count(), messages.len());
    for (line, (topic, content)) in lines.lines().zip(messages) {
        let line = json(line);
        if let Ok(topic) = std::str::from_utf8(topic) {
            assert_eq!(line["topic"], topic);
        }
        match topic.as_slice() {
            b"json" => assert_eq!(line["parts"][0], serde_json::from_slice::<Value>(content).unwrap()),
            b"nd" | b"num" => assert!(line["undecodable"].is_string()),
            _ => assert_eq!(line["parts"][0], HOSTILE),
        }
    }
    let table = clean(ours(bench, "session export 1 --format csv").run().success()).stdout;
    // What a program makes of a cell: the words of Python for the same.
    let script = "import csv, json, re, sys\n\
        def text(cell):\n\
        \x20   one = lambda found: bytes([int(found[1], 16)]) if found[1] else chr(int(found[2], 16)).encode() if found[2] \\\n\
        \x20       else {'n': b'\\n', 'r': b'\\r', 't': b'\\t', '\\\\': b'\\\\'}[found[3]]\n\
        \x20   parts = re.finditer(r'\\\\(?:x(..)|u\\{(\\w+)\\}|(.))|([^\\\\]+)', cell)\n\
        \x20   return b''.join(part[4].encode() if part[4] else one(part) for part in parts)\n\
        rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n\
        assert not any(value[:1] in '=+-@' for row in rows for value in row.values() if value), rows\n\
        print(json.dumps([[text(row['topic']).hex(), text(row['text']).decode()] for row in rows]))";
    fs::write(bench.path("table.csv"), &table).unwrap();
    let read =
        bench.program("/usr/bin/python3").args(["-c", script]).arg(bench.path("table.csv")).run().success().stdout;
    let rows: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), messages.len());
    for (row, (topic, _)) in rows.as_array().unwrap().iter().zip(messages) {
        let hex: String = topic.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row[0], hex.as_str());
        if topic == HOSTILE.as_bytes() {
            assert_eq!(row[1], HOSTILE);
        }
    }
}

#[test]
fn an_error_is_one_line_whatever_the_path_is() {
    let bench = Bench::new();
    for name in [OsString::from(FILE), OsString::from_vec(NO_UTF8.to_vec()), OsString::from(HOSTILE)] {
        let path = &bench.path("").join(&name);
        let inside = &path.join("c.db");
        for line in [
            "session list",
            "session show 1",
            "session verify",
            "session diff 1 1",
            "session describe 1 --layout text",
            "session label 1 x",
            "session delete 1 --yes",
            "session export 1 --format csv",
            "replay 1 --bind tcp://127.0.0.1:*",
            "record --connect tcp://127.0.0.1:1 --duration 1ms",
        ] {
            let opened = if line.starts_with("record") { inside } else { path };
            fails(bench.fancyhwd(line).arg("--database").arg(opened), 1).says("cannot open database");
        }
        fails(bench.fancyhwd("keygen --show").arg(path), 1);
        fails(bench.fancyhwd("keygen name --directory").arg(path), 1);
        fails(bench.fancyhwd("publish --bind tcp://127.0.0.1:* --allow-any --key").arg(path), 1);
        fails(bench.fancyhwd("session").arg(&name), 2);
        fails(bench.fancyhwd("publish --rate").arg(&name), 2);
        fails(bench.fancyhwd("record --database c.db --connect").arg(&name), 2);
        let Some(name) = name.to_str() else { continue };
        fails(bench.fancyhwd("publish --device").arg(format!("stream:{}", path.display())), 1);
        fails(bench.fancyhwd("publish --bind").arg(format!("ipc://{}/{FILE}/x", bench.text(""))), 1);
        fails(bench.fancyhwd("session show --database").arg(bench.path("none.db")).arg(name), 1);
    }
}

#[test]
fn the_texts_of_a_hostile_database_are_named() {
    let bench = Bench::new();
    let original = crate::support::hostile::capture(&bench);
    let evil = "'x' || char(27) || '[2J' || char(10, 13, 9, 155, 127, 8238, 8203, 8232, 65279) || '\u{fc}y'";
    let all: String = [
        ("sessions", "label"),
        ("sessions", "note"),
        ("sessions", "end_reason"),
        ("sessions", "host"),
        ("sessions", "boot_id"),
        ("sessions", "version"),
        ("sessions", "durability"),
        ("sessions", "framing"),
        ("endpoints", "endpoint"),
        ("endpoints", "peer_key"),
        ("events", "kind"),
        ("events", "endpoint"),
        ("events", "peer"),
        ("events", "detail"),
        ("faults", "reason"),
    ]
    .iter()
    .map(|(table, column)| format!("UPDATE {table} SET {column} = {evil};"))
    .collect();
    let topics = format!("UPDATE sessions SET topics = json_array({evil});");
    for sql in [
        format!("{all} {topics}"),
        format!("UPDATE streams SET name = {evil}"),
        format!("UPDATE streams SET topic = CAST({evil} AS BLOB)"),
        format!("UPDATE streams SET layout = {evil}"),
        format!("UPDATE streams SET framing = {evil}"),
        format!("UPDATE streams SET counter = {evil}"),
        format!("UPDATE fields SET channel = {evil}, unit = {evil}"),
        format!("UPDATE messages SET payload = CAST({evil} AS BLOB)"),
        format!("UPDATE batches SET digest = CAST({evil} AS BLOB)"),
        format!("CREATE TABLE \"\u{9b}\u{202e}\n\x1b\" (a); UPDATE streams SET layout = {evil}"),
    ] {
        change(&bench, "evil.db", &original, &sql);
        for line in [
            "session list",
            "session list --json",
            "session show 1",
            "session show 1 --json",
            "session verify",
            "session verify --json",
            "session diff 1 1",
            "session diff 1 1 --json",
            "session export 1 --format csv",
            "session export 1 --format jsonl",
            "replay 1 --speed max --bind tcp://127.0.0.1:*",
            "replay 1 --as-recorded --speed max",
            "session label 1 x",
            "session describe 1 --layout text",
        ] {
            let finished = clean(bounded(&bench, line, "evil.db", RUN_MAX_CPU_S).run());
            assert!(matches!(finished.status.code(), Some(0..=3)), "{line}: {}", finished.stderr);
            if line.ends_with("--json") && !finished.stdout.is_empty() {
                json(&finished.stdout);
            }
        }
    }
    change(&bench, "evil.db", &original, &format!("{all} {topics}"));
    let shown = bounded(&bench, "session show 1 --json", "evil.db", RUN_MAX_CPU_S).run().stdout;
    let expected = "x\x1b[2J\n\r\t\u{9b}\x7f\u{202e}\u{200b}\u{2028}\u{feff}\u{fc}y";
    assert_eq!((&json(&shown)["host"], &json(&shown)["topics"][0]), (&expected.into(), &expected.into()));
}

#[test]
fn the_words_of_a_peer_are_named() {
    let bench = Bench::new();
    for mechanism in [&b"\x1b[2J\n\xc2\x9b"[..], b"\xe2\x80\xae\r\xff"] {
        let peer = Impostor::bind(move |mut stream| {
            let _ = stream.write_all(&greeting_3(0, mechanism, true));
            drain(stream);
        });
        let line = format!("record --dry-run --duration 4s --connect {}", peer.endpoint());
        let told = clean(bench.fancyhwd(&line).run().code(3)).stdout;
        assert!(told.contains("it wants "), "{told}");
    }
}

#[test]
fn the_last_line_of_a_terminal_obeys_nothing() {
    let bench = Bench::new();
    let endpoint = bench.endpoint(FILE);
    let script = "script -qec 'fancyhwd record --database c.db --duration 2500ms --connect \"$ENDPOINT\"' /dev/null";
    let run = bench.program("sh").args(["-c", script]).env("TERM", "xterm").env("ENDPOINT", &endpoint).run().code(3);
    assert!(run.stdout.contains("\\x1b[2J\\n\\u{9b}m"), "{}", run.stdout);
    let own = |char: char| matches!(char, '\x1b' | '\r' | '\n');
    let found = run.stdout.chars().find(|&char| is_obeyed(char) && !own(char));
    assert!(found.is_none() && !run.stdout.contains("x\x1b[2J"), "{found:?} in {:?}", run.stdout);
}

/// The line of a dry run is one that a shell takes as it is meant.
#[test]
fn a_dry_run_gives_a_line_that_means_the_same_to_a_shell() {
    let bench = Bench::new();
    let endpoint = bench.endpoint(FILE);
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    let recorder = bench.fancyhwd("record --dry-run --count 1 --connect").arg(&endpoint).start();
    socket.recv_bytes(0).unwrap();
    socket.send_multipart([FILE.as_bytes(), b"12 \x1b\xc2\x9b"], 0).unwrap();
    let told = clean(recorder.finish().success()).stdout;
    let line = told.lines().last().unwrap().trim().replacen("fancyhwd", "printf '%s\\0'", 1);
    let words = command("bash").args(["-c", &line]).output().unwrap().stdout;
    let words: Vec<&[u8]> = words.split(|&byte| byte == 0).collect();
    assert_eq!(words[..3], [&b"record"[..], b"--connect", endpoint.as_bytes()], "{line}");
}

/// No file of the program writes around what escapes.
#[test]
fn nothing_is_written_past_the_escaping() {
    fn check(folder: &Path) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                check(&path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for wrong in ["println!", "eprint", "serde_json::to_", ":#}", "json!(about.topics).to_string"] {
                assert!(!text.contains(wrong), "{}: {wrong}: see src/escape", path.display());
            }
        }
    }
    check(&crate::support::root().join("src"));
}
