//! Real servers of NATS: three nodes on loopback, that can be stopped and killed.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::allowed::nats_server;
use super::{Bench, Daemon, eventually};

/// Nodes of a cluster, each with its store in the directory of the test.
pub struct Cluster<'a> {
    bench: &'a Bench,
    server: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    port: u16,
    monitor: u16,
    daemon: Option<Daemon>,
}

/// So many ports that were free just now.
pub fn ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl<'a> Cluster<'a> {
    /// Start so many nodes, with these lines more in the configuration of each; `None` where there are no servers here.
    pub fn start(bench: &'a Bench, count: usize, more: &str) -> Option<Self> {
        let server = nats_server()?;
        let ports = ports(3 * count);
        let routes: Vec<String> =
            ports.iter().skip(2).step_by(3).map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut nodes = Vec::new();
        for (number, ports) in ports.chunks(3).enumerate() {
            let [port, monitor, route] = ports else { unreachable!() };
            let cluster = match count {
                1 => String::new(),
                _ => format!(
                    "cluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
                    routes.join(", ")
                ),
            };
            let store = bench.text(&format!("node{number}"));
            // What a cluster before it left.
            let _ = fs::remove_dir_all(&store);
            let text = format!(
                "server_name: node{number}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
                 jetstream {{ store_dir: \"{store}\", sync_interval: always, max_file_store: 1GB }}\n{cluster}{more}"
            );
            fs::write(bench.path(&format!("node{number}.conf")), text).unwrap();
            nodes.push(Node { port: *port, monitor: *monitor, daemon: None });
        }
        let mut cluster = Self { bench, server, nodes };
        (0..count).for_each(|number| cluster.begin(number));
        cluster.wait_until_ready();
        Some(cluster)
    }

    /// Where it is, for `--archive`.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("nats://{}", hosts.join(","))
    }

    /// The ports of the nodes for clients.
    pub fn port(&self, number: usize) -> u16 {
        self.nodes[number].port
    }

    /// ... and those where they say what they do.
    pub fn monitor(&self, number: usize) -> u16 {
        self.nodes[number].monitor
    }

    /// The program of a node, to be stopped or killed.
    pub fn node(&self, number: usize) -> &Daemon {
        self.nodes[number].daemon.as_ref().unwrap()
    }

    /// Start a node.
    pub fn begin(&mut self, number: usize) {
        let run = self.bench.program("nice").args(["-n", "19"]).arg(&self.server).arg("-c");
        self.nodes[number].daemon = Some(run.arg(self.bench.path(&format!("node{number}.conf"))).spawn());
    }

    /// Kill a node.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].daemon = None;
    }

    /// Wait until each node that runs has what it needs, also from the others.
    pub fn wait_until_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.daemon.is_some()) {
            eventually("a node is ready", || get(node.monitor, "/healthz").is_some_and(|text| text.contains("200 OK")));
        }
    }

    /// The number of the node that leads a stream; `None` while one is being elected.
    pub fn leader(&self, stream: &str) -> Option<usize> {
        let running = self.nodes.iter().filter(|node| node.daemon.is_some());
        running.into_iter().find_map(|node| {
            let text = get(node.monitor, "/jsz?streams=true&accounts=true")?;
            let text = text.split(&format!("\"name\": \"{stream}\"")).nth(1)?.to_owned();
            let leader = text.split("\"leader\": \"node").nth(1)?;
            leader.split('"').next()?.parse().ok()
        })
    }

    /// What an own client of NATS is told, for what our program never writes: publish, and ask.
    pub fn client(&self, number: usize) -> Client {
        Client::connect(self.port(number))
    }
}

/// What a node says on its monitoring port.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// A client of NATS in a few lines.
pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut client = Self { stream, read: Vec::new() };
        client.line();
        client.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB answer 1\r\n");
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn fill(&mut self) {
        let mut bytes = [0; 65_536];
        let count = self.stream.read(&mut bytes).unwrap();
        assert!(count > 0, "the server has closed the connection: {}", String::from_utf8_lossy(&self.read));
        self.read.extend_from_slice(&bytes[..count]);
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8(self.read.drain(..end + 2).take(end).collect()).unwrap();
                return line;
            }
            self.fill();
        }
    }

    /// Send a message with these headers, and give what is answered.
    pub fn ask(&mut self, subject: &str, headers: &str, body: &[u8]) -> String {
        let headers = if headers.is_empty() { String::new() } else { format!("NATS/1.0\r\n{headers}\r\n") };
        let (header, all) = (headers.len(), headers.len() + body.len());
        let line = match header {
            0 => format!("PUB {subject} answer {all}\r\n"),
            _ => format!("HPUB {subject} answer {header} {all}\r\n"),
        };
        self.send(&[line.as_bytes(), headers.as_bytes(), body, b"\r\n"].concat());
        loop {
            let line = self.line();
            if line == "PING" {
                self.send(b"PONG\r\n");
            }
            assert!(!line.starts_with("-ERR"), "{line}");
            if line.starts_with("MSG ") || line.starts_with("HMSG ") {
                let length: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
                while self.read.len() < length + 2 {
                    self.fill();
                }
                let body: Vec<u8> = self.read.drain(..length + 2).take(length).collect();
                return String::from_utf8_lossy(&body).into_owned();
            }
        }
    }
}
