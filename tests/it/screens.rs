//! What is shown on terminals of any width, that become another one, and after Ctrl-Z; where no line may be written again; and the
//! terminal behind it.

use std::process::Stdio;

use crate::support::tmux::Tmux;
use crate::support::{Bench, Daemon, command, eventually};

/// A device that publishes without end.
fn device(bench: &Bench) -> Daemon {
    bench.fancyhwd(&format!("publish --rate 200 --bind {}", bench.endpoint("device"))).start()
}

/// The lines of the status, put together: it begins at the last line that begins so.
fn status(screen: &str, begins: &str) -> String {
    let lines: Vec<&str> = screen.lines().collect();
    let from = lines.iter().rposition(|line| line.starts_with(begins)).unwrap_or(lines.len());
    lines[from..].join(" ")
}

/// How often the screen has a status, or a part of one.
fn statuses(screen: &str) -> usize {
    screen.matches(" lost,").count()
}

/// How many messages the last status counts.
fn messages(screen: &str) -> u64 {
    let number = screen.rsplit("session 1: ").next().and_then(|text| text.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn a_recording_shows_all_figures_at_any_width() {
    let bench = Bench::new();
    let device = device(&bench);
    for columns in [60, 80, 200] {
        let tmux = Tmux::start(&bench, columns);
        tmux.enter("stty -a >before");
        let endpoint = bench.endpoint("device");
        tmux.enter(&format!("fancyhwd record --database {columns}.db --duration 8s --connect {endpoint}"));
        eventually("all figures are shown", || {
            let status = status(&tmux.screen(), "session 1: ");
            [
                " messages, ",
                "/s, ",
                ", queue ",
                ", 0 lost, ",
                ", on disk within ",
                " (longest sync ",
                "last message 0 s ago",
            ]
            .iter()
            .all(|part| status.contains(part))
        });
        // Again and again in the same place.
        let first = status(&tmux.screen(), "session 1: ");
        eventually("other figures are shown", || status(&tmux.screen(), "session 1: ") != first);
        assert_eq!(statuses(&tmux.screen()), 1, "{}", tmux.screen());
        eventually("it ends", || tmux.screen().ends_with("ready>"));
        let screen = tmux.whole_lines();
        assert!(screen.contains("recorded session 1: ") && !screen.contains("last message"), "{screen}");
        assert!(tmux.has_cursor());
        tmux.enter("stty -a >after; cmp before after && echo same");
        eventually("the terminal is what it was", || tmux.screen().contains("\nsame"));
    }
    device.stop();
}

#[test]
fn a_terminal_that_becomes_another_size_keeps_one_status() {
    let bench = Bench::new();
    let device = device(&bench);
    let tmux = Tmux::start(&bench, 200);
    tmux.enter(&format!("fancyhwd record --database c.db --connect {}", bench.endpoint("device")));
    eventually("the status is shown", || statuses(&tmux.screen()) == 1);
    for columns in [80, 60, 120, 61, 200] {
        tmux.resize(columns);
        // At the new width, all of it is written once more, and again.
        let before = messages(&tmux.screen());
        eventually("two other statuses are shown", || messages(&tmux.screen()) > before + 300);
        let screen = tmux.screen();
        assert_eq!(statuses(&screen), 1, "{columns}:\n{screen}");
        assert_eq!(screen.matches("session 1: ").count(), 1, "{columns}:\n{screen}");
        let log = tmux.whole_lines();
        assert!(
            log.contains("info: recording session 1 from") && log.contains("info: connected to"),
            "{columns}:\n{log}"
        );
    }
    tmux.press("C-c");
    eventually("it ends", || tmux.screen().ends_with("ready>"));
    device.stop();
}

#[test]
fn ctrl_z_bg_and_fg_leave_what_others_wrote() {
    let bench = Bench::new();
    let device = device(&bench);
    let tmux = Tmux::start(&bench, 80);
    tmux.enter(&format!("fancyhwd record --database c.db --connect {}", bench.endpoint("device")));
    eventually("the status is shown", || statuses(&tmux.screen()) == 1);
    tmux.press("C-z");
    eventually("it is stopped", || tmux.screen().contains("Stopped"));
    tmux.enter("echo one; echo two; echo three; echo four");
    eventually("the shell obeys", || tmux.screen().contains("\nfour"));
    tmux.enter("bg");
    // In the background it writes its log, and no status.
    let packets = || bench.sqlite3("c.db", "SELECT messages FROM sessions").parse::<u64>().unwrap();
    let more = packets() + 400;
    eventually("it records", || packets() > more);
    let screen = tmux.screen();
    assert!(screen.contains("\none\ntwo\nthree\nfour\n"), "{screen}");
    assert_eq!(statuses(&screen), 1, "{screen}");
    tmux.enter("fg");
    eventually("a status is shown again", || statuses(&tmux.screen()) == 2);
    let first = status(&tmux.screen(), "session 1: ");
    eventually("other figures are shown", || status(&tmux.screen(), "session 1: ") != first);
    assert!(tmux.screen().contains("\none\ntwo\nthree\nfour\n"), "{}", tmux.screen());
    tmux.press("C-c");
    eventually("it ends", || tmux.screen().ends_with("ready>"));
    assert!(tmux.whole_lines().contains("recorded session 1: "), "{}", tmux.screen());
    device.stop();
}

/// What a program writes to a terminal of 80 columns.
fn written(bench: &Bench, line: &str, variables: &[(&str, &str)]) -> String {
    let mut script = command("script");
    script.args(["-qec", line, "/dev/null"]).env("TERM", "xterm").env("COLUMNS", "80").stdin(Stdio::null());
    script.current_dir(bench.path("")).envs(variables.iter().copied());
    String::from_utf8_lossy(&script.output().unwrap().stdout).into_owned()
}

#[test]
fn colours_and_moves_are_only_where_they_are_wanted() {
    let bench = Bench::new();
    let device = device(&bench);
    let record = format!("fancyhwd record --database c.db --duration 3s --connect {}", bench.endpoint("device"));
    let colour = "\u{1b}[32minfo";
    let usual = written(&bench, &record, &[]);
    assert!(usual.contains(colour) && usual.contains("session 1: "), "{usual}");
    let no_color = written(&bench, &record, &[("NO_COLOR", "1")]);
    assert!(!no_color.contains("\u{1b}[3") && !no_color.contains("\u{1b}[1;"), "{no_color}");
    assert!(no_color.contains("session 2: ") && no_color.contains("info: recorded session 2"), "{no_color}");
    let dumb = written(&bench, &record, &[("TERM", "dumb")]);
    assert!(!dumb.contains('\u{1b}') && !dumb.contains("session 3: 1"), "{dumb}");
    assert!(dumb.contains("info: recorded session 3"), "{dumb}");
    let piped = written(&bench, &format!("{record} 2>&1 | cat"), &[]);
    assert!(!piped.contains('\u{1b}') && piped.contains("info: recorded session 4"), "{piped}");
    for (variables, has_colours) in [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("TERM", "dumb")], false)] {
        let help = written(&bench, "fancyhwd --help", variables);
        assert_eq!(help.contains('\u{1b}'), has_colours, "{help}");
    }
    device.stop();
}

#[test]
fn a_replay_says_at_once_that_it_waits_and_then_how_long_it_takes() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 200 --connect {endpoint}")).start();
    let publish = format!("publish --rate 100 --count 200 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().success();
    let tmux = Tmux::start(&bench, 80);
    let again = bench.endpoint("again");
    tmux.enter(&format!("fancyhwd replay --database c.db --speed 0.01 --wait-subscribers 1 --bind {again}"));
    eventually("it says what it waits for", || {
        status(&tmux.screen(), "waiting for subscribers on ").contains("1 wanted")
    });
    assert!(tmux.whole_lines().contains("device") || tmux.whole_lines().contains(": 0 of 1 are there"));
    let subscriber = bench.python_subscriber(&again, 200);
    eventually("it shows how long it takes", || {
        let status = status(&tmux.screen(), "[  ");
        status.contains(" s of ") && status.contains(", 3m ") && status.contains("s left") && status.contains(" late")
    });
    // While it is paused, a jump is shown before anything is sent.
    tmux.press("Space");
    eventually("it is paused", || status(&tmux.screen(), "[").contains("] paused at #"));
    tmux.press("g");
    tmux.enter("#150");
    eventually("it shows where it is", || status(&tmux.screen(), "[").contains("] paused at #150, "));
    eventually("and how long it takes from there", || status(&tmux.screen(), "[===").contains(" s left"));
    tmux.press("q");
    eventually("it ends", || tmux.screen().ends_with("ready>"));
    assert!(tmux.has_cursor());
    drop(subscriber);
}
