//! `session find`, and conditions where a position may stand: what is found is what a look at each message finds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use fancyhwd::analysis::find::{Finder, Found, Place};
use fancyhwd::codec::condition::Condition;
use fancyhwd::device::Simulated;
use fancyhwd::store::{Database, Selection};
use fancyhwd::time::position::Position;

use crate::replay::captured;
use crate::support::kill::seeded;
use crate::support::pages::{damage, tree};
use crate::support::terminal::Terminal;
use crate::support::{Bench, FANCYHWD, Finished};

/// A message: endpoint, topic, when it came, and what is behind the topic.
pub struct Made {
    pub endpoint: u32,
    pub topic: &'static str,
    pub elapsed_ns: i64,
    pub frame: Vec<u8>,
}

/// Make session 1 of `c.db` of these messages.
pub fn import(bench: &Bench, messages: &[Made]) {
    let mut text = String::new();
    for Made { endpoint, topic, elapsed_ns, frame } in messages {
        let frames = [topic.as_bytes(), frame].map(|frame| STANDARD.encode(frame));
        let time = chrono::DateTime::from_timestamp_nanos(1_700_000_000_000_000_000 + elapsed_ns);
        let (time, elapsed_s) =
            (time.to_rfc3339(), format!("{}.{:09}", elapsed_ns / 1_000_000_000, elapsed_ns % 1_000_000_000));
        let start = format!("{{\"time\":\"{time}\",\"elapsed_s\":{elapsed_s},\"endpoint\":{endpoint}");
        writeln!(text, "{start},\"topic\":\"{topic}\",\"framing\":\"frames\",\"frames\":{}}}", json!(frames)).unwrap();
    }
    fs::write(bench.path("x.jsonl"), text).unwrap();
    bench.fancyhwd("session import x.jsonl --database c.db --label made").run().success();
}

/// What a condition says, as the test understands it.
enum Said {
    Numbers(Vec<(usize, &'static str, f64)>, bool),
    Gap(i64),
    Text(&'static str),
}

/// The numbers of a message, record by record; `None` if it cannot be read.
fn records(topic: &str, frame: &[u8]) -> Option<Vec<Vec<f64>>> {
    match topic {
        "a" => frame.len().is_multiple_of(4).then(|| {
            let number = |bytes: &[u8]| f64::from(i16::from_le_bytes(bytes.try_into().unwrap()));
            frame.chunks_exact(4).map(|record| vec![number(&record[..2]), number(&record[2..])]).collect()
        }),
        _ => frame.len().is_multiple_of(4).then(|| {
            let number = |bytes: &[u8]| f64::from(f32::from_be_bytes(bytes.try_into().unwrap()));
            // `ch0` of b is scaled.
            frame.chunks_exact(4).map(|record| vec![number(record) * -0.5 + 1.0]).collect()
        }),
    }
}

fn compares(value: f64, operator: &str, number: f64) -> bool {
    match operator {
        ">" => value > number,
        ">=" => value >= number,
        "<" => value < number,
        "<=" => value <= number,
        "==" => value == number,
        _ => value != number && !value.is_nan(),
    }
}

impl Said {
    fn holds(&self, message: &Made, previous_ns: Option<i64>) -> bool {
        match self {
            Self::Numbers(comparisons, is_all) => {
                records(message.topic, &message.frame).iter().flatten().any(|record| {
                    let mut each = comparisons
                        .iter()
                        .map(|(channel, operator, number)| compares(record[*channel], operator, *number));
                    if *is_all { each.all(|holds| holds) } else { each.any(|holds| holds) }
                })
            }
            Self::Gap(longer_than_ns) => {
                previous_ns.is_some_and(|previous_ns| message.elapsed_ns - previous_ns > *longer_than_ns)
            }
            Self::Text(word) => std::str::from_utf8(&message.frame).is_ok_and(|text| text.contains(word)),
        }
    }
}

type Row = (i64, i64, u64, bool);

/// What a look at each message finds: of each place its first and last message, how many hold it, and whether it is known to begin
/// there.
fn expected(messages: &[Made], topic: &str, said: &Said, numbers: std::ops::Range<usize>) -> Vec<Row> {
    let mut places = Vec::new();
    let mut streams = BTreeMap::<u32, (Option<i64>, Option<Row>)>::new();
    for (number, message) in messages.iter().enumerate().skip(numbers.start).take(numbers.len()) {
        if message.topic != topic {
            continue;
        }
        let (previous_ns, open) = streams.entry(message.endpoint).or_default();
        if said.holds(message, *previous_ns) {
            let number = number as i64;
            let row = open.get_or_insert((number, number, 0, previous_ns.is_some()));
            (row.1, row.2) = (number, row.2 + 1);
        } else {
            places.extend(open.take());
        }
        *previous_ns = Some(message.elapsed_ns);
    }
    places.extend(streams.into_values().filter_map(|(_, open)| open));
    places.sort_unstable();
    places
}

/// What is found, how many messages were read for it, and the beginnings in the order in which they were given.
fn found(bench: &Bench, condition: &str, selection: &Selection, is_full: bool, threads: usize) -> (Vec<Row>, u64) {
    let database = Database::for_reading(&bench.path("c.db")).unwrap();
    let session = database.find_session("made").unwrap();
    let condition: Condition = condition.parse().unwrap();
    let finder = Finder::new(database, &session, ("CONDITION", &condition), selection, threads).unwrap();
    let finder = if is_full { finder.read_all() } else { finder };
    let (mut places, mut begun) = (Vec::new(), Vec::new());
    let row = |place: &Place| (place.first.number, place.last.number, place.messages, place.has_begun);
    let mut take = |found: Found<'_>| {
        match found {
            Found::Begin(place) => begun.push(place.first.number),
            Found::End(place) => places.push(row(place)),
        }
        Ok(true)
    };
    let searched = finder.run(&mut take, &mut |_| Ok(())).unwrap();
    assert!(searched.gaps.is_empty() && !searched.is_cut);
    assert!(begun.is_sorted(), "places begin in their order");
    places.sort_unstable();
    begun.sort_unstable();
    assert_eq!(begun, places.iter().map(|place: &Row| place.0).collect::<Vec<_>>());
    (places, searched.read)
}

/// Streams of two topics from two endpoints, one of which ends early, and texts: quiet for long, and then not.
fn streams(random: &mut Simulated, count: usize) -> Vec<Made> {
    let mut below = |bound: u32| random.rand() % bound;
    let (mut elapsed_ns, mut loudness) = (0, 0);
    let mut messages = Vec::new();
    for number in 0..count {
        if below(4_000) == 0 {
            loudness = [0, 0, 10, 300][below(4) as usize];
        }
        elapsed_ns += i64::from(below(1000)) + if below(9000) == 0 { 1_000_000 } else { 0 };
        let mut level = || if loudness > 0 && below(20) == 0 { loudness as i16 } else { below(5) as i16 - 2 };
        let (a, b) = (level(), level());
        let (endpoint, topic, frame) = match below(40) {
            0 => (1, "log", if loudness > 0 { b"alarm".to_vec() } else { b"all is well".to_vec() }),
            1 => (1, "b", [f32::from(a), f32::NAN, f32::from(b)].iter().flat_map(|it| it.to_be_bytes()).collect()),
            2 => (1, "b", if below(3) == 0 { vec![1] } else { Vec::new() }),
            3..=9 if number < count / 2 => (2, "a", [a, b].iter().flat_map(|it| it.to_le_bytes()).collect()),
            10 if below(9) == 0 => (1, "a", vec![7; 3]),
            _ => (1, "a", [a, b, b, a].iter().flat_map(|it| it.to_le_bytes()).collect()),
        };
        messages.push(Made { endpoint, topic, elapsed_ns, frame });
    }
    messages
}

fn described(bench: &Bench) {
    for line in ["a --layout int16x2", "b --layout float32-be --channels ch0:V:-0.5:1", "log --layout text"] {
        bench.fancyhwd(&format!("session describe made {line} --database c.db")).run().success();
    }
}

#[test]
fn what_is_passed_over_changes_nothing() {
    const MESSAGES: usize = 80_000;
    const OPERATORS: [&str; 6] = [">", ">=", "<", "<=", "==", "!="];
    let mut random = seeded();
    let bench = Bench::new();
    let messages = streams(&mut random, MESSAGES);
    import(&bench, &messages);
    described(&bench);
    let (mut passed_over, mut places) = (0, 0);
    for round in 0..120 {
        let mut below = |bound: u32| random.rand() as usize % bound as usize;
        if round == 80 {
            // As if the recorder had been killed: what came last is in no overview.
            bench.forge("c.db", "DELETE FROM overviews WHERE last_id > 60000");
        }
        let (topic, said, text) = match below(8) {
            0 => {
                let longer_than_ns = [500, 990, 500_000][below(3)];
                ("a", Said::Gap(longer_than_ns), format!("a.gap > {longer_than_ns}ns"))
            }
            1 => ("log", Said::Text("alarm"), "text ~ ^al.rm$".to_owned()),
            which => {
                let topic = if which == 2 { "b" } else { "a" };
                let count = 1 + below(3);
                let is_all = below(2) == 0;
                let one = |_| {
                    let channel = if topic == "b" { 0 } else { below(2) };
                    let number = [-3.0, -2.0, -0.5, 0.0, 1.0, 2.0, 2.5, 9.0, 10.0, 299.0, 300.0, 301.0][below(12)];
                    (channel, OPERATORS[below(6)], number)
                };
                let comparisons: Vec<_> = (0..count).map(one).collect();
                let words = comparisons
                    .iter()
                    .map(|(channel, operator, number)| format!("{topic}.ch{channel} {operator} {number}"));
                let text = words.collect::<Vec<_>>().join(if is_all { " and " } else { " or " });
                (topic, Said::Numbers(comparisons, is_all), text)
            }
        };
        let mut ends = [below(MESSAGES as u32), below(MESSAGES as u32)];
        ends.sort_unstable();
        let numbers = if round % 2 == 0 { 0..MESSAGES } else { ends[0]..ends[1] + 1 };
        let at = |number: usize| Some(Position::Number(number as i64));
        let selection = Selection { from: at(numbers.start), to: at(numbers.end), ..Selection::default() };
        let expected = expected(&messages, topic, &said, numbers.clone());
        let (by_overviews, read) = found(&bench, &text, &selection, false, 1 + below(3));
        assert_eq!(by_overviews, expected, "round {round}: {text} in {numbers:?}");
        let (in_full, read_in_full) = found(&bench, &text, &selection, true, 1 + below(3));
        assert_eq!(in_full, expected, "round {round}: {text} in {numbers:?}");
        assert_eq!(read_in_full, numbers.len() as u64);
        passed_over += read_in_full.saturating_sub(read);
        places += expected.len();
    }
    println!("{places} places, {passed_over} messages passed over");
    assert!(places > 1_000 && passed_over > 500_000, "it is not trivial");
}

#[test]
fn what_is_never_together_is_looked_at_once_and_not_proven() {
    let bench = Bench::new();
    // Both are 1 within each ten thousand messages, and once in the same one.
    let message = |number: usize| {
        let is_both = number == 35_000;
        let frame = vec![u8::from(number % 10_000 == 5_000), u8::from(number % 10_000 == 5_010 || is_both)];
        Made { endpoint: 1, topic: "t", elapsed_ns: number as i64 * 1_000, frame }
    };
    import(&bench, &(0..50_000).map(message).collect::<Vec<_>>());
    bench.fancyhwd("session describe made --layout uint8x2 --database c.db").run().success();
    let to = |number: i64| Selection { to: Some(Position::Number(number)), ..Selection::default() };
    let (places, read) = found(&bench, "ch0 == 1 and ch1 == 1", &to(30_000), false, 2);
    assert!(places.is_empty());
    assert!((3..=3 * 256).contains(&read), "{read} messages were read");
    let (places, _) = found(&bench, "ch0 == 1 and ch1 == 1", &Selection::default(), false, 2);
    assert_eq!(places, [(35_000, 35_000, 1, true)]);
}

/// Ten seconds of a channel at 1 kHz that is 1 from message 2000 to 2099, from 2110 to 2119, and from 7000 to 7000, else 0.
fn steps(bench: &Bench) {
    let level =
        |number: usize| u8::from((2000..2100).contains(&number) || (2110..2120).contains(&number) || number == 7000);
    let message = |number: usize| {
        let frame = vec![level(number), (number % 200) as u8];
        Made { endpoint: 1, topic: "t", elapsed_ns: number as i64 * 1_000_000, frame }
    };
    import(bench, &(0..10_000).map(message).collect::<Vec<_>>());
    bench
        .fancyhwd("session describe made --layout uint8x2 --channels level:V:2:0.5,phase --database c.db")
        .run()
        .success();
}

fn find(bench: &Bench, line: &[&str]) -> Finished {
    bench.fancyhwd("session find --database c.db").args(line).run()
}

fn find_json(bench: &Bench, line: &[&str]) -> Vec<Value> {
    let found = find(bench, &[line, &["--json"]].concat()).success();
    serde_json::from_str::<Value>(&found.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn places_are_listed_for_people_and_programs() {
    let bench = Bench::new();
    steps(&bench);
    let found = find(&bench, &["made", "level > 1"])
        .success()
        .says("found 3 places of 'level > 1' in session 1: 10000 messages");
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", found.stdout);
    assert!(lines[0].trim_start().starts_with("BEGINS"));
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
        "2.000000 s 2023-11-14T22:13:22.000Z #2000 to #2099 0.099 s level = 2.5 V; 100 messages"
    );
    let places = find_json(&bench, &["made", "level > 1 and phase >= 50"]);
    let first = json!({
        "first_number": 2050, "last_number": 2099, "messages": 50,
        "elapsed_ns": 2_050_000_000_i64, "until_elapsed_ns": 2_099_000_000_i64,
        "time": "2023-11-14T22:13:22.050000000Z", "until_time": "2023-11-14T22:13:22.099000000Z",
        "endpoint": 1, "topic": "t", "record": 0, "values": { "level": 2.5, "phase": 50 },
    });
    assert_eq!(places[0], first);

    // What lies near together is one place, with a range that shows it.
    let places = find_json(&bench, &["made", "level > 1", "--context", "100ms"]);
    let words =
        |place: &Value| format!("{} {} {} {}", place["first_number"], place["places"], place["from"], place["to"]);
    assert_eq!(
        places.iter().map(words).collect::<Vec<_>>(),
        ["2000 2 \"1s900ms\" \"2s220ms\"", "7000 1 \"6s900ms\" \"7s101ms\""]
    );
    let near = find(&bench, &["made", "level > 1", "--context", "100ms"]).success();
    assert!(near.stdout.contains("110 messages; 2 places; --from 1s900ms --to 2s220ms\n"), "{}", near.stdout);

    // Some of them, or none.
    assert_eq!(find_json(&bench, &["made", "phase == 3", "--limit", "2"]).len(), 2);
    find(&bench, &["made", "phase == 3", "--limit", "2"]).success().says("--limit ended it, there may be more");
    assert_eq!(
        find_json(&bench, &["made", "level > 1", "--from", "n2050", "--to", "level < 1"])[0]["last_number"],
        2099
    );
    assert_eq!(find_json(&bench, &["made", "level > 1", "--from", "n2120", "--full"]).len(), 1);
    let none = find(&bench, &["made", "level > 2.5"]).success().says("found no place of 'level > 2.5'");
    assert_eq!(none.stdout, "it holds nowhere\n");
    assert_eq!(find_json(&bench, &["made", "gap > 1ms"]), [] as [Value; 0]);
    let read =
        |finished: &Finished| finished.stderr.split("of which ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(read(&none), "0", "overviews know that");

    // What cannot be looked for is said.
    for (condition, cause) in [
        ("level >", "cannot use CONDITION 'level >': at character 8, '': behind an operator stands a number"),
        ("levl > 1", "cannot use CONDITION 'levl > 1': no stream has the channel levl; there are level, phase"),
        ("u.level > 1", "no stream has the topic u; there are t"),
        ("text ~ x", "no stream has texts"),
    ] {
        find(&bench, &["made", condition]).code(2).says(cause);
    }
}

#[test]
fn a_condition_stands_where_a_position_may() {
    let bench = Bench::new();
    steps(&bench);
    let run = |line: &str, more: &[&str]| bench.fancyhwd(&format!("{line} --database c.db")).args(more).run();
    let range = ["--from", "level > 1", "--to", "level < 1"];
    run("session cut made --label part", &range).success().says("--from 'level > 1': first at #2000");
    assert_eq!(bench.sqlite3("c.db", "SELECT messages FROM sessions WHERE label = 'part'"), "100");
    let exported = run("session export made --format jsonl", &range).success();
    assert_eq!(exported.stdout.lines().count(), 100);
    run("session diff made part", &["--from", "level > 1", "--to", "level < 1", "--other-from", "0"]).success();
    let positions = ["--from", "level > 1", "--to", "t.phase == 7", "--speed", "max", "--bind", &bench.endpoint("r")];
    run("replay made", &positions).success().says("replayed session 1: 7 messages");

    let nowhere = "cannot find 'level > 3' in session 1 of ";
    for line in [
        "session cut made",
        "session export made --format jsonl",
        "session find made phase>1",
        "session diff made part",
    ] {
        run(line, &["--from", "level > 3"]).code(1).says(nowhere);
    }
    run("replay made --bind tcp://127.0.0.1:*", &["--to", "level > 3"]).code(1).says(nowhere);
    let rule = "cannot use --from 'level': a position is an offset";
    run("session cut made", &["--from", "level"]).code(2).says(rule).says("or a condition such as 'ch3 > 1200'");
    run("session cut made", &["--from", "level >"]).code(2).says("cannot use --from 'level >': at character 8");
    run("session cut made", &["--from", "lvl > 1"])
        .code(2)
        .says("cannot use --from 'lvl > 1': no stream has the channel lvl");
}

#[test]
fn keys_lead_from_place_to_place() {
    let bench = Bench::new();
    steps(&bench);
    let (database, endpoint) = (bench.path("c.db"), bench.endpoint("r"));
    let line = format!(
        "{FANCYHWD} replay made --database {} --paused --from 'level > 1' --bind {endpoint}",
        database.display()
    );
    let mut terminal = Terminal::start(&line);
    terminal.wait_until("f and F to the next and the previous place of a condition");
    let (begins, does_not) = ("'level > 1' begins to hold at message", "'level > 1' does not begin to hold");
    for (keys, said, at) in [
        ("f", format!("{begins} #2110"), "at #2110"),
        ("f", format!("{begins} #7000"), "at #7000"),
        ("f", format!("{does_not} behind message #7001"), "at #7001"),
        // Behind its first message, the previous place is the one that has begun there.
        ("F", format!("{begins} #7000"), "at #7000"),
        ("FF", format!("{begins} #2110"), "at #2110"),
        ("FFF", format!("{does_not} before message #2000"), "at #2000"),
    ] {
        terminal.press(keys);
        terminal.wait_until(&said);
        terminal.press("n");
        terminal.wait_until(at);
    }
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn parts_of_a_capture_are_one_and_damage_is_named() {
    let bench = Bench::new();
    captured(&bench, 3_000, "20000");
    bench.fancyhwd("session describe taken --layout int16x16 --database c.db").run().success();
    // What the reference device sends is known.
    let first = &find_json(&bench, &["taken", "fancyhw_data.ch3 == 31416 and ch0 == 20946"])[0];
    assert_eq!((&first["first_number"], &first["values"]["ch3"]), (&json!(1), &json!(31416)));
    let whole = find_json(&bench, &["taken", "ch0 > 0"]);
    assert_eq!(whole, find_json(&bench, &["taken", "ch0 > 0", "--full"]));
    assert!(whole.len() > 500);

    let path = bench.path("c.db");
    let leaves = tree(&path, "messages").leaves;
    damage(&path, &bench.path("damaged.db"), leaves[leaves.len() / 2], |bytes| bytes.fill(0x55));
    let line = "session find taken --json --database damaged.db";
    let damaged = bench.fancyhwd(line).arg("ch0 > 0").run().code(3).says("missing: ");
    let places = serde_json::from_str::<Vec<Value>>(&damaged.stdout).unwrap();
    assert!(!places.is_empty() && places.len() < whole.len());
}
