//! Signals, and terminals that are closed or taken away: what is saved, and what is left.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::ioctl_fionread;
use rustix::process::Signal;

use crate::replay::{captured, subscriber};
use crate::support::signals::{
    device, hanging_up, interrupts_at_the_start_of_a_recorder, signals_in_an_export, timeouts_end_a_recorder,
};
use crate::support::terminal::Terminal;
use crate::support::{Bench, Daemon, FANCYHWD, eventually};

/// What `c.db` answers; nothing while it is not there yet, or a recorder that begins or ends holds it.
fn ask<T: FromSql>(bench: &Bench, sql: &str) -> Option<T> {
    Connection::open_with_flags(bench.path("c.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| connection.query_row(sql, [], |row| row.get(0)))
        .ok()
}

/// The packets that are committed.
fn committed(bench: &Bench) -> i64 {
    ask(bench, "SELECT coalesce(sum(messages), 0) FROM sessions").unwrap_or(0)
}

/// Wait until so many more are committed.
#[track_caller]
fn wait_for_packets(bench: &Bench, more: i64) {
    let wanted = committed(bench) + more;
    eventually("more packets are committed", || committed(bench) >= wanted);
}

/// `make soak` does it 200 times.
#[test]
fn a_timeout_is_one_request_to_stop() {
    timeouts_end_a_recorder(3, "0.5");
}

/// However many they are.
#[test]
fn signals_within_50_ms_are_one_request_to_stop() {
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    // A device that sends without a pause keeps the recorder busy for 200 ms after the first one.
    let mut rounds = 0;
    eventually("three rounds were quick enough", || {
        let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
        wait_for_packets(&bench, 10);
        let began = Instant::now();
        recorder.signal(Signal::INT);
        while began.elapsed() < Duration::from_millis(40) {
            recorder.signal(Signal::TERM);
            // The time is the point of the test.
            thread::sleep(Duration::from_millis(2));
        }
        let is_quick = began.elapsed() < Duration::from_millis(50);
        let recorder = recorder.finish();
        if is_quick {
            recorder.success().says(", 0 lost");
            rounds += 1;
        }
        rounds == 3
    });
    device.stop();
}

/// `make soak` does it 500 times.
#[test]
fn a_recorder_that_is_interrupted_at_its_start_keeps_what_came() {
    interrupts_at_the_start_of_a_recorder(20);
}

/// A handler is set in two steps: the operating system is told of it, and it is told what to do.
#[test]
fn a_signal_between_the_steps_that_set_its_handler_is_not_lost() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let bench = Bench::new();
        let slow = "inject=rt_sigaction:delay_exit=200000";
        let strace = ["-D", "--seccomp-bpf", "-o", "trace", "-e", "trace=rt_sigaction", "-e", slow, FANCYHWD];
        let record = "record --database c.db --connect tcp://127.0.0.1:1";
        let recorder = bench.program("strace").args(strace).args(record.split(' ')).spawn();
        let handler = format!("rt_sigaction({name}, {{sa_handler=0x");
        eventually("its handler is being set", || {
            fs::read_to_string(bench.path("trace")).is_ok_and(|trace| trace.contains(&handler))
        });
        recorder.signal(signal);
        // It never reached the device.
        recorder.finish().code(3);
    }
}

/// `make soak` does it 200 times each.
#[test]
fn an_export_that_is_stopped_leaves_no_file() {
    let bench = Bench::new();
    captured(&bench, 200_000, "max");
    signals_in_an_export(&bench, 5);
}

/// The second signal kills, and so does Ctrl-\: the file that was begun is removed all the same.
#[test]
fn an_export_that_is_killed_by_a_signal_leaves_no_file() {
    let bench = Bench::new();
    captured(&bench, 1000, "max");
    fs::create_dir(bench.path("out")).unwrap();
    for (format, signals) in [
        ("csv", vec![Signal::TERM, Signal::INT]),
        ("sqlite", vec![Signal::HUP, Signal::TERM, Signal::TERM]),
        ("raw", vec![Signal::QUIT]),
    ] {
        // The file waits for the disk for some seconds, and does not look for a request to stop meanwhile.
        let slow = "inject=fsync:delay_enter=3000000";
        let strace = ["-D", "--seccomp-bpf", "-f", "-o", "trace", "-e", "trace=fsync", "-e", slow, FANCYHWD];
        let line = format!("session export --database c.db --format {format} --output out/x");
        let strace = bench.program("env").args(["--default-signal=HUP", "strace"]).args(strace);
        let export = strace.args(line.split(' ')).spawn();
        let names = || fs::read_dir(bench.path("out")).unwrap().count();
        eventually("it waits for the disk", || {
            fs::read_to_string(bench.path("trace")).is_ok_and(|trace| trace.contains("fsync("))
        });
        assert_eq!(names(), 1);
        let (last, first) = signals.split_last().unwrap();
        for signal in first {
            export.signal(*signal);
        }
        eventually("a later signal kills", || {
            export.signal(*last);
            export.has_ended()
        });
        assert_eq!(export.finish().status.signal(), Some(last.as_raw()), "{format}");
        assert_eq!(names(), 0, "{format}");
        fs::remove_file(bench.path("trace")).unwrap();
    }
}

/// The time in which a command ends whose terminal is closed. It is longer on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Close the terminal of a command that runs. Gives its exit code; none when it had not begun yet, and died.
#[track_caller]
fn close(mut terminal: Terminal) -> Option<i32> {
    terminal.close();
    let began = Instant::now();
    eventually("it ends", || terminal.has_ended());
    println!("ended after {:?}", began.elapsed());
    assert!(began.elapsed() <= ENDS_WITHIN, "after {:?}", began.elapsed());
    terminal.end().1.code()
}

/// A command line on `c.db`.
fn on_database(bench: &Bench, line: &str) -> String {
    format!("exec {FANCYHWD} {line} --database {}", bench.text("c.db"))
}

#[test]
fn a_recorder_whose_terminal_is_closed_saves_and_ends() {
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    let record = on_database(&bench, &format!("record --connect {endpoint}"));
    // Alone on its terminal, printing to it, and behind a shell that has to die first.
    let shell = format!("bash -c '{record}' ; exit 1");
    for (round, line) in [record.clone(), format!("{record} --print"), shell].iter().enumerate() {
        let mut terminal = Terminal::start(line);
        terminal.wait_until("connected to ");
        wait_for_packets(&bench, 500);
        if round < 2 {
            assert_eq!(close(terminal), Some(0));
        } else {
            terminal.close();
        }
        let ended = format!("SELECT count(*) FROM sessions WHERE end_reason = 'stopped' AND id = {}", round + 1);
        eventually("the session is ended", || ask(&bench, &ended) == Some(1));
    }
    // The lock is free, and the next one finds nothing to mend.
    eventually("the recorder has ended", || {
        let next = bench.fancyhwd(&format!("record --database c.db --count 1 --connect {endpoint}")).run();
        next.status.success()
    });
    device.stop();
    assert_eq!(bench.sqlite3("c.db", "SELECT group_concat(end_reason) FROM sessions"), "stopped,stopped,stopped,limit");
    assert_eq!(bench.sqlite3("c.db", "SELECT sum(lost), count(*) FROM events WHERE kind = 'crash'"), "|0");
}

/// Some shells tell their jobs that they end (zsh; bash with huponexit), and then the terminal goes.
#[test]
fn a_recorder_whose_shell_says_goodbye_saves_and_ends() {
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    let record = on_database(&bench, &format!("record --connect {endpoint}")).replace("exec ", "");
    let end = bench.path("end");
    let shell = format!("set -m; {record} & until [ -e {} ]; do sleep 0.01; done; kill -HUP $!", end.display());
    let mut terminal = Terminal::start(&shell);
    wait_for_packets(&bench, 500);
    File::create(end).unwrap();
    eventually("the shell has ended", || terminal.has_ended());
    let ends = "SELECT group_concat(coalesce(end_reason, 'open')) FROM sessions";
    eventually("the session is ended", || ask::<String>(&bench, ends).as_deref() == Some("stopped"));
    device.stop();
}

#[test]
fn nohup_keeps_a_recorder_whose_terminal_is_closed() {
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    let log = bench.text("log");
    let record = on_database(&bench, &format!("record --connect {endpoint}")).replace("exec ", "exec nohup ");
    let mut terminal = Terminal::start(&format!("{record} 2>{log} >/dev/null"));
    wait_for_packets(&bench, 500);
    terminal.close();
    wait_for_packets(&bench, 5000);
    assert!(!terminal.has_ended());
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.finish().1, Some(0));
    device.stop();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("recorded session 1: ") && log.contains(", 0 lost"), "{log}");
}

#[test]
fn what_sends_ends_when_its_terminal_is_closed() {
    let bench = Bench::new();
    captured(&bench, 100, "max");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = id * 3600000000000");
    let endpoint = bench.endpoint("sent");
    for line in [
        format!("exec {FANCYHWD} publish --interval 1h --bind {endpoint}"),
        // Nobody reads it.
        format!("exec {FANCYHWD} publish --rate max --on-full block --wait-subscribers 1 --bind {endpoint}"),
        on_database(&bench, &format!("replay --bind {endpoint}")),
        on_database(&bench, &format!("replay --paused --wait-subscribers 1 --bind {endpoint}")),
    ] {
        let mut terminal = Terminal::start(&line);
        terminal.wait_until(&endpoint);
        let _subscriber = line.contains("wait-subscribers").then(|| subscriber(&endpoint));
        assert_eq!(close(terminal), Some(0), "{line}");
    }
}

#[test]
fn what_sends_goes_on_after_sighup_and_ends_after_sigterm() {
    let bench = Bench::new();
    captured(&bench, 1000, "1000");
    for line in ["publish --rate 1000", "replay --database c.db --loop"] {
        let endpoint = bench.endpoint("sent");
        let sender = hanging_up(&bench, &format!("{line} --bind {endpoint}")).start();
        let socket = subscriber(&endpoint);
        for _ in 0..3 {
            sender.signal(Signal::HUP);
            for _ in 0..50 {
                socket.recv_bytes(0).unwrap();
            }
        }
        sender.stop().success();
    }
}

#[test]
fn what_reads_ends_when_its_terminal_is_closed() {
    let bench = Bench::new();
    captured(&bench, 1_000_000, "max");
    fs::copy(bench.path("c.db"), bench.path("other.db")).unwrap();
    mknodat(CWD, bench.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::create_dir(bench.path("out")).unwrap();
    // Open on both sides, and never read.
    let fifo = File::options().read(true).write(true).open(bench.path("fifo")).unwrap();
    let has_partial = || fs::read_dir(bench.path("out")).unwrap().count() == 1;
    let close_when = |line: &str, is_so: &dyn Fn(&Terminal) -> bool| {
        let terminal = Terminal::start(&on_database(&bench, line));
        eventually("it is at work", || is_so(&terminal));
        close(terminal)
    };
    let shows = |text: &'static str| move |terminal: &Terminal| terminal.text().contains(text);

    let waits_for_reader = |_: &Terminal| ioctl_fionread(&fifo).unwrap() > 0;
    assert_eq!(
        close_when(&format!("session export --format csv 1>{}", bench.text("fifo")), &waits_for_reader),
        Some(1)
    );
    for format in ["csv", "sqlite"] {
        let line = format!("session export --format {format} --output {}", bench.text("out/x"));
        assert_eq!(close_when(&line, &|_| has_partial()), Some(1), "{format}");
        assert!(!has_partial(), "{format}");
    }
    assert_eq!(close_when("session verify", &shows(" messages, ")), Some(1));
    // Nobody answers.
    assert!(matches!(close_when("session delete 1", &shows("[y/N]")), Some(0 | 1)));
    // They show nothing until they are done, so they may be done, or may not have begun.
    let diff = format!("session diff 1 1 --other {}", bench.text("other.db"));
    for line in [&diff, "session show --full", "session list"] {
        let code = close_when(line, &|_| true);
        assert!(matches!(code, None | Some(0 | 1)), "{line}: {code:?}");
    }
    assert_eq!(bench.sqlite3("c.db", "SELECT messages FROM sessions"), "1000000");
    bench.fancyhwd("session verify --database c.db").run().success();
}

/// A stop of a process for a second.
fn stop_for_a_second(daemon: &Daemon) {
    daemon.signal(Signal::STOP);
    // The time is the point of the test.
    thread::sleep(Duration::from_secs(1));
    daemon.signal(Signal::CONT);
}

/// The packets that came within 100 ms after the longest gap of the capture.
fn packets_after_the_gap(bench: &Bench) -> i64 {
    let sql = "WITH gaps AS (SELECT elapsed_ns, elapsed_ns - lag(elapsed_ns) OVER (ORDER BY id) AS gap_ns FROM messages), \
               longest AS (SELECT elapsed_ns FROM gaps ORDER BY gap_ns DESC LIMIT 1) \
               SELECT count(*) FROM messages, longest \
               WHERE messages.elapsed_ns BETWEEN longest.elapsed_ns AND longest.elapsed_ns + 100000000";
    bench.sqlite3("c.db", sql).parse().unwrap()
}

/// What comes in 100 ms at 1 kHz, on a machine that is busy; and most of what is due after a second.
const NO_BURST_MAX: i64 = 400;
const BURST_MIN: i64 = 700;

#[test]
fn what_was_stopped_goes_on_from_there_or_catches_up() {
    for (command, catches_up) in [("publish", false), ("publish", true), ("replay", false), ("replay", true)] {
        let bench = Bench::new();
        let endpoint = bench.endpoint("sent");
        let line = match command {
            "publish" => "publish --rate 1000".to_owned(),
            _ => {
                captured(&bench, 1000, "1000");
                fs::rename(bench.path("c.db"), bench.path("replayed.db")).unwrap();
                "replay --loop --database replayed.db --timing-report report.json".to_owned()
            }
        };
        let flag = if catches_up { "--catch-up" } else { "" };
        let sender = bench.fancyhwd(&format!("{line} {flag} --wait-subscribers 1 --bind {endpoint}")).start();
        let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
        wait_for_packets(&bench, 200);
        stop_for_a_second(&sender);
        wait_for_packets(&bench, 1500);
        let sender = sender.stop().success().says("was stopped for ").says(" s at message #").says("; stopped ");
        let what = if catches_up { "what was due meanwhile is sent at once" } else { "the schedule goes on from here" };
        let sender = sender.says(what);
        eventually("the recorder sees that it has left", || recorder.log().contains("disconnected from"));
        recorder.stop();
        let after = packets_after_the_gap(&bench);
        println!("{command} {flag}: {after} messages in 100 ms");
        assert!(if catches_up { after >= BURST_MIN } else { after <= NO_BURST_MAX }, "{after}: {}", sender.stderr);
        if command == "replay" {
            let report: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(bench.path("report.json")).unwrap()).unwrap();
            // A machine that stands still for a moment is told from a stop by nobody.
            assert!(report["stops"].as_i64().unwrap() >= 1, "{report}");
            assert!(report["stopped_ns"].as_i64().unwrap() > 500_000_000, "{report}");
            let latest_ns = report["lateness"]["max_ns"].as_i64().unwrap();
            assert_eq!(latest_ns >= 700_000_000, catches_up, "measured against the schedule: {report}");
        }
    }
}

/// A subscriber that is not read holds the sender up: that is no stop.
#[test]
fn to_wait_for_a_subscriber_is_no_stop() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("sent");
    let line = "publish --rate 100000 --packet-size 1000 --on-full block --wait-subscribers 1 --count 10000";
    let publisher = bench.fancyhwd(&format!("{line} --bind {endpoint}")).start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(10).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(&endpoint).unwrap();
    eventually("it has waited for a second", || publisher.log().contains("a subscriber has not read for 1 s"));
    for _ in 0..10_000 {
        socket.recv_bytes(0).unwrap();
    }
    let publisher = publisher.finish().success().says("10000 messages");
    assert!(!publisher.stderr.contains("stopped"), "{}", publisher.stderr);
}

/// A shell on a terminal, in which a replay of 20 s at 1 kHz has begun, what hears all of it, and what records it.
fn shell_with_replay(bench: &Bench, shell: &str) -> (Terminal, zmq::Socket, Daemon) {
    captured(bench, 2000, "1000");
    fs::rename(bench.path("c.db"), bench.path("replayed.db")).unwrap();
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let mut terminal = Terminal::start(shell);
    terminal.wait_until("ready> ");
    let replay = format!("{FANCYHWD} replay --loop=10 --database {}", bench.text("replayed.db"));
    terminal.press(&format!("{replay} --on-full block --wait-subscribers 2 --bind {endpoint}\n"));
    wait_for_packets(bench, 200);
    (terminal, socket, recorder)
}

/// What the terminal is set to, at a shell's prompt.
#[track_caller]
fn assert_sane(terminal: &mut Terminal) {
    // The shell puts the words together, so that the line that is typed does not look like the answer.
    terminal.press("stty -a | tr '\\n' ' '; echo do''ne\n");
    terminal.wait_until("done");
    let text = terminal.text();
    let modes = &text[text.rfind("speed ").unwrap()..];
    for mode in ["icanon", "echo"] {
        assert!(modes.split(' ').any(|word| word == mode), "{mode}: {modes}");
    }
}

/// Ctrl-Z, and after a while `fg`, in a shell that sets the terminal right and in one that does not.
#[test]
fn a_replay_can_be_put_aside_and_taken_up_again() {
    for shell in ["exec dash -i", "exec bash --norc --noprofile -i"] {
        let bench = Bench::new();
        let (mut terminal, socket, recorder) = shell_with_replay(&bench, shell);
        terminal.press("\x1a");
        terminal.wait_until("ready> ");
        assert_sane(&mut terminal);
        thread::sleep(Duration::from_secs(1));
        terminal.press("fg\n");
        terminal.wait_until("was stopped for ");
        terminal.wait_until("the schedule goes on from here");
        // It is drawn again, and the keys work.
        terminal.wait_until("p99 ");
        terminal.press(" ");
        terminal.wait_until(" paused at message #");
        terminal.press(" ");
        terminal.wait_until("goes on at message #");

        // In the background it goes on, and the shell has the terminal; a shell that takes it up tells nobody.
        terminal.press("\x1a");
        terminal.wait_until("ready> ");
        terminal.press("bg\n");
        terminal.wait_until("ready> ");
        wait_for_packets(&bench, 1000);
        assert_sane(&mut terminal);
        terminal.press("fg\n");
        terminal.wait_until("p99 ");
        terminal.press(" ");
        terminal.wait_until(" paused at message #");
        terminal.press(" \u{1b}[A");
        terminal.wait_until(", speed 2, ");
        terminal.press("q");
        terminal.wait_until("stopped replay of session 1: ");
        terminal.wait_until("ready> ");
        assert_sane(&mut terminal);
        terminal.press("exit\n");
        let (text, _) = terminal.finish();

        let sent = text.split("stopped replay of session 1: ").nth(1).unwrap();
        let sent: usize = sent.split(' ').next().unwrap().parse().unwrap();
        let messages: Vec<_> = (0..sent).map(|_| socket.recv_bytes(0).unwrap()).collect();
        assert!(messages.iter().skip(2000).zip(&messages).all(|(later, first)| later == first), "a packet is skipped");
        eventually("the recorder sees that it has left", || recorder.log().contains("disconnected from"));
        recorder.stop();
        let after = packets_after_the_gap(&bench);
        println!("{shell}: {after} messages in 100 ms");
        assert!(after <= NO_BURST_MAX, "{after}");
    }
}

/// Ctrl-\ kills a replay, which gives the terminal back first.
#[test]
fn a_replay_that_is_killed_leaves_a_sane_terminal() {
    let bench = Bench::new();
    let (mut terminal, _socket, recorder) = shell_with_replay(&bench, "exec dash -i");
    terminal.press("\x1c");
    terminal.wait_until("ready> ");
    assert_sane(&mut terminal);
    terminal.press("exit\n");
    terminal.finish();
    recorder.stop();
}
