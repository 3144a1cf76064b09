//! What a replay shows on a terminal and tells the service manager while it runs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::analysis::sought::Typed;
use crate::log::{self, Minute};
use crate::replayer::{Key, Passes};
use crate::service;
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::{seconds, whole};
use crate::time::pace::Rhythm;

/// How often the line is written anew.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// The service manager is told each so many times.
const STATUS_EVERY: u32 = 10;

/// Longer than any position, and than most conditions.
const PROMPT_MAX_CHARS: usize = 200;

/// The figures of a replay. The player changes them, a thread of its own shows them.
#[derive(Debug)]
pub struct Screen {
    is_watched: bool,
    extent: Extent,
    figures: Mutex<Figures>,
    changed: Condvar,
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// When the session began, wall clock.
    pub started_unix_ns: i64,
    /// The numbers of the first and the last message.
    pub numbers: (i64, i64),
    /// When the last one came, since the session began.
    pub last_elapsed_ns: i64,
    /// How often.
    pub passes: Passes,
}

#[derive(Clone, Debug)]
struct Figures {
    /// What is waited for before the first message, if anything is.
    waiting: Option<String>,
    pass: u64,
    number: i64,
    elapsed_ns: i64,
    /// When the first message of this pass was sent, and its number: for the rate of a replay at full speed.
    began: Option<(i64, i64)>,
    sent: u64,
    p99_ns: u64,
    rhythm: Rhythm,
    /// Whether it stands still, and why, as a part of the line.
    standing: String,
    prompt: Option<String>,
    ended: bool,
}

impl Screen {
    /// Of what is played like this.
    pub fn new(extent: Extent, rhythm: Rhythm) -> Self {
        let (sent, p99_ns) = (0, 0);
        Self {
            is_watched: log::has_live_line() || service::is_watched() || Minute::new(0).is_wanted(),
            extent,
            figures: Mutex::new(Figures {
                waiting: None,
                pass: 0,
                number: 0,
                elapsed_ns: 0,
                began: None,
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

    /// Nothing is sent before something else happens, or nothing is waited for any more.
    pub fn waiting(&self, what: Option<String>) {
        self.figures().waiting = what;
        self.changed.notify_all();
    }

    /// This message was sent, which makes so many.
    pub fn sent(&self, number: i64, elapsed_ns: i64, sent: u64) {
        let mut figures = self.figures();
        (figures.number, figures.elapsed_ns, figures.sent) = (number, elapsed_ns, sent);
        figures.began.get_or_insert_with(|| (number, monotonic_ns()));
    }

    /// It goes on at this message, which was not sent yet.
    pub fn jumped(&self, number: i64, elapsed_ns: i64) {
        let mut figures = self.figures();
        (figures.number, figures.elapsed_ns, figures.began) = (number, elapsed_ns, None);
    }

    /// So many passes are over.
    pub fn passed(&self, passes: u64) {
        let mut figures = self.figures();
        (figures.pass, figures.began) = (passes, None);
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
        let mut minute = Minute::new(monotonic_ns());
        loop {
            // At once, and then again and again.
            let every = if round == 0 { Duration::ZERO } else { SHOW_EVERY };
            let waited = self.changed.wait_timeout_while(self.figures(), every, |figures| !figures.ended);
            let figures = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
            if figures.ended {
                break;
            }
            let line = self.line(&figures);
            if round % STATUS_EVERY == 0 {
                service::status(&line);
            }
            round += 1;
            log::live(&line);
            if let Some(rate_hz) = minute.over(monotonic_ns(), figures.sent) {
                let (number, messages) = (figures.number, figures.sent);
                tracing::debug!(event = "status", messages, rate_hz, number, "{line}, {rate_hz:.1} messages/s");
            }
        }
        log::end_live();
    }

    /// `[=====     ] at #1500, 1.500 s of 3.000 s, 10:00:01.500, speed 1, 1501 sent, 2 s left, p99 4.1 us late`.
    fn line(&self, figures: &Figures) -> String {
        if let Some(prompt) = &figures.prompt {
            return format!("go to (90s, #1500, a time or a condition): {prompt}_");
        }
        if let Some(waiting) = &figures.waiting {
            return waiting.clone();
        }
        let Extent { started_unix_ns, numbers: (first, last), last_elapsed_ns, .. } = self.extent;
        let played = figures.number.saturating_sub(first).saturating_add(1) as f64;
        let all = last.saturating_sub(first).saturating_add(1).max(1) as f64;
        let clock = DateTime::<Utc>::from_timestamp_nanos(started_unix_ns.saturating_add(figures.elapsed_ns))
            .format("%H:%M:%S%.3f");
        let rhythm = match figures.rhythm {
            Rhythm::Recorded(factor) => format!("speed {factor}"),
            Rhythm::EveryNs(period_ns) => format!("{:.1} messages/s", 1e9 / period_ns),
            Rhythm::Max => "full speed".to_owned(),
        };
        format!(
            "{} {}at #{}, {:.3} s of {:.3} s, {clock}, {rhythm}, {} sent{}, p99 {:.1} us late",
            log::cells(played / all),
            figures.standing,
            figures.number,
            seconds(figures.elapsed_ns),
            seconds(last_elapsed_ns),
            figures.sent,
            self.left(figures),
            figures.p99_ns as f64 / 1e3,
        )
    }

    /// How long this pass still takes, `, 12 s left`, and which one it is.
    fn left(&self, figures: &Figures) -> String {
        let Extent { numbers: (_, last), last_elapsed_ns, passes, .. } = self.extent;
        let messages = last.saturating_sub(figures.number).max(0) as f64;
        let left_ns = match (figures.rhythm, figures.began) {
            (Rhythm::Recorded(factor), _) => {
                Some(last_elapsed_ns.saturating_sub(figures.elapsed_ns).max(0) as f64 / factor)
            }
            (Rhythm::EveryNs(period_ns), _) => Some(messages * period_ns),
            (Rhythm::Max, Some((from, at_ns))) if figures.number > from => {
                let took_ns = monotonic_ns().saturating_sub(at_ns) as f64;
                Some(messages * took_ns / figures.number.saturating_sub(from) as f64)
            }
            (Rhythm::Max, _) => None,
        };
        let pass = match passes {
            Passes::Times(1) => String::new(),
            Passes::Times(passes) => format!(" of pass {} of {passes}", figures.pass.saturating_add(1).min(passes)),
            Passes::Endless => format!(" of pass {}", figures.pass.saturating_add(1)),
        };
        left_ns.map_or(String::new(), |ns| format!(", {} left{pass}", whole((ns / NS_PER_S as f64).ceil() as u64)))
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
