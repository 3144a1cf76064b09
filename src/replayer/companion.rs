//! A process that a replay goes with: while it is stopped, by a debugger or by SIGSTOP, nothing is due.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::escape;

/// How often it is looked at, at most: what leaves after a stop is what is due within that time. A look takes some microseconds.
pub const LOOK_EVERY_NS: i64 = 1_000_000;

/// More than a line of `stat` takes.
const STAT_BYTES: usize = 4096;

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits for something.
    Runs,
    /// A debugger or a signal has stopped it.
    Stopped,
    /// It has ended.
    Ended,
}

/// A process that is looked at.
#[derive(Debug)]
pub struct Companion {
    /// Open as long as it is looked at: another process that gets the same number later is none of ours.
    stat: File,
    name: String,
    looked_ns: i64,
    state: State,
}

impl Companion {
    /// The process of this number.
    ///
    /// # Errors
    /// When there is none, or it cannot be looked at.
    pub fn open(pid: u32) -> io::Result<Self> {
        let stat = File::open(format!("/proc/{pid}/stat"))?;
        let line = read(&stat)?;
        let (name, state) = parse(&line).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { stat, name: format!("process {pid} ({})", escape::bytes(name)), looked_ns: i64::MIN, state })
    }

    /// `process 4242 (reader)`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is now, or was less than a millisecond ago.
    pub fn state(&mut self, now_ns: i64) -> State {
        if self.state != State::Ended && now_ns.saturating_sub(self.looked_ns) >= LOOK_EVERY_NS {
            self.looked_ns = now_ns;
            // Of one that is gone nothing can be read.
            let line = read(&self.stat).unwrap_or_default();
            self.state = parse(&line).map_or(State::Ended, |(_, state)| state);
        }
        self.state
    }
}

fn read(stat: &File) -> io::Result<Vec<u8>> {
    let mut line = vec![0; STAT_BYTES];
    let count = stat.read_at(&mut line, 0)?;
    line.truncate(count);
    Ok(line)
}

/// The name of a process and how it is, in a line of its `stat`, see proc_pid_stat(5): `12 (name) S ...`. The name may hold anything,
/// brackets too.
fn parse(line: &[u8]) -> Option<(&[u8], State)> {
    let begin = line.iter().position(|&byte| byte == b'(')? + 1;
    let end = line.iter().rposition(|&byte| byte == b')')?;
    let state = match line.get(end..)? {
        [b')', b' ', b'T' | b't', ..] => State::Stopped,
        [b')', b' ', b'Z' | b'X', ..] => State::Ended,
        [b')', b' ', _, ..] => State::Runs,
        _ => return None,
    };
    Some((line.get(begin..end)?, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_behind_the_name_whatever_that_is() {
        let parsed = |line: &'static str| parse(line.as_bytes());
        assert_eq!(parsed("12 (reader) S 1 12"), Some((&b"reader"[..], State::Runs)));
        assert_eq!(parsed("12 (a) T (b) R 1"), Some((&b"a) T (b"[..], State::Runs)));
        assert_eq!(parsed("12 () t 1"), Some((&b""[..], State::Stopped)));
        assert_eq!(parsed("12 (x) T 1"), Some((&b"x"[..], State::Stopped)));
        assert_eq!(parsed("12 (x) Z 1"), Some((&b"x"[..], State::Ended)));
        for line in ["", "12", "12 (x", "12 x) S", ")(", "12 (x)", "12 (x) "] {
            assert_eq!(parsed(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_process_is_stopped_goes_on_and_ends() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let mut companion = Companion::open(child.id()).unwrap();
        let mut now_ns = 0;
        let mut wait_for = |wanted| {
            while companion.state(now_ns) != wanted {
                now_ns += LOOK_EVERY_NS;
                std::thread::yield_now();
            }
        };
        let signal = |signal| rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        wait_for(State::Runs);
        signal(rustix::process::Signal::STOP);
        wait_for(State::Stopped);
        signal(rustix::process::Signal::CONT);
        wait_for(State::Runs);
        signal(rustix::process::Signal::KILL);
        wait_for(State::Ended);
        child.wait().unwrap();
        wait_for(State::Ended);
        assert!(Companion::open(child.id()).is_err());
    }
}
