//! The state machine of a link: any inputs in any order, with any time between them.

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::socket::Cause;
use fancyhwd::socket::machine::{Found, Input, Output, Peer, State, What};

#[derive(Arbitrary, Debug)]
struct Script {
    has_address: bool,
    is_secured: bool,
    begins_ns: u32,
    steps: Vec<(Wait, Event)>,
}

/// How long it is until an event.
#[derive(Arbitrary, Debug)]
enum Wait {
    None,
    Ns(u16),
    Ms(u16),
    S(u16),
    Due,
}

#[derive(Arbitrary, Debug)]
enum Event {
    Tick,
    Dialled,
    Message,
    Cut,
    Heard(u8),
    Old,
    Reachable,
    Secured,
    Not(u8),
}

const HEARD: [What; 11] = [
    What::Connected,
    What::ConnectDelayed,
    What::ConnectRetried,
    What::Accepted,
    What::Closed,
    What::Disconnected,
    What::Stopped,
    What::HandshakeSucceeded,
    What::HandshakeFailedNoDetail,
    What::HandshakeFailedProtocol,
    What::HandshakeFailedAuth,
];

const S_NS: i64 = 1_000_000_000;

/// When nothing more is heard, so long ...
const SILENCE_NS: i64 = 3_600 * S_NS;

/// ... it is told of the time no more often: a question and a word each minute, and what is due at the beginning.
const SILENT_TICKS_MAX: usize = 2 * 60 + 20;

/// Whoever is left alone is connected to again by then.
const LEFT_ALONE_MAX_NS: i64 = 61 * S_NS;

impl Event {
    fn input(&self) -> Input {
        let cause = |which: u8| match which % 4 {
            0 => Cause::Refused,
            1 => Cause::Hangs,
            2 => Cause::NameUnknown("?".to_owned()),
            _ => Cause::Wants("PLAIN".to_owned()),
        };
        match self {
            Self::Tick => Input::Tick,
            Self::Dialled => Input::Dialled,
            Self::Message => Input::Message,
            Self::Cut => Input::Cut,
            Self::Heard(what) => Input::Heard(HEARD[usize::from(*what) % HEARD.len()]),
            Self::Old => Input::Found(Found::Old),
            Self::Reachable => Input::Found(Found::Reachable),
            Self::Secured => Input::Found(Found::Secured),
            Self::Not(which) => Input::Found(Found::Not(cause(*which))),
        }
    }
}

/// A link, and what was said of it.
struct Link {
    peer: Peer,
    now_ns: i64,
    is_secured: bool,
    is_up: bool,
    was_up: bool,
    /// Nothing connects to it since then, until it is to be connected anew.
    left_ns: Option<i64>,
}

impl Link {
    fn take(&mut self, input: Input) {
        let is_cut = input == Input::Cut;
        self.peer.take(input, self.now_ns);
        if is_cut {
            self.left_ns = Some(self.now_ns);
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| self.peer.output()).take(10).collect();
        assert!(outputs.len() < 10, "{outputs:?}");
        for (place, output) in outputs.iter().enumerate() {
            let is_up = self.is_up;
            match output {
                Output::Up => {
                    assert!(!is_up, "up twice: {outputs:?}");
                    (self.is_up, self.was_up) = (true, true);
                }
                Output::Down => {
                    assert!(is_up, "down twice: {outputs:?}");
                    self.is_up = false;
                }
                Output::Away | Output::Ask => assert!(!is_up, "{outputs:?}"),
                Output::GaveUp => assert_eq!(outputs.get(place + 1), Some(&Output::Redial), "{outputs:?}"),
                Output::Redial => {
                    assert!(!is_up, "{outputs:?}");
                    self.left_ns = None;
                }
                Output::LeaveAlone => {
                    assert!(!is_up && self.is_secured, "{outputs:?}");
                    self.left_ns = Some(self.now_ns);
                }
            }
        }
        assert_eq!((self.peer.is_up(), self.peer.was_up()), (self.is_up, self.was_up), "{outputs:?}");
        assert_eq!(self.peer.is_up(), self.peer.state() == State::Up);
        assert!(!self.is_up || self.left_ns.is_none(), "up, while nothing connects: {:?}", self.peer);
        assert!(self.peer.away_ns() <= self.now_ns);
        let due_ns = self.peer.due_ns();
        assert_eq!(due_ns.is_none(), self.is_up, "{:?}", self.peer);
        assert!(due_ns.is_none_or(|due_ns| due_ns > self.now_ns), "due in the past: {due_ns:?}, {:?}", self.peer);
    }
}

/// See the rules.
pub fn run(data: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let now_ns = i64::from(script.begins_ns) * S_NS;
    let peer = Peer::new(script.has_address, script.is_secured, now_ns);
    let mut link = Link { peer, now_ns, is_secured: script.is_secured, is_up: false, was_up: false, left_ns: None };
    for (wait, event) in &script.steps {
        let wait_ns = match wait {
            Wait::None => 0,
            Wait::Ns(ns) => i64::from(*ns),
            Wait::Ms(ms) => i64::from(*ms) * (S_NS / 1_000),
            Wait::S(s) => i64::from(*s) * S_NS,
            Wait::Due => link.peer.due_ns().map_or(0, |due_ns| due_ns - link.now_ns),
        };
        link.now_ns += wait_ns;
        link.take(event.input());
    }
    is_silent(&mut link);
}

/// Nothing more is heard: it is told of the time when it is due, and that is seldom.
fn is_silent(link: &mut Link) {
    let (begin_ns, mut ticks) = (link.now_ns, 0);
    while let Some(due_ns) = link.peer.due_ns().filter(|due_ns| due_ns - begin_ns < SILENCE_NS) {
        link.now_ns = due_ns;
        link.take(Input::Tick);
        ticks += 1;
        assert!(ticks <= SILENT_TICKS_MAX, "it keeps the processor busy: {:?}", link.peer);
        let is_overdue = link.left_ns.is_some_and(|left_ns| link.now_ns - left_ns > LEFT_ALONE_MAX_NS);
        assert!(!is_overdue, "it is left alone for ever: {:?}", link.peer);
    }
}
