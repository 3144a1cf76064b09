//! How fast a session becomes a file, and that the memory does not grow with it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Section, pause};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::Source;
use crate::support::{Run, built, root};
use crate::table::{Table, Target, figure};
use crate::usage::peak_mb;

/// Memory is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is compared exports so many times fewer packets; the memory of so many fewer is looked at too.
const PART: u64 = 10;

/// ... and what reads the view so many times fewer.
const VIEW_PART: u64 = 100;

const TIMES_PYTHON: Target = Target::AtLeast(10.0);

/// Options of an export, its target in packets per second and for its memory in MB, and whether Python does the same.
type Format = (&'static str, f64, f64, bool);

const FORMATS: [Format; 6] = [
    ("csv", 1e6, 60.0, true),
    ("parquet", 1e6, 150.0, true),
    ("npz", 3e6, 60.0, true),
    ("mcap", 1e6, 60.0, true),
    ("mcap --untouched", 1e6, 60.0, false),
    ("jsonl", 0.0, 60.0, false),
];

/// `session export`.
pub struct Export {
    scale: Scale,
    /// Of each format: packets per second of ours, of what decodes payloads itself and of what reads the view, and the memory of all
    /// packets and of a part of them.
    figures: [[Series; 5]; FORMATS.len()],
}

impl Export {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, figures: Default::default() }
    }
}

/// Let a program run to its end. Gives how long it took in seconds, and its peak of memory.
fn watch(run: Run) -> (f64, f64) {
    let began = Instant::now();
    let program = run.spawn();
    let mut most_mb = 0.0;
    while !program.has_ended() {
        most_mb = peak_mb(program.pid()).unwrap_or(most_mb);
        pause(LOOK_EVERY);
    }
    let took_s = began.elapsed().as_secs_f64();
    program.finish().success();
    (took_s, most_mb)
}

/// Packets per second and the peak of memory.
fn ours(lab: &Lab, format: &str, packets: u64) -> (f64, f64) {
    let (database, folder) = (Source::of(packets).database(lab), lab.folder());
    let run = lab.bench.fancyhwd(&format!("--quiet session export --format {format}")).arg("--database").arg(database);
    let (took_s, most_mb) = watch(run.arg("--output").arg(folder.path().join("packets")));
    (packets as f64 / took_s, most_mb)
}

/// Packets per second of `export.py`, which decodes payloads itself or reads the view.
fn theirs(lab: &Lab, format: &str, packets: u64, python: &Path, how: &[&str]) -> f64 {
    let (database, folder) = (Source::of(packets).database(lab), lab.folder());
    let run = lab.bench.program(python).arg(root().join("benches/handover/export.py")).arg(format).arg(database);
    packets as f64 / watch(run.arg(folder.path().join("packets")).args(how)).0
}

impl Section for Export {
    fn name(&self) -> String {
        "export".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let python = built().parent().unwrap().join("python-env/bin/python");
        for ((format, _, _, is_theirs), figures) in FORMATS.into_iter().zip(&mut self.figures) {
            let (rate_per_s, whole_mb) = ours(lab, format, lab.scale.packets);
            let (_, part_mb) = ours(lab, format, lab.scale.packets / PART);
            eprintln!("    {format}: {} packets/s, {} MB", figure(rate_per_s), figure(whole_mb));
            let [of_ours, of_theirs, of_view, of_whole, of_part] = figures;
            of_ours.note(round, rate_per_s);
            of_whole.note(round, whole_mb);
            of_part.note(round, part_mb);
            if is_theirs && python.exists() {
                of_theirs.note(round, theirs(lab, format, lab.scale.packets / PART, &python, &[]));
                of_view.note(round, theirs(lab, format, lab.scale.packets / VIEW_PART, &python, &["view"]));
            }
        }
    }

    fn report(&self, table: &mut Table) {
        let packets = figure(self.scale.packets as f64);
        table.heading(&format!("session export of {packets} packets"), "packets/s");
        for ((format, rate_per_s, _, is_theirs), [ours, theirs, view, ..]) in FORMATS.iter().zip(&self.figures) {
            table.row_with_target(format, ours, Target::AtLeast(*rate_per_s));
            if *is_theirs {
                table.row(&format!("Python, {format}"), theirs);
                table.ratio(&ours.per(theirs), "Python, by ours", Some(TIMES_PYTHON));
                table.row(&format!("Python of the view, {format}"), view);
                table.ratio(&ours.per(view), "Python of the view, by ours", Some(TIMES_PYTHON));
            }
        }
        table.heading(&format!("Peak memory of session export of {packets} packets"), "MB");
        for ((format, _, most_mb, _), [_, _, _, whole, part]) in FORMATS.iter().zip(&self.figures) {
            table.row_with_target(format, whole, Target::AtMost(*most_mb));
            table.ratio(&whole.per(part), "a tenth of them", None);
        }
    }
}
