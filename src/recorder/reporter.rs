//! Says in the log what stands in the ledger, at most one line a second for each kind.

use std::collections::HashMap;
use std::fmt;

use crate::observe::event::{Event, Kind, Phase};
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::seconds;

/// The shortest time between two lines of one kind.
const REPORT_NS: i64 = NS_PER_S;

/// Reports events, and sums up those that come too quickly one after the other.
#[derive(Debug, Default)]
pub struct Reporter {
    kinds: HashMap<Kind, Unreported>,
}

#[derive(Debug, Default)]
struct Unreported {
    reported_ns: Option<i64>,
    events: u64,
    lost: u64,
    /// Of some it is not known how many were lost.
    is_unknown: bool,
    until_elapsed_ns: i64,
    endpoint: String,
    detail: String,
}

impl Reporter {
    /// Report an event, now or in sum with those that follow.
    pub fn report(&mut self, event: &Event) {
        let now_ns = monotonic_ns();
        if is_about_links(event) {
            return say_of_link(event);
        }
        let of_kind = self.kinds.entry(event.kind).or_default();
        of_kind.events += 1;
        of_kind.lost += event.lost.unwrap_or(0);
        of_kind.is_unknown |= event.lost.is_none();
        of_kind.until_elapsed_ns = event.until_elapsed_ns.unwrap_or(event.elapsed_ns);
        of_kind.endpoint = event.endpoint.clone().unwrap_or_default();
        of_kind.detail = event.detail.clone().unwrap_or_default();
        if of_kind.reported_ns.is_none_or(|reported_ns| now_ns - reported_ns >= REPORT_NS) {
            of_kind.say(event.kind);
            of_kind.reported_ns = Some(now_ns);
        }
    }

    /// Report what has waited long enough.
    pub fn flush(&mut self) {
        let now_ns = monotonic_ns();
        for (kind, of_kind) in &mut self.kinds {
            let is_time = of_kind.reported_ns.is_none_or(|reported_ns| now_ns - reported_ns >= REPORT_NS);
            if is_time && of_kind.events > 0 {
                of_kind.say(*kind);
                of_kind.reported_ns = Some(now_ns);
            }
        }
    }

    /// Report what is left.
    pub fn finish(&mut self) {
        for (kind, of_kind) in &mut self.kinds {
            of_kind.say(*kind);
        }
    }
}

/// Whether it comes seldom, and each one is told by itself.
fn is_about_links(event: &Event) -> bool {
    matches!(event.kind, Kind::Unreached | Kind::Silence | Kind::OwnStall | Kind::Cut | Kind::Refused)
        || (event.kind == Kind::TooLarge && event.lost.is_none())
        || event.phase == Phase::GoesOn
}

fn say_of_link(event: &Event) {
    let endpoint = event.endpoint.as_deref().unwrap_or_default();
    let detail = event.detail.as_deref().unwrap_or_default();
    let told = Told { kind: event.kind, endpoint, lost: event.lost };
    match (event.kind, event.phase) {
        (Kind::Unreached, Phase::Ends) => {}
        (Kind::Unreached, Phase::GoesOn) => {
            told.warn(format_args!("still cannot reach {endpoint}: {detail}; trying again"))
        }
        (Kind::Unreached, _) => told.warn(format_args!("cannot reach {endpoint}: {detail}; trying again")),
        (Kind::Silence, Phase::Ends) if event.detail.is_some() => {}
        (Kind::Silence, Phase::Ends) => told.info(format_args!("{endpoint} is silent no longer")),
        (Kind::Silence, _) => told.warn(format_args!("{endpoint} is silent: {detail}")),
        (Kind::Cut, _) => told.warn(format_args!("cut off {}: {detail}", event.peer.as_deref().unwrap_or(endpoint))),
        (Kind::Refused, _) => {
            told.warn(format_args!("no connection with {}: {detail}", event.peer.as_deref().unwrap_or_default()));
        }
        (Kind::TooLarge, _) => told.warn(format_args!("{endpoint}: {detail}; connecting again")),
        (Kind::OwnStall, _) => told.warn(format_args!("{detail}; messages may be missing")),
        _ => told.warn(format_args!("still disconnected from {endpoint}: {detail}; trying again")),
    }
}

impl Unreported {
    fn say(&mut self, kind: Kind) {
        if self.events == 0 {
            return;
        }
        let times = if self.events == 1 { String::new() } else { format!(" ({} times)", self.events) };
        let (endpoint, until_s) = (&self.endpoint, seconds(self.until_elapsed_ns));
        let told = Told { kind, endpoint, lost: (!self.is_unknown).then_some(self.lost) };
        match kind {
            Kind::Connected => told.info(format_args!("connected to {endpoint}{times}")),
            Kind::Disconnected => {
                told.warn(format_args!(
                    "disconnected from {endpoint}{times}: until it is back, messages may be missed"
                ));
            }
            Kind::ClockStep => {
                told.warn(format_args!("{}{times}; the time since the session began goes on evenly", self.detail))
            }
            Kind::Admitted => told.info(format_args!("admitted a peer at {endpoint}{times}: {}", self.detail)),
            Kind::Deleted => told.info(format_args!("{}{times}", self.detail)),
            Kind::Mark => told.info(format_args!("mark{times} at {until_s:.3} s: {}", self.detail)),
            Kind::Trigger => told.info(format_args!("trigger{times} at {until_s:.3} s: {}", self.detail)),
            Kind::NotTriggered => told.info(format_args!("up to {until_s:.3} s{times}, {}", self.detail)),
            Kind::Overflow
            | Kind::CounterGap
            | Kind::CounterReorder
            | Kind::CounterRepeat
            | Kind::CounterRestart
            | Kind::CounterJump
            | Kind::Stall
            | Kind::ArchiveLag
            | Kind::DiskFull
            | Kind::SyncedLate
            | Kind::TooLarge
            | Kind::Moved
            | Kind::Failed
            | Kind::Unreached
            | Kind::Silence
            | Kind::OwnStall
            | Kind::Cut
            | Kind::Refused
            | Kind::Gap
            | Kind::Damaged => {
                let (kind, lost, detail) = (kind.name(), self.lost, &self.detail);
                let from = if endpoint.is_empty() { String::new() } else { format!(" from {endpoint}") };
                told.warn(format_args!("{kind}{from}{times} up to {until_s:.3} s, {lost} messages lost: {detail}"));
            }
        }
        *self = Self { reported_ns: self.reported_ns, ..Self::default() };
    }
}

/// What programs are told of an event beside its words.
#[derive(Clone, Copy)]
struct Told<'a> {
    kind: Kind,
    endpoint: &'a str,
    lost: Option<u64>,
}

impl Told<'_> {
    fn warn(self, words: fmt::Arguments<'_>) {
        let Self { kind, endpoint, lost } = self;
        tracing::warn!(event = kind.name(), message_id = kind.message_id(), endpoint, lost, "{words}");
    }

    fn info(self, words: fmt::Arguments<'_>) {
        let Self { kind, endpoint, lost } = self;
        tracing::info!(event = kind.name(), message_id = kind.message_id(), endpoint, lost, "{words}");
    }
}
