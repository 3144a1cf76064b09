//! A program on a terminal, with somebody at the keys.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{command, eventually};

/// Runs until it is dropped or ends by itself.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// What was shown before this was waited for already.
    seen: usize,
}

impl Terminal {
    /// Run a command line.
    pub fn start(line: &str) -> Self {
        let mut child = command("script")
            .args(["-qec", line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&shown);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                read.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, keys, shown, reader: Some(reader), seen: 0 }
    }

    /// Press these keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was shown so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Wait until it shows this, after what was waited for before.
    #[track_caller]
    pub fn wait_until(&mut self, words: &str) {
        let mut found = None;
        eventually(&format!("the terminal shows '{words}'"), || {
            let shown = self.shown.lock().unwrap();
            let mut places = shown[self.seen..].windows(words.len());
            found = places.position(|window| window == words.as_bytes());
            found.is_some()
        });
        self.seen += found.unwrap() + words.len();
    }

    /// Wait for its end. Gives all that was shown, and the exit code.
    pub fn finish(mut self) -> (String, Option<i32>) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (self.text(), status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
