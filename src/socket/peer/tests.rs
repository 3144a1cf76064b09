//! Recorded sequences of events, and what must come of them.

use super::*;

/// At each time in milliseconds, what goes in and what must come out.
fn run(has_address: bool, table: &[(i64, Input, &[Output])]) -> Peer {
    let mut peer = Peer::new(has_address, false, 0);
    for (at_ms, input, expected) in table {
        peer.take(input.clone(), at_ms * MS);
        let outputs: Vec<Output> = std::iter::from_fn(|| peer.output()).collect();
        assert_eq!(outputs, *expected, "{input:?} at {at_ms} ms, then {peer:?}");
    }
    peer
}

fn heard(what: What) -> Input {
    Input::Heard(what)
}

fn not(cause: Cause) -> Input {
    Input::Found(Found::Not(cause))
}

#[test]
fn a_device_of_today_comes_goes_and_comes_again() {
    let peer = run(
        true,
        &[
            (0, heard(What::ConnectDelayed), &[]),
            (1, heard(What::Connected), &[]),
            (2, heard(What::HandshakeSucceeded), &[Output::Up]),
            (3, Input::Message, &[]),
            (9_000_000, Input::Tick, &[]),
            (9_000_001, heard(What::Disconnected), &[Output::Down]),
            (9_000_001, heard(What::ConnectRetried), &[]),
            (9_000_050, Input::Tick, &[]),
            (9_000_060, heard(What::Connected), &[]),
            (9_000_061, heard(What::HandshakeSucceeded), &[Output::Up]),
        ],
    );
    assert!(peer.is_up() && peer.due_ns().is_none());
}

#[test]
fn an_old_device_is_up_from_its_first_message_and_never_cut() {
    run(
        true,
        &[
            (1, heard(What::Connected), &[]),
            (2, Input::Message, &[Output::Up]),
            (60_000, Input::Message, &[]),
            (60_001, heard(What::Disconnected), &[Output::Down]),
            (60_002, heard(What::ConnectRetried), &[]),
            (60_003, heard(What::Connected), &[]),
            (60_010, Input::Message, &[Output::Up]),
        ],
    );
}

#[test]
fn an_old_device_that_is_idle_is_left_alone() {
    run(
        true,
        &[
            (1, heard(What::Connected), &[]),
            (1_500, Input::Tick, &[Output::Ask]),
            (1_510, Input::Found(Found::Old), &[Output::Up]),
            (40_000, Input::Tick, &[]),
            (40_001, heard(What::Disconnected), &[Output::Down]),
            (40_002, heard(What::ConnectRetried), &[]),
            (40_003, heard(What::Connected), &[]),
            (40_302, Input::Tick, &[]),
            (40_303, Input::Tick, &[Output::Up]),
        ],
    );
}

#[test]
fn nobody_there_is_said_after_three_seconds_and_each_minute() {
    let mut table = vec![
        (1_499, heard(What::ConnectRetried), &[][..]),
        (1_500, Input::Tick, &[Output::Ask]),
        (1_600, not(Cause::Refused), &[]),
        (2_999, Input::Tick, &[]),
        (3_000, Input::Tick, &[Output::Away]),
        (61_499, Input::Tick, &[]),
        (61_500, Input::Tick, &[Output::Ask]),
        (63_000, Input::Tick, &[Output::Away]),
    ];
    assert_eq!(run(true, &table).cause(), Some(&Cause::Refused));
    table.push((63_100, heard(What::Connected), &[]));
    table.push((63_101, heard(What::HandshakeSucceeded), &[Output::Up]));
    assert_eq!(run(true, &table).cause(), None);
}

#[test]
fn what_libzmq_gives_up_is_connected_anew() {
    run(
        true,
        &[
            (1, heard(What::Connected), &[]),
            (2, heard(What::HandshakeFailedProtocol), &[]),
            (2, heard(What::Disconnected), &[]),
            (21, Input::Tick, &[]),
            (22, Input::Tick, &[Output::Redial]),
            (23, heard(What::Connected), &[]),
            (24, heard(What::Disconnected), &[]),
            (63, Input::Tick, &[]),
            (64, Input::Tick, &[Output::Redial]),
        ],
    );
}

#[test]
fn a_peer_that_hangs_is_left_once_somebody_has_looked() {
    run(
        true,
        &[
            (1, heard(What::Connected), &[]),
            (1_500, Input::Tick, &[Output::Ask]),
            (1_990, Input::Tick, &[]),
            (2_100, Input::Tick, &[]),
            (2_600, not(Cause::Hangs), &[Output::Redial]),
            (2_601, heard(What::Connected), &[]),
            (3_000, Input::Tick, &[Output::Away]),
            (4_601, Input::Tick, &[Output::Redial]),
        ],
    );
}

#[test]
fn a_name_without_an_address_is_waited_for() {
    run(
        false,
        &[
            (100, not(Cause::NameUnknown("?".to_owned())), &[]),
            (3_000, Input::Tick, &[Output::Ask, Output::Away]),
            (9_000, Input::Dialled, &[]),
            (9_001, heard(What::Connected), &[]),
            (9_002, heard(What::HandshakeSucceeded), &[Output::Up]),
        ],
    );
}

#[test]
fn another_connection_in_the_place_of_the_one_that_was_up_is_a_break() {
    run(
        true,
        &[
            (1, heard(What::Connected), &[]),
            (2, heard(What::HandshakeSucceeded), &[Output::Up]),
            (500, heard(What::Connected), &[Output::Down]),
            (501, heard(What::HandshakeSucceeded), &[Output::Up]),
        ],
    );
}

#[test]
fn what_is_left_alone_is_connected_to_when_it_is_time_whatever_is_still_heard_of_it() {
    let stale = [What::ConnectRetried, What::Connected, What::HandshakeSucceeded, What::ConnectDelayed];
    let mut peer = Peer::new(true, true, 0);
    let mut take = |input, at_ms: i64| {
        peer.take(input, at_ms * MS);
        std::iter::from_fn(|| peer.output()).collect::<Vec<_>>()
    };
    assert_eq!(take(heard(What::Connected), 1), []);
    assert_eq!(take(heard(What::HandshakeFailedProtocol), 2), [Output::LeaveAlone]);
    for what in stale {
        assert_eq!(take(heard(what), 3), [], "{what:?}");
    }
    assert_eq!(take(Input::Tick, 502), [Output::Redial]);
    assert_eq!(take(heard(What::Connected), 503), []);
    assert_eq!(take(heard(What::HandshakeSucceeded), 504), [Output::Up]);
    assert_eq!(take(Input::Cut, 600), [Output::Down]);
    for what in stale {
        assert_eq!(take(heard(what), 601), [], "{what:?}");
    }
    assert_eq!(take(Input::Tick, 1_600), [Output::Redial]);
}
