//! What was measured on, for whoever compares two results. Nothing that says where the machine is or whose.

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, Utc};

/// The machine and the versions, one line each. Databases are written in the folder `disk`.
pub fn describe(now: DateTime<Utc>, disk: &Path) -> String {
    let uname = rustix::system::uname();
    let (major, minor, patch) = zmq::version();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let lines = [
        ("date", now.format("%Y-%m-%d %H:%M UTC").to_string()),
        ("fancyhwd", format!("{}, commit {}", env!("CARGO_PKG_VERSION"), commit())),
        ("processor", format!("{}, {cores} cores, {}", processor(), uname.machine().to_string_lossy())),
        ("idle driver", idle_driver()),
        ("memory", format!("{:.1} GB", field("/proc/meminfo", "MemTotal").map_or(0.0, kib) * 1024.0 / 1e9)),
        ("kernel", format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy())),
        ("databases on", file_system(disk)),
        ("libzmq", format!("{major}.{minor}.{patch}")),
        ("SQLite", rusqlite::version().to_owned()),
        ("compiler", said_by("rustc", &["--version"])),
        ("C compiler", said_by("cc", &["-dumpfullversion"])),
        ("Python", python()),
        ("load before", load()),
    ];
    lines.map(|(name, value)| format!("{name:<14}{value}\n")).concat()
}

/// The kind of machine, for file names.
pub fn architecture() -> &'static str {
    std::env::consts::ARCH
}

/// A line of a file of `NAME : VALUE` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let of_name = |line: &str| {
        line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    text.lines().find_map(of_name)
}

fn kib(value: String) -> f64 {
    value.trim_end_matches("kB").trim().parse().unwrap_or(0.0)
}

/// Arm has numbers where x86 has a name.
fn processor() -> String {
    let cpu = |name| field("/proc/cpuinfo", name);
    let numbers = || Some(format!("implementer {} part {}", cpu("CPU implementer")?, cpu("CPU part")?));
    cpu("model name").or_else(numbers).unwrap_or_else(|| "unknown".to_owned())
}

/// What sends idle processors to sleep, and whether a program may keep them awake.
fn idle_driver() -> String {
    let name = fs::read_to_string("/sys/devices/system/cpu/cpuidle/current_driver").unwrap_or_default();
    let is_allowed = fs::OpenOptions::new().write(true).open("/dev/cpu_dma_latency").is_ok();
    let name = if name.trim().is_empty() { "none" } else { name.trim() };
    format!("{name}, processors {} be kept awake", if is_allowed { "can" } else { "cannot" })
}

/// The type of the file system that holds `folder`: of the mount points above it, the last of the longest.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let (mount, device) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        folder.starts_with(&point).then(|| (point.len(), device.split(' ').next().unwrap_or_default().to_owned()))
    };
    let found = mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length);
    found.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}

/// The commit, and whether files differ from it.
fn commit() -> String {
    said_by("git", &["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"])
}

fn python() -> String {
    let versions = "import platform, sqlite3, zmq; \
                    print(f'{platform.python_version()}, SQLite {sqlite3.sqlite_version}, pyzmq {zmq.__version__}')";
    said_by("/usr/bin/python3", &["-c", versions])
}

/// Runnable tasks in the last minutes: a machine that is busy with something else measures that.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
