//! Says in the log what stands in the ledger, at most one line a second for each kind.

use std::collections::HashMap;

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
    match (event.kind, event.phase) {
        (Kind::Unreached, Phase::Ends) => {}
        (Kind::Unreached, Phase::GoesOn) => tracing::warn!("still cannot reach {endpoint}: {detail}; trying on"),
        (Kind::Unreached, _) => tracing::warn!("cannot reach {endpoint}: {detail}; trying on"),
        (Kind::Silence, Phase::Ends) if event.detail.is_some() => {}
        (Kind::Silence, Phase::Ends) => tracing::info!("{endpoint} is silent no longer"),
        (Kind::Silence, _) => tracing::warn!("{endpoint} is silent: {detail}"),
        (Kind::Cut, _) => tracing::warn!("cut off {}: {detail}", event.peer.as_deref().unwrap_or(endpoint)),
        (Kind::Refused, _) => {
            tracing::warn!("no connection with {}: {detail}", event.peer.as_deref().unwrap_or_default());
        }
        (Kind::TooLarge, _) => tracing::warn!("{endpoint}: {detail}; it is connected anew"),
        (Kind::OwnStall, _) => tracing::warn!("{detail}; messages may be missing"),
        _ => tracing::warn!("still disconnected from {endpoint}: {detail}; trying on"),
    }
}

impl Unreported {
    fn say(&mut self, kind: Kind) {
        if self.events == 0 {
            return;
        }
        let times = if self.events == 1 { String::new() } else { format!(" ({} times)", self.events) };
        let (endpoint, until_s) = (&self.endpoint, seconds(self.until_elapsed_ns));
        match kind {
            Kind::Connected => tracing::info!("connected to {endpoint}{times}"),
            Kind::Disconnected => {
                tracing::warn!("disconnected from {endpoint}{times}: until it is back, messages may be missed");
            }
            Kind::ClockStep => {
                tracing::warn!("{}{times}; the time since the session began goes on evenly", self.detail)
            }
            Kind::Admitted => tracing::info!("admitted a peer at {endpoint}{times}: {}", self.detail),
            Kind::Deleted => tracing::info!("{}{times}", self.detail),
            Kind::Mark => tracing::info!("mark{times} at {until_s:.3} s: {}", self.detail),
            Kind::Trigger => tracing::info!("trigger{times} at {until_s:.3} s: {}", self.detail),
            Kind::NotTriggered => tracing::info!("up to {until_s:.3} s{times}, {}", self.detail),
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
                tracing::warn!("{kind}{from}{times} up to {until_s:.3} s, {lost} messages lost: {detail}");
            }
        }
        *self = Self { reported_ns: self.reported_ns, ..Self::default() };
    }
}
