//! What recording a paced device costs beside only receiving it: processor time and memory.

use std::path::Path;
use std::time::Duration;

use fancyhwd::time::clock::NS_PER_S;
use rusqlite::Connection;

use crate::contender::Contender;
use crate::lab::{Lab, Section, in_turn, pause};
use crate::series::Series;
use crate::table::{Table, Target, figure};
use crate::usage::{cpu_ns, memory_mb};

/// At this rate the processor time has a target.
const TARGET_RATE_HZ: u64 = 10_000;

const OF_BARE: Target = Target::AtMost(1.25);

/// Longer than a packet waits for its commit: after this time nothing is left to do.
const SETTLE: Duration = Duration::from_millis(500);

/// A device at this rate, recorded and only received.
pub struct Cost {
    rate_hz: u64,
    recorder: Usage,
    bare: Usage,
    came_hz: Series,
    missing: Series,
}

#[derive(Default)]
struct Usage {
    packet_us: Series,
    peak_mb: Series,
}

impl Cost {
    /// At this rate.
    pub fn new(rate_hz: u64) -> Self {
        let (came_hz, missing) = (Series::default(), Series::default());
        Self { rate_hz, recorder: Usage::default(), bare: Usage::default(), came_hz, missing }
    }

    /// Processor time is counted from READY until the last packet is stored: starting and ending cost no packet anything.
    fn run(&mut self, lab: &Lab, contender: Contender, round: usize) {
        let (folder, endpoint) = (lab.folder(), lab.endpoint());
        let database = folder.path().join("packets.db");
        let published = self.rate_hz * lab.scale.stream_s;
        // One more than will come: it is there until it has been looked at.
        let recorder = contender.start(lab, &endpoint, &database, published + 1);
        let before_ns = cpu_ns(recorder.pid());
        let options = format!("--rate {} --count {published}", self.rate_hz);
        lab.publish(&endpoint, &options).finish().success();
        pause(SETTLE);
        let used_ns = cpu_ns(recorder.pid()) - before_ns;
        let peak_mb = memory_mb(recorder.pid(), "VmHWM");
        let finished = recorder.stop();
        // Loss is a result, not a failure of the measurement.
        assert!(matches!(finished.status.code(), Some(0 | 3)), "{}", finished.stderr);

        let outcome = contender.outcome(&finished, &database);
        let packet_us = used_ns / 1_000.0 / outcome.packets as f64;
        eprintln!("    {}: {} us/packet, {} MB", contender.name(), figure(packet_us), figure(peak_mb));
        let usage = if contender == Contender::Bare { &mut self.bare } else { &mut self.recorder };
        usage.packet_us.note(round, packet_us);
        usage.peak_mb.note(round, peak_mb);
        if contender == Contender::Fancyhwd {
            self.note_session(&database, published, round);
        }
    }

    /// What the session says about itself.
    fn note_session(&mut self, database: &Path, published: u64, round: usize) {
        let sql = "SELECT messages, lost, last_elapsed_ns - first_elapsed_ns FROM sessions";
        let (packets, lost, elapsed_ns): (i64, i64, i64) = Connection::open(database)
            .unwrap()
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        self.came_hz.note(round, (packets - 1) as f64 * NS_PER_S as f64 / elapsed_ns as f64);
        self.missing.note(round, (published as i64 - packets).max(lost) as f64);
    }
}

impl Section for Cost {
    fn name(&self) -> String {
        format!("{} packets a second", figure(self.rate_hz as f64))
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for contender in in_turn([Contender::Bare, Contender::Fancyhwd], round) {
            self.run(lab, contender, round);
        }
    }

    fn report(&self, table: &mut Table) {
        let rate = figure(self.rate_hz as f64);
        let (bare, recorder) = (Contender::Bare.name(), Contender::Fancyhwd.name());
        table.heading(&format!("Processor time at {rate} packets/s"), "us/packet");
        table.row(bare, &self.bare.packet_us);
        table.row(recorder, &self.recorder.packet_us);
        let target = (self.rate_hz == TARGET_RATE_HZ).then_some(OF_BARE);
        table.ratio(&self.recorder.packet_us.per(&self.bare.packet_us), "bare", target);
        table.heading(&format!("Peak memory at {rate} packets/s"), "MB");
        table.row(bare, &self.bare.peak_mb);
        table.row(recorder, &self.recorder.peak_mb);
        table.heading(&format!("Packets at {rate} packets/s, {recorder}"), "packets");
        table.row("arrived each second", &self.came_hz);
        table.row_with_target("published and not stored, or counted as lost", &self.missing, Target::AtMost(0.0));
    }
}
