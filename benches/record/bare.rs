//! The least that a recorder must do: receive and stamp with both clocks, and store nothing.

use std::hint::black_box;

use fancyhwd::process::signals::{OnHangup, OnUser, Signals};
use fancyhwd::service;
use fancyhwd::time::clock::{monotonic_ns, unix_ns};

use crate::subscriber::Subscriber;

/// Receive `count` packets, or until a stop is asked for. Says on standard output how many came, and when the first did.
pub fn run(endpoint: &str, count: u64) {
    // The signal ends the wait for a message, too.
    let Signals { stop, .. } = Signals::catch(OnHangup::Stop, OnUser::Leave).unwrap();
    let mut subscriber = Subscriber::connect(endpoint);
    service::ready("receiving");
    let (mut packets, mut first_unix_ns) = (0, 0);
    while packets < count {
        match subscriber.receive() {
            Some(message) => {
                let stamps = black_box((unix_ns(), monotonic_ns(), message.len()));
                if packets == 0 {
                    first_unix_ns = stamps.0;
                }
                packets += 1;
            }
            None if stop.requested() => break,
            None => {}
        }
    }
    println!("{packets} {first_unix_ns}");
}
