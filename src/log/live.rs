//! What stands at the bottom of a terminal, below all that is logged, and is written again and again.

use std::env;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};
use signal_hook::consts::SIGCONT;
use signal_hook::flag;

use crate::escape;

/// Set only where it can be seen.
static LIVE: OnceLock<Live> = OnceLock::new();

/// The widest and the narrowest terminal that text is laid out for; one that does not say how wide it is has 80 columns.
const COLUMNS: std::ops::RangeInclusive<usize> = 20..=1_000;
const COLUMNS_UNKNOWN: usize = 80;

/// More lines would push what was logged away.
const LINES_MAX: usize = 6;

/// Cells of a bar.
const BAR_CELLS: usize = 10;

struct Live {
    bar: ProgressBar,
    shown: Mutex<Shown>,
    /// The program was stopped and goes on: others have written to the terminal meanwhile.
    went_on: Arc<AtomicBool>,
}

/// What stands there now.
#[derive(Default)]
struct Shown {
    /// How wide the terminal was.
    columns: usize,
    /// How wide each line is.
    lines: Vec<usize>,
    /// Whether the terminal is somebody else's.
    is_hidden: bool,
}

/// Show something there from now on, if standard error is a terminal that can.
pub(super) fn start() {
    if !stderr().is_terminal() || is_dumb() {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is valid; if it were not, the lines would look different.
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    let went_on = Arc::default();
    // Without it, some lines of others are overwritten.
    let _ = flag::register(SIGCONT, Arc::clone(&went_on));
    // A second start, as in a test, keeps the first one.
    let _ = LIVE.set(Live { bar, shown: Mutex::default(), went_on });
}

/// Whether the terminal obeys nothing that moves its cursor.
pub(super) fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb")
}

/// Whether [`live`] is seen by anybody.
pub fn has_live_line() -> bool {
    LIVE.get().is_some()
}

/// Show this at the bottom of the terminal, in as many lines as it takes.
pub fn live(text: &str) {
    let Some(live) = LIVE.get() else { return };
    let columns = columns();
    let mut shown = live.shown();
    live.settle(&mut shown, columns);
    if shown.is_hidden {
        return;
    }
    let lines = laid_out(&escape::line(text), columns);
    shown.lines = lines.iter().map(|line| width(line)).collect();
    // The last one is filled up with spaces.
    if let Some(last) = shown.lines.last_mut() {
        *last = columns;
    }
    shown.columns = columns;
    live.bar.set_message(lines.join("\n"));
}

/// Show how much of a piece of work is done: a bar, and this behind it.
pub fn bar(done: u64, total: u64, text: &str) {
    let percent = done.min(total).saturating_mul(100).checked_div(total).unwrap_or(0);
    live(&format!("{} {percent:>3} %  {text}", cells(percent as f64 / 100.0)));
}

/// `[===       ]`: so much of 1 is done.
pub fn cells(done: f64) -> String {
    let cells = (done.clamp(0.0, 1.0) * BAR_CELLS as f64) as usize;
    format!("[{}{}]", "=".repeat(cells), " ".repeat(BAR_CELLS.saturating_sub(cells)))
}

/// Write something to the terminal by other ways than the log, with the live lines out of the way meanwhile.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    match LIVE.get() {
        Some(live) => {
            live.settle(&mut live.shown(), columns());
            live.bar.suspend(write)
        }
        None => write(),
    }
}

/// Take the live lines away.
pub fn end_live() {
    if let Some(live) = LIVE.get() {
        let mut shown = live.shown();
        live.settle(&mut shown, columns());
        shown.lines.clear();
        live.bar.finish_and_clear();
    }
}

impl Live {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        // It is whole between any two statements.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take note of what became of the terminal.
    fn settle(&self, shown: &mut Shown, columns: usize) {
        let is_hidden = is_in_background();
        if self.went_on.swap(false, Ordering::Relaxed) || is_hidden != shown.is_hidden {
            // What was shown stays where it is: nobody knows how far up.
            shown.lines.clear();
            shown.is_hidden = is_hidden;
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
            self.bar.set_message("");
            if !is_hidden {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        }
        shown.fit(columns);
    }
}

impl Shown {
    /// When the terminal has become narrower, it has broken each line into several: take those away, which are more than the
    /// progress bar knows of. Only xterm cuts lines instead.
    fn fit(&mut self, columns: usize) {
        let rows: usize = self.lines.iter().map(|line| line.div_ceil(columns).max(1)).sum();
        let lines = self.lines.len();
        if columns < self.columns && rows > lines && env::var_os("XTERM_VERSION").is_none() {
            // To the first row; all below is cleared, and the cursor is where the last line would be.
            let text = format!("\r\x1b[{}A\x1b[J{}", rows.saturating_sub(1), "\n".repeat(lines.saturating_sub(1)));
            // A terminal that is gone shows nothing anyway.
            let _ = stderr().write_all(text.as_bytes());
        }
        self.columns = columns;
    }
}

/// Whether the terminal is somebody else's now.
fn is_in_background() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|group| group != getpgrp())
}

/// How wide the terminal is.
fn columns() -> usize {
    let columns = tcgetwinsize(stderr()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS_UNKNOWN } else { columns.clamp(*COLUMNS.start(), *COLUMNS.end()) }
}

/// Break a text into lines, between its parts if possible: behind `, ` and `; `.
fn laid_out(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut part = String::new();
    for word in text.split_inclusive(' ') {
        part.push_str(word);
        if word.ends_with(", ") || word.ends_with("; ") {
            place(&std::mem::take(&mut part), columns, &mut lines);
        }
    }
    place(&part, columns, &mut lines);
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            while width(last) + 3 > columns {
                last.pop();
            }
            last.push_str("...");
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Put a part behind the last line, or into lines of its own.
fn place(part: &str, columns: usize, lines: &mut Vec<String>) {
    let fits = |line: &String, part: &str| width(line) + width(part.trim_end()) <= columns;
    if lines.last().is_some_and(|line| fits(line, part)) {
        lines.last_mut().into_iter().for_each(|line| line.push_str(part));
        return;
    }
    if width(part.trim_end()) <= columns {
        lines.push(part.to_owned());
        return;
    }
    for word in part.split_inclusive(' ') {
        let is_new = !lines.last().is_some_and(|line| fits(line, word));
        if is_new && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        for char in word.chars() {
            if lines.last().is_some_and(|line| char != ' ' && width(line) + columns_of(char) > columns) {
                lines.push(String::new());
            }
            lines.last_mut().into_iter().for_each(|line| line.push(char));
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// How wide a character may be: of what is not ASCII, some take two cells.
fn columns_of(char: char) -> usize {
    if char.is_ascii() { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_its_parts() {
        let text = "session 1: 12000 messages, 1000.0/s, queue 0.1 %; tcp://a:5 up, last message 3 s ago";
        assert_eq!(laid_out(text, 200), [text]);
        let lines = laid_out(text, 40);
        assert_eq!(
            lines,
            ["session 1: 12000 messages, 1000.0/s,", "queue 0.1 %; tcp://a:5 up,", "last message 3 s ago"]
        );
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn what_is_longer_than_a_line_is_broken_anywhere() {
        let lines = laid_out(&"x".repeat(50), 20);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [20, 20, 10]);
        let lines = laid_out("a place with many words and no comma in it", 20);
        assert!(lines.iter().all(|line| line.len() <= 20), "{lines:?}");
        assert_eq!(lines.join(" "), "a place with many words and no comma in it");
        let lines = laid_out(&"word, ".repeat(100), 20);
        assert!(lines.len() == LINES_MAX && lines[LINES_MAX - 1].ends_with("..."), "{lines:?}");
    }

    #[test]
    fn a_bar_shows_what_is_done() {
        assert_eq!([cells(0.0), cells(0.35), cells(1.0)], ["[          ]", "[===       ]", "[==========]"]);
    }
}
