//! What goes wrong with an archive: killed servers and recorders, and everything that is refused with one clear line.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::support::archived::{assert_all_is_there, device, kill_leaders, kill_recorders, proof, step_the_clock};
use crate::support::cluster::Cluster;
use crate::support::{Bench, FANCYHWD, eventually};

/// What reading a bundle may take, whatever it says of itself.
const BUNDLE_MAX_KIB: u64 = 100 << 10;

#[test]
fn nothing_is_missing_or_double_when_leaders_are_killed_at_random_moments() {
    kill_leaders(3);
}

#[test]
fn a_node_that_has_lost_its_disk_is_filled_again() {
    let bench = Bench::new();
    let Some(mut cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let url = cluster.url();
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r --count 2000");
    bench.fancyhwd(&record).run().success();
    cluster.kill(0);
    fs::remove_dir_all(bench.path("node0")).unwrap();
    cluster.begin(0);
    cluster.wait_until_ready();
    bench.fancyhwd(&record).run().success();
    // The two others may go then, one after the other.
    cluster.kill(1);
    assert_all_is_there(&bench, &url, "r");
}

#[test]
fn nothing_is_missing_or_double_when_the_recorder_is_killed_at_random_moments() {
    kill_recorders(8);
}

#[test]
fn a_step_of_the_clock_changes_nothing_in_an_archive() {
    step_the_clock();
}

#[test]
fn two_databases_under_one_name_are_refused_with_both_ids_and_so_is_an_older_copy() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let options = format!("--connect {endpoint} --archive {} --recorder r --archive-replicas 1", cluster.url());
    bench.fancyhwd(&format!("record --database c.db --count 500 {options}")).run().success();
    fs::copy(bench.path("c.db"), bench.path("older.db")).unwrap();
    let other = bench.fancyhwd(&format!("record --database other.db --count 500 {options}")).run().code(3);
    let id = |database| bench.sqlite3(database, "SELECT id FROM archive");
    let words = format!("database {} is archived as r, and this one is {}", id("c.db"), id("other.db"));
    other.says(&words).says("500 messages of ").says("they stay here");
    let archive = |database: &str| {
        let line = format!("session archive --database {database} --archive {} --recorder r", cluster.url());
        bench.fancyhwd(&line).run()
    };
    archive("other.db").code(1).says(&words).says("give this one another name with --recorder");
    // The older copy goes on by itself, with other messages than the archive has.
    bench.fancyhwd(&format!("record --database c.db --count 500 {options}")).run().success();
    bench.fancyhwd(&format!("record --database older.db --count 700 --connect {endpoint}")).run().success();
    archive("older.db").code(1).says("messages of session 2 are not those of this database");
    bench.fancyhwd(&format!("record --database older.db --count 1 --connect {endpoint}")).run().success();
    assert_eq!(bench.sqlite3("older.db", "SELECT messages FROM sessions"), "500\n700\n1");
    // Under another name what comes then is archived, and what was refused is still said.
    let renamed = options.replace("--recorder r ", "--recorder renamed ");
    let recorder = bench.fancyhwd(&format!("record --database older.db {renamed}")).start();
    recorder.wait_until_status("messages of session 2 are not those of this database");
    let fetch = format!("session fetch renamed/4 --archive {} --database d.db", cluster.url());
    eventually("what is recorded is archived meanwhile", || bench.fancyhwd(&fetch).run().status.success());
    recorder.stop().code(3).says("messages of session 2 are not those of this database");
    let behind = "SELECT session_id FROM archived JOIN sessions ON sessions.id = session_id WHERE archived.last_id < sessions.last_id";
    assert_eq!(bench.sqlite3("older.db", behind), "2");
}

#[test]
fn whoever_has_no_right_and_whatever_is_too_old_is_refused_with_a_reason() {
    let bench = Bench::new();
    let more = "accounts { a: { jetstream: enabled, users: [
        { user: writer, password: right },
        { user: reader, password: right, permissions: { publish: [\"$JS.API.STREAM.INFO.>\", \"$JS.API.DIRECT.GET.>\", \
          \"$JS.API.STREAM.MSG.GET.>\", \"$JS.API.STREAM.NAMES\"], subscribe: [\"_INBOX.>\"] } } ] },
        b: { users: [ { user: none, password: right } ] } }\n";
    let Some(cluster) = Cluster::start(&bench, 1, more) else { return };
    let (_device, endpoint) = device(&bench, 1000);
    bench.fancyhwd(&format!("record --database c.db --count 500 --connect {endpoint}")).run().success();
    let file = |name: &str, text: &str| {
        fs::write(bench.path(name), text).unwrap();
        fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    file("wrong", "writer:wrong\n");
    file("writer", "# who writes\nwriter:right\n");
    file("reader", "reader:right\n");
    file("none", "none:right\n");
    file("senseless", "what\nis this\n");
    let archive = |credentials: &str, url: &str| {
        let line =
            format!("session archive --database c.db --recorder r --archive-replicas 1 --archive {url} {credentials}");
        bench.fancyhwd(&line).run()
    };
    let url = cluster.url();
    archive("", &url).code(1).says("its server does not accept us").says("name them with --archive-credentials");
    archive("--archive-credentials wrong", &url).code(1).says("its server does not accept us");
    archive("--archive-credentials reader", &url).code(1).says("we may not ").says("Permissions Violation");
    archive("--archive-credentials none", &url).code(1).says("its servers keep nothing for this account");
    archive("--archive-credentials missing", &url).code(1).says("the credentials in missing cannot be used");
    archive("--archive-credentials senseless", &url).code(1).says("it has not one line NAME:PASSWORD");
    fs::set_permissions(bench.path("writer"), fs::Permissions::from_mode(0o644)).unwrap();
    archive("--archive-credentials writer", &url).code(1).says("others can read it (mode 0644)");
    fs::set_permissions(bench.path("writer"), fs::Permissions::from_mode(0o600)).unwrap();
    archive("", "nats://name:password@127.0.0.1").code(2).says("could be seen by every user of this machine");
    archive("", "http://127.0.0.1").code(2).says("an archive is nats://HOST[:PORT]");
    archive("--archive-credentials writer --archive-ca writer", &url).code(1).says("cannot be encrypted");
    archive("--archive-credentials writer", &url).success();
    let fetch = format!("session fetch r/1 --database d.db --archive {url} --archive-credentials reader");
    bench.fancyhwd(&fetch).run().success();
    assert_eq!(proof(&bench, "c.db", 1), proof(&bench, "d.db", 1));

    // A server of Debian 12, as far as it is asked.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let old = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let info = "INFO {\"server_id\":\"x\",\"server_name\":\"x\",\"version\":\"2.9.10\",\"go\":\"\",\"host\":\"\",\"port\":1,\
                    \"headers\":true,\"max_payload\":1048576,\"proto\":1,\"client_id\":1,\"jetstream\":true}\r\nPONG\r\n";
        stream.write_all(info.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
    });
    archive("", &format!("nats://127.0.0.1:{port}"))
        .code(1)
        .says("its server has version 2.9.10")
        .says("2.12 or later");
    old.join().unwrap();
    archive("", "nats://127.0.0.1:1").code(1).says("no server of it can be reached");
}

#[test]
fn a_full_archive_refuses_what_is_new_and_nothing_is_lost_here() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    let url = cluster.url();
    let config = |bytes: u32| {
        format!(
            "{{\"name\":\"FHW_r\",\"subjects\":[\"fhw.r.>\"],\"storage\":\"file\",\"num_replicas\":1,\"discard\":\"new\",\
             \"allow_direct\":true,\"max_bytes\":{bytes}}}"
        )
    };
    let mut client = cluster.client(0);
    let made = client.ask("$JS.API.STREAM.CREATE.FHW_r", "", config(60_000).as_bytes());
    assert!(made.contains("\"did_create\":true"), "{made}");
    let record = format!(
        "record --database c.db --connect {endpoint} --archive {url} --recorder r --archive-replicas 1 --count 4000"
    );
    bench.fancyhwd(&record).run().code(3).says("it is full (").says("they stay here");
    bench
        .fancyhwd(&format!("session archive --database c.db --archive {url} --recorder r"))
        .run()
        .code(1)
        .says("it is full (");
    let wider = client.ask("$JS.API.STREAM.UPDATE.FHW_r", "", config(50_000_000).as_bytes());
    assert!(!wider.contains("\"error\""), "{wider}");
    let again =
        bench.fancyhwd(&format!("session archive --database c.db --archive {url} --recorder r --archive-replicas 1"));
    again.run().success();
    assert_all_is_there(&bench, &url, "r");
}

#[test]
fn what_others_write_into_the_stream_is_named_and_takes_no_memory() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 1, "") else { return };
    let (_device, endpoint) = device(&bench, 2000);
    let url = cluster.url();
    let record = |count: u32| {
        let line =
            format!("record --database c.db --connect {endpoint} --archive {url} --recorder r --archive-replicas 1");
        bench.fancyhwd(&format!("{line} --count {count}")).run()
    };
    record(1000).success();
    let mut client = cluster.client(0);
    let mut write = |subject: &str, headers: &str, body: &[u8]| {
        let answer = client.ask(subject, headers, body);
        assert!(answer.contains("\"seq\""), "{answer}");
    };
    // What is no message of ours is passed over.
    write("fhw.r.noise", "", b"x");
    write("fhw.r.more.noise.7.b", "", b"x");
    record(1000).success();
    let fetch = |id: i64| {
        let line = format!("session fetch r/{id} --archive {url} --database d.db");
        bench.fancyhwd(&line).run()
    };
    fetch(1).success();
    fetch(2).success();
    assert_eq!(proof(&bench, "c.db", 2), proof(&bench, "d.db", 2));

    // What looks like ours behind the end of a session.
    let id = bench.sqlite3("c.db", "SELECT id FROM archive");
    let headers = |body: &[u8], from: i64| {
        format!(
            "Fhw-From: {from}\r\nFhw-Part: 0\r\nFhw-To: {}\r\nFhw-Check: {}\r\n",
            from + 1,
            blake3::hash(body).to_hex()
        )
    };
    let subject = |session: i64| format!("fhw.r.{id}.{session}.b");
    let bomb = zeros(&bench);
    for (session, what, headers, body) in [
        (1, "is not as it was written", "Fhw-From: 1000\r\nFhw-Part: 0\r\n".to_owned(), b"x".to_vec()),
        (2, "cannot be read", headers(&bomb, 1000), bomb.clone()),
    ] {
        write(&subject(session), &headers, &body);
        let failed = fetch(session).code(1).says("the stream FHW_r is damaged").says(what);
        assert!(failed.stderr.lines().filter(|line| line.contains("error")).count() == 1, "{}", failed.stderr);
        let verified = bench.fancyhwd(&format!("session verify {session} --database {url}/r")).run().code(3);
        let line = &verified.stdout;
        assert!(line.contains(" damaged at message #1000 (id ") && line.contains(what), "{line}");
    }
    // Nothing of them is kept here.
    assert_eq!(bench.sqlite3("d.db", "SELECT count(*) FROM sessions"), "2");
    // Two gigabytes take no more memory than any bundle.
    let python = "import resource, subprocess, sys; subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); \
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let verify = ["session", "verify", "2", "--database", &format!("{url}/r")];
    let peak = bench.program("/usr/bin/python3").args(["-c", python, FANCYHWD]).args(verify).run().success();
    let peak_kib: u64 = peak.stdout.trim().parse().unwrap();
    assert!(peak_kib < BUNDLE_MAX_KIB, "{peak_kib} KiB");
    let changed = format!("Fhw-Parts: 1\r\nFhw-Part: 0\r\nFhw-Check: {}\r\n", blake3::hash(&bomb).to_hex());
    write(&format!("fhw.r.{id}.1.meta"), &changed, &bomb);
    fetch(1).code(1).says("the description of session 1 is damaged");
    // The others are still listed, and verified.
    let rest = |line: &str| bench.fancyhwd(&format!("session {line} --database {url}/r")).run().code(3);
    let list = rest("list");
    assert!(list.stderr.contains("session 1 of r is passed over"), "{}", list.stderr);
    assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
    rest("verify --all").says("session 1 of r is passed over");
    let endless = "Fhw-Parts: 9999999999\r\nFhw-Part: 0\r\n";
    write(&format!("fhw.r.{id}.2.meta"), endless, b"x");
    fetch(2).code(1).says("is not as a recorder writes it");
    bench.fancyhwd("session verify --all --database d.db").run().success();
}

/// Two gigabytes of zeros, compressed.
fn zeros(bench: &Bench) -> Vec<u8> {
    let python = "import sys, zstandard; c = zstandard.ZstdCompressor(level=3).compressobj(); \
                  [sys.stdout.buffer.write(c.compress(b'\\0' * (1 << 20))) for _ in range(2048)]; sys.stdout.buffer.write(c.flush())";
    let python_env = crate::support::allowed::python().unwrap();
    let run = bench.program("sh").args(["-c", "\"$0\" -c \"$1\" > zeros"]).arg(python_env).arg(python).run();
    run.success();
    fs::read(bench.path("zeros")).unwrap()
}
