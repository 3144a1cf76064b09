//! Publishers that are older than ZMTP 3. `tests/soak.rs` does the same for longer.

use std::time::Duration;

use crate::support::old_peers::{is_found_again, is_recorded_whole};
use crate::support::zmtp::Version;

/// Longer than any time after which a link was ever cut.
const WHILE: Duration = Duration::from_secs(6);

/// A restarted publisher is recorded again within this time, on a busy machine.
const AGAIN_MAX: Duration = Duration::from_secs(2);

#[test]
fn a_busy_publisher_of_zmtp_1_keeps_its_link() {
    is_recorded_whole(Version::V1, Duration::ZERO, WHILE);
}

#[test]
fn a_busy_publisher_of_zmtp_2_keeps_its_link() {
    is_recorded_whole(Version::V2, Duration::ZERO, WHILE);
}

#[test]
fn a_publisher_of_zmtp_1_that_is_silent_first_keeps_its_link() {
    is_recorded_whole(Version::V1, WHILE, Duration::from_millis(200));
}

#[test]
fn a_publisher_of_zmtp_2_that_is_silent_first_keeps_its_link() {
    is_recorded_whole(Version::V2, WHILE, Duration::from_millis(200));
}

#[test]
fn a_publisher_of_today_on_a_bare_stream_is_recorded_as_any_other() {
    is_recorded_whole(Version::V30, Duration::ZERO, Duration::from_millis(200));
    is_recorded_whole(Version::V31, Duration::ZERO, Duration::from_millis(200));
}

#[test]
fn an_old_publisher_that_is_restarted_is_found_each_time_and_its_breaks_are_noted() {
    for version in [Version::V1, Version::V2] {
        let times = is_found_again(version, 5);
        assert!(times[4] <= AGAIN_MAX, "{version:?}: recorded again after {:?}", times[4]);
    }
}
