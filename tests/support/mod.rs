//! Runs the real binary and its peers: spawn, wait for READY, signal, collect what was printed.
#![allow(dead_code, missing_docs, reason = "each test crate uses its part")]

pub mod allowed;
pub mod archived;
pub mod browser;
pub mod bursts;
pub mod clock;
pub mod cluster;
pub mod damage;
pub mod debugged;
pub mod ending;
pub mod fuzz;
pub mod hostile;
pub mod http;
pub mod kill;
pub mod kinds;
pub mod large;
pub mod machines;
pub mod old_peers;
pub mod pages;
pub mod power;
pub mod prometheus;
pub mod raw_subscriber;
pub mod seal;
pub mod secured;
pub mod signals;
pub mod terminal;
pub mod tmux;
pub mod triggered;
pub mod zmtp;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// Nothing that a test waits for takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program under test, for [`Bench::program`], [`command`] and shell lines: they find the one that was built.
pub const FANCYHWD: &str = "fancyhwd";

/// The folder of the binary that was built with this test. It is not compiled in, because a tree may be copied or moved
/// together with what was built in it.
pub fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // The test itself is in `deps`, beside the binary.
    test.ancestors().nth(2).unwrap().to_owned()
}

/// The repository, where cargo runs the tests.
pub fn root() -> PathBuf {
    std::env::current_dir().unwrap()
}

/// A program that finds the binary under test as `fancyhwd`, whatever is installed.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(built()).chain(std::env::split_paths(&others)));
    let mut command = Command::new(program);
    command.env("PATH", path.unwrap());
    command
}

/// A fresh directory with what a test needs: a place for databases and sockets.
pub struct Bench {
    directory: TempDir,
    runs: AtomicU32,
}

impl Bench {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), runs: AtomicU32::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A path as text, for command lines.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// An endpoint that belongs to this test alone.
    pub fn endpoint(&self, name: &str) -> String {
        format!("ipc://{}", self.text(name))
    }

    /// `fancyhwd` with a command line, words separated by spaces, and nothing of our environment's settings.
    pub fn fancyhwd(&self, line: &str) -> Run<'_> {
        self.program(FANCYHWD).args(line.split_whitespace())
    }

    /// Another program, such as a peer, or one that starts ours.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Run<'_> {
        let mut command = command(program);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            // What cargo says of the test makes a build script run again that is run by the test.
            let is_of_cargo =
                name.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.as_str());
            if name.starts_with("FANCYHWD_") || name.starts_with("XDG_") || name == "STATE_DIRECTORY" || is_of_cargo {
                command.env_remove(name);
            }
        }
        Run { bench: self, command, number: self.runs.fetch_add(1, Ordering::Relaxed) }
    }

    /// What a stock `sqlite3` shell answers, once nobody keeps it from reading.
    pub fn sqlite3(&self, database: &str, sql: &str) -> String {
        self.program("sqlite3")
            .args(["-cmd", ".timeout 10000"])
            .arg(self.path(database))
            .arg(sql)
            .run()
            .success()
            .stdout
            .trim_end()
            .to_owned()
    }

    /// Change a capture by SQL, so that it is what a recorder could have written.
    pub fn forge(&self, database: &str, sql: &str) {
        self.sqlite3(database, sql);
        seal::seal(&self.path(database));
    }

    /// The Python program that reads the device; ends after `count` packets.
    pub fn python_subscriber(&self, endpoint: &str, count: usize) -> Daemon {
        let script = root().join("tests/peers/subscriber.py");
        self.program("/usr/bin/python3").arg(script).arg(endpoint).arg(count.to_string()).spawn()
    }

    /// Compile one of the C programs in `tests/peers`.
    pub fn compile(&self, name: &str) -> PathBuf {
        self.compile_file(&root().join("tests/peers").join(name).with_extension("c"))
    }

    /// Compile a C program. The binary has its name.
    pub fn compile_file(&self, source: &Path) -> PathBuf {
        let binary = self.directory.path().join(source.file_stem().unwrap());
        self.program("cc")
            .args(["-O2", "-Wall", "-Werror", "-o"])
            .arg(&binary)
            .arg(source)
            .arg("-lzmq")
            .run()
            .success();
        binary
    }
}

/// A command line that is about to run.
pub struct Run<'a> {
    bench: &'a Bench,
    command: Command,
    number: u32,
}

impl Run<'_> {
    /// One more argument, which may hold spaces.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<I: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Run it elsewhere than in the test's directory.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Without the rights of root, so that permissions count also where the tests run as root. It stays the same user, who
    /// reaches the binary and the test's directory wherever they are.
    pub fn without_rights(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(self.command.get_program());
            command.args(self.command.get_args()).stdin(Stdio::null());
            command.current_dir(self.command.get_current_dir().unwrap());
            for (name, value) in self.command.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            self.command = command;
        }
        self
    }

    /// Start it without waiting for anything.
    pub fn spawn(mut self) -> Daemon {
        let file = |kind| self.bench.path(&format!("{}.{kind}", self.number));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        self.command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let line = format!("{:?}", self.command);
        let child = self.command.spawn().unwrap_or_else(|cause| panic!("cannot start {line}: {cause}"));
        Daemon { child: Some(child), line, stdout, stderr, notifications: None, status: String::new() }
    }

    /// Start it and wait until it tells the service manager that it is ready.
    pub fn start(mut self) -> Daemon {
        let socket_path = self.bench.path(&format!("{}.notify", self.number));
        let socket = UnixDatagram::bind(&socket_path).unwrap();
        self.command.env("NOTIFY_SOCKET", &socket_path);
        let mut daemon = self.spawn();
        daemon.notifications = Some(socket);
        let message = daemon.wait_until_told("READY=1");
        daemon.status = message.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap_or_default().to_owned();
        daemon
    }

    /// Run it to its end.
    pub fn run(self) -> Finished {
        self.spawn().finish()
    }
}

/// A running program. It is killed when the test ends first.
pub struct Daemon {
    child: Option<Child>,
    line: String,
    stdout: PathBuf,
    stderr: PathBuf,
    notifications: Option<UnixDatagram>,
    /// What it told the service manager when it was ready.
    pub status: String,
}

impl Daemon {
    /// Wait until it tells the service manager this, such as `READY=1`. Gives the whole message.
    pub fn wait_until_told(&self, wanted: &str) -> String {
        self.wait_until(wanted, |line| line == wanted)
    }

    fn wait_until(&self, wanted: &str, is_it: impl Fn(&str) -> bool) -> String {
        let socket = self.notifications.as_ref().expect("a program that was started with `start`");
        let pidfd = pidfd_open(self.pid_handle(), PidfdFlags::empty()).unwrap();
        loop {
            let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&patience())).unwrap();
            let (told, ended) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            assert!(ready > 0, "did not tell {wanted} in time: {}", self.report());
            assert!(told || !ended, "ended before it told {wanted}: {}", self.report());
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(&is_it) {
                return message;
            }
        }
    }

    /// Wait until its status says this.
    pub fn wait_until_status(&self, wanted: &str) -> String {
        self.wait_until(wanted, |line| line.starts_with("STATUS=") && line.contains(wanted))
    }

    /// The next that it tells the service manager.
    pub fn wait_until_told_anything(&self) -> String {
        self.wait_until("anything", |_| true)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    fn pid_handle(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    /// Hear no more of what it tells the service manager, so that it is not held up when nobody reads that.
    pub fn hang_up(&mut self) {
        self.notifications = None;
    }

    /// The endpoint that it bound, from its status.
    pub fn endpoint(&self) -> String {
        let word = self.status.split([' ', ',']).find(|word| word.contains("://"));
        word.unwrap_or_else(|| panic!("no endpoint in status '{}'", self.status)).to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid_handle(), signal).unwrap();
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let pidfd = pidfd_open(self.pid_handle(), PidfdFlags::empty()).unwrap();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    /// A figure of its memory as the kernel has it, in bytes: `VmRSS` is what it holds now, `VmHWM` the most it ever did.
    pub fn memory_bytes(&self, figure: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.split(':').next() == Some(figure));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes.unwrap_or_else(|| panic!("it has ended: {}", self.report())).parse::<u64>().unwrap() * 1024
    }

    /// Wait for its end.
    pub fn finish(mut self) -> Finished {
        let pidfd = pidfd_open(self.pid_handle(), PidfdFlags::empty()).unwrap();
        let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience())).unwrap();
        assert!(ended > 0, "did not end in time: {}", self.report());
        let status = self.child.take().unwrap().wait().unwrap();
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        Finished { line: self.line.clone(), status, stdout, stderr }
    }

    /// Ask it to stop and wait for its end.
    pub fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    fn report(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        format!("{}\n--- stdout\n{}\n--- stderr\n{}", self.line, read(&self.stdout), read(&self.stderr))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a program left behind.
pub struct Finished {
    line: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// It must have ended with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\nended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// It must have ended with exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// It must have said so in its log.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{}\ndid not say '{text}' but:\n{}", self.line, self.stderr);
        self
    }
}

/// The C program that stands for a foreign device.
pub struct CPublisher {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub endpoint: String,
}

impl CPublisher {
    /// Start it: it binds, and waits for [`CPublisher::publish`].
    pub fn start(bench: &Bench, count: usize, interval_us: u32) -> Self {
        let mut child = Command::new(bench.compile("publisher"))
            .args(["tcp://127.0.0.1:*", &count.to_string(), &interval_us.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut endpoint = String::new();
        out.read_line(&mut endpoint).unwrap();
        // libzmq counts the final zero in.
        let endpoint = endpoint.trim_end().trim_end_matches('\0').to_owned();
        Self { child, out, endpoint }
    }

    /// Let it publish all packets. Gives what it published, a JSON array of samples per packet.
    pub fn publish(mut self) -> Vec<String> {
        self.child.stdin.take().unwrap().flush().unwrap();
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for CPublisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program shows on a terminal from its start to its end.
pub fn on_terminal(line: &str) -> String {
    let output =
        command("script").args(["-qec", line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tests that look at a clock run one at a time: each holds this.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wait until something is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The samples of a payload: its bytes in pairs, as little-endian int16.
pub fn samples(payload: &[u8]) -> impl Iterator<Item = i16> {
    payload.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair))
}

/// The samples of a payload as the peers and the views print them.
pub fn json_samples(payload: &[u8]) -> String {
    let samples: Vec<String> = samples(payload).map(|sample| sample.to_string()).collect();
    format!("[{}]", samples.join(","))
}

fn patience() -> Timespec {
    Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 }
}
