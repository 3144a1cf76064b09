//! `serve`: pages over what was captured, and who may ask for them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::hostile::{capture, change};
use crate::support::http::{Answer, serve};
use crate::support::seal::seal;
use crate::support::{Bench, eventually};

/// Every page there is, of a capture with the id or label that is put in.
pub const PAGES: [&str; 10] = [
    "/",
    "/?q=small",
    "/captures/{}",
    "/captures/{}?from=0&to=1ms",
    "/captures/{}/messages",
    "/captures/{}/messages?at=n3&count=5",
    "/captures/{}/ledger",
    "/captures/{}/figures",
    "/captures/{}/verify",
    "/live",
];

#[test]
fn every_page_of_a_capture_is_there_under_its_id_and_its_label() {
    let bench = Bench::new();
    capture(&bench);
    let served = serve(&bench, "small.db");
    for name in ["1", "small", "latest"] {
        for page in PAGES {
            let page = served.page(&page.replace("{}", name));
            assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
        }
    }
    let list = served.page("/");
    assert!(list.contains("href=\"/captures/1\"") && list.contains("href=\"/captures/small\""), "{list}");
    assert!(list.contains(">72</td>"), "{list}");
    assert!(served.page("/?q=SMALL").contains("1 of 1 captures"));
    assert!(served.page("/?q=nobody").contains("0 of 1 captures"));
    let shown = served.page("/captures/1");
    assert!(shown.contains("--format csv") && shown.contains("#0</td>") && shown.contains("topic0"), "{shown}");
    assert!(!shown.contains("--from"), "all of it needs no range: {shown}");
    let part = served.page("/captures/small?from=n10&to=n20");
    assert!(part.contains("session export --from n10 --to n20 --database small.db --format csv"), "{part}");
    assert!(part.contains(" -- small</code>"), "{part}");
    let messages = served.page("/captures/1/messages?at=n70&count=5");
    assert!(messages.contains("#70</td>") && messages.contains("#71</td>") && !messages.contains("#69</td>"));
    assert!(served.page("/captures/1/figures").contains("stream      endpoint 1, topic"));
    for (path, status) in [
        ("/captures/2", 404),
        ("/captures/nobody", 404),
        ("/captures/1?from=yesterday", 400),
        ("/captures/1/messages?at=x", 400),
        ("/captures/1/messages?count=x", 400),
        ("/healthz?within=0s", 400),
        ("/healthz?within=-1s", 400),
        ("/static/nothing.js", 404),
        ("/nothing", 404),
    ] {
        assert_eq!(served.get(path).status, status, "{path}");
    }
    // Numbers that are too large are brought back to what there is.
    for path in [
        "/captures/1/messages?count=99999999&at=n99999999",
        "/captures/1?from=99years&to=100years",
        "/captures/1?from=5s&to=1s",
        "/captures/1?from=-99years",
        "/?skip=18446744073709551615",
    ] {
        served.page(path);
    }
    served.daemon.stop().success();
}

#[test]
fn a_capture_is_verified_beside_the_pages() {
    let bench = Bench::new();
    let original = capture(&bench);
    change(&bench, "damaged.db", &original, "UPDATE messages SET payload = x'00' WHERE id = 5");
    for (database, verdict) in [("small.db", "ok, 72 messages in "), ("damaged.db", "damaged in messages #")] {
        let served = serve(&bench, database);
        assert!(served.page("/captures/1/verify").contains("Verify this capture"));
        let foreign = format!(
            "GET /captures/1/verify/start HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n",
            served.address
        );
        assert_eq!(served.ask(&foreign).status, 403);
        let begun = served.get("/captures/1/verify/start");
        assert_eq!((begun.status, begun.field("location")), (303, Some("/captures/1/verify")));
        eventually("it is verified", || served.page("/captures/1/verify").contains(verdict));
        // Pages of a damaged capture say what is damaged, and show the rest.
        let messages = served.page("/captures/1/messages");
        assert_eq!(messages.contains("damaged: "), database == "damaged.db", "{messages}");
    }
}

#[test]
fn only_those_who_mean_this_machine_are_answered() {
    let bench = Bench::new();
    capture(&bench);
    let served = serve(&bench, "small.db");
    let ask = |host: &str| served.ask(&format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).status;
    for host in ["Host: localhost\r\n", "Host: 127.0.0.1:8080\r\n", "Host: [::1]\r\n"] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in [
        "",
        "Host: evil.example\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: \r\n",
        "Host: localhost@evil.example\r\n",
    ] {
        assert_eq!(ask(host), 421, "{host}");
    }
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(served.ask(absolute).status, 421);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = served.ask(&request);
        assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let head = served.ask("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

fn has_rules(answer: &Answer) -> bool {
    let policy = answer.field("content-security-policy").unwrap_or_default();
    policy.starts_with("default-src 'none'; ")
        && !policy.contains("unsafe")
        && answer.field("x-content-type-options") == Some("nosniff")
        && answer.field("referrer-policy") == Some("no-referrer")
        && answer.field("cache-control") == Some("no-store")
        && answer.field("set-cookie").is_none()
}

#[test]
fn every_answer_comes_with_its_rules_and_no_page_has_script_or_style_in_it() {
    let bench = Bench::new();
    capture(&bench);
    let served = serve(&bench, "small.db");
    let others = ["/metrics", "/healthz", "/nothing", "/captures/9", "/static/style.css", "/static/script.js"];
    for path in PAGES.map(|page| page.replace("{}", "1")).iter().map(String::as_str).chain(others) {
        let answer = served.get(path);
        assert!(has_rules(&answer), "{path}: {}", answer.head);
        if answer.field("content-type") == Some("text/html; charset=utf-8") {
            for wrong in ["style=", "onclick", "<style", "javascript:", "http://", "https://", "<script>"] {
                assert!(!answer.body.contains(wrong), "{path}: {wrong} in {}", answer.body);
            }
            assert_eq!(answer.body.matches("<script").count(), 1, "{path}");
        }
    }
    let refused = served.ask("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(has_rules(&refused), "{}", refused.head);
}

#[test]
fn no_path_leads_to_a_file() {
    let bench = Bench::new();
    capture(&bench);
    fs::write(bench.path("secret"), "the secret").unwrap();
    let served = serve(&bench, "small.db");
    for path in [
        "/static/../secret",
        "/static/..%2fsecret",
        "/static/%2e%2e/secret",
        "/static/....//secret",
        "/static/style.css%00",
        "//secret",
        "/../secret",
        "/captures/..%2fsecret",
        "/captures/%00",
        "/captures/%ff",
        "/captures/1/../../secret",
        "/captures/file:secret",
        "/%",
    ] {
        let answer = served.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.body.contains("the secret"), "{path}");
    }
    for request in ["GET secret HTTP/1.1\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = served.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let long = format!("/?q={}", "x".repeat(3000));
    assert_eq!(served.get(&long).status, 400);
    served.page("/");
}

/// Of each file of a directory, its bytes.
fn everything(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .filter(|(name, _)| name.starts_with("c.db"))
        .collect();
    files.sort();
    files
}

#[test]
fn nothing_is_written_not_even_what_a_recorder_left_in_its_log() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --label cut --database c.db --connect {endpoint}")).start();
    let publish = format!("publish --rate 1000 --count 500 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.wait_until_status("session 1: 500 messages, ");
    let served = serve(&bench, "c.db");
    served.page("/captures/1");
    recorder.signal(Signal::KILL);
    drop(recorder.finish());
    let before = everything(&bench.path(""));
    assert!(before.iter().any(|(name, bytes)| name == "c.db-wal" && !bytes.is_empty()));
    for page in PAGES {
        served.page(&page.replace("{}", "cut"));
    }
    assert!(served.page("/").contains(">500</td>"));
    served.get("/captures/1/verify/start");
    eventually("it is verified", || served.page("/captures/1/verify").contains("ok, 500 messages"));
    assert_eq!(served.get("/metrics").metric("fancyhwd_recorder_up"), 0.0);
    // Killed at work it leaves nothing, and is there again as soon as it is started.
    served.daemon.signal(Signal::KILL);
    drop(served.daemon.finish());
    let served = serve(&bench, "c.db");
    assert!(served.page("/captures/cut").contains("<svg"));
    served.daemon.stop().success();
    let after = everything(&bench.path(""));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(before == after, "a file was changed");
}

#[test]
fn a_database_may_come_go_and_be_another_one() {
    let bench = Bench::new();
    let original = capture(&bench);
    let served = serve(&bench, "c.db");
    let missing = served.get("/");
    assert_eq!(missing.status, 503, "{missing:?}");
    assert!(missing.body.contains("there is no such file") && missing.body.contains("http-equiv=\"refresh\""));
    assert!(served.page("/live").contains("there is no such file"));
    assert_eq!(served.get("/metrics").metric("fancyhwd_database_readable"), 0.0);
    assert_eq!(served.get("/healthz").status, 503);
    fs::write(bench.path("c.db"), &original).unwrap();
    assert!(served.page("/").contains("/captures/small"));
    fs::remove_file(bench.path("c.db")).unwrap();
    assert_eq!(served.get("/captures/1").status, 503);
    fs::write(bench.path("c.db"), "some text\n".repeat(1000)).unwrap();
    let text = served.get("/");
    assert!(text.status == 503 && text.body.contains("no SQLite database"), "{text:?}");
    fs::remove_file(bench.path("c.db")).unwrap();
    change(&bench, "c.db", &original, "UPDATE sessions SET label = 'other'");
    seal(&bench.path("c.db"));
    assert!(served.page("/").contains("/captures/other"));
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let held = served.get("/");
    assert!(held.status == 503 && held.body.contains("database is locked"), "{held:?}");
    drop(connection);
    served.page("/captures/other");
}

#[test]
fn other_machines_are_served_only_when_that_is_said() {
    let bench = Bench::new();
    capture(&bench);
    let serve_on = |options: &str| bench.fancyhwd(&format!("serve --database small.db {options}"));
    let refused = serve_on("--listen 0.0.0.0:0").run().code(2);
    assert!(
        refused.stderr.contains("reverse proxy") && refused.stderr.contains("--allow-remote"),
        "{}",
        refused.stderr
    );
    serve_on("--listen nowhere").run().code(2);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    serve_on(&format!("--listen {}", taken.local_addr().unwrap())).run().code(1).says("Address already in use");
    serve_on("--listen 0.0.0.0:0 --allow-remote").start().stop().success();
}

#[test]
fn a_socket_may_be_handed_over() {
    let bench = Bench::new();
    capture(&bench);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket: std::os::fd::OwnedFd = listener.into();
    let daemon = bench.fancyhwd("serve --database small.db").stdin(Stdio::from(socket)).start();
    assert!(daemon.status.contains(&address.to_string()), "{}", daemon.status);
    let served = crate::support::http::Served { daemon, address };
    served.page("/captures/1");
    // The option is for a socket of one's own, and the address counts all the same.
    let open: std::os::fd::OwnedFd = TcpListener::bind("0.0.0.0:0").unwrap().into();
    bench.fancyhwd("serve --database small.db").stdin(Stdio::from(open)).run().code(2).says("--allow-remote");
}

#[test]
fn it_ends_within_a_moment_whoever_is_being_served() {
    let bench = Bench::new();
    capture(&bench);
    let served = serve(&bench, "small.db");
    let mut events = served.connect();
    events.write_all(b"GET /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut begin = [0; 4096];
    let mut heard = String::new();
    while !heard.contains("data: ") {
        let count = events.read(&mut begin).unwrap();
        assert!(count > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&begin[..count]));
    }
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    let _idle = served.connect();
    let mut half = served.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let began = Instant::now();
    served.daemon.stop().success();
    // The bound is half a second; the rest is for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
