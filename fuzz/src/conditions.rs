//! Conditions: the text of one in the first line, a layout in the second, and behind them messages in which it is looked for.

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::codec::condition::{CONDITION_MAX_BYTES, Condition};
use fancyhwd::codec::framing::Framing;
use fancyhwd::codec::overview::{Overview, Summary};
use fancyhwd::codec::stream::Stream;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    topic: &'a [u8],
    messages: Vec<(u16, Vec<&'a [u8]>)>,
    /// What a damaged database says of them.
    ranges: &'a [u8],
}

/// See the rules.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || std::str::from_utf8(lines.next().unwrap_or_default()).ok();
    let (Some(text), layout) = (line(), line()) else { return };
    let Ok(condition) = text.parse::<Condition>() else { return };
    let again = condition.to_string();
    if again.len() <= CONDITION_MAX_BYTES {
        assert_eq!(again.parse(), Ok(condition.clone()), "it reads as it is shown");
    }
    let Some(layout) = layout.and_then(|layout| layout.parse().ok()) else { return };
    let rest = Unstructured::new(lines.next().unwrap_or_default());
    let Ok(input) = Input::arbitrary_take_rest(rest) else { return };
    let framing = if input.topic.is_empty() { Framing::Whole } else { Framing::Frames };
    let stream = Stream {
        endpoint: 1,
        framing,
        topic: input.topic.to_vec(),
        layout,
        is_assumed: false,
        channels: None,
        sample_rate_hz: None,
        counter: None,
    };
    let Some(mut bound) = condition.bind(&stream) else {
        let error = condition.bind_all([((), &stream)].into_iter()).expect_err("it is about none");
        assert!(!error.contains(char::is_control), "{error:?}");
        return;
    };
    let (mut summary, mut elapsed_ns, mut holds) = (Summary::new(&stream), 0, false);
    for (place, (later_ns, frames)) in (0..).zip(&input.messages) {
        elapsed_ns += i64::from(*later_ns);
        let behind = frames.iter().copied();
        let is_decodable = fancyhwd::codec::reading::check(&stream.layout, behind.clone()).is_ok();
        summary.add((place, elapsed_ns), behind, is_decodable);
        let topic = (framing == Framing::Frames).then_some(input.topic);
        let all = topic.into_iter().chain(frames.iter().copied());
        let does_hold = bound.holds(elapsed_ns, all.clone());
        assert!(!does_hold || bound.why(all).is_some(), "there is a reason");
        holds |= does_hold;
    }
    if let Some(overview) = summary.overview() {
        assert!(bound.may_hold(&overview) || !holds, "{condition} holds where it cannot");
    }
    bound.may_hold(&Overview { ranges: input.ranges.to_vec(), ..Overview::default() });
}
