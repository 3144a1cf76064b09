//! The examples of the manual pages run as they stand there, with what they take for granted around them: devices that answer,
//! captures of these names, three servers of NATS.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::readme::{Reader, THREE_SERVERS, configuration};
use crate::support::allowed::nats_server;
use crate::support::machines::{among_machines, at_two_machines};
use crate::support::{Bench, root};

/// How an example of a page is run.
struct Case {
    page: &'static str,
    /// Of the examples of the page, from 0.
    number: usize,
    /// What is there before.
    before: &'static str,
    how: How,
    /// What it prints or logs, among other lines.
    says: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    /// It ends by itself.
    ToItsEnd,
    /// Somebody interrupts it after so many seconds.
    Interrupted(u32),
    /// At two machines.
    AtTwoMachines,
    /// Not here: `make test-service` does it, in a container that has a server for SSH.
    OverSsh,
}

use How::{AtTwoMachines, Interrupted, OverSsh, ToItsEnd};

const fn case(page: &'static str, number: usize, before: &'static str, how: How, says: &'static str) -> Case {
    Case { page, number, before, how, says }
}

const READER: &str = "ln -s \"$(command -v fancyhwd)\" reader; ./reader record --topic '*' --database read.db &";

const RECORDER: &str = "fancyhwd publish --rate 99 & fancyhwd record &
    until fancyhwd session list | grep recording; do :; done";

const CASES: &[Case] = &[
    case(
        "archive",
        0,
        "fancyhwd session archive sixth --archive nats://nas1,nas2,nas3 --recorder hall",
        ToItsEnd,
        "replayed session",
    ),
    case("keygen", 0, "", AtTwoMachines, "connected to tcp://device:5555"),
    case("publish", 0, "fancyhwd record --connect tcp://device:5555 &", ToItsEnd, "published 10 "),
    case("publish", 1, "fancyhwd record --count 1000000 --database o.db &", ToItsEnd, "published 1000000 "),
    case("publish", 2, "echo 'pcm.!default { type null }' >.asoundrc", Interrupted(3), "published "),
    case("publish", 3, "cp /usr/share/sounds/alsa/Front_Center.wav voice.wav", ToItsEnd, "published "),
    case(
        "record",
        0,
        "fancyhwd publish --rate 99 --bind tcp://192.168.1.20:5555 &",
        Interrupted(3),
        "recorded session",
    ),
    case("record", 1, "fancyhwd publish --rate 99 &", ToItsEnd, ": 10 messages"),
    case(
        "record",
        2,
        "for place in 4 5; do fancyhwd publish --rate 99 --bind tcp://127.0.0.$place:5555 & done",
        Interrupted(3),
        "recorded session",
    ),
    case(
        "record",
        3,
        "fancyhwd publish --rate 99 --topic lick --framing frames --layout float32x2 &",
        Interrupted(3),
        "recorded session",
    ),
    case(
        "record",
        4,
        "fancyhwd publish --rate 99 --topic plant --layout float32x2 &",
        Interrupted(3),
        "recorded session",
    ),
    case("record", 5, "cd .local/state/fancyhwd", ToItsEnd, "|["),
    case("replay", 0, READER, Interrupted(3), "of session "),
    case("replay", 1, "", Interrupted(3), "of session "),
    case("replay", 2, "", Interrupted(3), "of session "),
    case("replay", 3, READER, Interrupted(3), "of session "),
    case("serve", 0, "", Interrupted(3), "serving "),
    case("serve", 1, "", OverSsh, ""),
    case("session-archive", 0, "", ToItsEnd, "archived session 1 "),
    case("session-cut", 0, "", ToItsEnd, "session"),
    case(
        "session-delete",
        0,
        "fancyhwd record --connect tcp://device:1 --duration 1s || [ $? = 3 ]",
        ToItsEnd,
        "deleted",
    ),
    case(
        "session-describe",
        0,
        "fancyhwd session delete again --yes",
        ToItsEnd,
        "topic lick (frames), layout uint32/float32x2",
    ),
    case("session-diff", 0, "", ToItsEnd, ""),
    case("session-diff", 1, "mkdir /mnt/other; cp .local/state/fancyhwd/captures.db /mnt/other", ToItsEnd, ""),
    case("session-export", 0, "", ToItsEnd, ""),
    case("session-export", 1, "", ToItsEnd, "\n"),
    case("session-export", 2, "", ToItsEnd, ""),
    case("session-export", 3, "", ToItsEnd, ""),
    case(
        "session-fetch",
        0,
        "fancyhwd session archive sixth --archive nats://nas1,nas2,nas3 --recorder hall-3",
        ToItsEnd,
        "replayed session",
    ),
    case("session-find", 0, "", ToItsEnd, "cut session 1 into session 10 "),
    case(
        "session-import",
        0,
        "fancyhwd session export drive --from 170s --format mcap -o drive.mcap; fancyhwd session delete drive --yes",
        ToItsEnd,
        "replayed ",
    ),
    case("session-label", 0, "", ToItsEnd, ""),
    case("session-list", 0, "", ToItsEnd, ""),
    case("session-mark", 0, RECORDER, ToItsEnd, ""),
    case("session-note", 0, "", ToItsEnd, ""),
    case("session-recover", 0, "cd .local/state/fancyhwd", ToItsEnd, ""),
    case("session-verify", 0, "", ToItsEnd, ""),
];

/// The examples of a page: what stands between `.EX` and `.EE` behind their heading, as it is shown.
fn examples(page: &str) -> Vec<String> {
    let (file, heading) = match page {
        "archive" => ("man/fancyhwd-archive.7".to_owned(), ".SH \"READING THERE\"\n"),
        page => (format!("man/sections/fancyhwd-{page}.roff"), ".SH EXAMPLES\n"),
    };
    let text = fs::read_to_string(root().join(file)).unwrap();
    let Some((_, text)) = text.split_once(heading) else { return Vec::new() };
    let text = text.split("\n.SH ").next().unwrap();
    let shown = |text: &str| text.split("\n.EE").next().unwrap().replace("\\-", "-").replace("\\e", "\\");
    text.split(".EX\n").skip(1).map(shown).collect()
}

#[test]
fn every_example_is_known() {
    let mut found = BTreeSet::from([("archive".to_owned(), 0)]);
    for section in fs::read_dir(root().join("man/sections")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = section.file_stem().unwrap().to_str().unwrap();
        let Some(page) = name.strip_prefix("fancyhwd-") else { continue };
        found.extend((0..examples(page).len()).map(|number| (page.to_owned(), number)));
    }
    let known: BTreeSet<_> = CASES.iter().map(|case| (case.page.to_owned(), case.number)).collect();
    assert_eq!(found, known);
}

#[test]
fn every_example_of_the_manual_pages_runs() {
    let home = Reader::new();
    captures(&home.bench);
    for case in CASES {
        runs(&home, case, &examples(case.page)[case.number]);
    }
}

fn runs(home: &Reader, case: &Case, example: &str) {
    let needs_servers = example.contains("nas1,nas2,nas3");
    if case.how == OverSsh || needs_servers && nats_server().is_none() {
        return;
    }
    let reader = Reader::new();
    let around = if needs_servers { THREE_SERVERS } else { "" };
    fs::write(reader.bench.path("nats.conf"), configuration()).unwrap();
    for folder in [".local", ".local/state", ".local/state/fancyhwd"] {
        fs::create_dir(reader.bench.path(folder)).unwrap();
    }
    fs::copy(home.bench.path("captures.db"), reader.bench.path(".local/state/fancyhwd/captures.db")).unwrap();
    let script = match case.how {
        AtTwoMachines => at_two_machines(example),
        Interrupted(seconds) => {
            let example = example.replace('\'', "'\\''");
            format!("timeout --signal INT {seconds} sh -e -c '{example}' || [ $? = 124 ]")
        }
        _ => example.to_owned(),
    };
    let Some(run) = among_machines(&reader.bench, &[around, case.before, &script].join("\n")) else { return };
    let finished = reader.types(run).run().success();
    let told = format!("{}{}", finished.stdout, finished.stderr);
    println!("--- {} {}\n{told}", case.page, case.number);
    assert!(told.contains(case.says) && !told.contains("error: "), "{example}\n{told}");
}

/// The captures that examples name, in this order: drive, plant, warm-up, voice, three more, and what begins as drive does.
fn captures(bench: &Bench) {
    let mut drive = Vec::new();
    for second in 0..180_u16 {
        let x: f32 = match second {
            0..100 => 1.0,
            100..102 => 3.0,
            _ => 0.0,
        };
        let count = i16::try_from(second).unwrap();
        let adc: Vec<u8> = [count, 1, -count, 1100 + count].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let imu = [x.to_le_bytes(), 0.5_f32.to_le_bytes()].concat();
        drive.push(line(second.into(), 1, &[b"adc", &adc]));
        drive.push(line(second.into(), 2, &[b"imu", &imu]));
    }
    let plant = |second: u32| line(second, 1, &[b"log", if second == 5 { b"ALARM: pressure" } else { b"all is well" }]);
    let packet =
        |second: u32| line(second, 1, &[&[b"fancyhw_data ".as_slice(), &second.to_le_bytes().repeat(8)].concat()]);
    let mut warm_up = vec![line(0, 1, &[b"config", b"{\"gain\": 2}"])];
    warm_up.extend((0..7300).step_by(5).map(packet));
    let floats = |second: u32| {
        [&second.to_le_bytes(), &0.5_f32.to_le_bytes(), &2.5_f32.to_le_bytes()].map(|bytes| bytes.to_vec()).concat()
    };
    let lick = |second: u32| line(second, 1, &[b"lick", &floats(second)]);
    let imports = [
        ("drive", drive.clone()),
        ("plant", (0..9).map(plant).collect()),
        ("warm-up", warm_up),
        ("voice", (0..3).map(packet).collect()),
        ("fifth", (0..3).map(packet).collect()),
        ("sixth", (0..3).map(packet).collect()),
        ("seventh", (0..3).map(packet).collect()),
        ("lick", (0..3).map(lick).collect()),
        ("again", drive),
    ];
    for (label, lines) in imports {
        fs::write(bench.path("import.jsonl"), lines.concat()).unwrap();
        bench.fancyhwd(&format!("session import import.jsonl --label {label} --database captures.db")).run().success();
    }
    for (stream, described) in [
        ("drive imu", "--layout float32x2 --channels x,y"),
        ("drive adc", "--layout int16x4"),
        ("plant log", "--layout text"),
    ] {
        bench.fancyhwd(&format!("session describe {stream} {described} --database captures.db")).run().success();
    }
}

/// A message as JSON lines have it.
fn line(second: u32, endpoint: u32, frames: &[&[u8]]) -> String {
    let framing = if frames.len() == 1 { "space" } else { "frames" };
    let frames: Vec<String> = frames.iter().map(|frame| format!("\"{}\"", STANDARD.encode(frame))).collect();
    let (hour, minute, rest) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{{\"time\": \"2026-11-22T{:02}:{minute:02}:{rest:02}Z\", \"elapsed_s\": {second}, \"endpoint\": {endpoint}, \
         \"framing\": \"{framing}\", \"frames\": [{}]}}\n",
        10 + hour,
        frames.join(", ")
    )
}
