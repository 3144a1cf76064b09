//! The example of an archive in `packaging/archive`, as the manual page sets it up: three real servers with these files, in which
//! nothing is changed but the values of `node.env`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::allowed::{nats_server, old_nats_server};
use crate::support::archived::{device, proof};
use crate::support::cluster::{get, ports};
use crate::support::{Bench, Daemon, Finished, eventually, root};
use rustix::process::Signal;

fn example(name: &str) -> PathBuf {
    root().join("packaging/archive").join(name)
}

/// Run the script that makes certificates and keys, in this folder of the test.
fn make_keys(bench: &Bench, folder: &str, line: &str) {
    fs::create_dir_all(bench.path(folder)).unwrap();
    let days = if line.contains("expired") { "-1" } else { "" };
    let line = line.trim_start_matches("expired ");
    let run = bench.program(example("make-keys")).args(line.split(' ')).env("DAYS", days);
    run.in_folder(&bench.path(folder)).run().success();
}

/// Three nodes.
struct Example<'a> {
    bench: &'a Bench,
    server: PathBuf,
    ports: Vec<u16>,
    nodes: Vec<Option<Daemon>>,
}

impl<'a> Example<'a> {
    /// Make keys for these users, and start the nodes; `None` where there are no servers here.
    fn start(bench: &'a Bench, users: &[&str]) -> Option<Self> {
        let server = nats_server()?;
        make_keys(bench, "keys", "authority");
        users.iter().for_each(|user| make_keys(bench, "keys", user));
        let mut this = Self { bench, server, ports: ports(9), nodes: vec![None, None, None] };
        for number in 0..3 {
            make_keys(bench, "keys", &format!("node {} 127.0.0.1", name(number)));
            this.set_up(number);
            this.begin(number);
        }
        this.wait_until_ready();
        Some(this)
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.bench.path(&name(number))
    }

    fn port(&self, number: usize) -> u16 {
        self.ports[3 * number]
    }

    /// Copy to a node what the manual page says, as if its folder were `/etc/nats`.
    fn set_up(&self, number: usize) {
        let (folder, name) = (self.folder(number), name(number));
        fs::create_dir_all(folder.join("state")).unwrap();
        let keys = self.bench.path("keys");
        for (from, to) in [
            (example("nats-server.conf"), "nats-server.conf"),
            (keys.join("users.conf"), "users.conf"),
            (keys.join("ca.crt"), "ca.crt"),
            (keys.join(format!("{name}.crt")), "node.crt"),
            (keys.join(format!("{name}.key")), "node.key"),
        ] {
            fs::copy(from, folder.join(to)).unwrap();
        }
        let address = |place: usize| format!("127.0.0.1:{}", self.ports[3 * number + place]);
        let routes: Vec<String> =
            (0..3).map(|node| format!("\"nats://127.0.0.1:{}\"", self.ports[3 * node + 1])).collect();
        let mut text = fs::read_to_string(example("node.env")).unwrap();
        for (variable, value) in [
            ("NATS_NODE", name),
            ("NATS_LISTEN", address(0)),
            ("NATS_ADVERTISE", address(0)),
            ("NATS_ROUTE_LISTEN", address(1)),
            ("NATS_ROUTE_ADVERTISE", address(1)),
            ("NATS_ROUTES", format!("'[{}]'", routes.join(", "))),
            ("NATS_MONITOR", address(2)),
            ("NATS_MAX_FILE_STORE", "1GB".to_owned()),
        ] {
            let line = text.lines().find(|line| line.starts_with(&format!("{variable}="))).unwrap().to_owned();
            text = text.replace(&format!("\n{line}\n"), &format!("\n{variable}={value}\n"));
        }
        fs::write(folder.join("node.env"), text).unwrap();
    }

    /// Start a node as its unit does.
    fn begin(&mut self, number: usize) {
        let script = "set -a; . ./node.env; exec nice -n 19 \"$0\" --config nats-server.conf";
        let run = self.bench.program("sh").args(["-c", script]).arg(&self.server).in_folder(&self.folder(number));
        let run = run.env("STATE_DIRECTORY", self.folder(number).join("state")).env("NATS_KEY", "node.key");
        self.nodes[number] = Some(run.spawn());
    }

    /// Stop a node as its unit does.
    fn end(&mut self, number: usize) {
        let node = self.nodes[number].take().unwrap();
        node.signal(Signal::USR2);
        node.finish();
    }

    fn wait_until_ready(&self) {
        for number in 0..3 {
            let is_ready = || get(self.ports[3 * number + 2], "/healthz").is_some_and(|text| text.contains("200 OK"));
            eventually("a node is ready", is_ready);
        }
    }

    /// Let the servers read users.conf anew.
    fn reload(&self) {
        for number in 0..3 {
            fs::copy(self.bench.path("keys/users.conf"), self.folder(number).join("users.conf")).unwrap();
            let node = self.nodes[number].as_ref().unwrap();
            let before = node.log().matches("Reloaded server configuration").count();
            node.signal(Signal::HUP);
            let is_done = || node.log().matches("Reloaded server configuration").count() > before;
            eventually("a server has read its configuration", is_done);
        }
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = (0..3).map(|number| format!("127.0.0.1:{}", self.port(number))).collect();
        format!("tls://{}", hosts.join(","))
    }

    /// The options that say where the archive is, and who we are there.
    fn access(&self, user: &str) -> String {
        format!("--archive {} --archive-ca keys/ca.crt --archive-credentials keys/{user}.seed", self.url())
    }

    fn archive(&self, database: &str, recorder: &str, access: &str) -> Finished {
        let line = format!("session archive --database {database} --recorder {recorder} {access}");
        self.bench.fancyhwd(&line).run()
    }

    fn fetch(&self, session: &str, database: &str, access: &str) -> Finished {
        self.bench.fancyhwd(&format!("session fetch {session} --database {database} {access}")).run()
    }
}

fn name(number: usize) -> String {
    format!("nas{}", number + 1)
}

/// One line says what is wrong, and nothing else does.
#[track_caller]
fn one_line(finished: &Finished) -> String {
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| !line.contains(" info: ")).collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    lines[0].to_owned()
}

/// A client that is not ours, with the key of a user.
struct Stranger {
    runtime: Runtime,
    client: Client,
    said: UnboundedReceiver<String>,
}

impl Stranger {
    fn connect(example: &Example<'_>, user: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seed = fs::read_to_string(example.bench.path(&format!("keys/{user}.seed"))).unwrap();
        let key = nkeys::KeyPair::from_seed(&seed).unwrap().public_key();
        let (tell, said) = unbounded_channel();
        let options = ConnectOptions::with_nkey(seed)
            .require_tls(true)
            .add_root_certificates(example.bench.path("keys/ca.crt"))
            .custom_inbox_prefix(format!("_INBOX.{key}"))
            .event_callback(move |event| {
                if let Event::ServerError(_) = event {
                    let _ = tell.send(event.to_string());
                }
                std::future::ready(())
            });
        let client = runtime.block_on(options.connect(format!("127.0.0.1:{}", example.port(0)))).unwrap();
        Self { runtime, client, said }
    }

    /// What is answered, or why this user may not ask it.
    fn ask(&mut self, subject: &str, body: &str) -> Result<String, String> {
        let asked = self.client.request(subject.to_owned(), body.to_owned().into());
        self.runtime.block_on(async {
            tokio::select! {
                answer = asked => Ok(String::from_utf8_lossy(&answer.unwrap().payload).into_owned()),
                said = self.said.recv() => Err(said.unwrap()),
            }
        })
    }

    /// Why this user may not listen there.
    fn listen(&mut self, subject: &str) -> String {
        self.runtime.block_on(async {
            let _subscription = self.client.subscribe(subject.to_owned()).await.unwrap();
            let refused = tokio::time::timeout(Duration::from_secs(30), self.said.recv()).await;
            refused.unwrap_or_else(|_| panic!("it may listen to {subject}")).unwrap()
        })
    }

    #[track_caller]
    fn may_not(&mut self, subject: &str, body: &str) {
        let said = self.ask(subject, body).unwrap_err().to_lowercase();
        assert!(said.contains("permissions violation for publish"), "{subject}: {said}");
    }
}

#[test]
fn the_example_keeps_recorders_apart_and_lets_readers_only_read() {
    let bench = Bench::new();
    let users = ["writer hall-3", "writer hall-4", "reader lab", "admin root"];
    let Some(example) = Example::start(&bench, &users) else { return };
    let (_device, endpoint) = device(&bench, 2000);
    for recorder in ["hall-3", "hall-4"] {
        let access = example.access(&format!("writer-{recorder}"));
        let line =
            format!("record --database {recorder}.db --count 1000 --connect {endpoint} --recorder {recorder} {access}");
        bench.fancyhwd(&line).run().success().says("all of it is in archive tls://");
        // A reader fetches what anybody has recorded.
        let fetched = format!("{recorder}-again.db");
        example.fetch(&format!("{recorder}/1"), &fetched, &example.access("reader-lab")).success();
        assert_eq!(proof(&bench, &format!("{recorder}.db"), 1), proof(&bench, &fetched, 1));
    }
    // Or reads it in its place.
    let verify = |user: &str| {
        let access = example.access(user).replace("--archive ", "--database ");
        bench.fancyhwd(&format!("session verify hall-4/1 {access}")).run()
    };
    let verified = verify("reader-lab").success();
    assert!(verified.stdout.contains(": ok, 1000 messages"), "{}", verified.stdout);
    // A writer neither writes nor reads what is another one's, and fetches nothing.
    let writer = example.access("writer-hall-3");
    let line = format!("record --database own.db --count 1000 --connect {endpoint} --recorder hall-4 {writer}");
    let refused = bench.fancyhwd(&line).run().code(3).says(" 0 lost").says("1000 messages of ").says("they stay here");
    refused.says("we may not ask for the stream").says("check --archive-credentials, and the name of the recorder");
    bench.fancyhwd("session verify --all --database own.db").run().success();
    let rights = ["we may not ", "Permissions Violation for Publish to ", "fancyhwd-archive(7)"];
    let refusals = [
        example.archive("hall-4.db", "hall-4", &writer),
        example.fetch("hall-4/1", "no.db", &writer),
        example.fetch("hall-3/1", "no.db", &writer),
        verify("writer-hall-3"),
        example.archive("hall-3.db", "hall-3", &example.access("reader-lab")),
        example.archive("own.db", "own", &example.access("reader-lab")),
    ];
    for refused in refusals {
        let line = one_line(&refused);
        assert!(rights.iter().all(|word| line.contains(word)), "{line}");
        refused.code(1);
    }
    assert!(!bench.path("no.db").exists());
    // A name that was a mistake is corrected, where nothing is there under it.
    example.archive("own.db", "own", &example.access("admin-root")).success().says(" as own in tls://");

    // Other programs with these keys may not do more.
    let mut reader = Stranger::connect(&example, "reader-lab");
    let mut writer = Stranger::connect(&example, "writer-hall-3");
    for stranger in [&mut reader, &mut writer] {
        stranger.may_not("fhw.hall-4.x", "y");
        for what in ["DELETE", "PURGE", "UPDATE", "MSG.DELETE"] {
            stranger.may_not(&format!("$JS.API.STREAM.{what}.FHW_hall-4"), "");
            stranger.may_not(&format!("$JS.API.STREAM.{what}.FHW_hall-3"), "");
        }
        stranger.may_not("$JS.API.CONSUMER.CREATE.FHW_hall-4.x", "");
        stranger.may_not("$JS.API.STREAM.CREATE.FHW_hall-4", "");
        for subject in ["fhw.>", "_INBOX.>", ">"] {
            let said = stranger.listen(subject).to_lowercase();
            assert!(said.contains("permissions violation for subscription"), "{subject}: {said}");
        }
    }
    reader.may_not("fhw.hall-3.x", "y");
    writer.may_not("$JS.API.STREAM.MSG.GET.FHW_hall-4", "{\"seq\":1}");
    writer.may_not("$JS.API.DIRECT.GET.FHW_hall-4", "{\"seq\":1}");
    // A stream that is there cannot be made one that copies another.
    let copy = "{\"name\":\"FHW_hall-3\",\"subjects\":[\"fhw.hall-3.>\"],\"storage\":\"file\",\"num_replicas\":3,\
                \"sources\":[{\"name\":\"FHW_hall-4\"}]}";
    let answer = writer.ask("$JS.API.STREAM.CREATE.FHW_hall-3", copy).unwrap();
    assert!(answer.contains("already in use"), "{answer}");
    let mut admin = Stranger::connect(&example, "admin-root");
    let answer = admin.ask("$JS.API.STREAM.PURGE.FHW_hall-4", "{\"filter\":\"fhw.hall-4.*.1.*\"}").unwrap();
    assert!(answer.contains("\"success\":true"), "{answer}");
}

#[test]
fn a_node_of_the_example_is_taken_away_and_comes_back_and_a_user_is_let_in_and_thrown_out() {
    let bench = Bench::new();
    let Some(mut example) = Example::start(&bench, &["writer hall-3", "reader lab"]) else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let access = example.access("writer-hall-3");
    let record = format!("record --database c.db --connect {endpoint} --recorder hall-3 {access}");
    let recorder = bench.fancyhwd(&record).start();
    recorder.wait_until_status("all archived");
    for number in 0..3 {
        example.end(number);
        recorder.wait_until_status("all archived");
        // The machine is a new one, with an empty disk.
        fs::remove_dir_all(example.folder(number)).unwrap();
        example.set_up(number);
        example.begin(number);
        example.wait_until_ready();
    }
    recorder.wait_until_status("all archived");

    // Whose line is gone from users.conf is out at once, and what it records stays here.
    let users = bench.path("keys/users.conf");
    let all = fs::read_to_string(&users).unwrap();
    let left: Vec<&str> = all.lines().filter(|line| !line.ends_with("# writer hall-3")).collect();
    fs::write(&users, left.join("\n") + "\n").unwrap();
    example.reload();
    recorder.wait_until_status("its server does not accept us");
    fs::write(&users, &all).unwrap();
    example.reload();
    recorder.wait_until_status("all archived");
    recorder.stop().success().says(" 0 lost").says("messages are sent again").says("all of it is in archive");
    example.fetch("latest", "d.db", &example.access("reader-lab")).success();
    assert_eq!(proof(&bench, "c.db", 1), proof(&bench, "d.db", 1));
    make_keys(&bench, "keys", "reader other");
    example
        .fetch("latest", "e.db", &example.access("reader-other"))
        .code(1)
        .says("it knows nobody of these credentials");
    example.reload();
    example.fetch("latest", "e.db", &example.access("reader-other")).success();
}

#[test]
fn a_wrong_certificate_or_password_is_one_clear_line_and_nothing_is_lost_here() {
    let bench = Bench::new();
    let Some(mut example) = Example::start(&bench, &["writer hall-3"]) else { return };
    let (_device, endpoint) = device(&bench, 2000);
    for line in ["authority", "writer hall-3"] {
        make_keys(&bench, "others", line);
    }
    fs::write(bench.path("keys/password.seed"), "writer:wrong\n").unwrap();
    fs::set_permissions(bench.path("keys/password.seed"), fs::Permissions::from_mode(0o600)).unwrap();
    // Its certificate was valid until yesterday.
    make_keys(&bench, "expired", "authority");
    for file in ["ca.crt", "ca.key"] {
        fs::copy(bench.path("keys").join(file), bench.path("expired").join(file)).unwrap();
    }
    make_keys(&bench, "expired", "expired node nas1 127.0.0.1");
    example.end(0);
    fs::copy(bench.path("expired/nas1.crt"), example.folder(0).join("node.crt")).unwrap();
    fs::copy(bench.path("expired/nas1.key"), example.folder(0).join("node.key")).unwrap();
    example.begin(0);
    let (expired, port) = (example.port(0), example.port(1));
    eventually("the node listens", || std::net::TcpStream::connect(("127.0.0.1", expired)).is_ok());

    let of = |host: &str, authority: &str, credentials: &str| {
        format!("--archive tls://{host} --archive-ca {authority}/ca.crt --archive-credentials {credentials}.seed")
    };
    let right = "keys/writer-hall-3";
    let valid = format!("127.0.0.1:{port}");
    for (number, (access, words, hint)) in [
        (
            of(&format!("127.0.0.1:{expired}"), "keys", right),
            "the certificate of its server has expired",
            "make a new one",
        ),
        (
            of(&valid, "others", right),
            "is not of an authority that we trust",
            "check that --archive-ca is the authority",
        ),
        (
            format!("--archive tls://{valid} --archive-credentials {right}.seed"),
            "is not of an authority that we trust",
            "with --archive-ca",
        ),
        (
            of(&format!("localhost:{port}"), "keys", right),
            "the certificate of its server is for another name",
            "use a name",
        ),
        (
            of(&valid, "keys", "others/writer-hall-3"),
            "it knows nobody of these credentials",
            "check --archive-credentials",
        ),
        (of(&valid, "keys", "keys/password"), "it knows nobody of these credentials", "check --archive-credentials"),
        (
            format!("--archive tls://{valid} --archive-ca keys/users.conf --archive-credentials {right}.seed"),
            "keys/users.conf holds no certificate",
            "check --archive-ca",
        ),
        (
            format!("--archive tls://{valid} --archive-ca keys/ca.crt"),
            "it wants credentials",
            "name them with --archive-credentials",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let database = format!("{number}.db");
        let record =
            format!("record --database {database} --count 500 --connect {endpoint} --recorder hall-3 {access}");
        let recorded =
            bench.fancyhwd(&record).run().code(3).says(words).says(hint).says(" 0 lost").says("they stay here");
        assert!(!recorded.stderr.contains("Z error: "), "{}", recorded.stderr);
        bench.fancyhwd(&format!("session verify --all --database {database}")).run().success();
        for refused in [example.archive(&database, "hall-3", &access), example.fetch("hall-3/1", "no.db", &access)] {
            let line = one_line(&refused);
            assert!(line.contains(words) && line.contains(hint), "{line}");
            refused.code(1);
        }
    }
    assert!(!bench.path("no.db").exists());
    // With what is right it all goes there.
    let access = of(&format!("{valid},127.0.0.1:{expired}"), "keys", right) + " --archive-replicas 1";
    example.archive("3.db", "hall-3", &access).success();
}

#[test]
fn an_old_server_is_refused_with_its_version() {
    let bench = Bench::new();
    let Some(server) = old_nats_server() else { return };
    let [port] = ports(1)[..] else { unreachable!() };
    fs::write(bench.path("old.conf"), format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"old\" }}\n"))
        .unwrap();
    let _server = bench.program(server).args(["--config", "old.conf"]).spawn();
    eventually("the node listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let (_device, endpoint) = device(&bench, 2000);
    let access = format!("--archive nats://127.0.0.1:{port} --archive-replicas 1 --recorder r");
    let recorded = bench.fancyhwd(&format!("record --database c.db --count 500 --connect {endpoint} {access}")).run();
    let words = "its server has version 2.11.11, which may lose or repeat messages when a leader goes";
    recorded.code(3).says(words).says(" 0 lost").says("they stay here");
    bench.fancyhwd("session verify --all --database c.db").run().success();
    let archived = bench.fancyhwd(&format!("session archive --database c.db {access}")).run();
    let line = one_line(&archived);
    assert!(line.contains(words) && line.contains("install nats-server 2.12 or later"), "{line}");
    archived.code(1);
}
