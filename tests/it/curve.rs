//! Encryption and admission, with pyzmq on the other side.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::links::committed;
use crate::support::allowed::in_own_network;
use crate::support::secured::{allow, keys, read, secure, subscriber, survives_hostile_peers};
use crate::support::{Bench, Daemon, alone, eventually};

/// A client that is taken off is cut, and one that is admitted comes back, within a second; on a busy machine it takes longer.
const SOON: Duration = Duration::from_secs(3);

/// pyzmq with its own certificates; see there.
fn python(bench: &Bench, arguments: &str) -> Daemon {
    let script = crate::support::root().join("tests/peers/curve.py");
    bench.program("/usr/bin/python3").arg(script).args(arguments.split(' ')).spawn()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The public key of a certificate.
fn public_key(bench: &Bench, file: &str) -> String {
    bench.fancyhwd(&format!("keygen --show {file}")).run().success().stdout.trim().to_owned()
}

#[test]
fn a_pair_is_made_for_its_owner_alone_and_never_overwritten() {
    let bench = &Bench::new();
    let made = bench.fancyhwd("keygen station").run().success();
    let (public, secret) = (read(bench, "station.key"), read(bench, "station.key_secret"));
    assert_eq!((mode(&bench.path("station.key")), mode(&bench.path("station.key_secret"))), (0o644, 0o600));
    let shown = public_key(bench, "station.key");
    assert_eq!(shown, public_key(bench, "station.key_secret"));
    assert!(made.stdout.contains(&shown) && public.contains(&shown) && secret.contains(&shown));
    let secret_key = secret.lines().find_map(|line| line.trim().strip_prefix("secret-key = ")).unwrap();
    let secret_key = secret_key.trim_matches('"');
    assert!(secret_key.len() == 40 && !made.stdout.contains(secret_key) && !public.contains(secret_key));
    bench.fancyhwd("keygen station").run().code(1).says("it is there already").says("--force");
    assert_eq!(read(bench, "station.key_secret"), secret);
    bench.fancyhwd("keygen station --force").run().success();
    assert_ne!(read(bench, "station.key_secret"), secret);
    fs::remove_file(bench.path("station.key")).unwrap();
    bench.fancyhwd("keygen station").run().code(1).says("station.key_secret: it is there already");
    for wrong in ["keygen", "keygen a/b", "keygen .hidden", "keygen x --show station.key_secret"] {
        bench.fancyhwd(wrong).run().code(2);
    }
    bench.fancyhwd("keygen new --directory nowhere").run().code(1).says("--directory");
    assert!(!bench.path("new.key").exists());
}

#[test]
fn each_fault_of_a_key_file_has_its_words() {
    let bench = Bench::new();
    keys(&bench, &["ours", "theirs"]);
    fs::write(bench.path("nothing"), "hello").unwrap();
    fs::write(bench.path("short"), "curve\n    public-key = \"abc\"\n").unwrap();
    fs::copy(bench.path("ours.key_secret"), bench.path("open.key_secret")).unwrap();
    fs::set_permissions(bench.path("open.key_secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let mixed =
        read(&bench, "ours.key_secret").replace(&public_key(&bench, "ours.key"), &public_key(&bench, "theirs.key"));
    fs::write(bench.path("mixed"), mixed).unwrap();
    fs::set_permissions(bench.path("mixed"), fs::Permissions::from_mode(0o600)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    for (key, words) in [
        ("missing", "No such file"),
        ("nothing", "it is no certificate"),
        ("short", "its public-key is not a key"),
        ("ours.key", "it holds a public key alone"),
        ("open.key_secret", "others can read it (mode 0644)"),
        ("mixed", "do not belong together"),
        ("pipe", "it is no file"),
    ] {
        let line = format!("record --database k.db --server-key theirs.key --key {key}");
        bench.fancyhwd(&line).run().code(1).says(&format!("key file {key}: ")).says(words);
    }
    let line = "record --database k.db --key ours.key_secret --server-key theirs.key_secret";
    bench.fancyhwd(line).run().code(1).says("it holds a secret key, which is for its owner alone");
    for (line, words) in [
        ("record --key ours.key_secret", "--server-key"),
        ("publish --key ours.key_secret", "--allow"),
        ("publish --allow allowed", "--key"),
        ("publish --key ours.key_secret --allow allowed --allow-any", "--allow-any"),
        ("publish --key ours.key_secret --allow-any --server-key theirs.key", "--connect"),
        ("record --server-key 2=theirs.key", "there is no --connect of number 2"),
        ("record --key ours.key_secret --server-key theirs.key --allow-any", "--bind"),
    ] {
        bench.fancyhwd(line).run().code(2).says(words);
    }
    assert!(!bench.path("c.db").exists());
}

#[test]
fn a_secured_python_device_is_recorded_and_a_replay_is_read_by_a_secured_python_client() {
    let bench = Bench::new();
    keys(&bench, &["ours"]);
    let device = python(&bench, "serve theirs ours.key 500");
    eventually("it has made its certificates and listens", || device.printed().contains("tcp://"));
    let endpoint = device.printed().split_whitespace().next().unwrap().to_owned();
    let line = format!("record --topic * --count 500 --database c.db --connect {endpoint}");
    bench.fancyhwd(&format!("{line} --key ours.key_secret --server-key theirs.key")).run().success();
    device.finish().success();
    let stored = "SELECT hex(group_concat(payload, '')) FROM (SELECT payload FROM messages ORDER BY id)";
    let expected: String = (0..500).map(|number| format!("message {number} \0\u{1}")).collect();
    assert_eq!(bench.sqlite3("c.db", stored), hex(expected.as_bytes()));
    let show = bench.fancyhwd("session show --database c.db").run().success();
    assert!(
        show.stdout.contains(&format!("encrypted, its key {}", public_key(&bench, "theirs.key"))),
        "{}",
        show.stdout
    );

    fs::create_dir(bench.path("allowed")).unwrap();
    fs::copy(bench.path("theirs.key"), bench.path("allowed/theirs.key")).unwrap();
    let line = "replay --database c.db --speed max --wait-subscribers 1 --on-full block --bind tcp://127.0.0.1:*";
    let replay = bench.fancyhwd(&format!("{line} --key ours.key_secret --allow allowed")).start();
    let client = python(&bench, &format!("read theirs ours.key 500 {}", replay.endpoint()));
    replay.finish().success();
    let expected: String = (0..500).map(|number| format!("d message {number} \0\u{1}")).collect();
    assert_eq!(client.finish().success().stdout.trim(), hex(expected.as_bytes()).to_lowercase());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn receives(socket: &zmq::Socket, within: Duration) -> bool {
    socket.poll(zmq::POLLIN, within.as_millis() as i64).unwrap() > 0
}

/// Read what is there until nothing comes for a while: then nothing more does.
fn is_cut(socket: &zmq::Socket) -> Duration {
    let begin = Instant::now();
    while receives(socket, Duration::from_millis(300)) {
        socket.recv_bytes(0).unwrap();
        assert!(begin.elapsed() < 10 * SOON, "it still receives");
    }
    begin.elapsed()
}

#[test]
fn who_is_not_on_the_list_receives_nothing_and_the_list_is_followed() {
    let bench = Bench::new();
    keys(&bench, &["server", "alice", "bob", "other"]);
    allow(&bench, "alice");
    let line = "publish --rate 100 --bind tcp://127.0.0.1:* --key server.key_secret --allow allowed";
    let publisher = bench.fancyhwd(line).start();
    let endpoint = publisher.endpoint();
    let alice = subscriber(&bench, &endpoint, Some("alice"), "server");
    let bob = subscriber(&bench, &endpoint, Some("bob"), "server");
    let clear = subscriber(&bench, &endpoint, None, "server");
    let wrong = subscriber(&bench, &endpoint, Some("alice"), "other");
    alice.recv_bytes(0).unwrap();
    eventually("each refusal is said", || {
        let log = publisher.log();
        log.contains(&format!("its key {} is not admitted", public_key(&bench, "bob.key")))
            && log.contains("one has keys (CURVE) and the other has not")
            && log.contains("it has not our public key")
    });
    assert!(![&bob, &clear, &wrong].iter().any(|socket| receives(socket, Duration::from_millis(100))));
    // Whoever is put on the list is admitted, at his next attempt.
    allow(&bench, "bob");
    let bob = subscriber(&bench, &endpoint, Some("bob"), "server");
    bob.recv_bytes(0).unwrap();
    // Whoever is taken off is cut, and nobody else.
    fs::remove_file(bench.path("allowed/bob.key")).unwrap();
    let cut_after = is_cut(&bob);
    assert!(cut_after <= SOON + Duration::from_millis(300), "{cut_after:?}");
    let numbers: Vec<Vec<u8>> = (0..300).map(|_| alice.recv_bytes(0).unwrap()).collect();
    assert_eq!(numbers.len(), 300);
    eventually("it says so", || publisher.log().contains("it is not admitted any more"));
    publisher.stop().success();
}

#[test]
fn a_recorder_that_was_refused_comes_by_itself_when_it_is_admitted() {
    let bench = Bench::new();
    keys(&bench, &["server", "ours"]);
    fs::create_dir(bench.path("allowed")).unwrap();
    let line = "publish --rate 100 --bind tcp://127.0.0.1:* --key server.key_secret --allow allowed";
    let publisher = bench.fancyhwd(line).start();
    let line = format!("record --database c.db --commit-every 10ms --connect {}", publisher.endpoint());
    let recorder = bench.fancyhwd(&format!("{line} --key ours.key_secret --server-key server.key")).start();
    eventually("it says why", || {
        recorder.log().contains(&format!("it does not admit our key {}", public_key(&bench, "ours.key")))
    });
    let begin = Instant::now();
    allow(&bench, "ours");
    eventually("it records", || committed(&bench) > 0);
    assert!(begin.elapsed() <= SOON, "{:?}", begin.elapsed());
    recorder.stop().code(0);
    let ledger = "SELECT kind FROM events WHERE kind IN ('unreached', 'connected') ORDER BY id";
    assert_eq!(bench.sqlite3("c.db", ledger), "unreached\nconnected");
    publisher.stop().success();
}

#[test]
fn a_publisher_that_was_refused_comes_by_itself_when_it_is_admitted() {
    let bench = Bench::new();
    keys(&bench, &["server", "device"]);
    fs::create_dir(bench.path("allowed")).unwrap();
    let line = "record --database c.db --commit-every 10ms --bind tcp://127.0.0.1:*";
    let recorder = bench.fancyhwd(&format!("{line} --key server.key_secret --allow allowed")).start();
    let line = format!("publish -v --rate 100 --connect {}", recorder.endpoint());
    let publisher = bench.fancyhwd(&format!("{line} --key device.key_secret --server-key server.key")).start();
    eventually("both say why", || {
        publisher.log().contains("it does not admit our key")
            && recorder.log().contains(&format!("its key {} is not admitted", public_key(&bench, "device.key")))
    });
    let begin = Instant::now();
    allow(&bench, "device");
    eventually("it is recorded", || committed(&bench) > 0);
    assert!(begin.elapsed() <= SOON, "{:?}", begin.elapsed());
    // The device is taken off: nothing of it is recorded any more.
    fs::remove_file(bench.path("allowed/device.key")).unwrap();
    eventually("it is cut", || recorder.log().contains("it is not admitted any more"));
    // Until it knows, it sends what then is lost, and says so with another exit code.
    eventually("the device knows", || publisher.log().contains("debug: 0 subscribers"));
    publisher.stop().success();
    recorder.stop().success();
    let kinds = "SELECT DISTINCT kind FROM events WHERE kind IN ('refused', 'admitted', 'cut') ORDER BY 1";
    assert_eq!(bench.sqlite3("c.db", kinds), "admitted\ncut\nrefused");
}

#[test]
fn each_way_in_which_a_device_refuses_a_recorder_has_its_words() {
    let bench = Bench::new();
    keys(&bench, &["server", "other", "ours"]);
    let line = "publish --rate 100 --bind tcp://127.0.0.1:*";
    let clear = bench.fancyhwd(line).start();
    let secured = bench.fancyhwd(&format!("{line} --key server.key_secret --allow-any")).start();
    let plain = zmq::Context::new().socket(zmq::PUB).unwrap();
    plain.set_plain_server(true).unwrap();
    plain.bind("tcp://127.0.0.1:*").unwrap();
    let plain_endpoint = plain.get_last_endpoint().unwrap().unwrap();
    let key = public_key(&bench, "other.key");
    for (endpoint, options, words) in [
        (secured.endpoint(), "--server-key other.key", format!("it does not prove that it has the key {key}")),
        (secured.endpoint(), "", "it wants CURVE, and this side has no key; give its certificate".to_owned()),
        (clear.endpoint(), "--server-key server.key", "it offers NULL, and no CURVE".to_owned()),
        (plain_endpoint, "--server-key server.key", "it offers PLAIN, and no CURVE".to_owned()),
    ] {
        let name = format!("c{}.db", words.len());
        let recorder = bench.fancyhwd(&format!("record --database {name} --connect {endpoint} {options}")).start();
        eventually("it says why", || recorder.log().contains(&words));
        recorder.stop().code(3).says("never reached");
        let detail = bench.sqlite3(&name, "SELECT detail FROM events WHERE kind = 'unreached'");
        assert!(detail.contains(&words), "{detail}");
    }
}

#[test]
fn a_wrong_key_does_not_make_many_connections() {
    let bench = Bench::new();
    keys(&bench, &["server", "other"]);
    let line = "publish --rate 10 --bind tcp://127.0.0.1:* --key server.key_secret --allow-any -v";
    let publisher = bench.fancyhwd(line).start();
    let port = publisher.endpoint().rsplit(':').next().unwrap().to_owned();
    let line = format!("record --database c.db --server-key other.key --connect tcp://127.0.0.1:{port}");
    let recorder = bench.fancyhwd(&line).start();
    eventually("it says why", || recorder.log().contains("it does not prove that it has the key"));
    // Connections of this port that are over wait for a minute; each attempt leaves one.
    let over = || {
        let port = format!(":{:04X} ", port.parse::<u16>().unwrap());
        fs::read_to_string("/proc/net/tcp").unwrap().lines().filter(|line| line.contains(&port)).count()
    };
    assert!(over() < 30, "{} connections", over());
    recorder.stop().code(3);
    publisher.stop().success();
}

#[test]
fn what_is_bound_in_the_clear_for_other_machines_says_who_can_come() {
    let bench = Bench::new();
    keys(&bench, &["server"]);
    for (line, words) in [
        ("publish --rate 10 --bind tcp://*:*", "everybody who reaches it can read what is sent"),
        ("record --database c.db --bind tcp://0.0.0.0:*", "everybody who reaches it can send what is recorded"),
    ] {
        bench.fancyhwd(line).start().stop().says(words).says("--allow");
        let secured = format!("{line} --key server.key_secret --allow-any");
        let log = bench.fancyhwd(&secured).start().stop().stderr;
        assert!(!log.contains("everybody"), "{log}");
    }
}

#[test]
fn a_million_encrypted_messages_are_no_sign_of_a_hostile_device() {
    const MESSAGES: u32 = 1_000_000;
    let bench = Bench::new();
    keys(&bench, &["server"]);
    let line = format!("publish --rate max --count {MESSAGES} --on-full block --wait-subscribers 1");
    let secured = "--bind tcp://127.0.0.1:* --key server.key_secret --allow-any";
    let publisher = bench.fancyhwd(&format!("{line} {secured}")).start();
    let line = format!("record --database c.db --queue 1MiB --max-message 16KiB --on-full block --count {MESSAGES}");
    let secured = format!("--connect {} --server-key server.key", publisher.endpoint());
    bench.fancyhwd(&format!("{line} {secured}")).run().success().says(", 0 lost");
    publisher.finish().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM events WHERE kind = 'cut'"), "0");
}

#[test]
fn broken_handshakes_and_hostile_peers_that_are_admitted_harm_nobody() {
    let _alone = alone();
    survives_hostile_peers(400);
}

#[test]
fn a_hostile_device_that_is_admitted_is_cut_off_at_a_bound_recorder() {
    const MEMORY_MAX_BYTES: u64 = 150 << 20;
    let _alone = alone();
    let bench = Bench::new();
    keys(&bench, &["server", "good", "evil"]);
    let line = "record --topic * --database c.db --queue 64MiB --commit-every 10ms --bind tcp://127.0.0.1:*";
    let recorder = bench.fancyhwd(&format!("{line} --key server.key_secret --allow-any")).start();
    let device = |name| {
        let device = zmq::Context::new().socket(zmq::XPUB).unwrap();
        device.set_sndhwm(0).unwrap();
        device.set_rcvtimeo(60_000).unwrap();
        secure(&bench, &device, Some(name), "server");
        device.connect(&recorder.endpoint()).unwrap();
        device.recv_bytes(0).unwrap();
        device
    };
    let (good, evil) = (device("good"), device("evil"));
    good.send("good 0", 0).unwrap();
    // One message of 300 MB.
    let frame = vec![7; 100_000];
    for _ in 0..3_000 {
        evil.send(&frame, zmq::SNDMORE).unwrap();
    }
    evil.send("", 0).unwrap();
    for number in 1..1_000 {
        good.send(format!("good {number}").as_bytes(), 0).unwrap();
        thread::park_timeout(Duration::from_millis(1));
    }
    eventually("it is cut off", || recorder.log().contains("it was cut off"));
    eventually("all of the good one are there", || committed(&bench) == 1_000);
    let memory_bytes = recorder.memory_bytes("VmHWM");
    assert!(memory_bytes <= MEMORY_MAX_BYTES, "{} MiB", memory_bytes >> 20);
    recorder.stop();
}

#[test]
fn nothing_that_is_sent_can_be_read_on_the_way() {
    let bench = Bench::new();
    keys(&bench, &["server"]);
    let script = crate::support::root().join("tests/peers/wire.py");
    for (bind, connect, is_seen) in
        [("", "", "True"), ("--key server.key_secret --allow-any", "--server-key server.key", "False")]
    {
        // What is sent is all of it told from anything else: a topic, and the samples of a seed.
        let script = format!(
            "/usr/bin/python3 {script} 5555 secret_topic samples.raw & wire=$!
            while [ ! -e listening ]; do sleep .01; done
            fancyhwd record --database $$.db --topic secret_topic --count 200 {connect} --connect tcp://127.0.0.1:5555 &
            fancyhwd publish --topic secret_topic --rate 1000 --count 200 --wait-subscribers 1 {bind} --bind tcp://127.0.0.1:5555
            wait $!
            sqlite3 $$.db 'SELECT writefile(\"samples.raw\", payload) FROM messages WHERE id = 100' >/dev/null
            rm listening; wait $wire",
            script = script.display()
        );
        let Some(finished) = in_own_network(&bench, false, &script) else { return };
        let seen = finished.success().stdout;
        assert!(seen.contains(&format!("topic {is_seen} samples {is_seen}")), "{seen}");
    }
}
