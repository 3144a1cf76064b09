//! The recorder before a packet comes: how long until it is ready, and what it holds in memory while it waits.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Section, pause};
use crate::series::Series;
use crate::support::Daemon;
use crate::table::{Table, Target, figure};
use crate::usage::memory_mb;

const IDLE_MEMORY_MB: Target = Target::AtMost(25.0);

/// When all threads have been started, long after READY.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Packets in the database that exists already.
const EXISTING_PACKETS: u64 = 10_000;

/// A recorder without a device.
#[derive(Default)]
pub struct Standby {
    fresh_ms: Series,
    existing_ms: Series,
    idle_mb: Series,
}

/// Start a recorder. Gives also the milliseconds until it said READY.
fn start(lab: &Lab, endpoint: &str, database: &Path, options: &str) -> (Daemon, f64) {
    let began = Instant::now();
    let recorder = lab.record(endpoint, database, options);
    (recorder, began.elapsed().as_secs_f64() * 1e3)
}

impl Section for Standby {
    fn name(&self) -> String {
        "READY, and idle".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let (folder, endpoint) = (lab.folder(), lab.endpoint());
        let database = folder.path().join("packets.db");
        let (recorder, fresh_ms) = start(lab, &endpoint, &database, &format!("--count {EXISTING_PACKETS}"));
        lab.publish(&endpoint, &format!("--rate max --on-full block --count {EXISTING_PACKETS}")).finish().success();
        recorder.finish().success();

        let (recorder, existing_ms) = start(lab, &endpoint, &database, "");
        pause(IDLE_AFTER);
        let idle_mb = memory_mb(recorder.pid(), "VmRSS");
        recorder.stop().success();
        eprintln!("    {} ms, {} ms, {} MB", figure(fresh_ms), figure(existing_ms), figure(idle_mb));
        self.fresh_ms.note(round, fresh_ms);
        self.existing_ms.note(round, existing_ms);
        self.idle_mb.note(round, idle_mb);
    }

    fn report(&self, table: &mut Table) {
        table.heading("From the start of the process to READY, fancyhwd record", "ms");
        table.row("with a fresh database", &self.fresh_ms);
        table.row("with an existing database", &self.existing_ms);
        table.heading("Memory without a device, fancyhwd record", "MB");
        table.row_with_target("resident, a second after READY", &self.idle_mb, IDLE_MEMORY_MB);
    }
}
