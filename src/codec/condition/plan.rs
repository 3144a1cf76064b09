//! A condition over the numbers of a layout: where they are, and for which of them it holds.

use crate::codec::channels::{Channel, Channels};
use crate::codec::condition::set::{Set, may_hold_between, physical};
use crate::codec::condition::{Comparison, Expression};
use crate::codec::layout::{Layout, Numbers, Part, Placed};
use crate::codec::number::{Scalar, Type, Value};
use crate::codec::overview::Overview;
use crate::codec::reading::{Content, check, read};

/// What is looked for in the records of a message.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    layout: Layout,
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    One(Test),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// A comparison with a number of a certain place.
#[derive(Clone, Debug)]
struct Test {
    comparison: Comparison,
    channel: Channel,
    /// Which number of the layout it is, from 0.
    place: usize,
    part: usize,
    /// The frame behind the topic in which the part begins.
    frame: usize,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    Header(Placed, Set),
    Record(Placed, Set),
    /// Of an array, whose type each message says: the numbers of each type.
    Array(Box<[Set; Scalar::ALL.len()]>),
}

/// A record, and where it is.
#[derive(Clone, Copy)]
struct Row<'a> {
    part: usize,
    frame: &'a [u8],
    /// `None` in a frame that has a header and no record.
    record: Option<&'a [u8]>,
    /// The type of an array of which it is a number.
    array: Option<Type>,
}

/// A number of a layout that has a channel.
struct Number {
    part: usize,
    frame: usize,
    at: Option<(bool, Placed)>,
}

/// The numbers of a layout, in the order of their channels; those of arrays among them.
fn numbers(layout: &Layout) -> Vec<Number> {
    let (mut numbers, mut frame) = (Vec::new(), 0);
    for (part, how) in layout.parts().iter().enumerate() {
        match how {
            Part::Numbers(Numbers { header, record }) => {
                let header = header.numbers().iter().map(|&placed| (true, placed));
                let record = record.numbers().iter().map(|&placed| (false, placed));
                numbers.extend(header.chain(record).map(|at| Number { part, frame, at: Some(at) }));
            }
            Part::NdArray => numbers.push(Number { part, frame, at: None }),
            Part::Bytes | Part::Text | Part::Json => {}
        }
        frame += if *how == Part::NdArray { 2 } else { 1 };
    }
    numbers
}

impl Plan {
    /// For a layout whose numbers have these channels; `None` where it has not all channels that are compared.
    pub fn of(expression: &Expression, layout: &Layout, channels: &Channels) -> Option<Self> {
        let numbers = numbers(layout);
        let root = node(expression, &numbers, channels)?;
        Some(Self { layout: layout.clone(), root })
    }

    /// Whether there can be a record with all numbers that it takes: records of several frames are several.
    pub fn can_hold(&self) -> bool {
        (0..self.layout.parts().len()).any(|part| self.root.is_within(part))
    }

    /// Whether a record holds it, of a message that has these frames behind its topic.
    pub fn holds<'a>(&self, frames: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
        // What most devices send: no other frame matters.
        if let [Part::Numbers(numbers)] = self.layout.parts() {
            return check(&self.layout, frames.clone()).is_ok()
                && frames.clone().any(|frame| self.in_frame(numbers, frame));
        }
        let mut found = false;
        for (place, content) in read(&self.layout, frames.clone()).enumerate() {
            let Ok(content) = content else { return false };
            found = found || self.rows(place, content).any(|row| self.root.holds(&row, &frames));
        }
        found
    }

    /// Whether one of a frame does, which has all numbers that are compared.
    fn in_frame(&self, numbers: &Numbers, frame: &[u8]) -> bool {
        let record_bytes = numbers.record.bytes().max(1);
        match frame.get(numbers.header.bytes()..) {
            Some(records @ [_, ..]) => {
                records.chunks(64 * record_bytes).any(|some| self.root.mask(frame, some, record_bytes) != 0)
            }
            _ => rows_of(numbers, 0, frame).any(|row| self.root.holds(&row, &std::iter::empty())),
        }
    }

    fn rows<'p, 'a: 'p>(&'p self, place: usize, content: Content<'p, 'a>) -> Box<dyn Iterator<Item = Row<'a>> + 'p> {
        let part = place.min(self.layout.parts().len().saturating_sub(1));
        match content {
            Content::Numbers(numbers, frame) => Box::new(rows_of(numbers, part, frame)),
            Content::Array(_, of, array) => Box::new(array.chunks_exact(of.bytes()).map(move |number| Row {
                part,
                frame: &[],
                record: Some(number),
                array: Some(of),
            })),
            Content::Bytes(_) | Content::Text(_) | Content::Json(_) => Box::new(std::iter::empty()),
        }
    }

    /// The first record that holds it, by its number in the message, with the physical values of the channels that are compared.
    pub fn found<'a>(&self, frames: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(usize, Vec<(&Channel, Value)>)> {
        check(&self.layout, frames.clone()).ok()?;
        let mut before = 0;
        for (place, content) in read(&self.layout, frames.clone()).enumerate() {
            let content = content.ok()?;
            for row in self.rows(place, content) {
                if self.root.holds(&row, &frames) {
                    let mut values = Vec::new();
                    self.root.values(&row, &frames, &mut values);
                    return Some((before, values));
                }
                before += usize::from(row.record.is_some());
            }
        }
        None
    }

    /// Whether a record of messages with this in common may hold it.
    pub fn may_hold(&self, overview: &Overview) -> bool {
        // In the order of the channels, as far as they are compared.
        self.root.may_hold(&overview.ranges().collect::<Vec<_>>())
    }
}

fn rows_of<'a>(numbers: &Numbers, part: usize, frame: &'a [u8]) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let records = frame.get(numbers.header.bytes()..).unwrap_or_default();
    let lone = records.is_empty().then_some(Row { part, frame, record: None, array: None });
    let row = move |record| Row { part, frame, record: Some(record), array: None };
    records.chunks_exact(numbers.record.bytes().max(1)).map(row).chain(lone)
}

fn number(bytes: &[u8], placed: Placed) -> Option<&[u8]> {
    bytes.get(placed.offset..placed.offset + placed.of.bytes())
}

fn node(expression: &Expression, numbers: &[Number], channels: &Channels) -> Option<Node> {
    let all = |inside: &[Expression]| inside.iter().map(|one| node(one, numbers, channels)).collect::<Option<Vec<_>>>();
    Some(match expression {
        Expression::One(comparison) => {
            let place = channels.iter().position(|channel| channel.name == comparison.channel)?;
            let (channel, &Number { part, frame, at }) = (channels.iter().nth(place)?, numbers.get(place)?);
            let set = |kind| Set::of(comparison, channel, kind);
            let at = match at {
                Some((true, placed)) => At::Header(placed, set(placed.of.kind)),
                Some((false, placed)) => At::Record(placed, set(placed.of.kind)),
                None => At::Array(Box::new(Scalar::ALL.map(set))),
            };
            let (comparison, channel) = (comparison.clone(), channel.clone());
            Node::One(Test { comparison, channel, place, part, frame, at })
        }
        Expression::All(inside) => Node::All(all(inside)?),
        Expression::Any(inside) => Node::Any(all(inside)?),
    })
}

impl Node {
    fn holds<'a>(&self, row: &Row<'a>, frames: &(impl Iterator<Item = &'a [u8]> + Clone)) -> bool {
        match self {
            Self::One(test) => test.holds(row, frames),
            Self::All(inside) => inside.iter().all(|one| one.holds(row, frames)),
            Self::Any(inside) => inside.iter().any(|one| one.holds(row, frames)),
        }
    }

    /// Which of at most 64 records hold it, in a frame that has all numbers that are compared: of the first one the lowest bit.
    fn mask(&self, frame: &[u8], records: &[u8], record_bytes: usize) -> u64 {
        match self {
            Self::One(test) => match &test.at {
                At::Record(placed, set) => set.mask(placed.of, records, record_bytes, placed.offset),
                At::Header(placed, set) => {
                    let holds = number(frame, *placed).is_some_and(|bytes| set.has(placed.of, bytes));
                    let count = (records.len() / record_bytes).clamp(1, 64) as u32;
                    if holds { u64::MAX >> (64 - count) } else { 0 }
                }
                At::Array(_) => 0,
            },
            Self::All(inside) => inside.iter().fold(u64::MAX, |mask, one| match mask {
                0 => 0,
                mask => mask & one.mask(frame, records, record_bytes),
            }),
            Self::Any(inside) => inside.iter().fold(0, |mask, one| mask | one.mask(frame, records, record_bytes)),
        }
    }

    /// Append the value of each channel, each once.
    fn values<'n, 'a>(
        &'n self,
        row: &Row<'a>,
        frames: &(impl Iterator<Item = &'a [u8]> + Clone),
        values: &mut Vec<(&'n Channel, Value)>,
    ) {
        match self {
            Self::One(test) => {
                let is_known = values.iter().any(|(channel, _)| channel.name == test.channel.name);
                if let Some((of, bytes)) = test.number(row, frames).filter(|_| !is_known) {
                    values.extend(of.value(bytes).map(|value| (&test.channel, physical(value, &test.channel))));
                }
            }
            Self::All(inside) | Self::Any(inside) => inside.iter().for_each(|one| one.values(row, frames, values)),
        }
    }

    /// Whether a record of this part has numbers with which it can hold.
    fn is_within(&self, part: usize) -> bool {
        match self {
            Self::One(test) => matches!(test.at, At::Header(..)) || test.part == part,
            Self::All(inside) => inside.iter().all(|one| one.is_within(part)),
            Self::Any(inside) => inside.iter().any(|one| one.is_within(part)),
        }
    }

    fn may_hold(&self, ranges: &[Option<(Value, Value)>]) -> bool {
        match self {
            Self::One(test) => match ranges.get(test.place).copied().flatten() {
                Some(range) => test.may_hold(range),
                None => false,
            },
            Self::All(inside) => inside.iter().all(|one| one.may_hold(ranges)),
            Self::Any(inside) => inside.iter().any(|one| one.may_hold(ranges)),
        }
    }
}

impl Test {
    /// The number that is compared, with its type. The numbers of a header belong to all records of their message; where a part
    /// serves several frames, those of its first one.
    fn number<'a>(&self, row: &Row<'a>, frames: &(impl Iterator<Item = &'a [u8]> + Clone)) -> Option<(Type, &'a [u8])> {
        let is_of_part = self.part == row.part;
        match &self.at {
            At::Header(placed, _) => {
                let frame = if is_of_part { row.frame } else { frames.clone().nth(self.frame)? };
                Some((placed.of, number(frame, *placed)?))
            }
            At::Record(placed, _) => Some((placed.of, number(row.record.filter(|_| is_of_part)?, *placed)?)),
            At::Array(_) => Some((row.array?, row.record.filter(|_| is_of_part)?)),
        }
    }

    fn holds<'a>(&self, row: &Row<'a>, frames: &(impl Iterator<Item = &'a [u8]> + Clone)) -> bool {
        let Some((of, bytes)) = self.number(row, frames) else { return false };
        match &self.at {
            At::Header(_, set) | At::Record(_, set) => set.has(of, bytes),
            At::Array(sets) => {
                let sets = Scalar::ALL.into_iter().zip(sets.iter());
                sets.into_iter().find(|(kind, _)| *kind == of.kind).is_some_and(|(_, set)| set.has(of, bytes))
            }
        }
    }

    fn may_hold(&self, range: (Value, Value)) -> bool {
        match &self.at {
            At::Header(placed, set) | At::Record(placed, set) => set.may_have(placed.of.kind, range),
            At::Array(_) => may_hold_between(&self.comparison, &self.channel, range),
        }
    }
}
