//! Pages of a capture at random, damaged at random: what is given of it is what was recorded, and the rest is named.

use std::fs;
use std::path::Path;

use super::kill::seeded;
use super::pages::{PAGE_BYTES, damage};
use super::{Bench, Finished};

/// A database `c.db` of `packets` packets in commits of about ten.
pub fn capture(bench: &Bench, packets: usize) {
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --durability normal --commit-every 1ms --count {packets}");
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
    let publish = format!("publish --rate 10000 --on-full block --wait-subscribers 1 --count {packets}");
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    recorder.finish().success();
}

/// An exported table without its heading, line by line.
pub fn export(bench: &Bench, database: &str) -> (Finished, Vec<String>) {
    let line = format!("session export 1 --format csv --database {database} --output x.csv --force");
    let _ = fs::remove_file(bench.path("x.csv"));
    let finished = bench.fancyhwd(&line).run();
    let text = fs::read_to_string(bench.path("x.csv")).unwrap_or_default();
    (finished, text.lines().skip(1).map(str::to_owned).collect())
}

/// The numbers of the packets that are named as missing.
pub fn named(stderr: &str) -> Vec<usize> {
    let ranges = stderr.lines().filter_map(|line| line.split("missing (#").nth(1)?.strip_suffix(')'));
    let number = |text: &str| text.trim_start_matches('#').parse::<usize>().unwrap();
    ranges
        .flat_map(|range| match range.split_once(" to ") {
            Some((first, last)) => number(first)..=number(last),
            None => number(range)..=number(range),
        })
        .collect()
}

/// What an export gives is all of the session but for what it names as missing.
#[track_caller]
pub fn assert_true(finished: &Finished, lines: &[String], whole: &[String]) {
    let missing = named(&finished.stderr);
    let mut expected = whole.iter().enumerate().filter(|(number, _)| missing.binary_search(number).is_err());
    assert!(lines.iter().eq(expected.by_ref().map(|(_, line)| line)), "{}", finished.stderr);
    assert_eq!(finished.status.code() == Some(0), missing.is_empty(), "{}", finished.stderr);
}

/// Damage a page of a capture in `count` ways, one after the other.
pub fn survives_damaged_pages(count: usize) {
    let mut random = seeded();
    let mut below = |bound: usize| random.rand() as usize % bound;
    let bench = Bench::new();
    capture(&bench, 3_000);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    let pages = fs::metadata(&path).unwrap().len() as usize / PAGE_BYTES;
    let whole = export(&bench, "c.db").1;
    assert_eq!(whole.len(), 3_000);
    let mut kept = 0;
    for round in 0..count {
        let (page, kind) = (1 + below(pages), below(5));
        println!("{round}: page {page}, damage of kind {kind}");
        let other = below(pages);
        damage(&path, &damaged_path, page, |bytes| match kind {
            0 => bytes.fill(0),
            1 => bytes.fill_with(|| below(256) as u8),
            2 => bytes[below(PAGE_BYTES)] ^= 1 << below(8),
            3 => bytes[below(PAGE_BYTES / 2)..].fill(0),
            _ => bytes.copy_from_slice(&fs::read(&path).unwrap()[other * PAGE_BYTES..(other + 1) * PAGE_BYTES]),
        });
        kept += usize::from(holds(&bench, &damaged_path, &whole));
    }
    println!("{kept} of {count} were exported");
    assert!(kept > count / 2);
}

/// Whether it was exported at all; and if so, rightly.
fn holds(bench: &Bench, path: &Path, whole: &[String]) -> bool {
    let (finished, lines) = export(bench, path.to_str().unwrap());
    match finished.status.code() {
        Some(0 | 3) => assert_true(&finished, &lines, whole),
        // It is no capture any more, or nothing is proven.
        Some(1) => assert!(lines.is_empty() && finished.stderr.contains("error: cannot "), "{}", finished.stderr),
        // The row of the session is another one now.
        Some(2) => assert!(finished.stderr.contains("there is no such session"), "{}", finished.stderr),
        code => panic!("{code:?}: {}", finished.stderr),
    }
    matches!(finished.status.code(), Some(0 | 3))
}
