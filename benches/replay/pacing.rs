//! How late packets leave at a given rate, how far apart they arrive, and what that costs.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, Section, in_turn, pause};
use crate::peers::{BareLoop, Subscriber};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::{INTERVAL_NS, RATE_HZ, Source};
use crate::spacing::{quantile_us, spacing_errors_ns};
use crate::support::Daemon;
use crate::table::{Table, Target, figure};
use crate::usage::cpu_ns;

const P50_US: Target = Target::AtMost(5.0);
const P99_US: Target = Target::AtMost(100.0);
const P99_OF_BARE: Target = Target::AtMost(1.2);
const SPACING_P99_US: Target = Target::AtMost(150.0);
const DRIFT_US: Target = Target::AtMost(100.0);
const PRECISE_CPU_PERCENT: Target = Target::AtMost(15.0);
const ECONOMICAL_CPU_PERCENT: Target = Target::AtMost(6.0);

/// Packets at the beginning and at the end that are compared to see whether the replay drifted.
const DRIFT_PACKETS: usize = 1_000;

/// Processor time is read so long before the end, while all threads are there.
const BEFORE_THE_END: Duration = Duration::from_millis(500);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Player {
    /// `fancyhwd replay` as it is by default.
    Precise,
    /// With `--pacing economical`.
    Economical,
    /// The same waiting, and nothing else (`sender.c`).
    BareLoop,
}

const PLAYERS: [Player; 3] = [Player::Precise, Player::BareLoop, Player::Economical];

impl Player {
    fn name(self) -> &'static str {
        match self {
            Self::Precise => "fancyhwd replay",
            Self::Economical => "fancyhwd replay --pacing economical",
            Self::BareLoop => "bare C loop",
        }
    }
}

/// One player's figures.
#[derive(Debug, Default)]
struct Figures {
    p50_us: Series,
    p99_us: Series,
    max_us: Series,
    spacing_p99_us: Series,
    cpu_percent: Series,
}

/// At 1 kHz.
pub struct Pacing {
    scale: Scale,
    figures: BTreeMap<Player, Figures>,
}

/// The session that is replayed is long enough for the longest replay.
fn source(scale: Scale) -> Source {
    Source::of(scale.paced_s.max(scale.drift_s) * RATE_HZ + 1)
}

/// Start a replay that sends the first packets of that session, and says in a file how late each left.
fn replay(lab: &Lab, endpoint: &str, count: u64, options: &str, report: &Path) -> Daemon {
    let database = source(lab.scale).database(lab);
    let line = format!("replay --wait-subscribers 1 --bind {endpoint} --to #{count} {options}");
    let run = lab.bench.fancyhwd(&line).arg("--database").arg(database);
    let mut replay = run.arg("--timing-report").arg(report).start();
    replay.hang_up();
    replay
}

/// A figure of the report, in microseconds.
fn reported_us(report: &Value, name: &str) -> f64 {
    report["lateness"][name].as_f64().unwrap() / 1e3
}

fn read_report(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What of a processor a process uses while packets are sent for so many seconds.
fn cpu_percent(pid: u32, send_s: u64) -> f64 {
    let (began, before_ns) = (Instant::now(), cpu_ns(pid));
    pause(Duration::from_secs(send_s) - BEFORE_THE_END);
    (cpu_ns(pid) - before_ns) / began.elapsed().as_nanos() as f64 * 100.0
}

impl Pacing {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, figures: PLAYERS.map(|player| (player, Figures::default())).into() }
    }

    fn run(&mut self, lab: &Lab, player: Player, round: usize) {
        let endpoint = lab.endpoint();
        let send_s = lab.scale.paced_s;
        let count = send_s * RATE_HZ + 1;
        let (stamps_ns, cpu_percent, [p50_us, p99_us, max_us]) = match player {
            Player::BareLoop => {
                let bare = BareLoop::start(lab, &endpoint, source(lab.scale), count, INTERVAL_NS);
                let subscriber = Subscriber::start(lab, &endpoint, count);
                let cpu_percent = cpu_percent(bare.pid(), send_s);
                let stamps_ns = subscriber.finish();
                let late_ns = bare.finish();
                (stamps_ns, cpu_percent, [0.5, 0.99, 1.0].map(|quantile| quantile_us(&late_ns, quantile)))
            }
            Player::Precise | Player::Economical => {
                let report = lab.bench.path("report.json");
                let options = if player == Player::Economical { "--pacing economical" } else { "" };
                let replay = replay(lab, &endpoint, count, options, &report);
                let subscriber = Subscriber::start(lab, &endpoint, count);
                let cpu_percent = cpu_percent(replay.pid(), send_s);
                let stamps_ns = subscriber.finish();
                replay.finish().success();
                let report = read_report(&report);
                assert_eq!(report["messages"].as_u64(), Some(count));
                (stamps_ns, cpu_percent, ["p50_ns", "p99_ns", "max_ns"].map(|name| reported_us(&report, name)))
            }
        };
        let spacing_p99_us = quantile_us(&spacing_errors_ns(&stamps_ns, INTERVAL_NS), 0.99);
        let [p50, p99, max, spacing, cpu] = [p50_us, p99_us, max_us, spacing_p99_us, cpu_percent].map(figure);
        eprintln!("    {}: p50 {p50} us, p99 {p99} us, max {max} us, spacing {spacing} us, {cpu} %", player.name());
        let figures = self.figures.entry(player).or_default();
        figures.p50_us.note(round, p50_us);
        figures.p99_us.note(round, p99_us);
        figures.max_us.note(round, max_us);
        figures.spacing_p99_us.note(round, spacing_p99_us);
        figures.cpu_percent.note(round, cpu_percent);
    }

    /// A group of rows, one for each player. Only the precise one has this target.
    fn rows(&self, table: &mut Table, series: fn(&Figures) -> &Series, target: Option<Target>) {
        for player in PLAYERS {
            let series = series(&self.figures[&player]);
            match target.filter(|_| player == Player::Precise) {
                Some(target) => table.row_with_target(player.name(), series, target),
                None => table.row(player.name(), series),
            }
        }
    }
}

impl Section for Pacing {
    fn name(&self) -> String {
        format!("{} packets a second", figure(RATE_HZ as f64))
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for player in in_turn(PLAYERS, round) {
            self.run(lab, player, round);
        }
    }

    fn report(&self, table: &mut Table) {
        let what = format!("at {} packets/s for {} s", figure(RATE_HZ as f64), self.scale.paced_s);
        let [precise, bare, economical] = PLAYERS.map(|player| &self.figures[&player]);
        table.heading(&format!("Lateness {what}, 50th percentile"), "us");
        self.rows(table, |figures| &figures.p50_us, Some(P50_US));
        table.heading("... 99th percentile", "us");
        table.row_with_target(Player::Precise.name(), &precise.p99_us, P99_US);
        table.ratio(&precise.p99_us.per(&bare.p99_us), "bare C loop", Some(P99_OF_BARE));
        table.row(Player::BareLoop.name(), &bare.p99_us);
        table.row(Player::Economical.name(), &economical.p99_us);
        table.heading("... maximum", "us");
        self.rows(table, |figures| &figures.max_us, None);
        table.heading("Error of the spacing that a subscriber sees, 99th percentile", "us");
        self.rows(table, |figures| &figures.spacing_p99_us, Some(SPACING_P99_US));
        table.heading("Processor time of the sending process", "% of a core");
        table.row_with_target(Player::Precise.name(), &precise.cpu_percent, PRECISE_CPU_PERCENT);
        table.row(Player::BareLoop.name(), &bare.cpu_percent);
        table.row_with_target(Player::Economical.name(), &economical.cpu_percent, ECONOMICAL_CPU_PERCENT);
    }
}

/// By how much later than recorded the last packets came, compared with the first ones: the medians of so many, because a
/// single arrival may be late by anything.
fn drift_ns(stamps_ns: &[i64]) -> i64 {
    let late_ns = |number: usize| stamps_ns[number] - number as i64 * INTERVAL_NS;
    let median_ns = |numbers: Range<usize>| {
        let mut late_ns: Vec<i64> = numbers.map(late_ns).collect();
        late_ns.sort_unstable();
        late_ns[late_ns.len() / 2]
    };
    let count = stamps_ns.len();
    median_ns(count - DRIFT_PACKETS..count) - median_ns(0..DRIFT_PACKETS)
}

/// Whether a long replay takes as long as the capture.
pub struct Drift {
    scale: Scale,
    reported_us: Series,
    seen_us: Series,
}

impl Drift {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, reported_us: Series::default(), seen_us: Series::default() }
    }
}

impl Section for Drift {
    fn name(&self) -> String {
        format!("drift over {} s", self.scale.drift_s)
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let (endpoint, report) = (lab.endpoint(), lab.bench.path("report.json"));
        let count = lab.scale.drift_s * RATE_HZ + 1;
        let replay = replay(lab, &endpoint, count, "", &report);
        let stamps_ns = Subscriber::start(lab, &endpoint, count).finish();
        replay.finish().success();
        let seen_us = drift_ns(&stamps_ns).abs() as f64 / 1e3;
        let reported_us = reported_us(&read_report(&report), "drift_ns").abs();
        eprintln!("    {} us reported, {} us seen", figure(reported_us), figure(seen_us));
        self.reported_us.note(round, reported_us);
        self.seen_us.note(round, seen_us);
    }

    fn report(&self, table: &mut Table) {
        let (drift_s, rate) = (self.scale.drift_s, figure(RATE_HZ as f64));
        table.heading(&format!("Drift over {drift_s} s at {rate} packets/s"), "us");
        table.row_with_target("last 1,000 packets against first 1,000, reported", &self.reported_us, DRIFT_US);
        table.row_with_target("the same of their arrivals, seen by the subscriber", &self.seen_us, DRIFT_US);
    }
}
