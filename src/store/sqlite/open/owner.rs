//! The process that records: since when, and how it is ended so that all is saved.

use std::fs;

use crate::time::clock::NS_PER_S;
use crate::time::durations::iso;

/// Ticks in which the kernel tells times of processes, on every machine that this is built for.
const TICKS_PER_S: i64 = 100;

/// When it was started: see `starttime` in proc(5).
pub(super) fn began(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets, and may have any character.
    let ticks: i64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot_s: i64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let time = iso((boot_s + ticks / TICKS_PER_S).checked_mul(NS_PER_S)?);
    Some(time.split_once('.').map_or(time.clone(), |(seconds, _)| format!("{seconds}Z")))
}

/// What ends it: a stop of its unit, which would start it again otherwise, or a signal.
pub(super) fn how_to_end(pid: i32) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let unit = groups.lines().find_map(|line| unit_of(line.rsplit_once(':')?.1));
    match unit {
        Some((unit, true)) => format!("`systemctl --user stop {unit}` ends it, and all is saved"),
        Some((unit, false)) => format!("`systemctl stop {unit}` ends it, and all is saved"),
        None => format!("`kill {pid}` ends it, and all is saved"),
    }
}

/// The service of a control group, and whether it is one of a user.
fn unit_of(group: &str) -> Option<(&str, bool)> {
    let (_, unit) = group.rsplit_once('/')?;
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "@-_.:\\".contains(char);
    let is_service = unit.ends_with(".service") && unit.chars().all(is_plain) && !unit.starts_with("user@");
    is_service.then(|| (unit, group.contains("/user@")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_service_is_its_control_group() {
        assert_eq!(
            unit_of("/system.slice/system-fancyhwd\\x2drecord.slice/fancyhwd-record@pump.service"),
            Some(("fancyhwd-record@pump.service", false))
        );
        assert_eq!(unit_of("/system.slice/fancyhwd-record.service"), Some(("fancyhwd-record.service", false)));
        let of_user = "/user.slice/user-1000.slice/user@1000.service/app.slice/rec.service";
        assert_eq!(unit_of(of_user), Some(("rec.service", true)));
        for other in
            ["/user.slice/user-1000.slice/session-3.scope", "/", "/user.slice/user-1000.slice/user@1000.service"]
        {
            assert_eq!(unit_of(other), None, "{other}");
        }
    }
}
