//! How long a page with pictures takes, and how much room overviews do.

use std::fs::File;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

use fancyhwd::device::Simulated;
use rusqlite::Connection;
use rustix::fs::{Advice, fadvise};

use crate::flat_out::database;
use crate::lab::{Lab, Section};
use crate::scale::Scale;
use crate::series::Series;
use crate::support::http::{Served, serve};
use crate::table::{Table, Target, figure};

const COLD_MAX_MS: f64 = 500.0;
const ZOOM_MAX_MS: f64 = 200.0;
const SHARE_MAX_PERCENT: f64 = 2.0;

/// Pages and overviews of a large session.
pub struct Pictures {
    scale: Scale,
    cold_ms: Series,
    zoom_ms: Series,
    share_percent: Series,
}

impl Pictures {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, cold_ms: Series::default(), zoom_ms: Series::default(), share_percent: Series::default() }
    }
}

/// Let the kernel forget what it has read of a file.
fn forget(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None::<NonZeroU64>, Advice::DontNeed).unwrap();
}

fn page_ms(served: &Served, path: &str) -> f64 {
    let began = Instant::now();
    let page = served.page(path);
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    assert!(page.contains("<svg"), "a page without a picture");
    took_ms
}

/// Windows of a session that takes so long, as addresses say them: from a thousandth of it to all of it.
pub fn windows(seed: u32, session_s: f64) -> impl Iterator<Item = String> {
    let mut dice = Simulated::new(seed);
    let mut part = move || f64::from(dice.rand()) / f64::from(1_u32 << 31);
    std::iter::repeat_with(move || {
        let lasts_s = session_s * 10_f64.powf(-3.0 * part());
        let from_s = (session_s - lasts_s) * part();
        format!("?from={:.0}us&to={:.0}us", from_s * 1e6, (from_s + lasts_s) * 1e6)
    })
}

impl Section for Pictures {
    fn name(&self) -> String {
        "pictures".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let path = database(lab, lab.scale.packets);
        let connection = Connection::open(&path).unwrap();
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
        let session_s = number("SELECT last_elapsed_ns / 1e9 FROM sessions");
        let overviews_bytes = number("SELECT 1.0 * sum(pgsize) FROM dbstat WHERE name = 'overviews'");
        let payload_bytes = number("SELECT 1.0 * sum(length(payload)) FROM messages");
        self.share_percent.note(round, 100.0 * overviews_bytes / payload_bytes);
        drop(connection);

        let served = serve(&lab.bench, &path.display().to_string());
        forget(&path);
        let cold_ms = page_ms(&served, "/captures/1");
        let zooms = windows(round as u32 + 1, session_s).take(self.scale.zooms);
        let zoom_ms = zooms.map(|window| page_ms(&served, &format!("/captures/1{window}"))).fold(0.0, f64::max);
        eprintln!("    cold {} ms, zoom {} ms", figure(cold_ms), figure(zoom_ms));
        self.cold_ms.note(round, cold_ms);
        self.zoom_ms.note(round, zoom_ms);
    }

    fn report(&self, table: &mut Table) {
        table.heading(&format!("Page of a session of {} packets x 16", figure(self.scale.packets as f64)), "ms");
        table.row_with_target("cold", &self.cold_ms, Target::AtMost(COLD_MAX_MS));
        table.row_with_target("zoom, slowest", &self.zoom_ms, Target::AtMost(ZOOM_MAX_MS));
        table.heading("Overviews", "% of the payload");
        table.row_with_target("16 channels of int16", &self.share_percent, Target::AtMost(SHARE_MAX_PERCENT));
    }
}
