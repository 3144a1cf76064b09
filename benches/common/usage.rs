//! What a running process has used, from proc(5).

use std::fs;
use std::path::{Path, PathBuf};

/// Processor time of all its threads so far, user and system, in nanoseconds.
///
/// The kernel counts it exactly for each thread (`schedstat`); the sums in `stat` are in steps of 10 ms. Threads that have
/// ended are not counted, which is right for processes whose threads all live until the end.
pub fn cpu_ns(pid: u32) -> f64 {
    threads_cpu_ns(pid, |_| true)
}

/// The same of its threads of one name.
pub fn thread_cpu_ns(pid: u32, name: &str) -> f64 {
    threads_cpu_ns(pid, |thread| fs::read_to_string(thread.join("comm")).unwrap().trim_end() == name)
}

fn threads_cpu_ns(pid: u32, is_counted: impl Fn(&Path) -> bool) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
    let thread_ns = |thread: PathBuf| -> u64 {
        let text = fs::read_to_string(thread.join("schedstat")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    threads.filter(|thread| is_counted(thread)).map(thread_ns).sum::<u64>() as f64
}

/// A line of `status` such as `VmRSS` (memory now) or `VmHWM` (its peak), in MB of a million bytes.
pub fn memory_mb(pid: u32, line: &str) -> f64 {
    of_status(pid, line).unwrap()
}

/// The peak of its memory so far, in MB. `None` when it has just ended.
pub fn peak_mb(pid: u32) -> Option<f64> {
    of_status(pid, "VmHWM")
}

fn of_status(pid: u32, line: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
    let kib: f64 = value.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
