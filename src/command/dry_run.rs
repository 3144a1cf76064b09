//! `fancyhwd record --dry-run`: who answers, what comes, and how it can be recorded. Nothing is stored.

use std::collections::BTreeSet;
use std::fmt::Write;

use bytesize::ByteSize;

use crate::codec::framing::Framing;
use crate::codec::likely::{Likely, likely};
use crate::codec::stream::Stream;
use crate::codec::topic::printable;
use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::message::{Batch, Message};
use crate::observe::snapshot::Link;
use crate::process::stop::{Request, Stop};
use crate::recorder::Capture;
use crate::service;
use crate::socket::{Inlets, Received, Receiver, Woken};
use crate::streams::Streams;
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};
use crate::time::durations::{rate_hz, seconds};

/// How long to listen unless it is said.
const LISTEN_NS: i64 = 5 * NS_PER_S;

/// The longest wait for something to happen, in milliseconds.
const WAIT_MS: i64 = 100;

/// Messages of a stream that are looked at, ...
const SAMPLE_MAX_MESSAGES: usize = 64;

/// ... if they are no larger than this together.
const SAMPLE_MAX_BYTES: usize = 1 << 20;

/// Streams that are told of one by one.
const STREAMS_MAX: usize = 100;

/// So much of a message is shown.
const SHOWN_BYTES: usize = 40;

/// What came of one stream.
#[derive(Debug, Default)]
struct Heard {
    messages: u64,
    bytes_min: usize,
    bytes_max: usize,
    first_ns: i64,
    last_ns: i64,
    sample: Vec<Vec<Vec<u8>>>,
    sample_bytes: usize,
}

impl Heard {
    fn hear(&mut self, message: Message<'_>, stream: &Stream) {
        let bytes = message.bytes();
        if self.messages == 0 {
            (self.bytes_min, self.first_ns) = (bytes, message.elapsed_ns);
        }
        self.messages += 1;
        (self.bytes_min, self.bytes_max) = (self.bytes_min.min(bytes), self.bytes_max.max(bytes));
        self.last_ns = message.elapsed_ns;
        if self.sample.is_empty()
            || self.sample.len() < SAMPLE_MAX_MESSAGES && self.sample_bytes + bytes <= SAMPLE_MAX_BYTES
        {
            self.sample_bytes += bytes;
            self.sample.push(stream.after_topic(message.frames()).map(<[u8]>::to_vec).collect());
        }
    }

    fn sizes(&self) -> String {
        match self.bytes_min == self.bytes_max {
            true => format!("{} bytes each", self.bytes_min),
            false => format!("{} to {} bytes", self.bytes_min, self.bytes_max),
        }
    }
}

/// Listen for a while, and say what was heard.
///
/// # Errors
/// When an endpoint cannot be opened.
pub(super) fn run(inlets: &Inlets, capture: &Capture, stop: &Stop, reload: &Request) -> Result<Exit> {
    let mut socket = Receiver::open(inlets, stop, reload)?;
    let listen_ns = capture.duration_ns.unwrap_or(LISTEN_NS);
    let status =
        format!("listening to {} for {:.1} s; nothing is stored", socket.endpoints().join(" "), seconds(listen_ns));
    tracing::info!("{status}");
    service::ready(&status);
    let mut streams = Streams::new(capture.told.clone());
    let heard = listen(&mut socket, &mut streams, capture, listen_ns)?;
    service::stopping();
    let links = socket.status();
    print(&report(inlets, &links, &streams, &heard))?;
    Ok(Exit::from_loss(heard.is_empty() || links.iter().any(|link| !link.was_up)))
}

fn listen(socket: &mut Receiver, streams: &mut Streams, capture: &Capture, listen_ns: i64) -> Result<Vec<Heard>> {
    let (origin_ns, mut heard, mut batch, mut messages) =
        (monotonic_ns(), Vec::<Heard>::new(), Batch::default(), 0_u64);
    let is_over = |messages: u64| capture.count.is_some_and(|count| messages >= count);
    while monotonic_ns() - origin_ns < listen_ns && !is_over(messages) {
        if socket.wait(WAIT_MS)? == Woken::Stop {
            break;
        }
        while socket.next_change()?.is_some() {}
        // Who sends more than can be held is cut off, as when it is recorded.
        let _ = socket.guard(0);
        while monotonic_ns() - origin_ns < listen_ns && !is_over(messages) {
            batch.clear();
            let wanted = &capture.told.wanted;
            match socket.receive(&mut batch, origin_ns, |first, frames| wanted.takes(first, frames))? {
                Received::Nothing => break,
                Received::Unwanted | Received::TooLarge(_) => continue,
                Received::Message => {}
            }
            let Some(message) = batch.last() else { continue };
            let place = streams.of(message);
            heard.resize_with(heard.len().max(place + 1), Heard::default);
            if let (Some(heard), Some(stream)) = (heard.get_mut(place), streams.all().get(place)) {
                heard.hear(message, stream);
                messages += 1;
            }
        }
    }
    Ok(heard)
}

fn report(inlets: &Inlets, links: &[Link], streams: &Streams, heard: &[Heard]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let now_ns = unix_ns();
    for (number, link) in (1..).zip(links) {
        let _ = writeln!(text, "endpoint {number} {}: {}", link.endpoint, link.words(now_ns));
    }
    let guesses: Vec<(&Stream, &Heard, Likely)> = streams
        .all()
        .iter()
        .zip(heard)
        .map(|(stream, heard)| (stream, heard, likely(&stream.topic, &heard.sample)))
        .collect();
    for (stream, heard, guess) in guesses.iter().take(STREAMS_MAX) {
        let topic =
            if stream.topic.is_empty() { "no topic".to_owned() } else { format!("topic {}", printable(&stream.topic)) };
        let hz = rate_hz(heard.messages.saturating_sub(1), heard.last_ns - heard.first_ns);
        let _ = writeln!(
            text,
            "\nendpoint {}, {topic}, framing {}: {} messages, {hz:.1}/s, {}\n  likely layout {}: {}",
            stream.endpoint,
            stream.framing,
            heard.messages,
            heard.sizes(),
            guess.layout,
            guess.why,
        );
        if let Some(counter) = &guess.counter {
            let _ = writeln!(text, "  likely counter {counter}: with --counter, what is lost on the way is counted");
        }
        let first: Vec<u8> = heard.sample.first().into_iter().flatten().flatten().copied().take(SHOWN_BYTES).collect();
        let _ = writeln!(text, "  begins with {}", first.escape_ascii());
    }
    if guesses.len() > STREAMS_MAX {
        let _ = writeln!(text, "\n... and {} streams more", guesses.len() - STREAMS_MAX);
    }
    match guesses.is_empty() {
        true => _ = writeln!(text, "\nnothing came: is the device on, and does it send?"),
        false => _ = writeln!(text, "\nrecord it with:\n  {}", line(inlets, &guesses)),
    }
    let held: usize = heard.iter().map(|heard| heard.sample_bytes).sum();
    tracing::debug!("looked at {}", ByteSize(held as u64));
    text
}

/// The line that records what was heard.
fn line(inlets: &Inlets, guesses: &[(&Stream, &Heard, Likely)]) -> String {
    let mut words = vec!["fancyhwd record".to_owned()];
    words.extend(inlets.connect.iter().map(|endpoint| format!("--connect {}", quoted(endpoint.as_str()))));
    words.extend(inlets.bind.iter().map(|endpoint| format!("--bind {}", quoted(endpoint.as_str()))));
    if inlets.kind == crate::socket::ReceivingKind::Pull {
        words.push("--socket pull".to_owned());
    } else {
        let topics: BTreeSet<&[u8]> = guesses.iter().map(|(stream, ..)| stream.topic.as_slice()).collect();
        let is_plain = |topic: &&[u8]| {
            !topic.is_empty()
                && std::str::from_utf8(topic).is_ok_and(|text| !text.contains(char::is_control))
                && !topic.ends_with(b"*")
        };
        match topics.len() <= TOPICS_MAX && topics.iter().all(is_plain) {
            true => words.extend(topics.iter().map(|topic| format!("--topic {}", quoted(&printable(topic))))),
            false => words.push("--topic '*'".to_owned()),
        }
    }
    let framings: BTreeSet<&str> = guesses.iter().map(|(stream, ..)| stream.framing.name()).collect();
    if let (1, Some(framing)) = (framings.len(), framings.first()) {
        words.push(format!("--framing {framing}"));
    }
    let layouts: BTreeSet<String> = guesses.iter().map(|(.., guess)| guess.layout.to_string()).collect();
    match layouts.len() {
        1 => words.extend(layouts.iter().map(|layout| format!("--layout {}", quoted(layout)))),
        _ => {
            let of_topic = |(stream, _, guess): &(&Stream, &Heard, Likely)| match stream.framing {
                Framing::Whole => format!("--layout {}", quoted(&guess.layout.to_string())),
                _ => format!("--layout {}", quoted(&format!("{}={}", printable(&stream.topic), guess.layout))),
            };
            // What is said of all comes first: what is said of a topic wins.
            let mut told: Vec<(bool, String)> = guesses
                .iter()
                .take(STREAMS_MAX)
                .map(|guess| (guess.0.framing != Framing::Whole, of_topic(guess)))
                .collect();
            told.sort();
            told.dedup();
            words.extend(told.into_iter().map(|(_, word)| word));
        }
    }
    words.join(" ")
}

/// More topics than this are asked for together.
const TOPICS_MAX: usize = 16;

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,=+@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("tcp://127.0.0.1:5555"), "tcp://127.0.0.1:5555");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's*"), "'it'\\''s*'");
        assert_eq!(quoted(""), "''");
    }
}
