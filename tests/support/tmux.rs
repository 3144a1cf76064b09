//! A shell in tmux, which is a terminal that says what is on its screen.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::{Bench, command, eventually};

/// Ends when it is dropped.
pub struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    /// A shell on a screen of so many columns, in the directory of the test.
    pub fn start(bench: &Bench, columns: u16) -> Self {
        let tmux = Self { socket: bench.path("tmux") };
        let size = ["-x", &columns.to_string(), "-y", "40"].map(str::to_owned);
        let mut start = tmux.command();
        start.args(["-f", "/dev/null", "new-session", "-d"]).args(size).args([
            "env",
            "PS1=ready> ",
            "bash",
            "--norc",
            "-i",
        ]);
        start.current_dir(bench.path("")).env("TERM", "xterm-256color").env_remove("TMUX");
        assert!(start.status().unwrap().success(), "tmux starts");
        eventually("the shell is there", || tmux.screen().contains("ready>"));
        tmux
    }

    fn command(&self) -> Command {
        let mut tmux = command("tmux");
        tmux.arg("-S").arg(&self.socket);
        tmux
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Type a line.
    pub fn enter(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Press a key by its name, such as `C-c`.
    pub fn press(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    /// Make the window so wide.
    pub fn resize(&self, columns: u16) {
        self.run(&["resize-window", "-x", &columns.to_string()]);
    }

    /// What is on the screen, without the spaces at the ends of lines.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).trim_end().to_owned()
    }

    /// All that was ever on it, with lines that the terminal broke put together again.
    pub fn whole_lines(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p", "-J", "-S", "-"]).stdout).trim_end().to_owned()
    }

    /// Whether the cursor is shown.
    pub fn has_cursor(&self) -> bool {
        self.run(&["display-message", "-p", "#{cursor_flag}"]).stdout.starts_with(b"1")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").status();
    }
}
