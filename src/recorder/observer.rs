//! Turns what becomes of the links, and what the process itself misses, into entries of the ledger.

use std::collections::BTreeSet;

use bytesize::ByteSize;

use crate::codec::topic::shown;
use crate::nearest::nearest;
use crate::observe::event::{Event, Kind, Phase};
use crate::observe::snapshot::Link;
use crate::recorder::own_stall::Stall;
use crate::socket::{Change, Failure, Receiver, Unwanted};
use crate::time::clock::{NS_PER_S, SessionClock, monotonic_ns, unix_ns};
use crate::time::durations::seconds;

/// A link over which nothing has come for so long since it went up is told of once: perhaps the topic is another one.
const SILENT_START_NS: i64 = 10 * NS_PER_S;

/// What else comes over such a link is looked for from then on until it is told of.
const LOOK_AROUND_NS: i64 = 5 * NS_PER_S;

/// How often the links are looked at.
const LOOK_EVERY_NS: i64 = NS_PER_S;

/// Watches the links of a recording.
#[derive(Debug)]
pub(super) struct Observer {
    /// A silence of this length is told of.
    silence_ns: Option<i64>,
    /// What was asked for.
    topics: String,
    links: Vec<Watched>,
    looked_ns: i64,
    /// A stop of the process of which it is not known yet how many messages had waited.
    stall: Option<(Stall, u64)>,
    /// Until then, on the monotonic clock, nothing was taken: that is no silence of a device.
    deaf_until_ns: i64,
}

/// What was told of a link.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// It was told that it is not reached.
    is_unreached: bool,
    /// It was told that it is silent since then, on the monotonic clock.
    silent_ns: Option<i64>,
    /// It was told that nothing came since it went up.
    is_told: bool,
    /// It was told that a peer was turned away.
    is_crowded: bool,
    /// It was told that connections from these hosts failed.
    refused: BTreeSet<(String, Failure)>,
}

/// So many hosts are named whose connections failed.
const REFUSED_MAX: usize = 100;

impl Observer {
    /// Watch so many links, over which these topics are asked for.
    pub fn new(links: usize, silence_ns: Option<i64>, topics: String) -> Self {
        Self { silence_ns, topics, links: vec![Watched::default(); links], looked_ns: 0, stall: None, deaf_until_ns: 0 }
    }

    /// Take what became of a link.
    pub fn change(&mut self, place: usize, endpoint: String, change: Change, clock: SessionClock) -> Vec<Event> {
        let Some(link) = self.links.get_mut(place) else { return Vec::new() };
        let now = |kind, lost| about(&endpoint, at(monotonic_ns(), clock, kind, lost));
        match change {
            Change::Up => {
                *link = Watched::default();
                vec![now(Kind::Connected, Some(0))]
            }
            Change::Down(since_ns) => {
                let silence = link.silent_ns.take().map(|_| ended_silent(now(Kind::Silence, Some(0))));
                let down = about(&endpoint, at(since_ns, clock, Kind::Disconnected, None));
                let down = Event { phase: Phase::Begins, ..down };
                silence.into_iter().chain([down]).collect()
            }
            Change::Away { since_ns, cause, is_first } => {
                let detail = Some(cause.map_or_else(|| "it is not known why".to_owned(), |cause| cause.to_string()));
                if !is_first {
                    return vec![Event { phase: Phase::GoesOn, detail, ..now(Kind::Disconnected, None) }];
                }
                let phase = if link.is_unreached { Phase::GoesOn } else { Phase::Begins };
                link.is_unreached = true;
                vec![Event { phase, detail, ..about(&endpoint, at(since_ns, clock, Kind::Unreached, Some(0))) }]
            }
            Change::TooLarge => {
                let detail = "it sent a frame that is larger than --max-message, or something that is no ZeroMQ, which broke the \
                     link; what came before is kept";
                vec![Event { detail: Some(detail.to_owned()), ..now(Kind::TooLarge, None) }]
            }
            Change::Cut(peer, bytes) => {
                let held = ByteSize(bytes);
                let detail = Some(format!(
                    "{held} came that are no whole message or could not be taken; it was cut off; --queue and --max-message \
                         say how much may be held"
                ));
                vec![Event { peer, detail, ..now(Kind::Cut, None) }]
            }
            Change::TurnedAway(peer) => {
                let detail = "it was turned away: there are as many connections as this recorder takes";
                // Each of many would be an entry.
                match std::mem::replace(&mut link.is_crowded, true) {
                    true => Vec::new(),
                    false => vec![Event { peer: Some(peer), detail: Some(detail.to_owned()), ..now(Kind::Cut, None) }],
                }
            }
            Change::Visited(visitor) => {
                let kind = if visitor.is_admitted { Kind::Admitted } else { Kind::Refused };
                let detail = Some(visitor.to_string());
                vec![Event { peer: Some(visitor.address), detail, ..now(kind, Some(0)) }]
            }
            Change::Refused(peer, failure) => {
                let host = peer.rsplit_once(':').map_or(peer.as_str(), |(host, _)| host).to_owned();
                // Each of many would be an entry.
                match link.refused.len() < REFUSED_MAX && link.refused.insert((host, failure)) {
                    true => vec![Event {
                        peer: Some(peer),
                        detail: Some(failure.to_string()),
                        ..now(Kind::Refused, Some(0))
                    }],
                    false => Vec::new(),
                }
            }
            Change::Dismissed(peer) => {
                let detail = "it is not admitted any more, or it was not known to be";
                vec![Event { peer: Some(peer), detail: Some(detail.to_owned()), ..now(Kind::Cut, None) }]
            }
            Change::Joined(peer) => vec![Event { peer: Some(peer), ..now(Kind::Connected, Some(0)) }],
            Change::Left(peer) => {
                let detail = Some("it ended the connection".to_owned());
                vec![Event { peer: Some(peer), detail, ..now(Kind::Disconnected, Some(0)) }]
            }
            Change::Broke(peer) => {
                let detail = Some("the connection broke".to_owned());
                vec![Event { peer: Some(peer), detail, ..now(Kind::Disconnected, None) }]
            }
        }
    }

    /// Look whether links are silent, or no longer.
    pub fn look(&mut self, socket: &mut Receiver, clock: SessionClock) -> Vec<Event> {
        let now_ns = monotonic_ns();
        let is_time = now_ns - self.looked_ns >= LOOK_EVERY_NS;
        if !is_time && self.links.iter().all(|link| link.silent_ns.is_none()) {
            return Vec::new();
        }
        if is_time {
            self.looked_ns = now_ns;
        }
        let mut events = Vec::new();
        let all_quiet: Vec<_> = socket.quiet().collect();
        for (place, quiet) in all_quiet.into_iter().enumerate() {
            let Some(link) = self.links.get_mut(place) else { continue };
            let quiet_since = |since_ns: i64| now_ns - since_ns.max(self.deaf_until_ns);
            let is_unheard =
                quiet.is_some_and(|(since_ns, is_never)| is_never && quiet_since(since_ns) >= LOOK_AROUND_NS);
            socket.look_around(place, is_unheard && !link.is_told);
            let Some((since_ns, is_never)) = quiet else { continue };
            let endpoint = socket.endpoint_at(place).unwrap_or_default();
            if let Some(silent_ns) = link.silent_ns {
                if since_ns > silent_ns {
                    link.silent_ns = None;
                    let end = at(since_ns, clock, Kind::Silence, Some(0));
                    events.push(Event { phase: Phase::Ends, ..about(endpoint, end) });
                }
                continue;
            }
            let quiet_ns = quiet_since(since_ns);
            let is_new = is_never && quiet_ns >= SILENT_START_NS && !link.is_told;
            if is_new || self.silence_ns.is_some_and(|silence_ns| quiet_ns >= silence_ns) {
                (link.silent_ns, link.is_told) = (Some(since_ns), true);
                socket.look_around(place, false);
                let what = if is_never { "since the link went up" } else { "since the last message" };
                let detail = format!(
                    "nothing came for {:.0} s {what}; asked for: {}{}",
                    seconds(quiet_ns),
                    self.topics,
                    unwanted(socket, place, &self.topics)
                );
                let begin = at(since_ns, clock, Kind::Silence, Some(0));
                events.push(Event { phase: Phase::Begins, detail: Some(detail), ..about(endpoint, begin) });
            }
        }
        events
    }

    /// Nothing was taken until now.
    pub fn was_deaf(&mut self) {
        self.deaf_until_ns = monotonic_ns();
    }

    /// How the links are, if that is to be told again.
    pub fn status(&self, socket: &Receiver) -> Vec<Link> {
        let mut links = socket.status();
        for (link, watched) in links.iter_mut().zip(&self.links) {
            link.is_silent = watched.silent_ns.is_some();
        }
        links
    }

    /// The process did not run for a while; so many messages had come before.
    pub fn stalled(&mut self, stall: Stall, messages: u64) {
        let merged = self.stall.take().map_or((stall, messages), |(before, messages)| {
            let lasted_ns = before.lasted_ns + stall.lasted_ns;
            (Stall { from_ns: before.from_ns, lasted_ns, ..stall }, messages)
        });
        self.stall = Some(merged);
        self.deaf_until_ns = stall.until_ns;
    }

    /// When a stop of the process was over that is not told yet, on the monotonic clock.
    pub fn stalled_until_ns(&self) -> Option<i64> {
        self.stall.map(|(stall, _)| stall.until_ns)
    }

    /// All that had waited is taken: so many messages so far. Gives the entry for a stop of the process, if there was one.
    pub fn drained(&mut self, messages: u64, clock: SessionClock) -> Option<Event> {
        let (stall, before) = self.stall.take()?;
        let lasted_s = seconds(stall.lasted_ns);
        let late = match messages - before.min(messages) {
            0 => String::new(),
            1 => format!("; a message that had waited is stamped with its end, up to {lasted_s:.1} s late"),
            waited => {
                format!(
                    "; up to {waited} messages that had waited are stamped with its end, up to {lasted_s:.1} s late"
                )
            }
        };
        let begin = at(stall.from_ns, clock, Kind::OwnStall, None);
        Some(Event {
            until_elapsed_ns: Some(stall.until_ns.saturating_sub(clock.origin_ns)),
            detail: Some(format!(
                "this recorder did not run for {lasted_s:.3} s: it was stopped or suspended, or had no processor{late}"
            )),
            ..begin
        })
    }

    /// What is not over at the end of the recording.
    pub fn finish(&mut self, socket: &Receiver, clock: SessionClock) -> Vec<Event> {
        let mut events = Vec::new();
        for ((place, link), watched) in socket.status().into_iter().enumerate().zip(&mut self.links) {
            let now = |kind| about(&link.endpoint, at(monotonic_ns(), clock, kind, Some(0)));
            if link.last_message_unix_ns.is_none() && link.unwanted > 0 && !watched.is_told {
                let others = unwanted(socket, place, &self.topics);
                tracing::warn!("nothing of {} came from {}{others}", self.topics, link.endpoint);
            }
            if watched.silent_ns.take().is_some() {
                events.push(ended_silent(now(Kind::Silence)));
            }
            if watched.is_unreached {
                events.push(Event { phase: Phase::Ends, ..now(Kind::Unreached) });
            } else if !link.was_up {
                let cause = link.cause.unwrap_or_else(|| "the recording ended before it was known why".to_owned());
                let since_ns = socket.away_ns(place).unwrap_or(clock.origin_ns);
                let whole = about(&link.endpoint, at(since_ns, clock, Kind::Unreached, Some(0)));
                let until_elapsed_ns = Some(clock.elapsed_ns());
                events.push(Event { until_elapsed_ns, detail: Some(cause), ..whole });
            }
            watched.is_unreached = false;
        }
        events
    }
}

/// What happened, or began, at this time on the monotonic clock.
fn at(monotonic_at_ns: i64, clock: SessionClock, kind: Kind, lost: Option<u64>) -> Event {
    let ago_ns = monotonic_ns().saturating_sub(monotonic_at_ns);
    let elapsed_ns = monotonic_at_ns.saturating_sub(clock.origin_ns).max(0);
    Event::at(unix_ns().saturating_sub(ago_ns), elapsed_ns, kind, lost)
}

/// A silence that is over, though nothing came.
fn ended_silent(event: Event) -> Event {
    Event { phase: Phase::Ends, detail: Some("nothing came until the end".to_owned()), ..event }
}

fn about(endpoint: impl Into<String>, event: Event) -> Event {
    Event { endpoint: Some(endpoint.into()), ..event }
}

/// `; 12 messages came under other topics: abc; did you mean --topic abc?`.
fn unwanted(socket: &Receiver, place: usize, asked: &str) -> String {
    let Some(Unwanted { messages, begins, topics }) = socket.unwanted(place) else {
        return "; no other topic came either".to_owned();
    };
    if topics.is_empty() {
        return format!(
            "; {messages} messages came that have none of these topics, the first begins with '{}'; --topic '*' takes them",
            shown(begins)
        );
    }
    let topics: Vec<String> = topics.iter().map(|topic| shown(topic)).collect();
    let near =
        asked.split(' ').find_map(|asked| nearest(asked.trim_end_matches('*'), topics.iter().map(String::as_str)));
    let meant = near.map_or(String::new(), |topic| format!("; did you mean --topic {topic}?"));
    format!("; {messages} messages came under other topics: {}{meant}", topics.join(", "))
}
