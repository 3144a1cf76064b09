//! The end of a recording: what it says is saved can be read by everybody, whatever fails and whenever it is killed.

use std::fs;

use rustix::process::Signal;

use fancyhwd::store::Database;

use crate::faults::until_not_met;
use crate::support::allowed::may_trace;
use crate::support::ending::{PACKETS, assert_everybody_reads, kill_at_the_end, let_write, recorded};
use crate::support::{Bench, FANCYHWD, eventually};

/// End a recording while `fault` is injected into calls about its files. Says whether it was met.
fn end_with(fault: &str) -> bool {
    let bench = Bench::new();
    let recorder = recorded(&bench);
    let calls = "trace=unlink,unlinkat,fsync,fdatasync,ftruncate,pwrite64,rename,close";
    let mut strace =
        bench.program("strace").args(["-f", "-o", "trace", "-e", calls, "-e"]).arg(format!("inject={fault}"));
    for file in
        ["kept/c.db", "kept/c.db-wal", "kept/c.db-shm", "kept/c.db-journal", "kept/c.db-reserve", "kept/c.db-lock"]
    {
        strace = strace.arg("-P").arg(bench.path(file));
    }
    let strace = strace.args(["-p", &recorder.pid().to_string()]).spawn();
    eventually("strace is attached", || strace.log().contains("attached"));
    let finished = recorder.stop();
    strace.finish();
    let (code, log) = (finished.status.code(), &finished.stderr);
    let context = format!("{fault}: exit code {code:?}, {log}");
    match code {
        Some(0) => assert_everybody_reads(&bench, &context),
        Some(1 | 3) => {
            assert!(log.contains(" error: ") || log.contains(" warning: "), "{context}");
            let database = Database::for_reading(&bench.path("kept/c.db")).unwrap();
            for session in database.sessions().unwrap() {
                assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None, "{context}");
                assert_eq!(session.tally.messages, PACKETS as u64, "{context}");
            }
        }
        _ => panic!("{context}"),
    }
    fs::read_to_string(bench.path("trace")).unwrap().contains("INJECTED")
}

#[test]
fn no_failing_call_makes_a_false_end() {
    if !may_trace(&Bench::new()) {
        return;
    }
    for (call, fault) in [
        ("unlink,unlinkat", "EIO"),
        ("fsync,fdatasync", "EIO"),
        ("ftruncate", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("rename", "EIO"),
        ("close", "EIO"),
    ] {
        for how_long in ["", "+"] {
            let calls = until_not_met(|k| end_with(&format!("{call}:error={fault}:when={k}{how_long}")));
            println!("{call} failed with {fault} at each of {calls} calls {how_long}");
        }
    }
}

#[test]
fn a_kill_in_the_last_moments_leaves_a_file_that_everybody_reads() {
    kill_at_the_end(40);
}

#[test]
fn a_file_whose_end_was_cut_off_is_read_where_nobody_may_write() {
    let bench = Bench::new();
    recorded(&bench).stop().success();
    // As between the removal of the log and the change of the header.
    assert_eq!(bench.sqlite3("kept/c.db", "PRAGMA journal_mode = WAL"), "wal");
    assert!(!bench.path("kept/c.db-wal").exists());
    assert_everybody_reads(&bench, "a header without its log");
    assert_eq!(bench.sqlite3("kept/c.db", "PRAGMA journal_mode = WAL"), "wal");
    let_write(&bench, false);
    for command in ["session list", "session show 1", "session diff 1 1", "session export 1 --format csv"] {
        bench.fancyhwd(&format!("{command} --database kept/c.db")).without_rights().run().success();
    }
    fs::create_dir(bench.path("out")).unwrap();
    let export = "session export 1 --format sqlite --output out/copy.db --database kept/c.db";
    bench.fancyhwd(export).without_rights().run().success();
    bench.fancyhwd("session verify 1 --database out/copy.db").run().success();
    let replay = "replay --database kept/c.db --speed max --bind tcp://127.0.0.1:*";
    bench.fancyhwd(replay).without_rights().run().success().says(&format!("replayed session 1: {PACKETS} messages"));
    let_write(&bench, true);
}

#[test]
fn a_log_that_cannot_be_read_is_named_with_the_command_that_mends_it() {
    let bench = Bench::new();
    let recorder = recorded(&bench);
    recorder.signal(Signal::KILL);
    recorder.finish();
    fs::remove_file(bench.path("kept/c.db-shm")).unwrap();
    let_write(&bench, false);
    let list = || bench.fancyhwd("session list --database kept/c.db");
    list().without_rights().run().code(1).says("`fancyhwd session list --database FILE`, run by a user who may write");
    let_write(&bench, true);
    list().run().success();
    assert_everybody_reads(&bench, "mended");
}

#[test]
fn a_change_of_a_label_leaves_no_journal_when_it_is_killed() {
    let bench = Bench::new();
    if !may_trace(&bench) {
        return;
    }
    recorded(&bench).stop().success();
    for k in 1.. {
        let fault = format!("inject=pwrite64,fsync,fdatasync,unlink:signal=KILL:when={k}");
        let calls = "trace=pwrite64,fsync,fdatasync,unlink";
        let strace = bench.program("strace").args(["-f", "-o", "trace", "-e", calls, "-e", &fault]).arg(FANCYHWD);
        strace.args(["session", "label", "1", "other", "--database", "kept/c.db"]).run();
        assert!(!bench.path("kept/c.db-journal").exists(), "killed at call {k}");
        assert_everybody_reads(&bench, &format!("killed at call {k}"));
        if !fs::read_to_string(bench.path("trace")).unwrap().contains("killed by SIGKILL") {
            println!("killed at each of {} calls", k - 1);
            assert!(k > 1);
            break;
        }
    }
}
