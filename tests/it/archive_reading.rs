//! Captures are read in an archive as they are in a database.

use std::fs;

use crate::support::archived::device;
use crate::support::cluster::Cluster;
use crate::support::http::serve;
use crate::support::{Bench, eventually};

/// Two captures of one recorder, and one of another.
fn recorded<'a>(bench: &'a Bench) -> Option<Cluster<'a>> {
    let cluster = Cluster::start(bench, 3, "")?;
    let (_device, endpoint) = device(bench, 2000);
    let url = cluster.url();
    for (database, recorder, label) in
        [("hall.db", "hall", "one"), ("hall.db", "hall", "two"), ("cellar.db", "cellar", "one")]
    {
        let options = format!("--archive {url} --recorder {recorder} --label {label} --count 2000");
        bench.fancyhwd(&format!("record --database {database} --connect {endpoint} {options}")).run().success();
    }
    Some(cluster)
}

/// What a command prints.
fn said(bench: &Bench, line: &str) -> String {
    bench.fancyhwd(line).run().success().stdout
}

#[test]
fn what_reads_a_database_reads_an_archive() {
    let bench = Bench::new();
    let Some(cluster) = recorded(&bench) else { return };
    let url = cluster.url();
    // All recorders, with the names that a session has there.
    let list = said(&bench, &format!("session list --database {url}"));
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["ID", "cellar/1", "hall/1", "hall/2"], "{list}");
    // One of them: the same lines as at home.
    let there = said(&bench, &format!("session list --database {url}/hall"));
    let rest = |text: &str| -> Vec<String> {
        let without_name =
            |line: &str| line.trim_start().split_once(' ').unwrap().1.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(without_name).collect()
    };
    assert_eq!(rest(&there), rest(&said(&bench, "session list --database hall.db")));
    let json: serde_json::Value =
        serde_json::from_str(&said(&bench, &format!("session list --json --database {url}"))).unwrap();
    assert_eq!(json[1]["name"], "hall/1");
    assert_eq!(json[1]["messages"], 2000);

    for (typed, database) in [("hall/2", url.clone()), ("two", format!("{url}/hall")), ("two", url.clone())] {
        assert_eq!(
            said(&bench, &format!("session export {typed} --database {database} --format csv -o -")),
            said(&bench, "session export 2 --database hall.db --format csv -o -")
        );
    }
    let show = said(&bench, &format!("session show hall/2 --database {url}"));
    assert!(show.contains("two") && show.contains("2000"), "{show}");
    let verify = said(&bench, &format!("session verify --all --database {url}"));
    assert_eq!(verify.matches(": ok, 2000 messages").count(), 3, "{verify}");
    assert_eq!(
        said(&bench, &format!("session verify two --database {url}")),
        said(&bench, "session verify 2 --database hall.db")
    );
    // Its numbers are no counter, and are counted all the same.
    let counted = |database: &str| {
        let verify = format!("session verify two --counter uint16@0 --database {database}");
        bench.fancyhwd(&verify).run().code(3).stdout
    };
    assert_eq!(counted(&url), counted("hall.db"));
    bench.fancyhwd(&format!("session diff hall/1 1 --database {url} --other hall.db")).run().success();
    bench.fancyhwd(&format!("session diff hall/1 hall/2 --database {url}")).run().code(3);
    assert_eq!(
        said(&bench, &format!("session find hall/1 ch0>0 --limit 5 --json --database {url}")),
        said(&bench, "session find 1 ch0>0 --limit 5 --json --database hall.db")
    );
    // What is lent to a command is gone with it.
    let room = bench.path("room");
    fs::create_dir(&room).unwrap();
    let export = bench.fancyhwd(&format!("session export hall/1 hall/2 --database {url} --format npz -o out"));
    export.env("TMPDIR", &room).run().success();
    assert_eq!(fs::read_dir(&room).unwrap().count(), 0);
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 2);

    let refused = |line: &str, code: i32, words: &str| {
        bench.fancyhwd(&line.replace("URL", &url)).run().code(code).says(words);
    };
    refused(
        "session show one --database URL",
        1,
        "several recorders have such a session: cellar/one, hall/one; say which",
    );
    refused("session show three --database URL", 1, "there is no session 'three' of cellar, hall in it");
    refused("session show tow --database URL/hall", 1, "there is no session 'tow' of hall in it; did you mean 'two'? ");
    refused(
        "session show 7 --database URL/hall",
        1,
        "there is no session '7' of hall in it; there are 2 from 1 to 2; ",
    );
    refused(
        "session export cellar/1 hall/1 --database URL --format npz -o x",
        2,
        "several recorders cannot be read at once",
    );
    refused("session label 1 x --database URL", 2, "an archive is only read");
    refused("session list --archive-ca x --database hall.db", 2, "name one with --database nats://");
}

#[test]
fn what_is_not_as_its_seal_says_is_read_and_never_called_whole() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    bench
        .fancyhwd(&format!("record --database c.db --connect {endpoint} --layout int16x16 --count 100"))
        .run()
        .success();
    bench.sqlite3("c.db", "UPDATE sessions SET host = 'another'");
    let url = cluster.url();
    bench
        .fancyhwd(&format!("session archive 1 --database c.db --archive {url} --recorder r --archive-replicas 1"))
        .run();
    let bind = bench.endpoint("replay");
    for line in [
        "show 1".to_owned(),
        "verify 1".to_owned(),
        "verify 1 --counter int16@0".to_owned(),
        "export 1 --format csv -o -".to_owned(),
        "find 1 ch0>0 --limit 1".to_owned(),
        "diff 1 1".to_owned(),
    ] {
        bench.fancyhwd(&format!("session {line} --database {url}/r")).run().code(3);
    }
    let replay = bench.fancyhwd(&format!("replay 1 --speed max --bind {bind} --database {url}/r")).run();
    replay.code(3).says("is not what its seal was made of");
}

#[test]
fn a_capture_and_a_part_of_it_are_not_read_at_once() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    let url = cluster.url();
    let options =
        format!("--archive {url} --recorder r --archive-replicas 1 --label lab --split-every 1s --count 3000");
    bench.fancyhwd(&format!("record --database c.db --connect {endpoint} {options}")).run().success();
    let export = |sessions: &str| {
        let line = format!("session export {sessions} --database {url} --format npz -o out");
        bench.fancyhwd(&line).run()
    };
    export("lab 1").code(2).says("session 1 is named both by itself and as a part of a capture");
    export("lab lab").success();
}

#[test]
fn a_replay_from_an_archive_is_not_disturbed_by_what_happens_to_it() {
    let bench = Bench::new();
    let Some(mut cluster) = recorded(&bench) else { return };
    let (url, endpoint) = (cluster.url(), bench.endpoint("replay"));
    let replay = format!("replay hall/1 --database {url} --bind {endpoint} --wait-subscribers 1");
    let replay = bench.fancyhwd(&replay).start();
    let recorder = format!("record --database again.db --connect {endpoint} --count 2000");
    let recorder = bench.fancyhwd(&recorder).start();
    (0..3).for_each(|number| cluster.kill(number));
    recorder.finish().success();
    replay.finish().success().says("replayed session 1: 2000 messages");
    bench.fancyhwd("session diff 1 1 --database hall.db --other again.db").run().success();
}

#[test]
fn pages_show_the_captures_of_an_archive() {
    let bench = Bench::new();
    let Some(cluster) = recorded(&bench) else { return };
    let url = cluster.url();
    let served = serve(&bench, &format!("{url}/hall"));
    eventually("both are there", || {
        let page = served.page("/");
        page.contains("one") && page.contains("two")
    });
    assert!(served.page("/captures/2").contains("two"));
    let refused = bench.fancyhwd(&format!("serve --listen 127.0.0.1:0 --database {url}")).run().code(1);
    refused.says("several recorders have captures in it").says("nats://HOST/RECORDER");
}

#[test]
fn whole_sessions_are_deleted_there_by_hand_and_by_their_age() {
    let bench = Bench::new();
    let Some(cluster) = recorded(&bench) else { return };
    let url = cluster.url();
    bench.fancyhwd(&format!("session delete hall/1 --database {url}")).run().code(2).says("confirm it with --yes");
    bench.fancyhwd(&format!("session delete hall/1 --yes --database {url}")).run().success().says("with 2000 messages");
    let ids = || -> Vec<String> {
        let list = said(&bench, &format!("session list --json --database {url}"));
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(), ["cellar/1", "hall/2"]);
    bench.fancyhwd(&format!("session verify --all --database {url}")).run().success();
    let gone = bench.fancyhwd(&format!("session delete hall/1 --yes --database {url}")).run().code(1);
    gone.says("there is no session '1' of hall");
    // What ended longer ago than that, of this database alone.
    let (_device, endpoint) = device(&bench, 1000);
    let record = format!("record --database hall.db --connect {endpoint} --archive {url} --recorder hall");
    let recorder = bench.fancyhwd(&format!("{record} --archive-max-age 1ms")).start();
    eventually("the old one is deleted", || recorder.log().contains("session 2 was deleted in archive"));
    recorder.stop().success();
    assert_eq!(ids(), ["cellar/1", "hall/3"]);
    bench.fancyhwd("session verify --all --database hall.db").run().success();
}

#[test]
fn what_is_archived_makes_room_first_and_what_is_not_only_in_need_and_not_in_silence() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (url, endpoint) = (cluster.url(), bench.endpoint("fast"));
    let publish = format!("publish --rate max --on-full block --wait-subscribers 1 --bind {endpoint}");
    let record = format!("record --database c.db --on-full block --durability normal --connect {endpoint}");
    let fill = |options: &str, count: u32| {
        let recorder = bench.fancyhwd(&format!("{record} {options} --count {count}")).start();
        bench.fancyhwd(&format!("{publish} --count {count}")).run().success();
        recorder.finish()
    };
    let archive = format!("--archive {url} --recorder r --archive-replicas 1");
    let sessions = || bench.sqlite3("c.db", "SELECT group_concat(id, ' ') FROM (SELECT id FROM sessions ORDER BY id)");
    fill("", 100_000).success();
    fill(&archive, 100_000).success();
    fill(&archive, 100_000).success();
    fill(&format!("{archive} --max-use 40MiB"), 200_000).success().says("session 2 of ");
    assert_eq!(&sessions()[..2], "1 ", "{}", sessions());
    bench.fancyhwd("session verify --all --database c.db").run().success();
    // Away, and no other choice.
    let away = "--archive nats://127.0.0.1:1 --recorder r --max-use 32MiB --split-every 4MiB";
    let finished = fill(away, 600_000).code(3).says("older messages were deleted before they were archived");
    assert!(finished.stderr.contains(" 0 lost"), "{}", finished.stderr);
    assert_ne!(&sessions()[..2], "1 ");
    let told =
        "SELECT count(*) > 0 FROM events WHERE kind = 'deleted' AND detail LIKE '%of which are not in the archive%'";
    assert_eq!(bench.sqlite3("c.db", told), "1");
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn an_archive_that_is_away_for_long_is_in_the_ledger() {
    let bench = Bench::new();
    let Some(mut cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let url = cluster.url();
    cluster.kill(0);
    let record =
        format!("record --database c.db --connect {endpoint} --archive {url} --recorder r --archive-replicas 1");
    let recorder = bench.fancyhwd(&record).start();
    let away_s = || -> Option<u64> {
        let status = recorder.wait_until_status(" not archived for ");
        status.split(" not archived for ").nth(1)?.split_whitespace().next()?.parse().ok()
    };
    eventually("it is away for long", || away_s().is_none_or(|s| s >= 11));
    cluster.begin(0);
    recorder.wait_until_status("all archived");
    recorder.stop().success();
    let told = "SELECT until_elapsed_ns - elapsed_ns > 10000000000, lost, detail LIKE 'up to % messages were not in the archive yet: %' \
                FROM events WHERE kind = 'archive-lag'";
    assert_eq!(bench.sqlite3("c.db", told), "1|0|1");
    bench.fancyhwd("session verify --database c.db").run().success();
}
