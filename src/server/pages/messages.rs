//! The messages at a place of a capture: what they say, and their bytes.

use std::collections::BTreeMap;

use crate::codec::stream::Stream;
use crate::codec::{topic, words};
use crate::error::{Error, Result};
use crate::escape;
use crate::escape::html::Html;
use crate::message::{Batch, Message};
use crate::server::pages::capture::title;
use crate::server::pages::window::Window;
use crate::server::pages::{address, links, page, shortened, table};
use crate::server::routes::About;
use crate::server::site::{Allowance, Site};
use crate::store::{Database, Reader, Selection};
use crate::time::durations::{iso, seconds};
use crate::time::position::Position;

/// Messages on a page, unless another number is asked for, and at most.
const MESSAGES: u64 = 50;
const MESSAGES_MAX: u64 = 200;

/// Where a message is larger than this, none is shown: the commit that proves it is read as a whole.
const SHOWN_MAX_BYTES: u64 = 32 << 20;

/// Numbers or characters that are shown of a message.
const SHOWN_MAX: usize = 64;

/// Bytes that are shown of a message.
const HEX_MAX_BYTES: usize = 256;

/// Which messages are shown.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    first: i64,
    count: u64,
    all: i64,
}

impl Place {
    /// Those where a window begins.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(about: &About<'_>, window: &Window, count: u64) -> Result<Self> {
        let from = if window.is_whole() { None } else { Some(Position::Elapsed(window.from_ns)) };
        Self::at_position(about, from, count)
    }

    fn at_position(about: &About<'_>, from: Option<Position>, count: u64) -> Result<Self> {
        let numbers = about.database.numbers(about.session, from, None)?;
        let all = numbers.end.max(0);
        Ok(Self { first: numbers.start.clamp(0, all), count, all })
    }

    /// As a position.
    pub fn at(&self) -> String {
        format!("n{}", self.first)
    }
}

/// The page.
pub fn show(_site: &Site, about: &About<'_>, allowance: Allowance) -> Result<Html> {
    let count = about.query.count("count", MESSAGES, MESSAGES_MAX)?.max(1);
    let place = Place::at_position(about, about.query.position("at")?, count)?;
    Ok(page(&title(about), None, None, |html| {
        links(about.name, "/messages", html);
        html.element("form", &[("action", &address(about.name, "/messages", &[])), ("class", &"window")], |html| {
            html.element("label", &[], |html| {
                html.text("At ");
                let value = about.query.text("at").map_or_else(|| place.at(), str::to_owned);
                html.begin("input", &[("name", &"at"), ("value", &value), ("size", &24), ("autocomplete", &"off")]);
            });
            html.leaf("button", &[], "Show");
        });
        list(about, &place, allowance, html);
        html.element("nav", &[("class", &"pages"), ("aria-label", &"Pages")], |html| {
            let step = i64::try_from(count).unwrap_or(i64::MAX);
            let to = |first: i64| address(about.name, "/messages", &[("at", &format!("n{first}")), ("count", &count)]);
            if place.first > 0 {
                html.leaf("a", &[("href", &to(place.first.saturating_sub(step).max(0)))], "Before");
            }
            if place.first.saturating_add(step) < place.all {
                html.leaf("a", &[("href", &to(place.first.saturating_add(step)))], "After");
            }
        });
    }))
}

/// The messages at a place as a table, or why they cannot be read.
pub fn list(about: &About<'_>, place: &Place, allowance: Allowance, html: &mut Html) {
    if place.first >= place.all {
        html.leaf("p", &[("class", &"quiet")], "No messages here.");
        return;
    }
    let mut rows = Html::default();
    let streams = about.database.streams(about.session);
    let read = streams.and_then(|streams| read(about, place, allowance, &streams, &mut rows));
    table(&["#Number", "#Time", "Arrived (UTC)", "Topic", "#Bytes", "Content"], html, |html| html.append(&rows));
    if let Err(error) = read {
        html.leaf("p", &[("class", &"bad")], error);
    }
}

fn read(
    about: &About<'_>,
    place: &Place,
    allowance: Allowance,
    streams: &BTreeMap<i64, Stream>,
    rows: &mut Html,
) -> Result<()> {
    let selection = Selection { from: Some(Position::Number(place.first)), ..Selection::default() };
    // The reader has a connection of its own.
    let database = Database::for_viewing(about.database.path())?;
    let mut reader = Reader::new(database, about.session, &selection)?;
    if reader.message_bytes()? > SHOWN_MAX_BYTES {
        let what = format!("show messages of more than {} MiB; export them", SHOWN_MAX_BYTES >> 20);
        return Err(Error::Stopped { what });
    }
    let (mut batch, mut left) = (Batch::default(), place.count);
    while left > 0 {
        allowance.check()?;
        if !reader.step(&mut batch)? {
            return Ok(());
        }
        for gap in batch.gaps() {
            rows.element("tr", &[("class", &"bad")], |html| {
                html.element("td", &[("colspan", &6)], |html| html.text(format!("damaged: {gap}")));
            });
        }
        for ((message, number), stream) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
            if left == 0 {
                break;
            }
            row(&message, *number, streams.get(stream), rows);
            left -= 1;
        }
        batch.clear();
    }
    Ok(())
}

fn row(message: &Message<'_>, number: i64, stream: Option<&Stream>, html: &mut Html) {
    html.element("tr", &[], |html| {
        html.leaf("td", &[("class", &"n")], format!("#{number}"));
        html.leaf("td", &[("class", &"n")], format!("{:.6} s", seconds(message.elapsed_ns)));
        html.leaf("td", &[("class", &"t")], iso(message.unix_ns));
        html.leaf("td", &[], stream.map_or_else(|| "-".to_owned(), |stream| shortened(&topic::shown(&stream.topic))));
        let bytes: usize = message.frames().map(<[u8]>::len).sum();
        html.leaf("td", &[("class", &"n")], bytes);
        html.element("td", &[], |html| {
            let mut text = String::new();
            match stream {
                Some(stream) => words::append(stream, message.frames(), SHOWN_MAX, &mut text),
                None => text.push_str("its stream cannot be read"),
            }
            html.leaf("code", &[], shortened(&text));
            html.element("details", &[], |html| {
                html.leaf("summary", &[], "bytes");
                let mut left = HEX_MAX_BYTES;
                for frame in message.frames() {
                    let shown = frame.get(..left).unwrap_or(frame);
                    left -= shown.len();
                    let more = if shown.len() < frame.len() { "..." } else { "" };
                    html.leaf("code", &[("class", &"hex")], escape::hex(shown) + more);
                    if left == 0 {
                        break;
                    }
                }
            });
        });
    });
}
