//! What a person types wrongly: each is refused, or told of, with what was probably meant.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::allowed::not_run;
use crate::support::zmtp::{Kind, Publisher, Version};
use crate::support::{Bench, FANCYHWD, Finished, Run, built, eventually};

/// A database `c.db` with the sessions 1 (`bench_run`), of five messages, and 2 (`empty`), of none.
fn captured() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = "record --database c.db --topic fancyhw_data --topic fancyhw_temp";
    let recorder = bench.fancyhwd(&format!("{record} --label bench_run --count 5 --connect {endpoint}")).start();
    bench.fancyhwd(&format!("publish --count 5 --wait-subscribers 1 --bind {endpoint}")).run().success();
    recorder.finish().success();
    bench.fancyhwd("record --database c.db --label empty --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    bench
}

/// One line on standard error that holds all of `parts`, nothing on standard output.
#[track_caller]
fn one_line(finished: &Finished, parts: &[&str]) {
    assert_eq!(finished.stdout, "");
    assert_eq!(finished.stderr.lines().count(), 1, "more than one line:\n{}", finished.stderr);
    for part in parts {
        assert!(finished.stderr.contains(part), "'{part}' is not in: {}", finished.stderr);
    }
}

/// Command lines, and what is said of each. All end with exit status 2.
const WRONG_LINES: [(&str, &str); 43] = [
    // Commands and options.
    ("rcord", "'record'"),
    ("relpay", "'replay'"),
    ("session lst", "'list'"),
    ("session veryfy", "'verify'"),
    ("publish --intervall 1s", "'--interval'"),
    ("record --duraton 1s", "'--duration'"),
    ("record --databse d.db", "'--database'"),
    ("replay --as-recoreded", "'--as-recorded'"),
    ("session export 1 --format cvs", "csv"),
    ("publish --on-full blok", "block"),
    ("record --durability ful", "full"),
    ("replay --database c.db --loop 3", "--loop=3"),
    ("session describe 1 --layout imu=int16 --database c.db", "the topic follows the session: 1 imu --layout int16"),
    // Numbers without a unit, and with one that means something else.
    ("record --database d.db --split-every 100", "100MB or 100MiB, or 100min or 100s"),
    ("record --database d.db --split-every 100M", "100MB or 100MiB"),
    ("record --database d.db --split-every 100kB", "1.0 MiB"),
    ("record --database d.db --split-every 10ms", "at least 1s"),
    ("record --database d.db --max-message 64", "64MiB"),
    ("record --database d.db --queue 1024", "1024MiB"),
    ("record --database d.db --max-use 20", "20MiB"),
    ("record --database d.db --keep-free 5", "5MiB"),
    ("record --database d.db --duration 5M", "5m, in minutes"),
    ("record --database d.db --duration 10", "10sec or 10ms"),
    ("publish --interval 5", "5sec or 5ms"),
    // Endpoints.
    ("record tcp://127.0.0.1:5555", "--connect tcp://127.0.0.1:5555, or --bind"),
    ("record --database d.db --connect tcp://a:1,tcp://b:2", "--connect tcp://a:1 --connect tcp://b:2"),
    ("publish --bind tcp://127.0.0.1:1;tcp://127.0.0.1:2", "--bind tcp://127.0.0.1:1 --bind tcp://127.0.0.1:2"),
    ("publish --bind 5555", "did you mean tcp://127.0.0.1:5555?"),
    ("publish --bind 127.0.0.1:5555", "did you mean tcp://127.0.0.1:5555?"),
    ("record --database d.db --connect camera:5555", "did you mean tcp://camera:5555?"),
    ("record --database d.db --connect tcp:/127.0.0.1:5555", "did you mean tcp://127.0.0.1:5555?"),
    ("record --database d.db --connect udp://10.0.0.7:5555", "did you mean tcp://10.0.0.7:5555?"),
    ("record --database d.db --connect tcp://::1:5555", "did you mean tcp://[::1]:5555?"),
    ("record --database d.db --connect tcp://*:5555", "tcp://127.0.0.1:5555"),
    ("publish --bind /run/device", "did you mean ipc:///run/device?"),
    // Ranges.
    ("replay --database c.db --from 90s --to 10s", "--from 10s --to 90s"),
    ("session export 1 --database c.db --format csv --from n4 --to n2", "--from n2 --to n4"),
    ("session cut 1 --database c.db --from -1s --to -2s", "--from -2s --to -1s"),
    // Names of sessions and topics.
    ("session show bench-rnu --database c.db", "did you mean 'bench_run'?"),
    ("session show lastest --database c.db", "did you mean 'latest'?"),
    ("session verify 7 --database c.db", "there are 2 from 1 to 2"),
    ("replay 1 --database c.db --topic fancyhw_dat", "did you mean fancyhw_data?"),
    ("session export 1 --database c.db --format raw --from 1h --to n1", "--from 1h is behind --to n1"),
];

#[test]
fn wrong_command_lines_are_refused_with_what_was_meant_and_nothing_is_started() {
    let bench = captured();
    let before = fs::read(bench.path("c.db")).unwrap();
    for (line, meant) in WRONG_LINES {
        let finished = bench.fancyhwd(line).run();
        println!("{line}\n    {}", finished.stderr.trim_end());
        one_line(&finished.code(2), &["error: ", meant]);
    }
    assert!(!bench.path("d.db").exists() && !bench.path(".local").exists());
    assert!(fs::read(bench.path("c.db")).unwrap() == before, "the capture is as it was");
}

#[test]
fn variables_that_no_option_has_are_told_of_with_the_nearest_one() {
    let bench = captured();
    for (name, meant) in [
        ("FANCYHWD_DURATON", "did you mean FANCYHWD_DURATION?"),
        ("FANCYHWD_TOPICS", "did you mean FANCYHWD_TOPIC?"),
        ("FANCYHWD_DATABSE", "did you mean FANCYHWD_DATABASE?"),
        ("FANCYHWD_ON-FULL", "did you mean FANCYHWD_ON_FULL?"),
        ("Fancyhwd_Label", "did you mean FANCYHWD_LABEL?"),
        ("FANCYHWD_SPLITEVERY", "did you mean FANCYHWD_SPLIT_EVERY?"),
        ("FANCYHWD_ZYX", "`fancyhwd COMMAND --help` shows them"),
    ] {
        let finished = bench.fancyhwd("-q session show 1 --database c.db").env(name, "1s").run().success();
        assert!(finished.stdout.starts_with("session "), "{}", finished.stdout);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        finished.says("warning: ").says(name).says("is ignored").says(meant);
    }
    // One that another command has is no mistake: a file of settings may be shared.
    let quiet = bench.fancyhwd("session show 1 --database c.db").env("FANCYHWD_SPEED", "2").run().success();
    assert_eq!(quiet.stderr, "");
    // It is told of also where the command line is wrong, perhaps for that reason.
    bench.fancyhwd("publish --rate").env("FANCYHWD_RAET", "5").run().code(2).says("did you mean FANCYHWD_RATE?");
}

#[test]
fn replaying_a_session_again_and_again_is_asked_for_by_its_own_line() {
    let bench = captured();
    one_line(
        &bench.fancyhwd("replay --loop 1 --database c.db").run().code(2),
        &["--loop=1", "fancyhwd replay 1 --loop"],
    );
    let out = bench.endpoint("out");
    let line = |options: &str| bench.fancyhwd(&format!("replay {options} --speed max --database c.db --bind {out}"));
    line("1 --loop=2").run().success().says("10 messages");
    line("--loop=2 bench_run").run().success().says("10 messages");
}

#[test]
fn a_name_is_resolved_before_it_is_bound() {
    let bench = Bench::new();
    let device = bench.fancyhwd("publish --bind tcp://localhost:* --rate 100").start();
    let endpoint = device.endpoint();
    assert!(endpoint.starts_with("tcp://127.0.0.1:") || endpoint.starts_with("tcp://[::1]:"), "{endpoint}");
    let recorder = bench.fancyhwd("record --database c.db --count 3 --bind tcp://localhost:*").start();
    recorder.stop();
    let reached = format!("record --database d.db --count 3 --connect {endpoint}");
    bench.fancyhwd(&reached).run().success().says("3 messages");
    // The name of an interface is still one.
    bench.fancyhwd("publish --bind tcp://lo:* --count 1").run().success();

    let unknown = bench.fancyhwd("-q publish --bind tcp://nosuch.invalid:5566 --count 1").run().code(1);
    unknown.says("cannot bind tcp://nosuch.invalid:5566").says("'nosuch.invalid' cannot be resolved");
    let taken = endpoint.replace("127.0.0.1", "localhost").replace("[::1]", "localhost");
    let taken = bench.fancyhwd(&format!("publish --bind {taken}")).run();
    one_line(&taken.code(1), &["Address already in use", "stop the program that listens there", &endpoint]);
    device.stop().success();
}

#[test]
fn what_cannot_be_bound_is_refused_with_advice_for_that_cause() {
    let bench = Bench::new();
    let elsewhere = bench.fancyhwd("-q publish --bind tcp://192.0.2.1:5566 --count 1").run().code(1);
    elsewhere.says("Cannot assign requested address").says("no address of this machine");
    let missing = format!("-q publish --bind {} --count 1", bench.endpoint("missing/socket"));
    bench.fancyhwd(&missing).run().code(1).says("make its directory first");
    fs::create_dir(bench.path("locked")).unwrap();
    fs::set_permissions(bench.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let locked = format!("-q publish --bind {} --count 1", bench.endpoint("locked/socket"));
    bench.fancyhwd(&locked).without_rights().run().code(1).says("check who may make files in that directory");
}

/// What the recorder says after ten seconds without a message that was asked for.
fn silent_line(bench: &Bench, topics: &str, sent: &[&[&[u8]]]) -> String {
    let publisher = Publisher::bind(Version::V31, Kind::Pub);
    let record = format!("record --database c.db {topics} --connect {}", publisher.endpoint());
    let recorder = bench.fancyhwd(&record).start();
    eventually("the recorder is connected", || publisher.peers() == 1);
    eventually("it is said", || {
        sent.iter().for_each(|message| _ = publisher.send(message));
        recorder.log().contains("is silent:")
    });
    let finished = recorder.stop();
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, lost FROM sessions ORDER BY id DESC LIMIT 1"), "0|0");
    finished.stderr.lines().find(|line| line.contains("is silent:")).unwrap().to_owned()
}

#[test]
fn a_recorder_that_waits_for_a_topic_that_nobody_sends_says_which_ones_come() {
    let bench = Bench::new();
    let said = silent_line(&bench, "--topic fancyhw_dta", &[&[b"fancyhw_data \x01\x02"], &[b"temp", b"x"]]);
    assert!(said.contains("under other topics: ") && said.contains("fancyhw_data") && said.contains("temp"), "{said}");
    assert!(said.contains("did you mean --topic fancyhw_data?"), "{said}");
}

#[test]
fn a_recorder_that_waits_for_a_topic_where_there_are_none_says_how_all_is_recorded() {
    let bench = Bench::new();
    let said = silent_line(&bench, "--topic cam1", &[&[b"\x00\x01\x02"]]);
    assert!(said.contains("--topic '*' takes them"), "{said}");
}

#[test]
fn a_recorder_that_ends_before_says_which_topics_came() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V31, Kind::Pub);
    let record = format!("record --database c.db --topic fancyhw_dat --connect {}", publisher.endpoint());
    let recorder = bench.fancyhwd(&record).start();
    eventually("the recorder is connected", || publisher.peers() == 1);
    // Its subscription is the beginning of this topic.
    eventually("it came", || {
        publisher.send(&[b"fancyhw_data \x01\x02"]);
        recorder.wait_until_told_anything().contains("unwanted")
    });
    recorder.stop().says("nothing of fancyhw_dat came").says("did you mean --topic fancyhw_data?");
}

/// The second group of every system.
const DAEMON: u32 = 1;

/// A copy of the binary, run by a user who is not root, with these groups.
fn as_nobody<'a>(bench: &'a Bench, groups: &str) -> Run<'a> {
    let ids = ["--reuid=65534", "--regid=65534", groups, "--inh-caps=-all", "--bounding-set=-all"];
    bench.program("setpriv").args(ids).arg(bench.path("reader"))
}

#[test]
fn a_capture_of_the_service_names_the_group_that_may_read_it_and_how_to_join() {
    let bench = captured();
    fs::create_dir(bench.path("kept")).unwrap();
    if chown(bench.path("kept"), None, Some(DAEMON)).is_err() {
        return not_run("files cannot be given to another group");
    }
    let chmod = |path: &str, mode| fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    chmod("", 0o711);
    fs::copy(built().join(FANCYHWD), bench.path("reader")).unwrap();
    fs::copy(bench.path("c.db"), bench.path("kept/c.db")).unwrap();
    chown(bench.path("kept/c.db"), None, Some(DAEMON)).unwrap();
    chmod("kept/c.db", 0o640);
    let list = |groups: &str| as_nobody(&bench, groups).args(["session", "list", "--database", "kept/c.db"]).run();
    if !as_nobody(&bench, "--clear-groups").arg("--version").run().status.success() {
        return not_run("another user cannot reach the directory");
    }
    // As the service makes it, and with a directory that everybody may enter.
    for (mode, place) in [(0o750, "the directory"), (0o755, "it")] {
        chmod("kept", mode);
        let parts = [
            "cannot open database",
            "Permission denied",
            place,
            "is for the group daemon, and nobody is not in it",
            "`sudo usermod -aG daemon nobody`",
            "next login",
        ];
        one_line(&list("--clear-groups").code(1), &parts);
        list("--groups=1").success();
    }
    // Whoever may read may not change.
    for command in
        ["session label 1 x", "session delete 1 --yes", "session note 1 x", "session describe 1 --layout int16"]
    {
        let line = format!("{command} --database kept/c.db");
        let denied = as_nobody(&bench, "--groups=1").args(line.split(' ')).run();
        one_line(&denied.code(1), &["cannot write into database", "belongs to root", "sudo -u root fancyhwd"]);
    }
    let record = as_nobody(&bench, "--groups=1").args("record --duration 1s --database kept/c.db".split(' ')).run();
    one_line(&record.code(1), &["cannot write into database", "belongs to root", "another file with --database"]);
}

#[test]
fn a_database_that_is_read_only_says_so_and_not_that_the_disk_is_damaged() {
    let bench = captured();
    fs::set_permissions(bench.path("c.db"), fs::Permissions::from_mode(0o444)).unwrap();
    for command in ["session label 1 x", "session delete 1 --yes", "record --duration 1s", "session cut 1"] {
        let finished = bench.fancyhwd(&format!("{command} --database c.db")).without_rights().run().code(1);
        one_line(&finished, &["cannot write into database", "is yours, but has mode 0444", "`chmod u+w "]);
    }
    bench.fancyhwd("session show 1 --database c.db").without_rights().run().success();
}

#[test]
fn a_database_that_is_being_recorded_says_by_whom_since_when_and_how_to_end_it() {
    let bench = Bench::new();
    let record = "record --database c.db --connect tcp://127.0.0.1:1";
    let first = bench.fancyhwd(record).start();
    let pid = first.pid();
    let second = bench.fancyhwd(record).run().code(1);
    let parts = ["another recorder is writing to it", &format!("process {pid} (fancyhwd)"), ", since 20", "--database"];
    one_line(&second, &parts);
    let is_told = second.stderr.contains(&format!("`kill {pid}`")) || second.stderr.contains("`systemctl ");
    assert!(is_told && second.stderr.contains("all is saved"), "{}", second.stderr);
    let since = second.stderr.split(", since ").nth(1).unwrap().split(';').next().unwrap();
    let age_s = chrono::Utc::now().timestamp() - chrono::DateTime::parse_from_rfc3339(since).unwrap().timestamp();
    assert!((-2..120).contains(&age_s), "{since}");
    first.stop().code(3);
}
