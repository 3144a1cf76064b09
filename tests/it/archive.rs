//! The archive on three real servers of NATS: what is sent there comes back as it was.

use crate::import::{difficult, rows};
use crate::support::archived::{device, proof};
use crate::support::cluster::Cluster;
use crate::support::http::serve;
use crate::support::{Bench, eventually};
use rustix::process::Signal;

#[test]
fn what_is_recorded_is_in_the_archive_and_comes_back_into_a_new_and_a_used_database() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    let url = cluster.url();
    let record = |label: &str| {
        let line = format!(
            "record --database c.db --count 3000 --label {label} --note kept --connect {endpoint} --archive {url} --recorder hall"
        );
        bench.fancyhwd(&line).run().success().says("all of it is in archive nats://").says(" as hall");
    };
    record("one");
    record("two");
    assert_eq!(bench.sqlite3("c.db", "SELECT last_id, is_described FROM archived"), "3000|1\n6000|1");
    bench.fancyhwd(&format!("session fetch hall/2 --archive {url} --database new.db")).run().success();
    assert_eq!(proof(&bench, "new.db", 1), proof(&bench, "c.db", 2));
    // The name of the recorder may stand in the address, and where there is one alone nowhere.
    let fetch = format!("session fetch one --archive {url}/hall --database new.db");
    bench.fancyhwd(&fetch).run().success().says("fetched session 1 of hall as session 2 of ").says("3000 messages");
    bench.fancyhwd(&format!("session fetch latest --archive {url} --database new.db")).run().success();
    assert_eq!([2, 3].map(|id| proof(&bench, "new.db", id)), [1, 2].map(|id| proof(&bench, "c.db", id)));
    bench.fancyhwd("session verify --all --database new.db").run().success();
    for (ours, theirs) in [(1, 2), (2, 1), (2, 3)] {
        bench.fancyhwd(&format!("session diff {ours} {theirs} --database c.db --other new.db")).run().success();
    }
    // It is a database like any other.
    bench.fancyhwd("session export 2 --database new.db --format sqlite -o copy.db").run().success();
    let all =
        bench.fancyhwd(&format!("session archive --all --database new.db --archive {url} --recorder copies")).run();
    all.success().says("archived 3 sessions of ").says("9000 messages sent").says("9000 are there");
    bench.fancyhwd(&format!("session diff copies/3 3 --database {url} --other new.db")).run().success();
    let nothing = bench.fancyhwd(&format!("session archive two --database c.db --archive {url} --recorder hall")).run();
    nothing.success().says("0 messages sent").says("3000 are there");
    let other = bench.fancyhwd(&format!("session fetch hall/three --archive {url} --database no.db")).run();
    other.code(1).says("there is no session 'three' of hall in it");
    let other = bench.fancyhwd(&format!("session fetch hull/1 --archive {url} --database no.db")).run();
    other.code(1).says("there is no recorder hull in it");
    assert!(!bench.path("no.db").exists());
}

#[test]
fn any_message_and_reading_comes_back_and_so_do_large_ones() {
    let bench = difficult();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let url = cluster.url();
    // Noise, which takes several messages there.
    std::fs::write(bench.path("noise"), vec![0; 1]).unwrap();
    bench.program("sh").args(["-c", "head -c 5000000 /dev/urandom > noise"]).run().success();
    let noise = std::fs::read(bench.path("noise")).unwrap();
    crate::mcap::record(&bench, "--topic * --label large", &[(0, vec![b"cam".to_vec(), noise.clone(), noise])]);
    for id in 1..=4 {
        let archive = format!("session archive {id} --database c.db --archive {url} --recorder r --archive-replicas 1");
        bench.fancyhwd(&archive).run().success();
        let fetch = format!("session fetch r/{id} --archive {url} --database d.db");
        bench.fancyhwd(&fetch).run().success();
        assert_eq!(rows(&bench, "c.db", id, true), rows(&bench, "d.db", id, true), "{id}");
        assert_eq!(proof(&bench, "c.db", id as i64), proof(&bench, "d.db", id as i64), "{id}");
    }
    bench.fancyhwd("session verify --all --database d.db").run().success();
    let fields =
        "SELECT channel, unit, scale, \"offset\" FROM fields JOIN streams ON streams.id = stream_id WHERE name = 'imu'";
    assert_eq!(bench.sqlite3("c.db", fields), bench.sqlite3("d.db", fields));
    // What is said of it later goes there with the next `session archive`.
    bench.fancyhwd("session label 1 renamed --database c.db").run().success();
    bench.fancyhwd("session note 1 later --database c.db").run().success();
    let archive = format!("session archive 1 --database c.db --archive {url} --recorder r");
    bench.fancyhwd(&archive).run().success().says("it has 1 replicas, and not 3: fewer servers can fail");
    bench.fancyhwd(&format!("session fetch r/renamed --archive {url} --database d.db")).run().success();
    assert_eq!(proof(&bench, "c.db", 1), proof(&bench, "d.db", 5));
}

#[test]
fn a_capture_that_was_split_is_archived_and_fetched_as_one() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    let url = cluster.url();
    let options = "--archive-replicas 1 --recorder r --split-every 1s --duration 3500ms --label run";
    let record = format!("record --database c.db --connect {endpoint} --archive {url} {options}");
    bench.fancyhwd(&record).run().success();
    bench.fancyhwd(&format!("session fetch r/run --archive {url} --database d.db")).run().success();
    assert!(bench.sqlite3("c.db", "SELECT count(*) FROM sessions").parse::<u32>().unwrap() >= 3);
    let exported = |database: &str| {
        let export = format!("session export run --database {database} --format csv -o -");
        bench.fancyhwd(&export).run().success().stdout
    };
    assert_eq!(exported("c.db"), exported("d.db"));
    bench.fancyhwd("session verify --all --database d.db").run().success();
}

#[test]
fn what_is_recorded_while_the_archive_is_away_is_sent_later() {
    let bench = Bench::new();
    let Some(mut cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let url = cluster.url();
    (0..3).for_each(|number| cluster.kill(number));
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r");
    let away = bench.fancyhwd(&format!("{record} --count 2000")).run().code(3);
    away.says("2000 messages, ").says(" 0 lost").says("2000 messages of ").says("they stay here");
    // It comes while the next session is recorded, and what is older goes first.
    let recorder = bench.fancyhwd(&record).start();
    recorder.wait_until_status(" not archived for ");
    let served = serve(&bench, "c.db");
    let metric = |name: &str| served.get("/metrics").metric(name);
    eventually("metrics say so", || metric("fancyhwd_archive_behind_messages") >= 2000.0);
    assert_eq!(metric("fancyhwd_archived_total"), 0.0);
    let show = |id: i64| bench.fancyhwd(&format!("session show {id} --database c.db")).run().success().stdout;
    assert!(show(1).contains("archived    as r/1: 0 messages, 2000 not yet\n"), "{}", show(1));
    (0..3).for_each(|number| cluster.begin(number));
    recorder.wait_until_status("all archived");
    eventually("metrics say so too", || {
        metric("fancyhwd_archive_behind_messages") < 2000.0 && metric("fancyhwd_archive_troubled") == 0.0
    });
    assert!(metric("fancyhwd_archived_total") >= 2000.0 && show(1).contains("archived    as r/1: all of it\n"));
    recorder.stop().success().says("messages are sent again").says("all of it is in archive");
    for id in 1..=2 {
        bench.fancyhwd(&format!("session fetch r/{id} --archive {url} --database d.db")).run().success();
        assert_eq!(proof(&bench, "c.db", id), proof(&bench, "d.db", id));
    }
}

#[test]
fn a_node_that_hangs_holds_nobody_up() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let url = cluster.url();
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r");
    let recorder = bench.fancyhwd(&record).start();
    eventually("the stream has a leader", || cluster.leader("FHW_r").is_some());
    let leader = cluster.leader("FHW_r").unwrap();
    cluster.node(leader).signal(Signal::STOP);
    recorder.wait_until_status(" not archived for ");
    recorder.wait_until_status("all archived");
    cluster.node(leader).signal(Signal::CONT);
    recorder.stop().success();
    bench.fancyhwd(&format!("session fetch r/1 --archive {url} --database d.db")).run().success();
    assert_eq!(proof(&bench, "c.db", 1), proof(&bench, "d.db", 1));
}
