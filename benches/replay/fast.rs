//! How fast packets leave when nothing holds them back, and the memory that it takes.

use crate::lab::{Lab, Section, in_turn};
use crate::peers::{BareLoop, Subscriber};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::{HEAD, Source};
use crate::support::Daemon;
use crate::table::{Table, Target, figure};
use crate::usage::memory_mb;

use fancyhwd::time::clock::NS_PER_S;

/// As fast as that, or ...
const RATE_PER_S: f64 = 1_000_000.0;

/// ... almost as fast as what only sends.
const OF_BARE: Target = Target::AtLeast(0.8);

const MEMORY_MB: Target = Target::AtMost(40.0);

/// The largest message that a recorder takes.
const LARGE_BYTES: usize = 1 << 20;

/// Full speed.
pub struct Fast {
    scale: Scale,
    replay_per_s: Series,
    bare_per_s: Series,
    long_mb: Series,
    dropping_mb: Series,
    large_per_s: Series,
    large_mb: Series,
}

/// Start a replay that sends without a pause.
fn replay(lab: &Lab, endpoint: &str, source: Source, options: &str) -> Daemon {
    let database = source.database(lab);
    let line = format!("replay --speed max --wait-subscribers 1 --bind {endpoint} {options}");
    let mut replay = lab.bench.fancyhwd(&line).arg("--database").arg(database).start();
    replay.hang_up();
    replay
}

/// From the first arrival to the last.
fn rate_per_s(stamps_ns: &[i64]) -> f64 {
    let took_ns = stamps_ns[stamps_ns.len() - 1] - stamps_ns[0];
    (stamps_ns.len() - 1) as f64 * NS_PER_S as f64 / took_ns as f64
}

impl Fast {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        let [replay_per_s, bare_per_s, long_mb, dropping_mb, large_per_s, large_mb] = Default::default();
        Self { scale, replay_per_s, bare_per_s, long_mb, dropping_mb, large_per_s, large_mb }
    }

    /// Replay until a subscriber has so many packets. Gives packets per second, and the peak of memory. The replay goes on
    /// until its memory has been looked at.
    fn run(lab: &Lab, source: Source, count: u64, options: &str) -> (f64, f64) {
        let endpoint = lab.endpoint();
        let replay = replay(lab, &endpoint, source, options);
        let stamps_ns = Subscriber::start(lab, &endpoint, count).finish();
        let peak_mb = memory_mb(replay.pid(), "VmHWM");
        // Dropping is a loss.
        assert!(matches!(replay.stop().status.code(), Some(0 | 3)));
        let rate_per_s = rate_per_s(&stamps_ns);
        eprintln!("    fancyhwd replay: {} packets/s, {} MB", figure(rate_per_s), figure(peak_mb));
        (rate_per_s, peak_mb)
    }
}

impl Section for Fast {
    fn name(&self) -> String {
        "full speed".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let (long, count) = (Source::of(lab.scale.long_packets), lab.scale.fast_packets);
        for is_bare in in_turn([false, true], round) {
            if is_bare {
                let endpoint = lab.endpoint();
                let bare = BareLoop::start(lab, &endpoint, long, count, 0);
                let rate_per_s = rate_per_s(&Subscriber::start(lab, &endpoint, count).finish());
                bare.finish();
                eprintln!("    bare C loop: {} packets/s", figure(rate_per_s));
                self.bare_per_s.note(round, rate_per_s);
            } else {
                let (rate_per_s, peak_mb) = Self::run(lab, long, count, "--on-full block");
                self.replay_per_s.note(round, rate_per_s);
                self.long_mb.note(round, peak_mb);
            }
        }
        // Its subscriber is always behind.
        self.dropping_mb.note(round, Self::run(lab, long, count, "--on-full drop").1);
        let large = Source { packets: 100, packet_samples: (LARGE_BYTES - HEAD.len()) / 2 };
        let (rate_per_s, peak_mb) = Self::run(lab, large, lab.scale.large_packets, "--on-full block --loop");
        self.large_per_s.note(round, rate_per_s);
        self.large_mb.note(round, peak_mb);
    }

    fn report(&self, table: &mut Table) {
        table.heading("--speed max, 16 samples a packet, one subscriber, nothing dropped", "packets/s");
        // One of the two targets is enough.
        let is_fast = self.replay_per_s.spread().is_some_and(|(median, ..)| median >= RATE_PER_S);
        let (row, of_bare) = ("fancyhwd replay", self.replay_per_s.per(&self.bare_per_s));
        if is_fast {
            table.row_with_target(row, &self.replay_per_s, Target::AtLeast(RATE_PER_S));
        } else {
            table.row(row, &self.replay_per_s);
        }
        table.ratio(&of_bare, "bare C loop", (!is_fast).then_some(OF_BARE));
        table.row("bare C loop", &self.bare_per_s);
        table.heading("--speed max, packets of 1 MiB", "packets/s");
        table.row(row, &self.large_per_s);
        table.heading("Peak memory of a replay at full speed", "MB");
        let long = format!("session of {} packets", figure(self.scale.long_packets as f64));
        table.row_with_target(&long, &self.long_mb, MEMORY_MB);
        table.row_with_target("the same, dropping what the subscriber has no room for", &self.dropping_mb, MEMORY_MB);
        table.row_with_target("session of packets of 1 MiB", &self.large_mb, MEMORY_MB);
    }
}
