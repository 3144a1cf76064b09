//! How many packets a second can be stored without losing one, and how large they are on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fancyhwd::time::clock::{NS_PER_S, unix_ns};

use crate::contender::Contender;
use crate::lab::{Lab, Section, in_turn};
use crate::series::Series;
use crate::table::{Table, Target, figure};

const CONTENDERS: [Contender; 4] = [Contender::Bare, Contender::Ceiling, Contender::Fancyhwd, Contender::Python];

/// fancyhwd shall not be much slower than what is possible, with the topic in the frame of the samples, ...
const OF_CEILING: Target = Target::AtLeast(0.9);

/// ... and with the topic in a frame of its own, ...
const OF_CEILING_IN_FRAMES: Target = Target::AtLeast(0.85);

/// ... and much faster than what one would write instead.
const OF_PYTHON: Target = Target::AtLeast(5.0);

/// A device that never pauses, and waits for its subscriber when that is slower.
pub struct Throughput {
    packet_samples: u64,
    framing: &'static str,
    rates_per_s: BTreeMap<Contender, Series>,
    packet_bytes: BTreeMap<Contender, Series>,
}

impl Throughput {
    /// With packets of this size, and the topic `space` or `frames`.
    pub fn new(packet_samples: u64, framing: &'static str) -> Self {
        let empty = || CONTENDERS.map(|contender| (contender, Series::default())).into();
        Self { packet_samples, framing, rates_per_s: empty(), packet_bytes: empty() }
    }

    fn packets(&self, lab: &Lab, contender: Contender) -> u64 {
        let packets = if self.packet_samples > 16 { lab.scale.large_packets } else { lab.scale.small_packets };
        if contender == Contender::Python { packets * lab.scale.slow_percent / 100 } else { packets }
    }

    /// Let a contender receive all packets. From the arrival of the first one until all are stored and the process has
    /// ended. Gives packets per second, and bytes on the disk per packet.
    fn run(&self, lab: &Lab, contender: Contender) -> (f64, Option<f64>) {
        let (folder, endpoint) = (lab.folder(), lab.endpoint());
        let database = folder.path().join("packets.db");
        let packets = self.packets(lab, contender);
        let recorder = contender.start(lab, &endpoint, &database, packets);
        let options = format!(
            "--rate max --on-full block --count {packets} --packet-size {} --framing {}",
            self.packet_samples, self.framing
        );
        let device = lab.publish(&endpoint, &options);
        let finished = recorder.finish();
        let ended_unix_ns = unix_ns();
        device.finish().success();
        let finished = finished.success();

        let size_bytes = disk_bytes(folder.path());
        let outcome = contender.outcome(&finished, &database);
        assert_eq!(outcome.packets, packets, "{} lost packets", contender.name());
        let took_s = (ended_unix_ns - outcome.first_unix_ns) as f64 / NS_PER_S as f64;
        let packet_bytes = (contender != Contender::Bare).then_some(size_bytes as f64 / packets as f64);
        (packets as f64 / took_s, packet_bytes)
    }

    fn rate(&self, contender: Contender) -> &Series {
        &self.rates_per_s[&contender]
    }
}

impl Section for Throughput {
    fn name(&self) -> String {
        let Self { packet_samples, framing, .. } = self;
        format!("{} samples a packet ({framing}), as fast as possible", figure(*packet_samples as f64))
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for contender in in_turn(CONTENDERS, round) {
            let (rate_per_s, packet_bytes) = self.run(lab, contender);
            eprintln!("    {}: {} packets/s", contender.name(), figure(rate_per_s));
            self.rates_per_s.entry(contender).or_default().note(round, rate_per_s);
            if let Some(packet_bytes) = packet_bytes {
                self.packet_bytes.entry(contender).or_default().note(round, packet_bytes);
            }
        }
    }

    fn report(&self, table: &mut Table) {
        let (samples, samples_text) = (self.packet_samples, figure(self.packet_samples as f64));
        let (unit, factor) = match samples {
            16 => ("packets/s", 1.0),
            _ => ("MB/s of samples", (samples * 2) as f64 / 1e6),
        };
        let framing = self.framing;
        let of_ceiling = if framing == "frames" { OF_CEILING_IN_FRAMES } else { OF_CEILING };
        table.heading(&format!("Lossless record rate, {samples_text} samples a packet ({framing})"), unit);
        for contender in CONTENDERS {
            table.row(contender.name(), &self.rate(contender).times(factor));
            if contender == Contender::Fancyhwd {
                let of = |other| self.rate(contender).per(self.rate(other));
                table.ratio(&of(Contender::Ceiling), "ceiling", Some(of_ceiling));
                table.ratio(&of(Contender::Python), "Python", (samples == 16).then_some(OF_PYTHON));
            }
        }
        table.heading(&format!("On the disk, {samples_text} samples a packet ({framing})"), "bytes/packet");
        for contender in [Contender::Ceiling, Contender::Fancyhwd, Contender::Python] {
            let packet_bytes = &self.packet_bytes[&contender];
            table.row(contender.name(), packet_bytes);
            table.ratio(&packet_bytes.times(1.0 / (samples * 2) as f64), "samples", None);
        }
    }
}

/// Size of all files of a database.
fn disk_bytes(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
