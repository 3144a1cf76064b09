//! A device's own numbers: the text of a counter in the first line, and behind it messages and numbers as they come.

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::codec::counter::Counter;
use fancyhwd::codec::layout::Layout;
use fancyhwd::codec::likely::likely;
use fancyhwd::codec::sequence::{Seen, Sequence};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    topic: &'a [u8],
    steps: Vec<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Frames behind a topic.
    Message(Vec<&'a [u8]>),
    /// A frame with the next number and, in JSON, its field; then other bytes.
    Counted(&'a [u8]),
    Number(u64),
    /// So far from the newest one.
    Near(i16),
    Broke,
    Holds,
}

/// See the rules.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(rest.get(1..).unwrap_or_default())) else { return };
    let messages: Vec<Vec<Vec<u8>>> = messages(&input);
    if let Some(counter) = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()) {
        assert_eq!(Counter::to_string(&counter).parse(), Ok(counter.clone()), "it reads as it is written");
        follows(&counter, &input, &messages);
    }
    guesses(input.topic, &messages);
}

fn messages(input: &Input<'_>) -> Vec<Vec<Vec<u8>>> {
    let mut number = 7_u32;
    let message = |step: &Step<'_>| match step {
        Step::Message(frames) => Some(frames.iter().map(|frame| frame.to_vec()).collect()),
        Step::Counted(rest) => {
            number += 1;
            Some(vec![[&number.to_le_bytes(), *rest].concat(), format!("{{\"n\": {number}}}").into_bytes()])
        }
        _ => None,
    };
    input.steps.iter().filter_map(message).collect()
}

/// What is late was counted as missing before, and no more often.
fn follows(counter: &Counter, input: &Input<'_>, messages: &[Vec<Vec<u8>>]) {
    let mut sequence = Sequence::new(counter);
    let mut missing: Vec<u64> = Vec::new();
    let mut messages = messages.iter();
    for step in &input.steps {
        let number = match step {
            Step::Message(_) | Step::Counted(_) => {
                let Some(message) = messages.next() else { continue };
                let Some(number) = counter.read(message.iter().map(Vec::as_slice)) else { continue };
                number
            }
            Step::Number(number) => *number,
            Step::Near(distance) => sequence.newest().unwrap_or(0).wrapping_add_signed(i64::from(*distance)),
            Step::Broke => {
                sequence.link_broke();
                continue;
            }
            Step::Holds => {
                sequence.link_holds();
                continue;
            }
        };
        let before = sequence.newest();
        let seen = sequence.see(number);
        let newest = sequence.newest().expect("there was one");
        assert!(counter.words(newest).parse::<i128>().is_ok());
        match seen {
            Seen::First => assert!(before.is_none()),
            Seen::Gap { lost, gap } => {
                assert_eq!(gap, missing.len() as u64, "gaps are counted");
                assert!(lost > 0 && before.is_some());
                missing.push(lost);
            }
            Seen::Late { gap } => {
                let missing = &mut missing[usize::try_from(gap).expect("a gap that was given")];
                *missing = missing.checked_sub(1).expect("no more come late than were missing");
                assert_eq!(before, Some(newest), "what is late is not the newest");
            }
            Seen::Repeat => assert_eq!(before, Some(newest)),
            Seen::Next | Seen::Restart | Seen::Jump => assert!(before.is_some()),
        }
    }
}

/// What is guessed can be told, and a counter that is guessed counts.
fn guesses(topic: &[u8], messages: &[Vec<Vec<u8>>]) {
    let likely = likely(topic, messages, &[]);
    assert_eq!(likely.layout.to_string().parse::<Layout>(), Ok(likely.layout.clone()));
    assert!(!likely.why.contains(char::is_control));
    let Some(counter) = likely.counter else { return };
    let counter: Counter = counter.parse().expect("a counter");
    let mut sequence = Sequence::new(&counter);
    for (place, message) in messages.iter().enumerate() {
        // A part that some messages do not have counts in the others.
        let Some(number) = counter.read(message.iter().map(Vec::as_slice)) else { continue };
        let seen = sequence.see(number);
        assert!(matches!(seen, Seen::First | Seen::Next), "message {place}: {seen:?}, where {counter} was guessed");
    }
}
