//! Another user on the same machine: what he puts where our files should be is named, and neither followed nor written nor
//! waited for; and nobody but owner and group can open what we make.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::OFlags;

use crate::support::allowed::{may_trace, not_run};
use crate::support::{Bench, FANCYHWD, eventually};

const RECORD: &str = "record --database c.db --connect tcp://127.0.0.1:1";

const PRECIOUS: &str = "precious";

/// What stands where a file of ours should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stranger {
    Link,
    Dangling,
    Fifo,
    Directory,
    Device,
    SecondName,
}

const STRANGERS: [Stranger; 6] =
    [Stranger::Link, Stranger::Dangling, Stranger::Fifo, Stranger::Directory, Stranger::Device, Stranger::SecondName];

impl Stranger {
    /// Put it there. Says whether that could be done.
    fn plant(self, bench: &Bench, path: &Path) -> bool {
        fs::write(bench.path("victim"), PRECIOUS).unwrap();
        match self {
            Self::Link => symlink(bench.path("victim"), path).unwrap(),
            Self::Dangling => symlink(bench.path("elsewhere"), path).unwrap(),
            Self::Fifo => drop(bench.program("mkfifo").arg(path).run().success()),
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::Device => {
                // The full device: whatever is written into it fails.
                let made = bench.program("mknod").arg(path).args(["c", "1", "7"]).run();
                if !made.status.success() {
                    not_run(&format!("a device cannot be made: {}", made.stderr.trim_end()));
                    return false;
                }
            }
            Self::SecondName => fs::hard_link(bench.path("victim"), path).unwrap(),
        }
        true
    }

    /// What an error calls it.
    fn words(self) -> &'static str {
        match self {
            Self::Link | Self::Dangling => "it is a symbolic link, no regular file",
            Self::Fifo => "it is a FIFO, no regular file",
            Self::Directory => "it is a directory, no regular file",
            Self::Device => "it is a device, no regular file",
            Self::SecondName => "it has 2 names (hard links)",
        }
    }

    /// It is as it was, and so is what it leads to. Takes it away.
    #[track_caller]
    fn assert_untouched(self, bench: &Bench, path: &Path) {
        assert_eq!(fs::read_to_string(bench.path("victim")).unwrap(), PRECIOUS, "{self:?}");
        assert!(!bench.path("elsewhere").exists(), "{self:?}");
        let there = path.symlink_metadata().unwrap().file_type();
        let is_it = match self {
            Self::Link | Self::Dangling => there.is_symlink(),
            Self::Fifo => there.is_fifo(),
            Self::Directory => there.is_dir(),
            Self::Device => there.is_char_device(),
            Self::SecondName => there.is_file(),
        };
        assert!(is_it, "{self:?} became {there:?}");
        if there.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

/// Try each of them at `name`.
fn each_at(bench: &Bench, name: &str, run: impl Fn(Stranger)) {
    let path = bench.path(name);
    for stranger in STRANGERS {
        if stranger.plant(bench, &path) {
            run(stranger);
            stranger.assert_untouched(bench, &path);
        }
    }
}

#[test]
fn what_stands_for_the_lock_file_is_named_and_left_alone() {
    let bench = Bench::new();
    each_at(&bench, "c.db-lock", |stranger| {
        let refused =
            bench.fancyhwd(RECORD).run().code(1).says("cannot open database").says("c.db-lock cannot be used");
        assert_eq!(refused.says(stranger.words()).stderr.lines().count(), 1);
        assert!(!bench.path("c.db").exists());
    });
}

#[test]
fn readers_do_not_wait_for_what_stands_for_the_lock_file() {
    let bench = Bench::new();
    bench.fancyhwd(RECORD).start().stop().code(3);
    fs::remove_file(bench.path("c.db-lock")).unwrap();
    each_at(&bench, "c.db-lock", |stranger| {
        bench.fancyhwd("session list --database c.db").run().success();
        let label = bench.fancyhwd("session label 1 other --database c.db").run();
        // Another name of a file can be locked like any.
        let code = if stranger == Stranger::SecondName { 0 } else { 1 };
        let label = label.code(code);
        assert!(code == 0 || label.stderr.contains(stranger.words()), "{}", label.stderr);
    });
}

#[test]
fn what_stands_for_the_status_file_is_named_and_left_alone() {
    let bench = Bench::new();
    each_at(&bench, "c.db-status", |stranger| {
        let recorder = bench.fancyhwd(RECORD).start();
        recorder.wait_until_status("session ");
        recorder.stop().code(3).says("c.db-status: ").says(stranger.words());
    });
}

#[test]
fn room_is_kept_in_no_file_that_others_know() {
    let bench = Bench::new();
    for name in ["c.db-reserve", "c.db-probe"] {
        // Another name of a file that is ours may be taken away, and nothing else.
        for stranger in STRANGERS.into_iter().filter(|stranger| *stranger != Stranger::SecondName) {
            if stranger.plant(&bench, &bench.path(name)) {
                bench.fancyhwd(RECORD).start().stop().code(3);
                stranger.assert_untouched(&bench, &bench.path(name));
            }
        }
    }
}

#[test]
fn what_stands_for_the_mark_of_a_suspect_file_is_a_mark() {
    let bench = Bench::new();
    bench.fancyhwd(RECORD).start().stop().code(3);
    let before = fs::read(bench.path("c.db")).unwrap();
    each_at(&bench, "c.db-suspect", |stranger| {
        let finished = bench.fancyhwd(RECORD).start().stop().code(3).says("c.db is not recorded into: it is suspect");
        let words = if stranger == Stranger::SecondName { PRECIOUS } else { stranger.words() };
        finished.says(words).says("recording into");
    });
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), before);
}

#[test]
fn a_file_whose_disk_fails_is_marked_in_no_file_of_others() {
    let bench = Bench::new();
    if !may_trace(&bench) {
        return;
    }
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let names = ["c.db-suspect", "c.db-probe", "c.1.db", "c.2.db-lock"].map(|name| bench.path(name));
    fs::write(bench.path("victim"), PRECIOUS).unwrap();
    symlink(bench.path("elsewhere"), &names[0]).unwrap();
    symlink(bench.path("victim"), &names[1]).unwrap();
    symlink(bench.path("elsewhere"), &names[2]).unwrap();
    symlink(bench.path("elsewhere"), &names[3]).unwrap();
    let strace = bench
        .program("strace")
        .args(["-f", "-o", "trace", "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EIO:when=1"])
        .args(["-P", &bench.text("c.db-wal"), "-p", &recorder.pid().to_string()])
        .spawn();
    eventually("strace is attached", || strace.log().contains("attached"));
    bench.fancyhwd(&format!("publish --rate 1000 --count 10 --wait-subscribers 1 --bind {endpoint}")).run().success();
    eventually("the recording goes on elsewhere", || recorder.log().contains("the recording goes on in"));
    recorder.stop().code(3).says("as suspect: it is a symbolic link, no regular file").says("c.3.db");
    strace.finish();
    assert_eq!(fs::read_to_string(bench.path("victim")).unwrap(), PRECIOUS);
    assert!(!bench.path("elsewhere").exists());
    assert!(names.iter().all(|name| name.is_symlink()));
    assert_eq!(bench.sqlite3("c.3.db", "SELECT count(*) FROM messages"), "10");
}

#[test]
fn what_stands_for_a_file_of_sqlite_is_named_and_left_alone() {
    let bench = Bench::new();
    bench.fancyhwd(RECORD).start().stop().code(3);
    for ending in ["-wal", "-shm", "-journal"] {
        let name = format!("c.db{ending}");
        for stranger in STRANGERS.into_iter().filter(|stranger| *stranger != Stranger::SecondName) {
            if stranger.plant(&bench, &bench.path(&name)) {
                for command in [RECORD, "session list --database c.db"] {
                    bench.fancyhwd(command).run().code(1).says(&format!("{name} belongs to it")).says(stranger.words());
                }
                stranger.assert_untouched(&bench, &bench.path(&name));
            }
        }
    }
}

/// A session of a few messages in `c.db`.
fn captured(bench: &Bench) {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 5 --connect {endpoint}")).start();
    bench.fancyhwd(&format!("publish --rate 1000 --count 5 --wait-subscribers 1 --bind {endpoint}")).run().success();
    recorder.finish().success();
}

#[test]
fn an_export_follows_no_link_and_replaces_files_only() {
    let bench = Bench::new();
    captured(&bench);
    for format in ["csv", "sqlite"] {
        for force in ["", " --force"] {
            let line = format!("session export --database c.db --format {format}{force} -o x");
            let strangers = STRANGERS.into_iter().filter(|stranger| *stranger != Stranger::SecondName);
            for stranger in strangers {
                if stranger.plant(&bench, &bench.path("x")) {
                    bench.fancyhwd(&line).run().code(2).says("cannot export to x: ").says(stranger.words());
                    stranger.assert_untouched(&bench, &bench.path("x"));
                }
            }
        }
    }
    // A second name of a file is replaced, and the file is not.
    assert!(Stranger::SecondName.plant(&bench, &bench.path("x")));
    bench.fancyhwd("session export --database c.db --format csv --force -o x").run().success();
    assert_eq!(fs::read_to_string(bench.path("victim")).unwrap(), PRECIOUS);
    // A directory on the way may be a link.
    fs::create_dir(bench.path("real")).unwrap();
    symlink("real", bench.path("linked")).unwrap();
    bench.fancyhwd("session export --database c.db --format sqlite -o linked/x.db").run().success();
    bench.fancyhwd("session verify 1 --database real/x.db").run().success();
    let line = "session export --database c.db --format csv -o /dev/stdout";
    assert!(bench.fancyhwd(line).run().success().stdout.starts_with("time,"));
}

const REPLAY: &str = "replay --database c.db --bind tcp://127.0.0.1:* --timing-report";

#[test]
fn a_timing_report_follows_no_link_and_waits_for_nobody() {
    let bench = Bench::new();
    captured(&bench);
    each_at(&bench, "report.json", |stranger| {
        let refused = bench.fancyhwd(&format!("{REPLAY} report.json")).run().code(1);
        refused.says("cannot write the timing report report.json: ").says(stranger.words());
    });
    let before = fs::read(bench.path("c.db")).unwrap();
    for name in ["c.db".to_owned(), bench.text("c.db-lock")] {
        bench.fancyhwd(&format!("{REPLAY} {name}")).run().code(1).says("it belongs to the database that is replayed");
    }
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), before);
    // An older one is written anew.
    fs::write(bench.path("report.json"), "x".repeat(100_000)).unwrap();
    bench.fancyhwd(&format!("{REPLAY} report.json")).run().success();
    serde_json::from_slice::<serde_json::Value>(&fs::read(bench.path("report.json")).unwrap()).unwrap();
    // What people type to see it, or to throw it away.
    bench.fancyhwd(&format!("{REPLAY} /dev/null")).run().success();
    let shown = bench.fancyhwd(&format!("{REPLAY} /dev/stdout")).run().success().stdout;
    serde_json::from_str::<serde_json::Value>(&shown).unwrap();
    let piped =
        bench.program("sh").args(["-c", &format!("fancyhwd {REPLAY} /dev/stdout | cat")]).run().success().stdout;
    serde_json::from_str::<serde_json::Value>(&piped).unwrap();
}

#[test]
fn a_replay_whose_report_nobody_reads_can_be_stopped() {
    let bench = Bench::new();
    captured(&bench);
    bench.program("mkfifo").arg(bench.path("fifo")).run().success();
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let mut full = File::options().read(true).write(true).custom_flags(nonblocking).open(bench.path("fifo")).unwrap();
    while full.write(&[b'x'; 4096]).map_err(|cause| cause.kind()) != Err(io::ErrorKind::WouldBlock) {}
    let line = format!("exec 9>fifo; exec fancyhwd {REPLAY} /dev/fd/9");
    let replay = bench.program("sh").args(["-c", &line]).start();
    eventually("it has replayed", || replay.log().contains("replayed session 1"));
    assert!(!replay.has_ended());
    replay.stop().code(1).says("cannot write the timing report /dev/fd/9: nobody reads it");
}

/// The modes of all files in a directory of a bench.
fn modes(bench: &Bench, directory: &str) -> Vec<(String, u32)> {
    let mode = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        // One of SQLite's may go meanwhile.
        let there = entry.metadata().ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), there.permissions().mode() & 0o7777))
    };
    fs::read_dir(bench.path(directory)).unwrap().filter_map(mode).collect()
}

#[track_caller]
fn assert_private(bench: &Bench, directory: &str, names: &[&str]) {
    let modes = modes(bench, directory);
    for name in names {
        assert!(modes.iter().any(|(file, _)| file == name), "{name} is not among {modes:?}");
    }
    for (name, mode) in modes {
        let most = if name.ends_with("-lock") { 0o600 } else { 0o640 };
        assert_eq!(mode & !most, 0, "{name} has mode {mode:o}");
    }
}

#[test]
fn nobody_but_owner_and_group_opens_what_is_made_whatever_the_umask() {
    let bench = Bench::new();
    fs::create_dir(bench.path("out")).unwrap();
    let endpoint = bench.endpoint("device");
    let open = |line: &str| bench.program("sh").args(["-c", &format!("umask 0; exec fancyhwd {line}")]);
    // What an older version left, or somebody else opened up.
    fs::write(bench.path("out/c.db-lock"), "").unwrap();
    fs::set_permissions(bench.path("out/c.db-lock"), fs::Permissions::from_mode(0o666)).unwrap();
    let recorder = open(&format!("record --database out/c.db --count 6 --connect {endpoint}")).start();
    bench.fancyhwd(&format!("publish --rate 1000 --count 5 --wait-subscribers 1 --bind {endpoint}")).run().success();
    recorder.wait_until_status("session 1: 5 messages");
    assert_private(&bench, "out", &["c.db", "c.db-wal", "c.db-shm", "c.db-lock", "c.db-status"]);
    recorder.stop().success();
    for format in ["csv", "jsonl", "wav", "raw", "sqlite"] {
        open(&format!("session export --database out/c.db --format {format} -o out/x.{format}")).run().success();
    }
    open("replay --database out/c.db --bind tcp://127.0.0.1:* --timing-report out/report.json").run().success();
    assert_private(&bench, "out", &["c.db", "x.csv", "x.jsonl", "x.wav", "x.raw", "x.sqlite", "report.json"]);
}

#[test]
fn a_mode_that_cannot_be_changed_is_said_and_keeps_nobody_from_recording() {
    let bench = Bench::new();
    if !may_trace(&bench) {
        return;
    }
    fs::write(bench.path("c.db-lock"), "").unwrap();
    fs::set_permissions(bench.path("c.db-lock"), fs::Permissions::from_mode(0o644)).unwrap();
    // As on a file system that knows no modes.
    let strace = bench.program("strace").args(["-D", "-f", "-o", "trace", "-e", "inject=fchmod:error=EPERM", FANCYHWD]);
    let recorder = strace.args(RECORD.split(' ')).start();
    recorder.stop().code(3).says("c.db-lock, which has mode 644: it cannot be changed: Operation not permitted");
}
