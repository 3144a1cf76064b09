//! A session as a recorder leaves it that can hardly keep up.

use std::path::PathBuf;

use crate::common::lab::Lab;

/// A database with a session of so many packets of the simulated device, recorded when it is asked for first.
pub fn database(lab: &Lab, packets: u64) -> PathBuf {
    let path = lab.disk().join(format!("{packets}-flat-out.db"));
    if !path.exists() {
        eprintln!("    recording a session of {packets} packets");
        let endpoint = lab.endpoint();
        let recorder = lab.record(&endpoint, &path, &format!("--layout int16x16 --on-full block --count {packets}"));
        lab.publish(&endpoint, &format!("--rate max --on-full block --count {packets}")).finish().success();
        recorder.finish().success();
    }
    path
}
