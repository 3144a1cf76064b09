//! Peers that say anything. `tests/soak.rs` has more of them.

use crate::support::fuzz::{
    publisher_survives, recorder_that_binds_survives, recorder_that_connects_survives, replayer_survives,
};

/// How many of them.
const PEERS: usize = 500;

#[test]
fn a_recorder_that_connects_to_servers_that_say_anything_loses_nothing_of_a_good_device() {
    recorder_that_connects_survives(PEERS);
}

#[test]
fn a_recorder_to_which_peers_connect_that_say_anything_loses_nothing_of_a_good_device() {
    recorder_that_binds_survives(PEERS);
}

#[test]
fn a_publisher_to_which_peers_connect_that_say_anything_loses_nothing_for_a_good_subscriber() {
    publisher_survives(PEERS);
}

#[test]
fn a_replay_to_which_peers_connect_that_say_anything_loses_nothing_for_a_good_subscriber() {
    replayer_survives(PEERS);
}
