//! A client of `serve`: requests byte by byte over a TCP connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Bench, Daemon};

/// A client waits for an answer no longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `fancyhwd serve`.
pub struct Served {
    pub daemon: Daemon,
    pub address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A field of the head.
    pub fn field(&self, name: &str) -> Option<&str> {
        let is_it = |(field, _): &(&str, &str)| field.eq_ignore_ascii_case(name);
        self.head.lines().filter_map(|line| line.split_once(": ")).find(is_it).map(|(_, value)| value)
    }

    /// A metric without labels, or with these.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let line = self.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{}", self.body)).parse().unwrap()
    }
}

/// Serve a database on a free port.
pub fn serve(bench: &Bench, database: &str) -> Served {
    let daemon = bench.fancyhwd(&format!("serve --listen 127.0.0.1:0 --database {database}")).start();
    let address = daemon.status.split_once("http://").unwrap().1.trim_end_matches('/').parse().unwrap();
    Served { daemon, address }
}

impl Served {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Ask for a page as a browser does.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    /// A page that must be there.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Send these bytes, and read to the end.
    #[track_caller]
    pub fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A server that refuses a request may close before it was read.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request:?}: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}
