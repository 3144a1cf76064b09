//! What some messages of a stream have in common: when they came, how large they were, and the least and the greatest
//! number of each channel. Pictures and searches look at that before they read messages.

mod extremes;

use std::iter;
use std::sync::Arc;

use crate::codec::layout::{Layout, Part};
use crate::codec::number::{Scalar, Type, Value};
use crate::codec::reading::array_type;
use crate::codec::stream::Stream;

use extremes::{Lanes, Ranges};

/// How many messages of a stream are summed up at most.
pub const OVERVIEW_MESSAGES: u64 = 256;

/// What is known of the numbers of all streams takes at most this much memory, in bytes. When many streams of many channels need
/// more, all of them are written and begin anew.
pub const STATE_MAX_BYTES: usize = 32 << 20;

/// What was summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The first of the messages, and the last one, in whatever they are counted.
    pub first: i64,
    /// See `first`.
    pub last: i64,
    /// How many they are.
    pub messages: u64,
    /// When the first one came, since the session began ...
    pub first_elapsed_ns: i64,
    /// ... and the last one.
    pub last_elapsed_ns: i64,
    /// Bytes behind their topics.
    pub bytes: u64,
    /// The longest time between one of them and the message of the stream before it.
    pub longest_gap_ns: i64,
    /// Of each channel a byte, 0 where there is no number, else 1 and the place of its type in [`Scalar::ALL`], followed by the
    /// least and the greatest one, little-endian. Zeros at the end are left out.
    pub ranges: Vec<u8>,
}

impl Overview {
    /// The least and the greatest number of each channel, NaN left out; `None` where there is none. It ends behind the last channel
    /// that has some, or where the bytes make no sense.
    pub fn ranges(&self) -> impl Iterator<Item = Option<(Value, Value)>> {
        let mut rest = self.ranges.as_slice();
        iter::from_fn(move || {
            let (&tag, behind) = rest.split_first()?;
            let Some(place) = tag.checked_sub(1) else {
                rest = behind;
                return Some(None);
            };
            let of = Type { kind: *Scalar::ALL.get(usize::from(place))?, is_big_endian: false };
            let (least, behind) = behind.split_at_checked(of.bytes())?;
            let (greatest, behind) = behind.split_at_checked(of.bytes())?;
            rest = behind;
            Some(of.value(least).zip(of.value(greatest)))
        })
    }
}

/// Sums up the messages of a stream.
#[derive(Clone, Debug)]
pub struct Summary {
    layout: Arc<Layout>,
    /// So far. What it says of numbers is in `parts`.
    overview: Overview,
    /// Of each part of the layout, from its first number on.
    parts: Vec<Lanes>,
    /// When the message before came.
    previous_elapsed_ns: Option<i64>,
}

impl Summary {
    /// Of no message yet.
    pub fn new(stream: &Stream) -> Self {
        let layout = Arc::new(stream.layout.clone());
        Self { layout, overview: Overview::default(), parts: Vec::new(), previous_elapsed_ns: None }
    }

    /// How many messages it is about.
    pub fn messages(&self) -> u64 {
        self.overview.messages
    }

    /// When the first one came, since the session began.
    pub fn begun_ns(&self) -> Option<i64> {
        (self.overview.messages > 0).then_some(self.overview.first_elapsed_ns)
    }

    /// Whether it takes memory for numbers.
    pub fn has_state(&self) -> bool {
        !self.parts.is_empty()
    }

    /// How much that is, in bytes.
    pub fn state_bytes(&self) -> usize {
        self.parts.iter().map(Lanes::bytes).sum()
    }

    /// Add a message, with its frames behind the topic. One that its layout cannot read has no numbers.
    pub fn add<'a>(
        &mut self,
        (place, elapsed_ns): (i64, i64),
        frames: impl Iterator<Item = &'a [u8]> + Clone,
        is_decodable: bool,
    ) {
        let it = &mut self.overview;
        if it.messages == 0 {
            (it.first, it.first_elapsed_ns) = (place, elapsed_ns);
        }
        (it.last, it.last_elapsed_ns) = (place, elapsed_ns);
        it.messages += 1;
        if let Some(before_ns) = self.previous_elapsed_ns {
            it.longest_gap_ns = it.longest_gap_ns.max(elapsed_ns.saturating_sub(before_ns));
        }
        self.previous_elapsed_ns = Some(elapsed_ns);
        for frame in frames.clone() {
            it.bytes = it.bytes.saturating_add(frame.len() as u64);
        }
        if is_decodable {
            self.add_numbers(frames);
        }
    }

    fn add_numbers<'a>(&mut self, mut frames: impl Iterator<Item = &'a [u8]>) {
        let parts = self.layout.parts();
        if self.parts.is_empty() {
            self.parts.extend(parts.iter().map(Lanes::of));
        }
        let last = parts.len().saturating_sub(1);
        for place in (0..).map(|place: usize| place.min(last)) {
            let (Some(frame), Some(part), Some(lanes)) = (frames.next(), parts.get(place), self.parts.get_mut(place))
            else {
                return;
            };
            match part {
                Part::Numbers(numbers) => lanes.add(numbers, frame),
                Part::NdArray => {
                    if let (Some(of), Some(array)) = (array_type(frame), frames.next()) {
                        lanes.add_array(of, array);
                    }
                }
                // All further frames are alike.
                Part::Bytes | Part::Text | Part::Json if place == last => return,
                Part::Bytes | Part::Text | Part::Json => {}
            }
        }
    }

    /// What there is so far; `None` without a message.
    pub fn overview(&self) -> Option<Overview> {
        if self.overview.messages == 0 {
            return None;
        }
        let mut ranges = Ranges::default();
        self.parts.iter().for_each(|lanes| lanes.append(&mut ranges));
        Some(Overview { ranges: ranges.end(), ..self.overview.clone() })
    }

    /// Begin anew with the next message.
    pub fn restart(&mut self) {
        self.overview = Overview::default();
        self.parts.iter_mut().for_each(Lanes::restart);
    }

    /// Begin anew, and take no memory until the next message.
    pub fn forget(&mut self) {
        self.restart();
        self.parts = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::framing::Framing;
    use crate::codec::reading::Content;

    fn stream(layout: &str) -> Stream {
        Stream {
            endpoint: 1,
            framing: Framing::Whole,
            topic: Vec::new(),
            layout: layout.parse().unwrap(),
            is_assumed: false,
            channels: None,
            sample_rate_hz: None,
            counter: None,
        }
    }

    fn overview(layout: &str, messages: &[&[&[u8]]]) -> Overview {
        let stream = stream(layout);
        let mut summary = Summary::new(&stream);
        for (place, frames) in messages.iter().enumerate() {
            let is_decodable = stream.check(frames.iter().copied()).is_ok();
            summary.add((place as i64, 10 * place as i64), frames.iter().copied(), is_decodable);
        }
        summary.overview().unwrap()
    }

    fn words(overview: &Overview) -> String {
        let word = |range: Option<(Value, Value)>| range.map_or("-".into(), |(a, b)| format!("{a}..{b}"));
        overview.ranges().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_channel_has_its_least_and_its_greatest_number() {
        let records: &[&[u8]] = &[&[1, 0, 0xff, 0xff, 5, 0, 0, 0x80]];
        assert_eq!(words(&overview("int16x2", &[records])), "1..5 -32768..-1");
        assert_eq!(words(&overview("int16", &[records])), "-32768..5");
        assert_eq!(words(&overview("int16x2", &[records, &[&[9, 0, 0, 0, 1]]])), "1..5 -32768..-1", "undecodable");
        assert_eq!(words(&overview("uint32,pad/uint8,int16-be", &[&[&[7, 0, 0, 0, 99, 5, 0, 6]]])), "7..7 5..5 6..6");
        assert_eq!(words(&overview("int24/int8", &[&[&[0xff, 0xff, 0xff]]])), "-1..-1", "no record");
        let nan = [f32::NAN.to_le_bytes(), (-1.5_f32).to_le_bytes()].concat();
        assert_eq!(words(&overview("float32", &[&[&nan]])), "-1.5..-1.5");
        assert_eq!(words(&overview("float32x2", &[&[&nan]])), "- -1.5..-1.5");
        assert_eq!(words(&overview("json+uint8", &[&[b"{}", &[3], &[9]]])), "3..9", "all further frames");
        let array = |of: &str| format!("{{\"dtype\": \"{of}\", \"shape\": [2]}}");
        assert_eq!(words(&overview("ndarray", &[&[array("|u1").as_bytes(), &[3, 9]]])), "3..9");
        let (bytes, pairs) = (array("|u1"), array(">i2"));
        let both = overview("ndarray", &[&[bytes.as_bytes(), &[3, 9]], &[pairs.as_bytes(), &[0xff, 0xfe, 0, 4]]]);
        assert_eq!(words(&both), "-2..9", "arrays of two types");
        assert_eq!(words(&overview("text", &[&[b"a"]])), "");
    }

    #[test]
    fn times_and_bytes_are_those_of_the_messages() {
        let mut summary = Summary::new(&stream("uint8"));
        assert_eq!(summary.overview(), None);
        let add = |summary: &mut Summary, place, elapsed_ns| {
            summary.add((place, elapsed_ns), [&[1_u8, 2][..]].into_iter(), true)
        };
        add(&mut summary, 5, 100);
        add(&mut summary, 9, 107);
        let overview = summary.overview().unwrap();
        let Overview { first, last, messages, first_elapsed_ns, last_elapsed_ns, bytes, longest_gap_ns, .. } = overview;
        assert_eq!((first, last, messages, first_elapsed_ns, last_elapsed_ns), (5, 9, 2, 100, 107));
        assert_eq!((bytes, longest_gap_ns), (4, 7));
        summary.restart();
        add(&mut summary, 12, 130);
        let overview = summary.overview().unwrap();
        assert_eq!((overview.first, overview.longest_gap_ns), (12, 23), "since the message before");
    }

    proptest! {
        #[test]
        fn no_number_is_outside(
            layout in prop::sample::select(vec![
                "int8", "uint8x3", "int16x4", "uint16-be", "int24x2", "int32,uint32-be", "int64-bex2", "uint64", "float32x2",
                "float64-be,pad", "uint16,pad/int8,float32-be,int8", "json+int16x2", "bytes+float64/uint8",
            ]),
            messages in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..48), 1..4), 1..20),
        ) {
            let stream = stream(layout);
            let mut summary = Summary::new(&stream);
            let mut found = std::collections::BTreeMap::<usize, Vec<Value>>::new();
            for (place, frames) in (0..).zip(&messages) {
                let frames = frames.iter().map(Vec::as_slice);
                let is_decodable = stream.check(frames.clone()).is_ok();
                summary.add((place, place), frames.clone(), is_decodable);
                if !is_decodable {
                    continue;
                }
                for (part, content) in stream.read(frames).enumerate() {
                    let Ok(Content::Numbers(numbers, frame)) = content else { continue };
                    let part = part.min(stream.layout.parts().len() - 1);
                    let before = stream.layout.numbers().filter(|number| number.part < part).count();
                    let header = numbers.header.numbers().len();
                    let all = numbers.header_of(frame).enumerate().map(|(place, value)| (before + place, value));
                    let records = numbers.records_of(frame);
                    let records = records.flat_map(|record| record.enumerate().map(|(place, value)| (before + header + place, value)));
                    for (channel, value) in all.chain(records) {
                        found.entry(channel).or_default().push(value);
                    }
                }
            }
            let overview = summary.overview().unwrap();
            let ranges: Vec<_> = overview.ranges().collect();
            for channel in 0..stream.layout.number_count() {
                let values: Vec<Value> = found.remove(&channel).unwrap_or_default();
                let values: Vec<Value> = values.into_iter().filter(|value| !value.as_f64().is_nan()).collect();
                let by = |a: &Value, b: &Value| a.compare(*b).unwrap();
                let least = values.iter().copied().min_by(by);
                let greatest = values.iter().copied().max_by(by);
                let range = ranges.get(channel).copied().flatten();
                prop_assert_eq!(range.map(|(a, b)| (a.as_f64(), b.as_f64())), least.zip(greatest).map(|(a, b)| (a.as_f64(), b.as_f64())));
            }
        }

        #[test]
        fn any_bytes_are_read(ranges in prop::collection::vec(any::<u8>(), 0..64)) {
            let count = ranges.len();
            let overview = Overview { ranges, ..Overview::default() };
            prop_assert!(overview.ranges().count() <= count);
        }
    }
}
