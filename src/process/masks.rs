//! Which signals are blocked, ignored or pending.

use std::fs;

/// Whether a signal is in a mask of the calling thread, such as `SigBlk` or `SigIgn`, see proc_pid_status(5). `None` when
/// that cannot be found out.
pub fn is_masked(mask: &str, signal: i32) -> Option<bool> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix(mask)?.strip_prefix(':'))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> (signal - 1) & 1 == 1)
}
