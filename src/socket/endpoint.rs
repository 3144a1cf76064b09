//! ZeroMQ endpoints as the user types them: `tcp://HOST:PORT` and `ipc://PATH`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

/// The longest path of a Unix socket: `sun_path` without its final zero, see unix(7).
const IPC_PATH_MAX_BYTES: usize = 107;

/// An endpoint that libzmq can parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The text, as libzmq wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is on this machine, and no TCP.
    pub fn is_ipc(&self) -> bool {
        self.0.starts_with("ipc://")
    }

    /// Whether other machines may reach it when it is bound.
    pub fn is_open(&self) -> bool {
        let Some((host, _)) = self.0.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':')) else {
            return false;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => !address.is_loopback(),
            Err(_) => !matches!(host, "localhost" | "lo"),
        }
    }

    /// The path of an `ipc://` endpoint in the file system. Names that begin with `@` are in no file system.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.0.strip_prefix("ipc://").filter(|path| !path.starts_with('@')).map(Path::new)
    }

    /// Whether a bound socket must be an IPv6 one: for an address in brackets and for `*`, which then serves both.
    pub fn needs_ipv6(&self) -> bool {
        self.0.strip_prefix("tcp://").is_some_and(|address| address.starts_with(['[', '*']))
    }

    /// `HOST:PORT` of a TCP endpoint whose host is a name, and no address.
    pub fn name(&self) -> Option<&str> {
        let address = self.0.strip_prefix("tcp://")?;
        let host = address.rsplit_once(':')?.0;
        (!host.starts_with('[') && host.parse::<Ipv4Addr>().is_err()).then_some(address)
    }

    /// What somebody probably meant who typed this, which is no endpoint.
    pub fn likely(text: &str) -> Option<Self> {
        let text = text.trim();
        let address = text.rsplit_once("//").map_or(text, |(_, address)| address);
        let address = ["tcp:/", "tcp:", "TCP:"].iter().find_map(|head| address.strip_prefix(head)).unwrap_or(address);
        let address = address.trim_end_matches('/');
        let endpoint = |text: String| text.parse().ok();
        if address.is_empty() || text.starts_with("ipc://") {
            return None;
        }
        if let Some(path) = text.strip_prefix("ipc:").or(text.starts_with(['/', '.']).then_some(text)) {
            return endpoint(format!("ipc://{path}"));
        }
        if address.bytes().all(|byte| byte.is_ascii_digit()) {
            return endpoint(format!("tcp://127.0.0.1:{address}"));
        }
        let is_ipv6 = |host: &str| host.parse::<Ipv6Addr>().is_ok();
        match address.rsplit_once(':') {
            // A host alone may be a word that is no host at all, unless it is an address.
            None if address.parse::<IpAddr>().is_ok() || address == "localhost" || address == "*" => {
                endpoint(format!("tcp://{address}:5555"))
            }
            None => None,
            Some((host, port)) if is_ipv6(host) => endpoint(format!("tcp://[{host}]:{port}")),
            Some(("", port)) => endpoint(format!("tcp://127.0.0.1:{port}")),
            Some(_) => endpoint(format!("tcp://{address}")).filter(|likely: &Self| likely.as_str() != text),
        }
    }

    /// Whether the endpoint names one peer, so that it can be connected to: no `*` for host or port.
    pub fn names_a_peer(&self) -> bool {
        !self.0.contains('*')
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("tcp", address)) => check_tcp(address)?,
            Some(("ipc", "")) => return Err("the path after ipc:// is missing".to_owned()),
            Some(("ipc", path)) if path.len() > IPC_PATH_MAX_BYTES => {
                return Err(format!("the path of an ipc:// endpoint has at most {IPC_PATH_MAX_BYTES} bytes"));
            }
            Some(("ipc", path)) if path.contains(['\0', '*']) => {
                return Err("the path of an ipc:// endpoint has no `*` and no zero byte".to_owned());
            }
            Some(("ipc", _)) => {}
            _ => return Err("an endpoint is tcp://HOST:PORT or ipc://PATH, such as tcp://127.0.0.1:5555".to_owned()),
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_tcp(address: &str) -> Result<(), String> {
    let (host, port) = address.rsplit_once(':').ok_or("the port is missing: tcp://HOST:PORT")?;
    if port != "*" && !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(format!("'{port}' is no port from 1 to 65535"));
    }
    let bare_host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_%:".contains(&byte);
    match bare_host.unwrap_or(host) {
        "" => Err("the host is missing: tcp://HOST:PORT".to_owned()),
        "*" if bare_host.is_none() => Ok(()),
        _ if bare_host.is_none() && host.contains(':') => {
            Err("an IPv6 address stands in brackets: tcp://[::1]:5555".to_owned())
        }
        bare if bare.bytes().all(allowed) => Ok(()),
        bare => Err(format!("'{bare}' is no host name, address or interface")),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_machines_reach_is_open() {
        for (text, is_open) in [
            ("tcp://127.0.0.1:5", false),
            ("tcp://127.9.0.1:*", false),
            ("tcp://[::1]:5", false),
            ("tcp://lo:5", false),
            ("ipc:///x", false),
            ("tcp://*:5", true),
            ("tcp://0.0.0.0:5", true),
            ("tcp://[::]:5", true),
            ("tcp://192.168.1.2:5", true),
            ("tcp://eth0:5", true),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_open(), is_open, "{text}");
        }
    }

    #[test]
    fn endpoints_of_both_kinds_are_taken() {
        for text in [
            "tcp://127.0.0.1:5555",
            "tcp://*:5555",
            "tcp://localhost:*",
            "tcp://[::1]:1",
            "tcp://eth0:65535",
            "ipc:///run/fancyhwd/data",
            "ipc://@name",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_libzmq_cannot_parse_is_refused() {
        for text in [
            "",
            "5555",
            "tcp://",
            "tcp://127.0.0.1",
            "tcp://:5555",
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:65536",
            "tcp://127.0.0.1:http",
            "tcp://::1:5555",
            "tcp://a b:1",
            "tcp://a;b:1",
            "udp://127.0.0.1:5555",
            "inproc://x",
            "ipc://",
            "ipc://a*b",
            &format!("ipc://{}", "x".repeat(108)),
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_probably_meant_is_an_endpoint() {
        for (text, likely) in [
            ("5555", "tcp://127.0.0.1:5555"),
            (":5555", "tcp://127.0.0.1:5555"),
            ("127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("camera:5555", "tcp://camera:5555"),
            ("*:5555", "tcp://*:5555"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:5555"),
            ("localhost", "tcp://localhost:5555"),
            ("tcp://:5555", "tcp://127.0.0.1:5555"),
            ("tcp:127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("tcp:/127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("TCP://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("tpc://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("udp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
            ("http://127.0.0.1:5555/", "tcp://127.0.0.1:5555"),
            ("tcp://::1:5555", "tcp://[::1]:5555"),
            ("/run/device", "ipc:///run/device"),
            ("ipc:/run/device", "ipc:///run/device"),
        ] {
            assert_eq!(Endpoint::likely(text).as_ref().map(Endpoint::as_str), Some(likely), "{text}");
        }
        for text in ["", "camera", "tcp://", "ipc://", "tcp://127.0.0.1:http", "tcp://127.0.0.1:0", "tcp://a b:1"] {
            assert_eq!(Endpoint::likely(text), None, "{text}");
        }
    }

    #[test]
    fn ipv6_is_used_where_it_must_be() {
        for (text, expected) in
            [("tcp://127.0.0.1:5", false), ("tcp://[::1]:5", true), ("tcp://*:5", true), ("ipc:///x", false)]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().needs_ipv6(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_told_from_an_address() {
        for (text, name) in [
            ("tcp://camera.local:5", Some("camera.local:5")),
            ("tcp://localhost:5", Some("localhost:5")),
            ("tcp://127.0.0.1:5", None),
            ("tcp://[::1]:5", None),
            ("tcp://[fe80::1%eth0]:5", None),
            ("ipc:///x", None),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().name(), name, "{text}");
        }
    }

    #[test]
    fn wildcards_name_no_peer() {
        assert!("tcp://127.0.0.1:5".parse::<Endpoint>().unwrap().names_a_peer());
        assert!(!"tcp://*:5".parse::<Endpoint>().unwrap().names_a_peer());
        assert!(!"tcp://127.0.0.1:*".parse::<Endpoint>().unwrap().names_a_peer());
    }
}
