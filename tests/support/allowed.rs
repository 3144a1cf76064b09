//! What not every machine lets a test do. A test that cannot be run says so, and `make test` counts it.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::{Bench, Finished, built};

/// Say that this test cannot be run here, and why. `FANCYHWD_TEST_ALL` makes a failure of it.
pub fn not_run(why: &str) {
    assert!(std::env::var_os("FANCYHWD_TEST_ALL").is_none(), "it cannot be run here: {why}");
    let thread = std::thread::current();
    // One line each, as they are counted; what a program said may have more.
    let why = why.lines().next().unwrap_or_default();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    // What a test prints is shown when it fails only, but not what goes around the macros.
    std::io::stderr().write_all(format!("not run: {line}").as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("FANCYHWD_TEST_NOT_RUN") {
        File::options().append(true).open(list).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// A Python with the packages of `tests/requirements.txt`, or say that the test is not run. `make test` makes it.
pub fn python() -> Option<PathBuf> {
    gotten("bin/python", "packages of Python are not here: `tests/python-env target/python-env` gets them")
}

/// A program that `tests/python-env` has got, or say that the test is not run, and why.
fn gotten(name: &str, why: &str) -> Option<PathBuf> {
    let program = built().parent()?.join("python-env").join(name);
    if !program.exists() {
        not_run(why);
        return None;
    }
    Some(program)
}

/// A server of NATS, which comes with the packages of `tests/requirements.txt`, or say that the test is not run.
pub fn nats_server() -> Option<PathBuf> {
    gotten("bin/nats-server", "the server of NATS is not here: `tests/python-env target/python-env` gets it")
}

/// A server of NATS that is too old, from `tests/requirements-old-nats.txt`, or say that the test is not run.
pub fn old_nats_server() -> Option<PathBuf> {
    gotten(
        "old-nats/bin/nats-server",
        "the old server of NATS is not here: `tests/python-env target/python-env` gets it",
    )
}

/// Run a shell script in a network of its own, in which IPv6 is on or off, or say that the test is not run.
pub fn in_own_network(bench: &Bench, ipv6: bool, script: &str) -> Option<Finished> {
    let is_off = u8::from(!ipv6);
    let network = format!(
        "ip link set lo up
        [ ! -e /proc/sys/net/ipv6 ] || echo {is_off} >/proc/sys/net/ipv6/conf/all/disable_ipv6"
    );
    let unshare = |script: &str| bench.program("unshare").args(["--net", "sh", "-e", "-c", script]).run();
    let probe = unshare(&format!("{network}\n[ {is_off} = 1 ] || ip -6 address show dev lo | grep -q ::1"));
    if !probe.status.success() {
        not_run(&format!("no network of its own with IPv6 {}", if ipv6 { "on" } else { "off" }));
        return None;
    }
    Some(unshare(&format!("{network}\n{script}")))
}

/// Whether strace may be attached to a program that runs. If not, it is said that the test is not run.
pub fn may_trace(bench: &Bench) -> bool {
    let traced = bench.program("sleep").arg("60").spawn();
    let pid = traced.pid().to_string();
    let strace = bench.program("strace").args(["-o", "/dev/null", "-p", &pid]).spawn();
    let mut is_attached = false;
    super::eventually("strace is attached or ends", || {
        is_attached = strace.log().contains("attached");
        is_attached || strace.has_ended()
    });
    if !is_attached {
        not_run(&format!("strace cannot be attached: {}", strace.log().trim_end()));
    }
    is_attached
}
