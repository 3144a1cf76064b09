//! What is said about what was heard.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::codec::topic::shown;
use crate::command::dry_run::line::line;
use crate::command::dry_run::refused::Refused;
use crate::command::record::Given;
use crate::escape;
use crate::observe::snapshot::Link;
use crate::socket::{Inlets, ReceivingKind};
use crate::streams::Told;
use crate::time::clock::unix_ns;

pub(super) use crate::command::dry_run::found::Found;

/// Streams that are told of one by one.
const STREAMS_MAX: usize = 100;

/// So much of a message is shown.
const SHOWN_BYTES: usize = 40;

/// Who answers, what came, what could not be taken, and the line that records it.
pub(super) fn report(
    inlets: &Inlets,
    told: &Told,
    links: &[Link],
    found: &[Found],
    refused: &BTreeMap<u32, Refused>,
    given: &[Given],
) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let now_ns = unix_ns();
    for (number, link) in (1..).zip(links) {
        let endpoint = escape::line(&link.endpoint);
        let _ = writeln!(text, "endpoint {number} {endpoint}: {}", escape::line(&link.words(now_ns)));
        for line in refused.get(&number).into_iter().flat_map(|refused| refused.lines(inlets.message_max_bytes)) {
            let _ = writeln!(text, "endpoint {number} {endpoint}: {}", escape::line(&line));
        }
    }
    if inlets.kind == ReceivingKind::Pull && !found.is_empty() {
        let _ = writeln!(
            text,
            "warning: what a PULL socket takes, no other one gets: the messages of this dry run are lost to their consumer"
        );
    }
    for found in found.iter().take(STREAMS_MAX) {
        describe(&mut text, found);
    }
    if found.len() > STREAMS_MAX {
        let _ = writeln!(text, "\n... and {} streams more", found.len() - STREAMS_MAX);
    }
    let _ = match (found.is_empty(), refused.is_empty()) {
        (true, true) => writeln!(text, "\nnothing came: is the device on, and does it send?"),
        (true, false) => writeln!(text, "\nnothing came that could be taken"),
        (false, _) => writeln!(text, "\nrecord it with:\n  {}", line(inlets, told, found, refused, given)),
    };
    text
}

fn describe(text: &mut String, found: &Found) {
    let Found { stream, heard, likely, .. } = found;
    let topic = match stream.topic.is_empty() {
        true => "no topic".to_owned(),
        false => format!("topic {}", shown(&stream.topic)),
    };
    let _ = writeln!(
        text,
        "\nendpoint {}, {topic}, framing {}: {} messages, {:.1}/s, {}\n  {} {}: {}",
        stream.endpoint,
        stream.framing,
        heard.messages,
        heard.rate_hz(),
        heard.sizes(),
        if found.is_told { "layout" } else { "likely layout" },
        likely.layout,
        escape::line(&likely.why.to_string()),
    );
    if let Some(channels) = &found.channels {
        let fit = if found.fits_channels() { "as told" } else { "as told, but they are not as many as its numbers" };
        let _ = writeln!(text, "  channels {channels}: {fit}");
    }
    if let Some(counter) = &found.counter {
        let _ = writeln!(text, "  counter {counter}: as told");
    } else if let Some(counter) = &likely.counter {
        let _ = writeln!(text, "  likely counter {counter}: with --counter, what is lost on the way is counted");
    }
    let first: Vec<u8> = heard.sample.first().into_iter().flatten().flatten().copied().take(SHOWN_BYTES).collect();
    let _ = writeln!(text, "  begins with {}", first.escape_ascii());
}
