//! Power cuts in the middle of a recording.

use crate::support::power::{cut_ext4, cut_traced};

#[test]
fn a_power_cut_takes_no_more_than_the_recorder_says() {
    cut_traced(1, 20, "full");
}

#[test]
fn a_power_cut_takes_no_more_than_the_recorder_says_also_with_few_syncs() {
    cut_traced(1, 20, "normal");
}

#[test]
fn a_power_cut_takes_five_seconds_at_most_with_few_syncs() {
    cut_ext4(2, "normal");
}
