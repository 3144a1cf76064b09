//! What keys ask of a replay.

use crate::analysis::sought::Typed;
use crate::replayer::player::{Goal, Player};
use crate::replayer::{Key, Since, Target};
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::position::Position;

/// A jump by key.
const JUMP_NS: i64 = 10 * NS_PER_S;

/// A step in time.
const STEP_NS: i64 = NS_PER_S;

/// So short after a place has begun, the key for the previous one goes to one before it.
const GRACE_NS: i64 = NS_PER_S;

impl Player<'_> {
    /// Do what was asked for, up to what a message must be sent for or read elsewhere: the keys behind that wait until it
    /// is. Says whether the replay goes on at another place.
    pub(super) fn take_keys(&mut self) -> bool {
        if self.keys.is_empty() {
            self.keys.extend(self.controls.take());
        }
        while let Some(key) = self.keys.pop_front() {
            if let Some(target) = self.obey(key) {
                self.jump = self.jumps.ask(target);
                self.pacer.forget();
                self.has_jumped = true;
                self.announcer.jump();
                return true;
            }
            if self.step {
                break;
            }
        }
        false
    }

    /// Do what a key asks for. Gives the place to go on at, if that is another one.
    fn obey(&mut self, key: Key) -> Option<Target> {
        if self.prompt.is_open() {
            let typed = self.prompt.press(key);
            self.screen.prompt(self.prompt.text());
            return typed.map(|typed| match typed {
                Typed::At(position) => Target::At(position),
                Typed::Where(condition) => Target::Condition(condition, self.next_number()),
            });
        }
        let key = key.command()?;
        let goal = if matches!(key, Key::Faster | Key::Slower) { self.goal } else { self.goal.take() };
        match key {
            Key::Pause => self.pause(!self.standing.is_paused()),
            Key::Next => {
                self.pause(true);
                self.step = true;
            }
            Key::Previous => {
                self.pause(true);
                self.step = true;
                return Some(Target::Before(self.sent.unwrap_or(self.number)));
            }
            Key::NextOfTopic => self.go_on_to(match goal {
                Some(Goal::Stream(stream_id)) => Goal::Stream(stream_id),
                _ => Goal::Stream(self.stream_id),
            }),
            Key::Second => self.go_on_to(Goal::Time(self.elapsed_ns.saturating_add(STEP_NS))),
            Key::Faster => self.pacer.speed_up(2.0, monotonic_ns()),
            Key::Slower => self.pacer.speed_up(0.5, monotonic_ns()),
            Key::Back => return Some(self.at_distance(-JUMP_NS)),
            Key::Forward => return Some(self.at_distance(JUMP_NS)),
            Key::NextPlace => return Some(self.place(true)),
            Key::PreviousPlace => return Some(self.place(false)),
            Key::GoTo => {
                self.prompt.open();
                self.screen.prompt(self.prompt.text());
            }
            Key::Quit => self.controls.stop().request(),
            Key::Text(_) | Key::Enter | Key::Delete | Key::Escape => {}
        }
        self.show_standing();
        None
    }

    pub(super) fn pause(&mut self, on: bool) {
        if self.standing.is_paused() != on {
            self.pacer.delay(self.standing.pause(on, monotonic_ns()));
            tracing::info!("{} at message #{}", if on { "paused" } else { "goes on" }, self.number);
        }
    }

    /// Go on from a pause, up to there.
    fn go_on_to(&mut self, goal: Goal) {
        self.goal = Some(goal);
        if self.standing.is_paused() {
            // As behind a step: the next message is due now.
            self.pacer.forget();
            self.pause(false);
        }
    }

    /// It came to where it was asked to go, or to the end before that: pause there.
    pub(super) fn end_goal(&mut self) {
        if self.goal.take().is_some() {
            self.pause(true);
            self.show_standing();
        }
    }

    fn at_distance(&self, by_ns: i64) -> Target {
        Target::At(Position::Elapsed(self.elapsed_ns.saturating_add(by_ns).max(0)))
    }

    /// The message that comes next.
    fn next_number(&self) -> i64 {
        self.number.saturating_add(i64::from(self.sent == Some(self.number)))
    }

    fn place(&self, is_forward: bool) -> Target {
        // While it goes on, what has just begun is not the place before.
        let grace_ns = if self.standing.is_paused() { 0 } else { GRACE_NS };
        Target::Place(Since {
            is_forward,
            number: self.number,
            before_ns: self.elapsed_ns.saturating_sub(grace_ns),
            next_number: self.next_number(),
        })
    }
}
