//! What the archive costs whoever builds the program.

use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::lab::{Lab, Section};
use crate::series::Series;
use crate::support::built;
use crate::table::{Table, figure};

/// With the feature, and without it.
const WAYS: [&[&str]; 2] = [&[], &["--no-default-features"]];

/// Both, in this order.
#[derive(Default)]
pub struct Building {
    build_s: [Series; 2],
    binary_mb: [Series; 2],
}

impl Section for Building {
    fn name(&self) -> String {
        "builds".to_owned()
    }

    fn measure(&mut self, _lab: &Lab, round: usize) {
        // Once says enough: it takes minutes.
        if round > 0 {
            return;
        }
        for (way, options) in WAYS.into_iter().enumerate() {
            let target = TempDir::new_in(built()).unwrap();
            let began = Instant::now();
            let mut cargo = Command::new("cargo");
            cargo.args(["build", "--release", "--locked", "--quiet", "--offline", "--target-dir"]).arg(target.path());
            assert!(cargo.args(options).status().unwrap().success());
            let build_s = began.elapsed().as_secs_f64();
            let binary_mb = target.path().join("release/fancyhwd").metadata().unwrap().len() as f64 / 1e6;
            eprintln!("    {options:?}: {} s, {} MB", figure(build_s), figure(binary_mb));
            self.build_s[way].note(round, build_s);
            self.binary_mb[way].note(round, binary_mb);
        }
    }

    fn report(&self, table: &mut Table) {
        for (what, unit, series) in [("Built", "s", &self.build_s), ("Binary", "MB", &self.binary_mb)] {
            table.heading(what, unit);
            table.row("without the feature `archive`", &series[1]);
            table.row("with it, as it is by default", &series[0]);
            table.ratio(&series[0].per(&series[1]), "without", None);
        }
    }
}
