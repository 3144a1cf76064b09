//! A machine of its own for examples: a network in which their names and addresses stand, its own processes and mounts.

use std::fs;

use super::allowed::not_run;
use super::{Bench, Run};

/// Names in examples, and their addresses there.
const NAMES: [(&str, &str); 8] = [
    ("localhost", "127.0.0.1"),
    ("device", "127.0.0.2"),
    ("station", "127.0.0.3"),
    ("left", "127.0.0.4"),
    ("right", "127.0.0.5"),
    ("nas1", "127.0.0.11"),
    ("nas2", "127.0.0.12"),
    ("nas3", "127.0.0.13"),
];

/// The address of a device in examples.
const ADDRESS: &str = "192.168.1.20/32";

/// A shell script there, ready to run, or say that the test is not run. What it leaves running ends with it.
pub fn among_machines<'a>(bench: &'a Bench, script: &str) -> Option<Run<'a>> {
    let names: String = NAMES.map(|(name, address)| format!("{address} {name}\n")).concat();
    fs::write(bench.path("hosts"), names).unwrap();
    let begin = format!(
        "ip link set lo up
        ip address add {ADDRESS} dev lo
        mount --bind '{}' /etc/hosts
        mount -t tmpfs tmpfs /mnt",
        bench.text("hosts")
    );
    let unshare = |script: &str| {
        let own = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-e", "-c"];
        bench.program("unshare").args(own).arg(format!("{begin}\n{script}"))
    };
    if !unshare("").run().status.success() {
        not_run("no network, processes and mounts of its own");
        return None;
    }
    Some(unshare(script))
}

/// A script of what people type at two machines, `device$ ...` and `station$ ...`, with what they carry between. The last two
/// commands run until they are ended.
pub fn at_two_machines(typed: &str) -> String {
    let mut script = "mkdir device station\n".to_owned();
    for line in typed.lines() {
        script += &match line.split_once("$ ") {
            Some((machine, command)) if command.contains(" publish ") => format!("(cd {machine}; exec {command}) &\n"),
            Some((machine, command)) if command.contains(" record ") => {
                format!("(cd {machine}; timeout --signal INT --preserve-status 5 {command})\n")
            }
            Some((machine, command)) => format!("(cd {machine}; {command})\n"),
            None if line.starts_with("# carry device.key to the station, and station.key to the device") => {
                "cp device/device.key station\ncp station/station.key device\n".to_owned()
            }
            None => panic!("who types '{line}'?"),
        };
    }
    script
}
