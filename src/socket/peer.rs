//! One link to one device, as a state machine: what libzmq's monitor says, what comes, and time go in; what became of the
//! link, and what is to be done about it, comes out. It knows no socket and no clock.

use std::collections::VecDeque;

use crate::socket::cause::Cause;
use crate::socket::monitor::What;
use crate::time::clock::NS_PER_S;

const MS: i64 = 1_000_000;

/// Somebody looks why a link does not come up when that has lasted so long ...
const ASK_AFTER_NS: i64 = 1_500 * MS;

/// ... and it is said after this time.
const TELL_AFTER_NS: i64 = 3 * NS_PER_S;

/// ... at the latest after this one, whether the answer is there or not.
const TELL_AT_LAST_NS: i64 = 4_500 * MS;

/// What lasts is asked for and said again after this time.
const AGAIN_NS: i64 = 60 * NS_PER_S;

/// A peer that accepts the connection and is silent then is left after this time, if it never sent a message.
const HANDSHAKE_NS: i64 = 2 * NS_PER_S;

/// A peer that is known to be older than ZMTP 3 is up so long after it was reached: nothing says when its greeting is over.
const OLD_GREETING_NS: i64 = 300 * MS;

/// After a protocol error libzmq never connects again; otherwise it says at once when it will. So a link of which it has said
/// nothing for this long is connected anew by us ...
const REDIAL_MIN_NS: i64 = 20 * MS;

/// ... and, while that does not help, after twice the time up to this.
const REDIAL_MAX_NS: i64 = 100 * MS;

/// A peer with which a handshake with keys failed is connected to again after this time: libzmq tries sixty times a second when
/// the peer hangs up, and never again when it refuses us.
const SECURED_REDIAL_NS: i64 = 500 * MS;

/// A peer that was cut off is connected to again after this time ...
const CUT_MIN_NS: i64 = NS_PER_S;

/// ... and, if it goes on, after twice the time up to this.
const CUT_MAX_NS: i64 = 60 * NS_PER_S;

/// What somebody who looked found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The device can be reached: the link will be up soon.
    Reachable,
    /// It speaks a version before ZMTP 3.
    Old,
    /// It wants keys as we do: whether they fit is not known.
    Secured,
    /// It cannot.
    Not(Cause),
}

/// Where a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The name has no address yet.
    Resolving,
    /// No connection yet; libzmq tries again and again.
    Connecting,
    /// There is a connection; greeting and handshake are under way.
    Greeting,
    /// Messages arrive.
    Up,
    /// The connection has ended; libzmq will try again, or not.
    Broken,
}

/// What a link is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An address is known, and libzmq connects to it.
    Dialled,
    /// From the monitor.
    Heard(What),
    /// A message came.
    Message,
    /// The answer to [`Output::Ask`], or what became of the name.
    Found(Found),
    /// It was cut off, because it sent more than can be held.
    Cut,
    /// Time has passed.
    Tick,
}

/// What became of a link, or what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// From here on messages arrive.
    Up,
    /// From here on messages may be missed.
    Down,
    /// It is not up for some time: [`Peer::cause`] says why, as far as it is known.
    Away,
    /// Somebody is to look why.
    Ask,
    /// The peer sent what libzmq cannot take, while it was up: a frame that is too large, or no ZeroMQ.
    GaveUp,
    /// Connect anew.
    Redial,
    /// Connect no more, until [`Output::Redial`] says so.
    LeaveAlone,
}

/// A link to one device.
#[derive(Debug)]
pub struct Peer {
    state: State,
    /// Since when.
    since_ns: i64,
    /// Since when it is not up.
    away_ns: i64,
    was_up: bool,
    is_old: bool,
    /// With keys.
    is_secured: bool,
    cause: Option<Cause>,
    asked_ns: Option<i64>,
    told_ns: Option<i64>,
    redial_ns: i64,
    /// How long it was left alone after it was cut off, the last time.
    cut_ns: i64,
    /// It was up when it broke.
    broke_up: bool,
    /// Nothing connects to it until it is connected anew.
    is_left_alone: bool,
    outputs: VecDeque<Output>,
}

impl Peer {
    /// A link that is begun now, with or without an address, and with or without keys.
    pub fn new(has_address: bool, is_secured: bool, now_ns: i64) -> Self {
        Self {
            state: if has_address { State::Connecting } else { State::Resolving },
            since_ns: now_ns,
            away_ns: now_ns,
            was_up: false,
            is_old: false,
            is_secured,
            cause: None,
            asked_ns: None,
            told_ns: None,
            redial_ns: REDIAL_MIN_NS,
            cut_ns: 0,
            broke_up: false,
            is_left_alone: false,
            outputs: VecDeque::new(),
        }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether messages arrive.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether it ever was up.
    pub fn was_up(&self) -> bool {
        self.was_up
    }

    /// Why it is not up, as far as it is known.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// Since when it is not up.
    pub fn away_ns(&self) -> i64 {
        self.away_ns
    }

    /// What became of it, and what is to be done: one after the other.
    pub fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Take one input at its time.
    pub fn take(&mut self, input: Input, now_ns: i64) {
        match input {
            Input::Dialled if self.state == State::Resolving => self.become_at(State::Connecting, now_ns),
            Input::Heard(what) => self.heard(what, now_ns),
            Input::Message if self.state == State::Greeting => self.go_up(now_ns),
            Input::Found(found) => self.found(found, now_ns),
            Input::Cut if self.state == State::Up => {
                self.go_down(now_ns);
                self.asked_ns = Some(now_ns);
                self.become_at(State::Broken, now_ns);
                self.rest();
            }
            Input::Cut => {
                self.become_at(State::Broken, now_ns);
                self.rest();
            }
            Input::Dialled | Input::Message | Input::Tick => {}
        }
        self.pass_time(now_ns);
    }

    fn heard(&mut self, what: What, now_ns: i64) {
        match (what, self.state) {
            // Of a connection that libzmq made before it was told to leave the peer alone.
            (
                What::Connected | What::ConnectDelayed | What::ConnectRetried | What::HandshakeSucceeded,
                State::Broken,
            ) if self.is_left_alone => {}
            (What::Connected, state) => {
                // Another connection in the place of the one that was there.
                if state == State::Up {
                    self.go_down(now_ns);
                }
                self.become_at(State::Greeting, now_ns);
            }
            (What::HandshakeSucceeded, State::Up) => {}
            (What::HandshakeSucceeded, _) => self.go_up(now_ns),
            (What::ConnectDelayed | What::ConnectRetried, State::Broken) => {
                self.broke_up = false;
                self.become_at(State::Connecting, now_ns);
            }
            (
                What::Disconnected
                | What::HandshakeFailedNoDetail
                | What::HandshakeFailedProtocol
                | What::HandshakeFailedAuth,
                state,
            ) => {
                if state == State::Up {
                    self.go_down(now_ns);
                    self.broke_up = true;
                }
                if state == State::Greeting && self.is_secured {
                    self.outputs.push_back(Output::LeaveAlone);
                    self.is_left_alone = true;
                    self.redial_ns = SECURED_REDIAL_NS;
                }
                self.become_at(State::Broken, now_ns);
            }
            _ => {}
        }
    }

    fn found(&mut self, found: Found, now_ns: i64) {
        match found {
            Found::Old => {
                (self.is_old, self.cause) = (true, None);
            }
            Found::Reachable | Found::Secured => self.cause = None,
            Found::Not(cause) if !self.is_up() => self.cause = Some(cause),
            Found::Not(_) => {}
        }
        let is_answer = self.asked_ns.is_some_and(|asked_ns| now_ns - asked_ns < AGAIN_NS);
        let hangs = self.state == State::Greeting && !self.is_old && now_ns - self.since_ns >= HANDSHAKE_NS;
        if is_answer && hangs {
            self.redial(now_ns);
        }
    }

    /// What is due by now.
    fn pass_time(&mut self, now_ns: i64) {
        let lasted_ns = now_ns - self.since_ns;
        match self.state {
            State::Up => return,
            State::Broken if lasted_ns >= self.redial_ns => self.redial(now_ns),
            State::Greeting if self.is_old && lasted_ns >= OLD_GREETING_NS => return self.go_up(now_ns),
            // An old peer says nothing that libzmq would tell: only who has looked knows that this one is none.
            State::Greeting if !self.is_old && lasted_ns >= HANDSHAKE_NS && self.cause.is_some() => self.redial(now_ns),
            _ => {}
        }
        let away_ns = now_ns - self.away_ns;
        if away_ns >= ASK_AFTER_NS && self.asked_ns.is_none_or(|asked_ns| now_ns - asked_ns >= AGAIN_NS) {
            self.asked_ns = Some(now_ns);
            self.outputs.push_back(Output::Ask);
        }
        let is_known = self.cause.is_some() || away_ns >= TELL_AT_LAST_NS;
        let is_time = self.told_ns.is_none_or(|told_ns| now_ns - told_ns >= AGAIN_NS);
        if away_ns >= TELL_AFTER_NS && is_known && is_time {
            self.told_ns = Some(now_ns);
            self.outputs.push_back(Output::Away);
        }
    }

    fn redial(&mut self, now_ns: i64) {
        if std::mem::take(&mut self.broke_up) {
            self.outputs.push_back(Output::GaveUp);
        }
        self.outputs.push_back(Output::Redial);
        self.is_left_alone = false;
        self.redial_ns = (self.redial_ns * 2).min(REDIAL_MAX_NS);
        self.become_at(State::Connecting, now_ns);
    }

    /// Leave it alone for a while, and for longer each time.
    fn rest(&mut self) {
        self.cut_ns = (self.cut_ns * 2).clamp(CUT_MIN_NS, CUT_MAX_NS);
        (self.redial_ns, self.is_left_alone) = (self.cut_ns, true);
        self.cause = Some(Cause::CutOff);
    }

    fn go_up(&mut self, now_ns: i64) {
        self.become_at(State::Up, now_ns);
        (self.was_up, self.cause, self.redial_ns) = (true, None, REDIAL_MIN_NS);
        self.outputs.push_back(Output::Up);
    }

    fn go_down(&mut self, now_ns: i64) {
        (self.away_ns, self.told_ns, self.asked_ns, self.cause) = (now_ns, None, None, None);
        self.outputs.push_back(Output::Down);
    }

    fn become_at(&mut self, state: State, now_ns: i64) {
        (self.state, self.since_ns) = (state, now_ns);
    }

    /// When it must be told of the time again at the latest; `None` while it is up.
    pub fn due_ns(&self) -> Option<i64> {
        let of_state = match self.state {
            State::Up => return None,
            State::Broken => self.since_ns + self.redial_ns,
            State::Greeting if self.is_old => self.since_ns + OLD_GREETING_NS,
            State::Greeting if self.cause.is_some() => self.since_ns + HANDSHAKE_NS,
            _ => i64::MAX,
        };
        let ask_ns = self.asked_ns.map_or(self.away_ns + ASK_AFTER_NS, |asked_ns| asked_ns + AGAIN_NS);
        let tell_after_ns = if self.cause.is_some() { TELL_AFTER_NS } else { TELL_AT_LAST_NS };
        let tell_ns = self.told_ns.map_or(self.away_ns + tell_after_ns, |told_ns| told_ns + AGAIN_NS);
        Some(of_state.min(ask_ns).min(tell_ns))
    }
}

#[cfg(test)]
mod tests;
