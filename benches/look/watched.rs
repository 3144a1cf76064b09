//! Whether those who look at a recording disturb it.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::lab::{Lab, Section};
use crate::pictures::windows;
use crate::series::Series;
use crate::spacing::recorded_error_us;
use crate::support::http::serve;
use crate::table::{Table, Target, figure};

const RATE_HZ: u64 = 10_000;
const INTERVAL_NS: i64 = 100_000;
const CLIENTS: u32 = 20;

const OF_BUSY: Target = Target::AtMost(1.2);

/// A device at 10 kHz.
#[derive(Default)]
pub struct Watched {
    watched_us: Series,
    busy_us: Series,
    pages_per_s: Series,
}

/// A program that does nothing, for as long as it lives.
struct Loop(Child);

impl Loop {
    fn start() -> Self {
        Self(Command::new("nice").args(["-n", "19", "sh", "-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Record, beside clients or beside busy loops. Gives the error of the distance between two packets that all but one in a thousand
/// keep below, in microseconds, and how many pages were shown.
fn run(lab: &Lab, is_watched: bool, seed: u32) -> (f64, u64) {
    let (folder, endpoint) = (lab.folder(), lab.endpoint());
    let path = folder.path().join("packets.db");
    let packets = RATE_HZ * lab.scale.watched_s + 1;
    let recorder = lab.record(&endpoint, &path, &format!("--layout int16x16 --count {packets}"));
    let device = lab.publish(&endpoint, &format!("--rate {RATE_HZ} --count {packets}"));
    let pages = AtomicU64::new(0);
    if is_watched {
        watch(lab, &path, seed, &pages, || {
            device.finish().success();
        });
    } else {
        let _loops = [Loop::start(), Loop::start()];
        device.finish().success();
    }
    recorder.finish().success();
    (recorded_error_us(&path, packets, INTERVAL_NS), pages.into_inner())
}

/// Show windows of the recording to many clients until `meanwhile` is over.
fn watch(lab: &Lab, path: &Path, seed: u32, pages: &AtomicU64, meanwhile: impl FnOnce()) {
    let served = serve(&lab.bench, &path.display().to_string());
    let nice = Command::new("renice").args(["-n", "19", "-p", &served.daemon.pid().to_string()]).output().unwrap();
    assert!(nice.status.success());
    // Its threads, too.
    for thread in std::fs::read_dir(format!("/proc/{}/task", served.daemon.pid())).unwrap() {
        let id = thread.unwrap().file_name().into_string().unwrap();
        assert!(Command::new("renice").args(["-n", "19", "-p", &id]).output().unwrap().status.success());
    }
    let (is_over, session_s) = (AtomicBool::new(false), lab.scale.watched_s as f64);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (served, is_over) = (&served, &is_over);
            scope.spawn(move || {
                let mut windows = windows(seed * CLIENTS + client + 1, session_s);
                while !is_over.load(Relaxed) {
                    let window = windows.next().unwrap();
                    // One too many at once, and one behind what is there yet, are refused.
                    let answer = served.get(&format!("/captures/1{window}"));
                    assert!([200, 400, 404, 503].contains(&answer.status), "{answer:?}");
                    pages.fetch_add(u64::from(answer.status == 200), Relaxed);
                }
            });
        }
        meanwhile();
        is_over.store(true, Relaxed);
    });
}

impl Section for Watched {
    fn name(&self) -> String {
        "recording that others look at".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let mut turns = [false, true];
        turns.rotate_left(round % 2);
        for is_watched in turns {
            let (error_us, pages) = run(lab, is_watched, round as u32);
            eprintln!("    {}: {} us", if is_watched { "watched" } else { "busy" }, figure(error_us));
            if is_watched {
                self.watched_us.note(round, error_us);
                self.pages_per_s.note(round, pages as f64 / lab.scale.watched_s as f64);
            } else {
                self.busy_us.note(round, error_us);
            }
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading("Error of the spacing of packets that come each 0.1 ms, 99.9th percentile", "us");
        table.row("beside two busy loops", &self.busy_us);
        table.row("beside 20 clients of serve", &self.watched_us);
        table.ratio(&self.watched_us.per(&self.busy_us), "busy loops", Some(OF_BUSY));
        table.heading("What these clients are shown", "pages/s");
        table.row("pages", &self.pages_per_s);
    }
}
