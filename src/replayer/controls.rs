//! What the user does to a replay that runs: keys on a terminal, SIGUSR1 anywhere.

use std::cell::Cell;
use std::io::stdin;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::Result;
use crate::process::stop::{Request, Stop};
use crate::process::terminal;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// How often to look, in the background, whether the terminal is ours again: a shell that brings a running program to
/// the foreground tells nobody.
const LOOK_EVERY_NS: i64 = NS_PER_S;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Pause, or go on.
    Pause,
    /// Send the next message, and pause.
    Next,
    /// Send the message before the last one again, and pause.
    Previous,
    /// Go on to the next message of the topic that was sent last, and pause behind it.
    NextOfTopic,
    /// Go on for a second, and pause.
    Second,
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
    /// Ten seconds back.
    Back,
    /// Ten seconds forward.
    Forward,
    /// Where what is looked for begins to hold next.
    NextPlace,
    /// Where it began to hold before.
    PreviousPlace,
    /// Ask for a position.
    GoTo,
    /// End the replay.
    Quit,
    /// Any other printable character: part of a position.
    Text(char),
    /// End of a position.
    Enter,
    /// Take back the last character of a position.
    Delete,
    /// No position after all.
    Escape,
}

/// The keyboard, if there is one in front of us, and the signals.
#[derive(Debug)]
pub struct Controls<'a> {
    stop: &'a Stop,
    pause: Request,
    keyboard: Option<Keyboard>,
}

impl<'a> Controls<'a> {
    /// Listen to SIGUSR1 and, where standard input and standard error are a terminal, to its keys.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub fn new(stop: &'a Stop) -> Result<Self> {
        Ok(Self { stop, pause: Request::to_pause()?, keyboard: Keyboard::open()? })
    }

    /// The request to stop.
    pub fn stop(&self) -> &'a Stop {
        self.stop
    }

    /// Whether somebody can press keys.
    pub fn has_keyboard(&self) -> bool {
        self.keyboard.is_some()
    }

    /// Wait until something is asked for, `timeout_ns` at most, or less. Says whether something was.
    pub fn wait_ns(&self, timeout_ns: i64) -> bool {
        let stdin = stdin();
        let in_background = self.keyboard.as_ref().is_some_and(|keyboard| !keyboard.is_ours());
        let timeout_ns = timeout_ns.clamp(0, if in_background { LOOK_EVERY_NS } else { i64::MAX });
        let timeout = Timespec { tv_sec: timeout_ns / NS_PER_S, tv_nsec: timeout_ns % NS_PER_S };
        let signals = [PollFd::new(self.stop, PollFlags::IN), PollFd::new(&self.pause, PollFlags::IN)];
        let [stop, pause] = signals;
        // An interrupted wait was interrupted by a signal: look again what it was.
        match self.keyboard {
            Some(_) if !in_background => {
                poll(&mut [stop, pause, PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)], Some(&timeout))
            }
            _ => poll(&mut [stop, pause], Some(&timeout)),
        }
        .is_ok_and(|ready| ready > 0)
    }

    /// What was asked for since the last time.
    pub fn take(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        if self.pause.take() {
            keys.push(Key::Pause);
        }
        if let Some(keyboard) = &self.keyboard
            && !keyboard.read(&mut keys)
        {
            self.keyboard = None;
        }
        keys
    }
}

/// A terminal, from which keys are read while it is ours.
#[derive(Debug)]
struct Keyboard {
    looked_ns: Cell<i64>,
}

impl Keyboard {
    fn open() -> Result<Option<Self>> {
        Ok(terminal::open()?.then(|| Self { looked_ns: Cell::new(monotonic_ns()) }))
    }

    fn is_ours(&self) -> bool {
        if !terminal::is_ours() {
            let now_ns = monotonic_ns();
            if now_ns - self.looked_ns.get() >= LOOK_EVERY_NS {
                self.looked_ns.set(now_ns);
                terminal::look();
            }
        }
        terminal::is_ours()
    }

    /// Read the keys that were pressed. Says whether there is still a terminal.
    fn read(&self, keys: &mut Vec<Key>) -> bool {
        let stdin = stdin();
        let (mut pressed, mut bytes) = (Vec::new(), [0; 64]);
        let is_there = loop {
            let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
            if !poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0) {
                break true;
            }
            // What is typed in the background is for somebody else.
            terminal::look();
            if !terminal::is_ours() {
                break true;
            }
            match rustix::io::read(&stdin, &mut bytes) {
                Ok(count @ 1..) => pressed.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                _ => break false,
            }
        };
        // All at once, so that no key is cut in two where the buffer ends.
        keys.extend(parse(&pressed));
        is_there
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        terminal::close();
    }
}

/// The keys in what a terminal sends at once.
fn parse(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let (key, length) = match (byte, after) {
            (0x1b, [b'[' | b'O', b'A', ..]) => (Some(Key::Faster), 3),
            (0x1b, [b'[' | b'O', b'B', ..]) => (Some(Key::Slower), 3),
            (0x1b, [b'[' | b'O', b'C', ..]) => (Some(Key::Next), 3),
            (0x1b, [b'[' | b'O', b'D', ..]) => (Some(Key::Previous), 3),
            // Other keys with a sequence of their own mean nothing here.
            (0x1b, [b'[' | b'O', ..]) => (None, rest.len()),
            (0x1b, _) => (Some(Key::Escape), 1),
            (b'\r' | b'\n', _) => (Some(Key::Enter), 1),
            (0x7f | 0x08, _) => (Some(Key::Delete), 1),
            (b' '..=b'~', _) => (Some(Key::Text(char::from(byte))), 1),
            _ => (None, 1),
        };
        keys.extend(key);
        rest = rest.get(length..).unwrap_or_default();
    }
    keys
}

impl Key {
    /// What a character means while no position is being typed.
    pub fn command(self) -> Option<Self> {
        Some(match self {
            Self::Text(' ') => Self::Pause,
            Self::Text('n') => Self::Next,
            Self::Text('p') => Self::Previous,
            Self::Text('t') => Self::NextOfTopic,
            Self::Text('s') => Self::Second,
            Self::Text('[') => Self::Back,
            Self::Text(']') => Self::Forward,
            Self::Text('f') => Self::NextPlace,
            Self::Text('F') => Self::PreviousPlace,
            Self::Text('g') => Self::GoTo,
            Self::Text('q') => Self::Quit,
            Self::Text(_) | Self::Enter | Self::Delete | Self::Escape => return None,
            key => key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        assert_eq!(parse(b"\x1b[A\x1b[B\x1bOC\x1b[D"), [Key::Faster, Key::Slower, Key::Next, Key::Previous]);
        assert_eq!(parse(b"n \r\x7f\x1b"), [Key::Text('n'), Key::Text(' '), Key::Enter, Key::Delete, Key::Escape]);
        assert_eq!(parse(b"\x1b[5~"), []);
        assert_eq!(Key::Text('q').command(), Some(Key::Quit));
        assert_eq!(Key::Text('x').command(), None);
        assert_eq!(Key::Faster.command(), Some(Key::Faster));
    }
}
