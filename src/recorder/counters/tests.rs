use super::*;
use crate::codec::framing::Framing;
use crate::codec::topic::Wanted;
use crate::message::Batch;
use crate::streams::About;

/// What happens, in its order.
#[derive(Clone, Copy)]
enum Step {
    Number(u8),
    Down,
    Up,
}

/// An entry: phase, kind, lost.
type Entry = (Phase, Kind, Option<u64>);

/// The entries of one endpoint with one stream.
fn told(steps: &[Step]) -> Vec<Entry> {
    let counters = vec![About { topic: None, what: "uint8@0".parse().unwrap() }];
    let (framing, wanted) = (Some(Framing::Whole), Wanted::Every);
    let told =
        Told { wanted, framing, layouts: Vec::new(), channels: Vec::new(), sample_rates_hz: Vec::new(), counters };
    let mut counters = Counters::new(&told, vec!["tcp://device:1".to_owned()]).unwrap();
    let (mut batch, clock) = (Batch::default(), SessionClock::now());
    for step in steps {
        match step {
            Step::Number(number) => {
                batch.message(Origin(1), 0, 0).frame(&[&[*number]]);
                counters.see(batch.last().unwrap(), clock);
            }
            Step::Down => counters.link_broke(Origin(1), true, clock),
            Step::Up => counters.link_is_up(Origin(1)),
        }
    }
    counters.due(true, clock).into_iter().map(|event| (event.phase, event.kind, event.lost)).collect()
}

#[test]
fn what_a_broken_link_has_lost_is_told_once() {
    use Step::{Down, Number, Up};
    let cases: [(&[Step], &[Entry]); 6] = [
        (&[Number(1), Down, Up, Number(2)], &[(Phase::Fills, Kind::CounterGap, Some(0))]),
        (&[Number(1), Down, Up, Number(5)], &[(Phase::Fills, Kind::CounterGap, Some(3))]),
        // The next one had been received before.
        (&[Number(1), Down, Number(2), Up, Number(5)], &[(Phase::Fills, Kind::CounterGap, Some(2))]),
        (&[Number(9), Down, Up, Number(0), Number(1)], &[(Phase::Whole, Kind::CounterRestart, Some(0))]),
        // The message came before the news that the link is up.
        (&[Number(1), Down, Number(5), Up, Number(6)], &[(Phase::Fills, Kind::CounterGap, Some(3))]),
        // It was of before the break, whose loss is not known then.
        (
            &[Number(1), Down, Number(5), Up, Number(0)],
            &[(Phase::Fills, Kind::CounterGap, Some(3)), (Phase::Whole, Kind::CounterJump, None)],
        ),
    ];
    for (place, (steps, expected)) in cases.into_iter().enumerate() {
        assert_eq!(told(steps), expected, "case {place}");
    }
}
