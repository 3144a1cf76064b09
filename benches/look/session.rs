//! The session that is looked at.

use std::path::PathBuf;

use crate::lab::Lab;

/// A database with a session of the simulated device, recorded when it is asked for first.
pub fn database(lab: &Lab) -> PathBuf {
    let (path, packets) = (lab.disk().join("session.db"), lab.scale.packets);
    if !path.exists() {
        eprintln!("    recording a session of {packets} packets");
        let endpoint = lab.endpoint();
        let recorder = lab.record(&endpoint, &path, &format!("--layout int16x16 --on-full block --count {packets}"));
        lab.publish(&endpoint, &format!("--rate max --on-full block --count {packets}")).finish().success();
        recorder.finish().success();
    }
    path
}
