//! By which names we may be asked. A page of somebody else can let a browser ask us under a name that it has made to mean this
//! machine (DNS rebinding), and read the answer: so a name must be one that nobody else can give away.

use std::net::IpAddr;

/// The names that this server answers to.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// What this machine is called, where other machines are served.
    name: Option<String>,
}

impl Hosts {
    /// `localhost` and every address; where other machines are served, what this machine calls itself too.
    pub fn of(is_remote: bool) -> Self {
        let name = is_remote.then(|| rustix::system::uname().nodename().to_string_lossy().to_lowercase());
        Self { name: name.filter(|name| !name.is_empty()) }
    }

    /// Whether a request that names this host, perhaps with a port, is one to us.
    pub fn contains(&self, host: &str) -> bool {
        let (host, is_bracketed) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if is_port(port) => (host, true),
            Some(_) => return false,
            None => match host.split_once(':') {
                Some((host, port)) if is_number(port) => (host, false),
                Some(_) => return false,
                None => (host, false),
            },
        };
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_ipv6() == is_bracketed,
            Err(_) if is_bracketed => false,
            Err(_) => {
                let host = host.to_ascii_lowercase();
                host == "localhost"
                    || self.name.as_ref().is_some_and(|name| {
                        host == *name || host.strip_prefix(name.as_str()).is_some_and(|rest| rest == ".local")
                    })
            }
        }
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_this_machine_and_no_other_name_is() {
        let hosts = Hosts::of(false);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "[::1]", "192.168.0.7"] {
            assert!(hosts.contains(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "", ":", "[::1", "::1"] {
            assert!(!hosts.contains(host), "{host}");
        }
        for host in ["localhost:x", "localhost:", "[localhost]", "[127.0.0.1]", "a@localhost", "localhost:99999"] {
            assert!(!hosts.contains(host), "{host}");
        }
        let remote = Hosts { name: Some("rig7".to_owned()) };
        assert!(remote.contains("Rig7:80") && remote.contains("rig7.local") && !remote.contains("rig7.evil.example"));
    }
}
