use std::cmp::Ordering;

use proptest::prelude::*;

use super::tests::stream;
use super::*;
use crate::codec::channels::{Channel, Channels};
use crate::codec::layout::Part;
use crate::codec::number::Scalar;
use crate::codec::overview::Summary;
use crate::codec::reading::Content;
use crate::codec::stream::Stream;

/// What a comparison means, by other means than those that are tested.
fn compares(value: Value, channel: &Channel, comparison: &Comparison) -> bool {
    let physical = match channel.is_raw() {
        true => value,
        false => Value::Float64(value.as_f64() * channel.scale + channel.offset),
    };
    let number = match (physical, comparison.number) {
        (Value::Float32(_), Value::Float64(number)) if (number as f32).is_finite() => Value::Float32(number as f32),
        (_, number) => number,
    };
    let Some(ordering) = physical.compare(number) else { return false };
    match comparison.operator {
        Operator::Greater => ordering == Ordering::Greater,
        Operator::GreaterOrEqual => ordering != Ordering::Less,
        Operator::Less => ordering == Ordering::Less,
        Operator::LessOrEqual => ordering != Ordering::Greater,
        Operator::Equal => ordering == Ordering::Equal,
        Operator::NotEqual => ordering != Ordering::Equal,
    }
}

/// The numbers of a record, by their channels.
type Record = Vec<Option<Value>>;

/// The records of a message of one part or of a JSON frame before it; `None` if it cannot be read.
fn records(stream: &Stream, frames: &[Vec<u8>]) -> Option<Vec<Record>> {
    let frames = frames.iter().map(Vec::as_slice);
    stream.check(frames.clone()).ok()?;
    let mut records = Vec::new();
    for content in stream.read(frames) {
        match content.unwrap() {
            Content::Numbers(numbers, frame) => {
                let header: Record = numbers.header_of(frame).map(Some).collect();
                let before = records.len();
                let all = |record: Record| header.iter().copied().chain(record).collect();
                records.extend(numbers.records_of(frame).map(|record| all(record.map(Some).collect())));
                if records.len() == before {
                    records.push(all(Vec::new()));
                }
            }
            Content::Array(_, of, array) => {
                records.extend(array.chunks_exact(of.bytes()).map(|number| vec![of.value(number)]));
            }
            _ => {}
        }
    }
    Some(records)
}

fn is_as_said(expression: &Expression, channels: &Channels, record: &Record) -> bool {
    match expression {
        Expression::One(comparison) => {
            let (place, channel) =
                channels.iter().enumerate().find(|(_, channel)| channel.name == comparison.channel).unwrap();
            record.get(place).copied().flatten().is_some_and(|value| compares(value, channel, comparison))
        }
        Expression::All(inside) => inside.iter().all(|one| is_as_said(one, channels, record)),
        Expression::Any(inside) => inside.iter().any(|one| is_as_said(one, channels, record)),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let near = prop::sample::select(vec![0, 1, 2, 127, 128, 255, 256, 32767, 65535, 1 << 31, (1 << 53) + 1, i64::MAX]);
    prop_oneof![
        (near, -2..=2_i64, any::<bool>()).prop_map(|(near, by, is_negative)| {
            let number = near.saturating_add(by);
            Value::Int(if is_negative { -number } else { number })
        }),
        (u64::MAX - 2..=u64::MAX).prop_map(Value::UInt),
        any::<f32>()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(|number| Value::Float64(number.into())),
        any::<f64>().prop_filter("a number", |number| !number.is_nan()).prop_map(Value::Float64),
        prop::sample::select(vec![0.1, -0.0, 0.5, -1.5, f64::INFINITY, f64::NEG_INFINITY]).prop_map(Value::Float64),
    ]
}

fn any_operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(Operator::ALL.to_vec())
}

/// Over so many channels.
fn any_expression(channels: usize) -> impl Strategy<Value = Expression> {
    let one = (0..channels, any_operator(), any_value()).prop_map(|(channel, operator, number)| {
        Expression::One(Comparison { channel: format!("ch{channel}"), operator, number })
    });
    one.prop_recursive(3, 8, 3, |inside| {
        let some = prop::collection::vec(inside, 2..4);
        prop_oneof![some.clone().prop_map(Expression::All), some.prop_map(Expression::Any)]
    })
}

fn any_scale() -> impl Strategy<Value = (f64, f64)> {
    prop::sample::select(vec![
        (1.0, 0.0),
        (1.0, 0.0),
        (0.5, 0.0),
        (-0.001, 273.15),
        (1e300, -1.0),
        (-1e-300, 0.1),
        (3.0, f64::MAX),
    ])
}

/// Bytes of numbers that often are extreme.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 4),
        prop::sample::select(vec![0.1_f32, -0.0, f32::NAN, f32::INFINITY, -1.5])
            .prop_map(|number| number.to_le_bytes().to_vec()),
        (-2..3_i16).prop_map(|number| [number.to_le_bytes(), number.to_le_bytes()].concat()),
        (-2..3_i16).prop_map(|number| [number.to_be_bytes(), number.to_be_bytes()].concat()),
    ];
    prop_oneof![
        9 => prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

const LAYOUTS: [&str; 16] = [
    "int8",
    "uint8x3",
    "int16",
    "int16x2",
    "uint16-bex2",
    "int24",
    "int32-be",
    "uint32",
    "int64",
    "uint64-be",
    "float32",
    "float32-bex2",
    "float64",
    "uint16,pad/int8",
    "int16,float32/int16,uint8-be,pad",
    "ndarray",
];

const TYPES: [&str; 6] = ["|u1", ">i2", "<f4", "<f8", "<u8", "int24"];

proptest! {
    #[test]
    fn any_text_is_a_condition_that_reads_back_or_an_error(
        text in "[a-z0-9.\"\\\\ ()<>=!~-]{0,40}|(x|t\\.y|\"a b\") ?(>|<=|!=) ?[0-9.e-]{1,5}( and | or |\\)){0,2}.{0,20}|.{0,40}",
    ) {
        if let Ok(condition) = text.parse::<Condition>() {
            let again = condition.to_string();
            prop_assert_eq!(again.parse::<Condition>(), Ok(condition), "{}", again);
        }
    }

    #[test]
    fn any_expression_is_read_as_it_is_shown(expression in any_expression(3)) {
        let condition = Condition { topic: None, what: What::Record(expression) };
        let again: Condition = condition.to_string().parse().unwrap();
        prop_assert_eq!(again.to_string(), condition.to_string());
    }

    #[test]
    fn it_holds_where_a_record_is_as_it_says_and_what_is_passed_over_does_not(
        layout in prop::sample::select(LAYOUTS.to_vec()),
        expression in any_expression(6),
        scales in prop::collection::vec(any_scale(), 6),
        messages in prop::collection::vec((prop::collection::vec(any_frame(), 1..3), prop::sample::select(TYPES.to_vec())), 1..12),
        has_json_before in any::<bool>(),
    ) {
        let layout = if has_json_before { format!("json+{layout}") } else { layout.to_owned() };
        let mut stream = stream(1, "", &layout, None);
        let count = stream.layout.number_count();
        let channels = Channels::of(scales.iter().take(count).enumerate().map(|(place, &(scale, offset))| {
            Channel { scale, offset, ..Channel::unnamed(place) }
        }).collect());
        stream.channels = Some(channels.clone());
        let mut summary = Summary::new(&stream);
        let condition = Condition { topic: None, what: What::Record(expression.clone()) };
        let mut compared = 0;
        expression.each(&mut |comparison| compared = compared.max(comparison.channel[2..].parse::<usize>().unwrap() + 1));
        let Some(mut bound) = condition.bind(&stream) else {
            prop_assert!(compared > count);
            return Ok(());
        };
        let (mut one_holds, last) = (false, stream.layout.parts().len() - 1);
        for (place, (frames, of)) in (0..).zip(messages) {
            let mut frames = frames;
            if stream.layout.parts()[last] == Part::NdArray {
                let size = Scalar::ALL.iter().find(|kind| kind.name() == of).map_or_else(|| of[2..].parse().unwrap(), |kind| kind.bytes());
                let described = |frame: &Vec<u8>| format!("{{\"dtype\": \"{of}\", \"shape\": [{}]}}", frame.len() / size).into_bytes();
                frames = frames.into_iter().flat_map(|frame| [described(&frame), frame]).collect();
            }
            if has_json_before {
                frames.insert(0, b"{}".to_vec());
            }
            let records = records(&stream, &frames);
            let slices = frames.iter().map(Vec::as_slice);
            summary.add((place, place), slices.clone(), records.is_some());
            let expected = records.iter().flatten().find(|record| is_as_said(&expression, &channels, record));
            prop_assert_eq!(bound.holds(place, slices.clone()), expected.is_some(), "{} of {:?}", condition, frames);
            prop_assert_eq!(bound.why(slices).is_some(), expected.is_some());
            one_holds |= expected.is_some();
        }
        prop_assert!(bound.may_hold(&summary.overview().unwrap()) || !one_holds, "{}", condition);
    }
}
