//! A real Prometheus that asks a `serve` for its metrics.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use super::http::Served;
use super::{Bench, Daemon};

/// It asks each second.
pub struct Prometheus {
    daemon: Daemon,
    address: SocketAddr,
}

impl Prometheus {
    pub fn start(bench: &Bench, served: &Served) -> Self {
        let settings = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: fancyhwd\n  static_configs:\n  - targets: ['{}']\n",
            served.address
        );
        fs::write(bench.path("prometheus.yml"), settings).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let daemon = bench
            .program("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=prometheus")
            .arg(format!("--web.listen-address={address}"))
            .spawn();
        Self { daemon, address }
    }

    /// What it answers to a query, once it can.
    pub fn ask(&self, query: &str) -> Option<f64> {
        assert!(!self.daemon.has_ended(), "{}", self.daemon.log());
        let mut stream = TcpStream::connect(self.address).ok()?;
        let request = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        json["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}
