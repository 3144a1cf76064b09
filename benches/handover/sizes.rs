//! How large the files are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Lab, Section};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::Source;
use crate::table::Table;

const FORMATS: [&str; 7] = ["sqlite", "parquet", "mcap", "mcap --untouched", "npz", "csv", "raw"];

/// Samples of a packet of speech.
const SPEECH_SAMPLES: u64 = 48;

/// What `zstd -3` makes of the samples.
const ZSTD_LEVEL: i32 = 3;

/// Bytes for each packet.
pub struct Sizes {
    /// Of the simulated device and of speech, in each format and at last of the raw samples with zstd.
    figures: [[Series; FORMATS.len() + 1]; 2],
}

impl Sizes {
    /// Nothing measured yet.
    pub fn new(_: Scale) -> Self {
        Self { figures: Default::default() }
    }
}

/// Record the voices that come with ALSA. Gives the database and the number of packets.
fn speech(lab: &Lab) -> (PathBuf, u64) {
    let database = lab.disk().join("speech.db");
    if !database.exists() {
        let mut voices: Vec<PathBuf> =
            fs::read_dir("/usr/share/sounds/alsa").unwrap().map(|file| file.unwrap().path()).collect();
        voices.sort();
        lab.bench.program("sox").args(&voices).arg("speech.wav").run().success();
        let endpoint = lab.endpoint();
        let line = format!("--device wav:speech.wav --packet-size {SPEECH_SAMPLES} --rate max --on-full block");
        let device = lab.publish(&endpoint, &line);
        let recorder = lab.record(&endpoint, &database, "");
        device.finish().success();
        recorder.stop();
    }
    let packets = lab.bench.sqlite3(database.to_str().unwrap(), "SELECT messages FROM sessions").parse().unwrap();
    (database, packets)
}

/// The size of a session in a format.
fn size(lab: &Lab, database: &Path, format: &str, then: impl FnOnce(&Path) -> u64) -> u64 {
    let folder = lab.folder();
    let file = folder.path().join("file");
    let run =
        lab.bench.fancyhwd(&format!("--quiet session export 1 --format {format}")).arg("--database").arg(database);
    run.arg("--output").arg(&file).run().success();
    then(&file)
}

impl Section for Sizes {
    fn name(&self) -> String {
        "sizes".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let simulated = Source::of(lab.scale.weighed_packets);
        let sources = [(simulated.database(lab), simulated.packets), speech(lab)];
        let bytes = |file: &Path| fs::metadata(file).unwrap().len();
        let zstd = |file: &Path| zstd::encode_all(fs::File::open(file).unwrap(), ZSTD_LEVEL).unwrap().len() as u64;
        for ((database, packets), figures) in sources.into_iter().zip(&mut self.figures) {
            for (format, series) in FORMATS.into_iter().zip(figures.iter_mut()) {
                series.note(round, size(lab, &database, format, bytes) as f64 / packets as f64);
            }
            if let Some(series) = figures.last_mut() {
                series.note(round, size(lab, &database, "raw", zstd) as f64 / packets as f64);
            }
        }
    }

    fn report(&self, table: &mut Table) {
        let names = ["simulated device, 16 samples a packet", "recorded speech, 48 samples a packet"];
        for (name, figures) in names.into_iter().zip(&self.figures) {
            table.heading(&format!("Size, {name}"), "bytes/packet");
            let rows = FORMATS.into_iter().chain(["zstd -3 of raw"]).zip(figures);
            for (format, series) in rows {
                table.row(format, series);
                table.ratio(&series.per(&figures[0]), "sqlite", None);
            }
        }
    }
}
