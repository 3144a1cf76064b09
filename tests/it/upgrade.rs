//! Databases that released versions wrote: `tests/upgrade/keep` keeps one of each. They are read, replayed and recorded
//! into as if this version had written them. Of 0.1.0 that is the last build; the tables of older ones are refused.

use std::fs;
use std::path::PathBuf;

use crate::support::{Bench, root};

/// What is kept of earlier versions.
fn kept() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/upgrade")).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("captures-");
    let files: Vec<_> = files.filter(is_one).collect();
    assert!(!files.is_empty());
    files
}

fn each_version(check: impl Fn(&Bench, &str)) {
    for file in kept() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let version = name.strip_prefix("captures-").and_then(|name| name.strip_suffix(".tar.gz")).unwrap();
        let bench = Bench::new();
        bench.program("tar").arg("-xzf").arg(&file).args(["--no-same-owner"]).run().success();
        check(&bench, version);
    }
}

const SESSIONS: &str = "SELECT id, label, version, end_reason, lost FROM sessions";

#[test]
fn captures_of_every_version_are_read_as_they_were_recorded() {
    each_version(|bench, version| {
        bench.fancyhwd("session verify --all --database c.db").run().success();
        let expected = format!(
            "1|reference|{version}|limit|0\n2|devices|{version}|limit|0\n3|texts|{version}|imported|0\n4|crash|{version}||0"
        );
        assert_eq!(bench.sqlite3("c.db", SESSIONS), expected);
        let shown = bench.fancyhwd("session show devices --database c.db").run().success();
        for text in ["float32x2", "uint32/int16x4", "left", "valve open"] {
            assert!(shown.stdout.contains(text), "{text}: {}", shown.stdout);
        }
        let csv = bench.fancyhwd("session export devices --database c.db --format csv").run().success().stdout;
        assert_eq!(csv.lines().count(), 61);
        let first = bench.sqlite3("c.db", "SELECT samples FROM decoded_packets LIMIT 1");
        assert!(first.starts_with("[-22457,-24171,7149,"), "{first}");
        assert_eq!(bench.sqlite3("c.db", "SELECT text FROM texts WHERE text LIKE 'all%'"), "all is well");
        let replay = "replay reference --database c.db --speed max --bind tcp://127.0.0.1:*";
        bench.fancyhwd(replay).run().success().says("replayed session 1: 30 messages");
    });
}

#[test]
fn this_version_records_into_a_database_of_every_version() {
    each_version(|bench, version| {
        let before = bench.sqlite3("c.db", "SELECT group_concat(hex(digest)) FROM batches");
        let endpoint = bench.endpoint("device");
        let device = format!("publish --bind {endpoint} --count 100 --interval 1ms --wait-subscribers 1");
        let device = bench.fancyhwd(&device).spawn();
        let record = format!("record --database c.db --connect {endpoint} --count 100 --label new");
        bench.fancyhwd(&record).run().success();
        device.finish().success();
        let ours = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "1|reference|{version}|limit|0\n2|devices|{version}|limit|0\n3|texts|{version}|imported|0\n\
             4|crash|{version}|interrupted|0\n5|new|{ours}|limit|0"
        );
        assert_eq!(bench.sqlite3("c.db", SESSIONS), expected);
        let after = bench.sqlite3("c.db", "SELECT group_concat(hex(digest)) FROM batches");
        assert!(after.len() > before.len() && after.starts_with(&before));
        bench.fancyhwd("session verify --all --database c.db").run().success();
        // In a file of its own, too.
        bench.fancyhwd("session export devices --database c.db --format sqlite -o copy.db").run().success();
        bench.fancyhwd("session diff devices devices --database c.db --other copy.db").run().success();
        bench.fancyhwd("session delete devices --yes --database c.db").run().success();
        bench.fancyhwd("session verify --all --database c.db").run().success();
    });
}
