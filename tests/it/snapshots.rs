//! What people read, as it stands: help, tables, summaries and errors, in `tests/snapshots/`. With `INSTA_UPDATE=always` they are
//! written anew, to be read in the difference.

use std::fs;

use insta::Settings;

use crate::support::{Bench, FANCYHWD, Finished, root};

/// What follows `fancyhwd` where help is asked for.
const COMMANDS: [&str; 24] = [
    "",
    "publish",
    "record",
    "replay",
    "serve",
    "keygen",
    "completions",
    "session",
    "session list",
    "session show",
    "session verify",
    "session diff",
    "session find",
    "session describe",
    "session label",
    "session note",
    "session mark",
    "session delete",
    "session export",
    "session import",
    "session cut",
    "session recover",
    "session archive",
    "session fetch",
];

/// Keep `text` under a name, without what is another each time: paths, times, and figures of the machine.
#[track_caller]
fn keep(bench: &Bench, name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Of the imported capture all times are known.
    settings.add_filter(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (error|warning|info):", "[now] $1:");
    settings.add_filter(r"20(2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[now]");
    settings.add_filter(r"\d+\.\d+ messages/s", "[rate] messages/s");
    settings.add_filter(r"(in|within|sync|p[0-9.]+|max|drift) -?\d+(\.\d+)? (ms|s|us)\b", "$1 [time]");
    settings.add_filter("(subscribers at the end:) [01]", "$1 [number]");
    settings.add_filter(r"(queue at most) \d+\.\d+ %", "$1 [share] %");
    settings.add_filter(env!("CARGO_PKG_VERSION"), "[version]");
    settings.add_filter(&bench.text("").replace('.', r"\."), "[directory]/");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What a person sees who types these lines.
fn seen(bench: &Bench, lines: &[&str]) -> String {
    let see = |line: &&str| {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('_', " "));
        let Finished { stdout, stderr, status, .. } = bench.program(FANCYHWD).args(words).run();
        let code = match status.code() {
            Some(0) => String::new(),
            code => format!("(exit status {})\n", code.unwrap()),
        };
        format!("$ fancyhwd {line}\n{stdout}{stderr}{code}\n")
    };
    lines.iter().map(see).collect()
}

/// A database `c.db` with a capture that is always the same, of a device that moves and says how it is.
fn captured() -> Bench {
    let bench = Bench::new();
    fs::copy(root().join("tests/snapshots/capture.jsonl"), bench.path("capture.jsonl")).unwrap();
    bench.fancyhwd("session import capture.jsonl --database c.db").run().success();
    bench.fancyhwd("session describe 1 imu --layout int16x3 --channels x:mm:0.1,y,z --database c.db").run().success();
    bench
}

#[test]
fn help_reads_as_before() {
    let bench = Bench::new();
    for command in COMMANDS {
        let name = format!("help {command}").trim_end().replace(' ', "-");
        let Finished { stdout, stderr, .. } = bench.fancyhwd(&format!("{command} --help")).run();
        keep(&bench, &name, &format!("{stdout}{stderr}"));
    }
}

#[test]
fn what_is_said_of_sessions_reads_as_before() {
    let bench = captured();
    let lines = [
        "session list --database c.db",
        "session list --json --database c.db",
        "session show 1 --database c.db",
        "session show 1 --json --database c.db",
        "session verify --all --database c.db",
        "session find 1 imu.x_>_3 --database c.db",
        "session find 1 text_~_alarm --database c.db",
        "session find 1 imu.gap_>_40ms --json --database c.db",
        "session find 1 gap_>_40ms --database c.db",
        "session cut 1 --from 10ms --to 80ms --database c.db",
        "session diff 1 2 --database c.db",
        "session diff 1 1 --database c.db",
        "session label 2 middle --database c.db",
        "session note middle looked_at --database c.db",
        "session mark 1 here --at 30ms --database c.db",
        "session export middle --format csv --topic imu --output - --database c.db",
        "session export 1 --format jsonl --from #38 --output - --database c.db",
        "session export 1 --format csv --output out --database c.db",
        "session delete middle --yes --database c.db",
        "session list --database c.db",
    ];
    keep(&bench, "sessions", &seen(&bench, &lines));
}

#[test]
fn errors_read_as_before() {
    let bench = captured();
    fs::write(bench.path("text"), "no database").unwrap();
    let lines = [
        "",
        "nothing",
        "record --connect localhost:5555",
        "record --connect tcp://a:1,tcp://b:2",
        "record --layout int17",
        "record --split-every 100",
        "publish --rate 0",
        "replay --from 5s --to 1s --database c.db",
        "replay 7 --database c.db",
        "session show 7 --database c.db",
        "session show --database missing.db",
        "session list --database text",
        "session find 1 imu.w_>_1 --database c.db",
        "session find 1 x_>>_1 --database c.db",
        "session export 1 --format csv --database c.db --output /proc/x",
        "session export 1 --topic nothing --format csv --output - --database c.db",
        "session import missing.jsonl --database c.db",
        "session describe 1 imu --layout int16x9 --database c.db",
        "session describe 1 --layout imu=int16x3 --database c.db",
        "record tcp://127.0.0.1:5555",
        "session delete 1 --database c.db",
        "session cut 1 --from 1h --database c.db",
        "session fetch 1 --archive nats://127.0.0.1:1 --database c.db",
        "serve --listen 0.0.0.0:0 --database c.db",
        "completions tcsh",
    ];
    keep(&bench, "errors", &seen(&bench, &lines));
}

#[test]
fn summaries_read_as_before() {
    let bench = captured();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database d.db --label run --count 500 --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = format!("publish --rate 1000 --count 500 --wait-subscribers 1 --bind {endpoint}");
    let published = bench.fancyhwd(&publish).run().success();
    let recorded = recorder.finish().success();
    let (again, port) = (bench.endpoint("again"), "record --database d.db --topic * --count 40 --connect");
    let replayed = format!("replay 1 --database c.db --wait-subscribers 1 --bind {again}");
    let replay = bench.fancyhwd(&replayed).start();
    let recorder = bench.fancyhwd(&format!("{port} {again}")).start();
    let (again, replay) = (recorder.finish().success(), replay.finish().success());
    let text: String = [("publish", published), ("record", recorded), ("record again", again), ("replay", replay)]
        .map(|(what, finished)| format!("{what}\n{}\n", first_and_last_lines(&finished)))
        .concat();
    keep(&bench, "summaries", &text);
}

/// What is said at the beginning and at the end: what comes between depends on the machine.
fn first_and_last_lines(finished: &Finished) -> String {
    let words = ["publishing", "published", "recording", "recorded", "replaying", "replayed"];
    let is_kept = |line: &&str| words.iter().any(|word| line.contains(&format!(" info: {word} ")));
    finished.stderr.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}
