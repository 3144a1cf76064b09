//! What a recorder tells while it runs: to the service manager, on a terminal, in the ledger.

use std::fs;
use std::os::unix::net::UnixDatagram;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Bench, eventually, on_terminal};

fn committed(bench: &Bench) -> i64 {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.query_row("SELECT messages FROM sessions", [], |row| row.get(0)).unwrap()
}

#[test]
fn the_service_manager_is_told_what_is_going_on() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device = bench
        .fancyhwd(&format!("publish --rate 1000 --count 10 --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    drop(device);
    let status = recorder.wait_until_status("session 1: 10 messages, ");
    assert!(status.contains("/s, 450 B, queue 0.0 %, 0 lost, "), "{status}");
    assert!(status.contains(" free") || status.contains("full in "), "{status}");
    // The same for everybody who may read the captures.
    let said = fs::read(bench.path("c.db-status")).unwrap();
    assert_eq!(said.len(), 4096);
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((&said["session_id"], &said["messages"], &said["lost"]), (&1.into(), &10.into(), &0.into()));
    assert_eq!(said["pid"], recorder.pid());
    assert_eq!(said["links"][0]["endpoint"], endpoint);
    let list = bench.fancyhwd("session list --database c.db").run().success().stdout;
    assert!(list.lines().nth(1).unwrap().contains(" recording "), "{list}");
    let list = bench.fancyhwd("session list --database c.db --json").run().success().stdout;
    assert!(list.contains("\"recorder\"") && list.contains("\"on_disk_within_ns\""), "{list}");
    recorder.stop().code(0);
    assert!(!bench.path("c.db-status").exists());
    let list = bench.fancyhwd("session list --database c.db").run().success().stdout;
    assert!(list.lines().nth(1).unwrap().contains(" stopped "), "{list}");
}

#[test]
fn the_watchdog_hears_a_recorder_without_a_device_but_not_one_whose_disk_hangs() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).env("WATCHDOG_USEC", "3000000").start();
    for _ in 0..4 {
        recorder.wait_until_told("WATCHDOG=1");
    }
    let strace = bench
        .program("strace")
        .args(["-f", "-o", "trace", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=8000000:when=1"])
        .args(["-p", &recorder.pid().to_string()])
        .spawn();
    eventually("strace is attached", || strace.log().contains("attached"));
    bench.fancyhwd(&format!("publish --rate 1000 --count 10 --wait-subscribers 1 --bind {endpoint}")).run().success();
    // The status goes on, so it is not the whole program that hangs.
    let mut in_a_row = 0;
    for _ in 0..16 {
        match recorder.wait_until_told_anything().as_str() {
            "WATCHDOG=1\n" => in_a_row = 0,
            _ => in_a_row += 1,
        }
        if in_a_row == 3 {
            break;
        }
    }
    assert_eq!(in_a_row, 3, "heard all the time");
    recorder.wait_until_told("WATCHDOG=1");
    let ended = recorder.stop();
    // strace stops the program while it attaches. Where that takes half a second, the recorder says so.
    let was_stopped = ended.stderr.contains("this recorder did not run for");
    ended.code(if was_stopped { 3 } else { 0 });
    assert_eq!(committed(&bench), 10);
}

#[test]
fn the_service_manager_is_told_what_was_published_and_to_how_many() {
    let bench = Bench::new();
    let publisher =
        bench.fancyhwd(&format!("publish --rate 100 --wait-subscribers 1 --bind {}", bench.endpoint("device"))).start();
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {}", publisher.endpoint())).start();
    let status = publisher.wait_until_status(" sent, 0 lost, subscribers: 1");
    assert!(status.contains("STATUS=publishing fancyhw_data on ipc://"), "{status}");
    drop(recorder);
    publisher.stop().success();
}

#[test]
fn a_service_manager_that_does_not_read_holds_nothing_up() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    // Full before the recorder says anything but READY.
    let socket = UnixDatagram::bind(bench.path("notify")).unwrap();
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --connect {endpoint}"))
        .env("NOTIFY_SOCKET", bench.path("notify"))
        .spawn();
    let mut ready = [0; 100];
    assert!(socket.recv(&mut ready).unwrap() > 0);
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"full", bench.path("notify")).is_ok() {}
    bench.fancyhwd(&format!("publish --rate 1000 --count 2000 --wait-subscribers 1 --bind {endpoint}")).run().success();
    eventually("all packets are committed", || committed(&bench) == 2000);
    recorder.stop().code(0);
}

#[test]
fn on_a_terminal_the_last_line_is_alive_and_the_log_stands_above_it() {
    let bench = Bench::new();
    let line =
        format!("fancyhwd record --duration 2500ms --database {} --connect tcp://127.0.0.1:1", bench.text("c.db"));
    let text = on_terminal(&line);
    assert!(text.matches("session 1: 0 messages, 0.0/s, 0 B, queue 0.0 %, 0 lost, ").count() >= 2, "{text}");
    // The summary stands on a line of its own, and nothing is left below it.
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.contains("recorded session 1: 0 messages"), "{text}");

    let quiet = bench.fancyhwd("record --duration 1500ms --database c.db --connect tcp://127.0.0.1:1").run().code(3);
    assert!(!quiet.stderr.contains("queue 0.0 %, 0 lost, "), "{}", quiet.stderr);
}

#[test]
fn a_flood_of_messages_that_no_layout_reads_is_a_line_in_the_log_and_no_entry_in_the_ledger() {
    const MESSAGES: usize = 50_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = "record --topic * --layout int16 --database c.db";
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
    let context = zmq::Context::new();
    let device = context.socket(zmq::XPUB).unwrap();
    device.set_sndhwm(0).unwrap();
    device.bind(&endpoint).unwrap();
    device.recv_bytes(0).unwrap();
    for _ in 0..MESSAGES {
        device.send("spaceless", 0).unwrap();
    }
    for _ in 0..3 {
        device.send("t even", 0).unwrap();
    }
    eventually("all are committed", || committed(&bench) == MESSAGES as i64 + 3);
    let finished =
        recorder.stop().code(0).says(&format!("{} messages, ", MESSAGES + 3)).says(", 50000 undecodable in ");
    let events = "SELECT kind, lost, detail FROM events WHERE kind NOT IN ('connected', 'disconnected', 'synced-late')";
    assert_eq!(bench.sqlite3("c.db", events), "");
    let lines = finished.stderr.lines().filter(|line| line.contains("9 bytes of records")).count();
    assert_eq!(lines, 1, "{}", finished.stderr);
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.contains("50000 undecodable, the first is #0: frame 1 has 9 bytes of records"), "{shown}");
}
