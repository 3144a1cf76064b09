//! What a replay shows on a terminal and tells the service manager while it runs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::analysis::sought::Typed;
use crate::log;
use crate::process::terminal;
use crate::replayer::Key;
use crate::service;
use crate::store::Session;
use crate::time::durations::seconds;
use crate::time::pace::Rhythm;

/// How often the line is written anew.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// The service manager is told each so many times.
const STATUS_EVERY: u32 = 10;

/// Cells of the bar.
const BAR_CELLS: usize = 10;

/// Longer than any position, and than most conditions.
const PROMPT_MAX_CHARS: usize = 200;

/// The figures of a replay. The player changes them, a thread of its own shows them.
#[derive(Debug)]
pub struct Screen {
    is_watched: bool,
    started_unix_ns: i64,
    messages: i64,
    figures: Mutex<Figures>,
    changed: Condvar,
}

#[derive(Clone, Debug)]
struct Figures {
    number: i64,
    elapsed_ns: i64,
    sent: u64,
    p99_ns: u64,
    rhythm: Rhythm,
    /// Whether it stands still, and why, as a part of the line.
    standing: String,
    prompt: Option<String>,
    ended: bool,
}

impl Screen {
    /// Of a session that is played like this.
    pub fn new(session: &Session, rhythm: Rhythm) -> Self {
        let (sent, p99_ns) = (0, 0);
        Self {
            is_watched: log::has_live_line() || service::is_watched(),
            started_unix_ns: session.started_unix_ns,
            messages: session.last_id.saturating_sub(session.first_id).saturating_add(1),
            figures: Mutex::new(Figures {
                number: 0,
                elapsed_ns: 0,
                sent,
                p99_ns,
                rhythm,
                standing: String::new(),
                prompt: None,
                ended: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Whether anybody sees it.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// This message was sent, which makes so many.
    pub fn sent(&self, number: i64, elapsed_ns: i64, sent: u64) {
        let mut figures = self.figures();
        (figures.number, figures.elapsed_ns, figures.sent) = (number, elapsed_ns, sent);
    }

    /// 99 of 100 messages left within this time.
    pub fn lateness(&self, p99_ns: u64) {
        self.figures().p99_ns = p99_ns;
    }

    /// It is played like this from now on.
    pub fn rhythm(&self, rhythm: Rhythm, standing: String) {
        let mut figures = self.figures();
        (figures.rhythm, figures.standing) = (rhythm, standing);
    }

    /// A position is being typed.
    pub fn prompt(&self, text: Option<String>) {
        self.figures().prompt = text;
    }

    /// The replay is over.
    pub fn end(&self) {
        self.figures().ended = true;
        self.changed.notify_all();
    }

    /// Show the figures until the replay is over.
    pub fn run(&self) {
        let mut round = 0;
        loop {
            let waited = self.changed.wait_timeout_while(self.figures(), SHOW_EVERY, |figures| !figures.ended);
            let figures = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
            if figures.ended {
                break;
            }
            let line = self.line(&figures);
            if round % STATUS_EVERY == 0 {
                service::status(&line);
            }
            round += 1;
            if !terminal::is_in_background() {
                log::live(line);
            }
        }
        log::end_live();
    }

    /// `[=====     ] at #1500, 1.500 s, 10:00:01.500, speed 1, 1501 sent, p99 4.1 us late`.
    fn line(&self, figures: &Figures) -> String {
        if let Some(prompt) = &figures.prompt {
            return format!("go to (90s, #1500, a time or a condition): {prompt}_");
        }
        let played = (figures.number.saturating_add(1) as f64 / self.messages.max(1) as f64).clamp(0.0, 1.0);
        let cells = (played * BAR_CELLS as f64) as usize;
        let clock = DateTime::<Utc>::from_timestamp_nanos(self.started_unix_ns.saturating_add(figures.elapsed_ns))
            .format("%H:%M:%S%.3f");
        let rhythm = match figures.rhythm {
            Rhythm::Recorded(factor) => format!("speed {factor}"),
            Rhythm::EveryNs(period_ns) => format!("{:.1} messages/s", 1e9 / period_ns),
            Rhythm::Max => "full speed".to_owned(),
        };
        format!(
            "[{}{}] {}at #{}, {:.3} s, {clock}, {rhythm}, {} sent, p99 {:.1} us late",
            "=".repeat(cells),
            " ".repeat(BAR_CELLS.saturating_sub(cells)),
            figures.standing,
            figures.number,
            seconds(figures.elapsed_ns),
            figures.sent,
            figures.p99_ns as f64 / 1e3,
        )
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        // Each field is whole between any two statements.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the screen when the player does, however that is.
#[derive(Debug)]
pub struct EndOnDrop<'a>(pub &'a Screen);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A position that is being typed.
#[derive(Debug, Default)]
pub struct Prompt {
    text: Option<String>,
}

impl Prompt {
    /// Ask for a position.
    pub fn open(&mut self) {
        self.text = Some(String::new());
    }

    /// Whether one is being typed.
    pub fn is_open(&self) -> bool {
        self.text.is_some()
    }

    /// What was typed so far.
    pub fn text(&self) -> Option<String> {
        self.text.clone()
    }

    /// One more key. Gives the place when it is complete.
    pub fn press(&mut self, key: Key) -> Option<Typed> {
        let text = self.text.as_mut()?;
        match key {
            Key::Text(char) if text.len() < PROMPT_MAX_CHARS => text.push(char),
            Key::Delete => drop(text.pop()),
            Key::Enter => {
                let text = self.text.take().unwrap_or_default();
                return text.parse().inspect_err(|rule| tracing::warn!("cannot go to '{text}': {rule}")).ok();
            }
            Key::Escape => self.text = None,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::position::Position;

    #[test]
    fn a_position_is_typed_key_by_key() {
        let mut prompt = Prompt::default();
        assert_eq!(prompt.press(Key::Text('1')), None);
        prompt.open();
        for key in [Key::Text('#'), Key::Text('1'), Key::Text('x'), Key::Delete, Key::Text('5')] {
            assert_eq!(prompt.press(key), None);
        }
        assert_eq!(prompt.text().as_deref(), Some("#15"));
        assert_eq!(prompt.press(Key::Enter), Some(Typed::At(Position::Number(15))));
        assert!(!prompt.is_open());
        prompt.open();
        "ch0 > 5".chars().for_each(|char| assert_eq!(prompt.press(Key::Text(char)), None));
        assert_eq!(prompt.press(Key::Enter), Some(Typed::Where("ch0 > 5".parse().unwrap())));
        prompt.open();
        assert_eq!(prompt.press(Key::Text('z')), None);
        assert_eq!(prompt.press(Key::Enter), None);
        prompt.open();
        assert_eq!(prompt.press(Key::Escape), None);
        assert!(!prompt.is_open());
    }
}
