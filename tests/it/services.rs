//! Captures that services made are found without their path.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::allowed::not_run;
use crate::support::{Bench, Run};

/// A bench with a capture `made.db`, and a directory in which a service would keep captures.
fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .fancyhwd("record --database made.db --label warm-up --duration 1ms --connect tcp://127.0.0.1:1")
        .run()
        .code(3);
    fs::create_dir(bench.path("kept")).unwrap();
    bench
}

fn keep(bench: &Bench, name: &str) {
    fs::copy(bench.path("made.db"), bench.path(&format!("kept/{name}"))).unwrap();
}

/// A command of a service, which has its directory from systemd.
fn of_service<'a>(bench: &'a Bench, line: &str) -> Run<'a> {
    bench.fancyhwd(line).env("STATE_DIRECTORY", bench.path("kept"))
}

#[test]
fn where_there_is_none_it_is_said_where_it_was_looked_for() {
    let bench = bench();
    of_service(&bench, "session list")
        .run()
        .code(1)
        .says("kept/captures.db: there is no such file, nor any capture in");
    // A directory and a file of another kind are no captures.
    fs::create_dir(bench.path("kept/folder.db")).unwrap();
    fs::write(bench.path("kept/.db"), "").unwrap();
    keep(&bench, "hall.db-status");
    of_service(&bench, "session list").run().code(1).says("nor any capture in");
    of_service(&bench, "session show --database hall").run().code(1).says("nor ").says("kept/hall.db; choose another");
    keep(&bench, "kitchen.db");
    of_service(&bench, "session show --database hall").run().code(1).says("captures there are kitchen");
}

#[test]
fn the_only_one_is_read_and_named() {
    let bench = bench();
    keep(&bench, "hall.db");
    for line in ["session list", "session show 1", "session diff 1 1", "session export 1 --format jsonl", "replay"] {
        let finished = of_service(&bench, line).run().says("reading ").says("kept/hall.db, as there is no ");
        if line == "session list" {
            assert!(finished.success().stdout.contains("warm-up"));
        }
    }
    // What changes a capture is told which.
    of_service(&bench, "session label 1 other").run().code(1).says("kept/captures.db: there is no such file");
    of_service(&bench, "session delete 1 --yes").run().code(1).says("kept/captures.db: there is no such file");
    // One's own comes first.
    keep(&bench, "captures.db");
    let finished = of_service(&bench, "session list").run().success();
    assert_eq!(finished.stderr, "");
}

#[test]
fn of_several_one_is_chosen_by_its_name() {
    let bench = bench();
    keep(&bench, "kitchen.db");
    keep(&bench, "hall.db");
    of_service(&bench, "session list")
        .run()
        .code(2)
        .says("several captures are in ")
        .says(": hall, kitchen; choose one with --database NAME");
    let list = of_service(&bench, "session list --database kitchen").run().success();
    assert!(list.stdout.contains("warm-up") && list.stderr.is_empty(), "{}", list.stderr);
    of_service(&bench, "session label 1 changed --database kitchen").run().success();
    let list = |database: &str| of_service(&bench, &format!("session list --database {database}")).run().stdout;
    assert!(list("kitchen").contains("changed") && list("hall").contains("warm-up"));
    let differ = of_service(&bench, "session diff 1 1 --database kitchen --other hall").run();
    assert!(!differ.stderr.contains("cannot open"), "{}", differ.stderr);
    // A file here comes first, and a path is a path.
    fs::copy(bench.path("made.db"), bench.path("kitchen")).unwrap();
    assert!(list("kitchen").contains("warm-up"));
    of_service(&bench, "session list --database ./hall").run().code(1).says("./hall: there is no such file");
    of_service(&bench, "session list --database hall.db").run().code(1).says("hall.db: there is no such file");
    // A recorder makes the file that it is told to make.
    of_service(&bench, "record --database hall --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    assert!(bench.path("hall").exists());
}

#[test]
fn a_directory_that_may_not_be_read_is_named() {
    let bench = bench();
    keep(&bench, "hall.db");
    fs::set_permissions(bench.path("kept"), fs::Permissions::from_mode(0o300)).unwrap();
    of_service(&bench, "session list").without_rights().run().code(1).says("cannot be looked into: Permission denied");
    fs::set_permissions(bench.path("kept"), fs::Permissions::from_mode(0o000)).unwrap();
    of_service(&bench, "session list --database hall").without_rights().run().code(1).says("adduser NAME fancyhwd");
    let path = bench.text("kept/hall.db");
    let finished = bench.fancyhwd(&format!("session list --database {path}")).without_rights().run().code(1);
    finished.says("Permission denied").says("is yours, but has mode 0000");
    fs::set_permissions(bench.path("kept"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// The directory of the units, in a tree of files that only this test sees.
#[test]
fn anybody_finds_what_the_units_keep() {
    let bench = bench();
    let script = "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/fancyhwd && cp made.db /var/lib/fancyhwd/hall.db";
    let in_own_tree = |line: &str| {
        let user = if rustix::process::geteuid().is_root() { None } else { Some("--map-root-user") };
        let unshare = bench.program("unshare").args(user).args(["--mount", "sh", "-e", "-c"]);
        unshare.arg(format!("{script}\n{line}")).env("HOME", bench.path("home")).run()
    };
    let probe = in_own_tree("true");
    if !probe.status.success() {
        not_run(&format!("no tree of files of its own: {}", probe.stderr.trim_end()));
        return;
    }
    let list = in_own_tree("fancyhwd session list").success();
    assert!(list.stdout.contains("warm-up"));
    list.says("reading /var/lib/fancyhwd/hall.db, as there is no ");
    in_own_tree("fancyhwd session show 1 --database hall").success();
    in_own_tree("unset HOME; fancyhwd session list").success();
    in_own_tree("rm /var/lib/fancyhwd/*; fancyhwd session list").code(1).says("nor any capture in /var/lib/fancyhwd");
}
