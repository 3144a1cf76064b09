//! `serve` beside a running recorder: what it says, live, to Prometheus, and when the recorder is gone.

use std::fs;
use std::io::{Read, Write};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::http::{Served, serve};
use crate::support::prometheus::Prometheus;
use crate::support::{Bench, Daemon, eventually};

/// A recorder that has `count` messages of a device that is gone again, and one that is there.
fn recorded(bench: &Bench, count: u32) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let record = format!("record --label live --database c.db --max-message 1KiB --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&format!("{publish} --count {count}")).run().success();
    recorder.wait_until_status(&format!("session 1: {count} messages, "));
    let device = bench.fancyhwd(&format!("publish --rate 1 --wait-subscribers 2 --bind {endpoint}")).start();
    eventually("the link is up again", || {
        let said: Option<Value> = serde_json::from_slice(&fs::read(bench.path("c.db-status")).unwrap()).ok();
        said.is_some_and(|said| said["links"][0]["is_up"] == true)
    });
    (recorder, device)
}

fn total(bench: &Bench, column: &str) -> f64 {
    bench.sqlite3("c.db", &format!("SELECT {column} FROM sessions WHERE id = 1")).parse().unwrap()
}

#[test]
fn metrics_equal_the_ledger_and_prometheus_takes_them() {
    let bench = Bench::new();
    let (recorder, _device) = recorded(&bench, 500);
    let served = serve(&bench, "c.db");
    let metrics = served.get("/metrics");
    assert_eq!(metrics.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for (name, column) in [
        ("fancyhwd_messages_total", "messages"),
        ("fancyhwd_bytes_total", "bytes"),
        ("fancyhwd_undecodable_total", "undecodable"),
        ("fancyhwd_unwanted_total", "unwanted"),
    ] {
        assert_eq!(metrics.metric(name), total(&bench, column), "{name}");
    }
    assert_eq!(metrics.metric("fancyhwd_not_kept_total"), 0.0);
    let lost: f64 = metrics
        .body
        .lines()
        .filter(|line| line.starts_with("fancyhwd_lost_total{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert_eq!(lost, total(&bench, "lost"));
    assert_eq!(metrics.metric("fancyhwd_recorder_up"), 1.0);
    let commits: f64 = bench.sqlite3("c.db", "SELECT count(*) FROM batches").parse().unwrap();
    assert!(metrics.metric("fancyhwd_commits_total") >= commits, "{}", metrics.body);
    assert!(metrics.metric("fancyhwd_sync_seconds_count") >= commits);
    let endpoint = bench.endpoint("device");
    assert_eq!(metrics.metric(&format!("fancyhwd_link_up{{endpoint=\"{endpoint}\"}}")), 1.0);
    assert!(metrics.metric(&format!("fancyhwd_last_message_age_seconds{{endpoint=\"{endpoint}\"}}")) < 3600.0);
    fs::write(bench.path("metrics"), &metrics.body).unwrap();
    let checked = bench
        .program("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(bench.path("metrics")).unwrap())
        .run()
        .success();
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""));
    scraped(&bench, &served);
    recorder.stop();
}

/// What a real Prometheus stores is what we said.
fn scraped(bench: &Bench, served: &Served) {
    let prometheus = Prometheus::start(bench, served);
    eventually("Prometheus has scraped", || {
        prometheus.ask("up") == Some(1.0) && prometheus.ask("fancyhwd_messages_total").is_some()
    });
    let said = served.get("/metrics");
    let scraped = prometheus.ask("fancyhwd_bytes_total/fancyhwd_messages_total").unwrap();
    let ratio = said.metric("fancyhwd_bytes_total") / said.metric("fancyhwd_messages_total");
    assert!((scraped - ratio).abs() < 1e-6, "{scraped} and {ratio}");
    assert_eq!(prometheus.ask("fancyhwd_recorder_up"), Some(1.0));
    assert_eq!(prometheus.ask("count(fancyhwd_lost_total)"), Some(8.0));
}

#[test]
fn health_is_that_of_the_recorder_its_links_and_what_it_lost() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let served = serve(&bench, "c.db");
    assert!(served.get("/healthz").body.contains("there is no such file"));
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    eventually("the link is not up", || served.get("/healthz").body.contains("is not up: "));
    let device = bench.fancyhwd(&format!("publish --rate 100 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("all is well", || {
        let health = served.get("/healthz");
        (health.status, health.body.as_str()) == (200, "ok\n")
    });
    drop(device);
    eventually("the link is down", || served.get("/healthz?within=60s").status == 503);
    let device = bench.fancyhwd(&format!("publish --rate 100 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("only the loss is left", || {
        let health = served.get("/healthz?within=1h");
        health.status == 503 && !health.body.contains("is not up") && health.body.contains("disconnected, unknown loss")
    });
    eventually("that was long enough ago", || served.get("/healthz?within=1ms").status == 200);
    // Stopped without a word: its file is still there, and says that all is well.
    recorder.signal(Signal::KILL);
    drop(recorder.finish());
    let gone = served.get("/healthz?within=1ms");
    assert!(gone.status == 503 && gone.body.contains("no recorder is running"), "{gone:?}");
    assert!(bench.path("c.db-status").exists());
    drop(device);
}

#[test]
fn the_live_page_moves_and_says_when_the_recorder_is_killed() {
    let bench = Bench::new();
    let (recorder, device) = recorded(&bench, 500);
    let served = serve(&bench, "c.db");
    let page = served.page("/live");
    for text in ["Recording ", "href=\"/captures/1\"", "queue", "free", &bench.endpoint("device"), "<noscript><meta"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let mut events = served.connect();
    events.write_all(b"GET /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut heard = String::new();
    let mut hear = |wanted: &dyn Fn(&str) -> bool| {
        while !wanted(&heard) {
            let mut piece = [0; 4096];
            let count = events.read(&mut piece).unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    hear(&|heard| heard.matches("data: ").count() >= 3 && heard.contains("Recording "));
    recorder.signal(Signal::KILL);
    drop(recorder.finish());
    hear(&|heard| heard.contains("No recorder is running."));
    assert!(served.page("/captures/live").contains(">500</dd>") || served.page("/captures/live").contains("<dd>50"));
    // It comes back by itself.
    let endpoint = bench.endpoint("device");
    let again = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    hear(&|heard| heard.contains(">session 2</a>"));
    eventually("the list has it too", || served.page("/").contains(">recording</a>"));
    drop((again, device));
}

#[test]
fn what_was_lost_has_its_cause() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --topic * --max-message 1KiB --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let context = zmq::Context::new();
    let device = context.socket(zmq::XPUB).unwrap();
    device.bind(&endpoint).unwrap();
    device.recv_bytes(0).unwrap();
    // A single frame that is too large breaks the link, and two together do not.
    let large = [b'x'; 700].as_slice();
    for frames in [&[b"x".as_slice()][..], &[large, large], &[b"x"], &[large, large], &[b"x"]] {
        device.send_multipart(frames, 0).unwrap();
    }
    let served = serve(&bench, "c.db");
    eventually("all is said", || {
        let metrics = served.get("/metrics");
        metrics.body.contains("fancyhwd_messages_total 3\n")
            && metrics.body.contains("fancyhwd_lost_total{cause=\"too-large\"} 2\n")
            && metrics.body.contains("fancyhwd_lost_total{cause=\"overflow\"} 0\n")
            && metrics.body.contains("fancyhwd_lost_total{cause=\"other\"} 0\n")
    });
    let ledger = "SELECT sum(lost) FROM events WHERE kind = 'too-large'";
    eventually("the ledger has it too", || bench.sqlite3("c.db", ledger) == "2");
    assert!(served.page("/live").contains("2 (2 too-large)"));
    assert!(served.get("/healthz").body.contains("too-large, 2 lost"));
    assert!(served.page("/captures/1/ledger").contains("2 lost"));
    recorder.stop().code(3);
}
