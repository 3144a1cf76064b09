//! What an archive costs a recording, whatever state it is in.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::lab::{Lab, Section, in_turn, pause};
use crate::series::Series;
use crate::spacing::recorded_error_us;
use crate::support::cluster::Cluster;
use crate::support::{Daemon, eventually};
use crate::table::{Table, Target, figure};
use crate::usage::thread_cpu_ns;

const RATE_HZ: u64 = 1_000;
const INTERVAL_NS: i64 = 1_000_000;

const OF_NO_ARCHIVE: Target = Target::AtMost(1.2);

/// What goes on while it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Archive {
    /// The nodes run, and nothing is archived.
    Beside,
    Healthy,
    Stopped,
    Absent,
    Back,
}

const ARCHIVES: [Archive; 5] = [Archive::Beside, Archive::Healthy, Archive::Stopped, Archive::Absent, Archive::Back];

impl Archive {
    fn name(self) -> &'static str {
        match self {
            Self::Beside => "beside the nodes",
            Self::Healthy => "into the archive",
            Self::Stopped => "one node stopped",
            Self::Absent => "absent",
            Self::Back => "absent, then back",
        }
    }
}

/// One state's figures.
#[derive(Debug, Default)]
struct Figures {
    error_us: Series,
    receiver_percent: Series,
    writer_percent: Series,
}

/// A device at 1 kHz.
#[derive(Default)]
pub struct Recording {
    figures: BTreeMap<Archive, Figures>,
}

/// What is measured of one recording.
struct Measured {
    error_us: f64,
    receiver_percent: f64,
    writer_percent: f64,
}

fn run(lab: &Lab, archive: Archive) -> Measured {
    let mut cluster = Cluster::start(&lab.bench, 3, "").expect("a server");
    let (folder, endpoint) = (lab.folder(), lab.endpoint());
    let path = folder.path().join("packets.db");
    let record = |options: &str| lab.record(&endpoint, &path, &format!("--layout int16x16 {options}"));
    let options = format!("--archive {} --recorder r", cluster.url());
    if archive == Archive::Stopped {
        // There is a stream then, and its leader is known.
        let device = lab.publish(&endpoint, "--rate 1000 --count 1000");
        record(&format!("{options} --count 1000")).finish().success();
        device.finish().success();
        let leader = cluster.leader("FHW_r").unwrap();
        cluster.node((leader + 1) % 3).signal(Signal::STOP);
    }
    if matches!(archive, Archive::Absent | Archive::Back) {
        (0..3).for_each(|number| cluster.kill(number));
    }
    let recorder = record(if archive == Archive::Beside { "" } else { &options });
    let stream_s = lab.scale.stream_s + if archive == Archive::Back { lab.scale.away_s } else { 0 };
    let packets = RATE_HZ * stream_s + 1;
    let device = lab.publish(&endpoint, &format!("--rate {RATE_HZ} --count {packets}"));
    if archive == Archive::Back {
        pause(Duration::from_secs(lab.scale.away_s));
        (0..3).for_each(|number| cluster.begin(number));
    }
    device.finish().success();
    let connection = Connection::open(&path).unwrap();
    let last = "SELECT messages FROM sessions ORDER BY id DESC LIMIT 1";
    eventually("all packets are on the disk", || {
        connection.query_row(last, [], |row| row.get(0)) == Ok(packets as i64)
    });
    let percent = |thread: &str| thread_cpu_ns(recorder.pid(), thread) / (stream_s as f64 * 1e9) * 100.0;
    // Its first thread receives.
    let (receiver_percent, writer_percent) = (percent("fancyhwd"), percent("writer"));
    if archive == Archive::Back {
        let last = "SELECT max(last_id) FROM archived";
        eventually("all of it is archived", || connection.query_row(last, [], |row| row.get(0)) == Ok(packets as i64));
    }
    drop(connection);
    end(recorder, archive);
    Measured { error_us: recorded_error_us(&path, packets, INTERVAL_NS), receiver_percent, writer_percent }
}

/// All of it is in the archive at the end, where there is one.
fn end(recorder: Daemon, archive: Archive) {
    recorder.stop().code(if archive == Archive::Absent { 3 } else { 0 }).says(" 0 lost");
}

impl Section for Recording {
    fn name(&self) -> String {
        "recording into an archive".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for archive in in_turn(ARCHIVES, round) {
            let measured = run(lab, archive);
            let [error, receiver, writer] =
                [measured.error_us, measured.receiver_percent, measured.writer_percent].map(figure);
            eprintln!("    {}: {error} us, receiver {receiver} %, writer {writer} %", archive.name());
            let figures = self.figures.entry(archive).or_default();
            figures.error_us.note(round, measured.error_us);
            figures.receiver_percent.note(round, measured.receiver_percent);
            figures.writer_percent.note(round, measured.writer_percent);
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading("Error of the spacing of packets that come each 1 ms, 99.9th percentile", "us");
        self.rows(table, |figures| &figures.error_us, Some(OF_NO_ARCHIVE));
        table.heading("Processor time of the thread that receives", "% of a core");
        self.rows(table, |figures| &figures.receiver_percent, None);
        table.heading("Processor time of the thread that writes", "% of a core");
        self.rows(table, |figures| &figures.writer_percent, None);
    }
}

impl Recording {
    /// A group of rows, one for each state.
    fn rows(&self, table: &mut Table, series: fn(&Figures) -> &Series, target: Option<Target>) {
        let none = Figures::default();
        let of = |archive| series(self.figures.get(&archive).unwrap_or(&none));
        for archive in ARCHIVES {
            table.row(archive.name(), of(archive));
            if archive != Archive::Beside {
                table.ratio(&of(archive).per(of(Archive::Beside)), "beside", target);
            }
        }
    }
}
