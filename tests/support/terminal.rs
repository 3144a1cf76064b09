//! A program on a terminal, with somebody at the keys, who may close it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{command, eventually};

/// How often the reader looks whether the terminal was closed.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Runs until it is dropped or ends by itself.
pub struct Terminal {
    child: Child,
    /// The side of the keys and the screen. The program is on the other one.
    master: Option<File>,
    closed: Arc<AtomicBool>,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// What was shown before this was waited for already.
    seen: usize,
}

impl Terminal {
    /// Run a command line, which leads a session of its own on its own terminal.
    pub fn start(line: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let no_terminal_of_ours = OFlags::NOCTTY.bits() as i32;
        let slave = OpenOptions::new().read(true).write(true).custom_flags(no_terminal_of_ours).open(path).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        // Whoever runs the tests may ignore SIGHUP (nohup), which would be inherited.
        let child = command("env")
            .args(["--default-signal=HUP", "setsid", "--ctty", "sh", "-c", line])
            .env("TERM", "xterm")
            .env("PS1", "ready> ")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let master = File::from(master);
        let (shown, closed) = (Arc::default(), Arc::default());
        let reader = thread::spawn({
            let (master, shown, closed) = (master.try_clone().unwrap(), Arc::clone(&shown), Arc::clone(&closed));
            move || read(master, &shown, &closed)
        });
        Self { child, master: Some(master), closed, shown, reader: Some(reader), seen: 0 }
    }

    /// Press these keys.
    pub fn press(&mut self, keys: &str) {
        self.master.as_ref().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// All that was shown so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Wait until it shows this, after what was waited for before.
    #[track_caller]
    pub fn wait_until(&mut self, words: &str) {
        let find =
            || self.shown.lock().unwrap()[self.seen..].windows(words.len()).position(|it| it == words.as_bytes());
        eventually(&format!("the terminal shows '{words}'"), || find().is_some());
        self.seen += find().unwrap() + words.len();
    }

    /// Close the window: the terminal is gone.
    pub fn close(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.master = None;
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Wait for its end. Gives all that was shown, and how it ended.
    pub fn end(mut self) -> (String, ExitStatus) {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (self.text(), status)
    }

    /// Wait for its end. Gives all that was shown, and the exit code.
    pub fn finish(self) -> (String, Option<i32>) {
        let (text, status) = self.end();
        assert_eq!(status.signal(), None, "{text}");
        (text, status.code())
    }
}

fn read(mut master: File, shown: &Mutex<Vec<u8>>, closed: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !closed.load(Ordering::Relaxed) {
        if poll(&mut [PollFd::new(&master, PollFlags::IN)], Some(&LOOK)).is_ok_and(|ready| ready > 0) {
            // It fails when nobody has the other side open.
            let Ok(count @ 1..) = master.read(&mut buffer) else { return };
            shown.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
