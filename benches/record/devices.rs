//! What recording eight devices costs beside only receiving from them: processor time.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use crate::lab::{Lab, Section, in_turn, pause};
use crate::series::Series;
use crate::support::{Daemon, eventually, root};
use crate::table::{Table, Target, figure};
use crate::usage::cpu_ns;

const DEVICES: usize = 8;

/// Of each device; all together 10,000 packets a second.
const RATE_HZ: u64 = 1_250;

const OF_POLL: Target = Target::AtMost(1.25);

/// Longer than a packet waits for its commit: after this time nothing is left to do.
const SETTLE: Duration = Duration::from_millis(500);

/// Eight devices, recorded and only received (`poll.c`).
#[derive(Default)]
pub struct Devices {
    poll: Option<PathBuf>,
    recorder_us: Series,
    poll_us: Series,
    missing: Series,
}

impl Devices {
    fn run(&mut self, lab: &Lab, is_recorder: bool, round: usize) {
        let (folder, endpoints) = (lab.folder(), [(); DEVICES].map(|()| lab.endpoint()));
        let database = folder.path().join("packets.db");
        let published = RATE_HZ * lab.scale.stream_s;
        let receiver: Daemon = match is_recorder {
            true => lab.record(&endpoints.join(" --connect "), &database, ""),
            false => {
                let poll =
                    self.poll.get_or_insert_with(|| lab.bench.compile_file(&root().join("benches/record/poll.c")));
                let daemon = lab.bench.program(&*poll).arg(u64::MAX.to_string()).args(&endpoints).spawn();
                eventually("poll is ready", || daemon.printed().contains("READY"));
                daemon
            }
        };
        let before_ns = cpu_ns(receiver.pid());
        let options = format!("--rate {RATE_HZ} --count {published}");
        let devices = endpoints.each_ref().map(|endpoint| lab.publish(endpoint, &options));
        devices.into_iter().for_each(|device| drop(device.finish().success()));
        pause(SETTLE);
        let used_ns = cpu_ns(receiver.pid()) - before_ns;
        let finished = receiver.stop();
        let packets = match is_recorder {
            true => Connection::open(&database)
                .unwrap()
                .query_row("SELECT messages FROM sessions", [], |row| row.get::<_, i64>(0))
                .unwrap()
                .unsigned_abs(),
            false => finished.stdout.lines().last().unwrap().parse().unwrap(),
        };
        let packet_us = used_ns / 1_000.0 / packets as f64;
        eprintln!("    {}: {} us/packet", if is_recorder { "fancyhwd record" } else { "poll loop" }, figure(packet_us));
        if is_recorder { &mut self.recorder_us } else { &mut self.poll_us }.note(round, packet_us);
        if is_recorder {
            self.missing.note(round, (published * DEVICES as u64 - packets) as f64);
        }
    }
}

impl Section for Devices {
    fn name(&self) -> String {
        format!("{DEVICES} devices of {} packets a second", figure(RATE_HZ as f64))
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for is_recorder in in_turn([false, true], round) {
            self.run(lab, is_recorder, round);
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading(
            &format!("Processor time, {DEVICES} devices of {} packets/s", figure(RATE_HZ as f64)),
            "us/packet",
        );
        table.row("poll loop in C, stores nothing", &self.poll_us);
        table.row("fancyhwd record", &self.recorder_us);
        table.ratio(&self.recorder_us.per(&self.poll_us), "poll loop", Some(OF_POLL));
        table.row_with_target("published and not stored", &self.missing, Target::AtMost(0.0));
    }
}
