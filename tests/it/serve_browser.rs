//! The pages in a real browser: wide and narrow, light and dark, with and without script. `FANCYHWD_SCREENSHOTS=DIRECTORY` keeps
//! what they look like.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::browser::Browser;
use crate::support::http::{Served, serve};
use crate::support::{Bench, Daemon, eventually};

/// Names of pictures, and pages.
const PAGES: [(&str, &str); 9] = [
    ("captures", "/"),
    ("capture", "/captures/pump"),
    ("part", "/captures/pump?from=500ms&to=1s"),
    ("messages", "/captures/pump/messages?at=n100"),
    ("ledger", "/captures/pump/ledger"),
    ("figures", "/captures/pump/figures"),
    ("verify", "/captures/pump/verify"),
    ("live", "/live"),
    ("missing", "/captures/nobody"),
];

/// A capture of a device that went away and came back, with a label that needs room.
fn recorded(bench: &Bench) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let recorder = bench
        .fancyhwd(&format!("record --label pump --database c.db --connect {endpoint}"))
        .args(["--note", "the pump in the cellar, before the bearing was changed"])
        .start();
    let publish = format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&format!("{publish} --count 1500")).run().success();
    let device = bench.fancyhwd(&publish).start();
    let messages = "SELECT messages FROM sessions";
    eventually("it goes on", || bench.sqlite3("c.db", messages).parse::<u64>().unwrap() > 2000);
    (recorder, device)
}

fn place(bench: &Bench) -> PathBuf {
    let place = std::env::var_os("FANCYHWD_SCREENSHOTS").map_or_else(|| bench.path("screenshots"), PathBuf::from);
    fs::create_dir_all(&place).unwrap();
    place
}

/// Nothing went wrong, and nobody else was asked.
#[track_caller]
fn is_clean(browser: &mut Browser, served: &Served, what: &str) {
    let home = format!("http://{}/", served.address);
    let others: Vec<_> = browser.requests.drain(..).filter(|url| !url.starts_with(&home)).collect();
    assert!(others.is_empty(), "{what}: {others:?}");
    let errors: Vec<_> = browser.errors.drain(..).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

#[test]
fn every_page_fits_wide_and_narrow_light_and_dark_with_and_without_script() {
    let bench = Bench::new();
    let (_recorder, _device) = recorded(&bench);
    let served = serve(&bench, "c.db");
    let place = place(&bench);
    let mut browser = Browser::start(&bench);
    for (width, scheme, has_script) in [
        (1400, "light", true),
        (1400, "dark", true),
        (400, "light", true),
        (400, "dark", false),
        (1400, "light", false),
    ] {
        browser.look(width, scheme, has_script);
        for (name, page) in PAGES {
            let script = if has_script { "script" } else { "plain" };
            let what = format!("{name}-{width}-{scheme}-{script}");
            browser.go(&format!("http://{}{page}", served.address));
            let content = browser.content_width();
            assert!(content <= f64::from(width), "{what} is {content} wide");
            browser.shoot(&place.join(format!("{what}.png")));
            // The status of a page that is not there is told as an error, rightly.
            if name == "missing" {
                browser.errors.retain(|error| !error.contains("404"));
            }
            is_clean(&mut browser, &served, &what);
        }
    }
}

#[test]
fn the_live_page_moves_without_being_asked_for_again() {
    let bench = Bench::new();
    let (recorder, _device) = recorded(&bench);
    let served = serve(&bench, "c.db");
    let mut browser = Browser::start(&bench);
    browser.look(1400, "light", true);
    browser.go(&format!("http://{}/live", served.address));
    let count = "Number(document.querySelector('#live dd').textContent)";
    let mut seen = Vec::new();
    eventually("ten seconds of it were seen", || {
        let now = browser.find(count).as_f64().unwrap();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        seen.len() >= 10
    });
    assert!(seen.is_sorted(), "{seen:?}");
    let loads = browser.requests.iter().filter(|url| url.ends_with("/live")).count();
    assert_eq!(loads, 1, "{:?}", browser.requests);
    is_clean(&mut browser, &served, "live");
    recorder.signal(Signal::KILL);
    let text = "document.querySelector('#live').textContent";
    eventually("it says that nobody records", || {
        browser.find(text).as_str().unwrap().contains("No recorder is running")
    });
    is_clean(&mut browser, &served, "live, without a recorder");
}

#[test]
fn a_part_is_chosen_by_a_link_and_by_dragging() {
    let bench = Bench::new();
    let (recorder, _device) = recorded(&bench);
    recorder.stop();
    let served = serve(&bench, "c.db");
    let mut browser = Browser::start(&bench);
    browser.look(1400, "light", true);
    browser.go(&format!("http://{}/captures/pump", served.address));
    let here = "location.search";
    browser.expect_load();
    browser.find("[...document.querySelectorAll('nav.zoom a')].find((a) => a.textContent === 'Zoom in').click()");
    browser.wait_until_loaded();
    assert!(browser.find(here).as_str().unwrap().starts_with("?from="), "{}", browser.find(here));
    let command = "document.querySelector('pre code').textContent";
    let by_link = browser.find(command).as_str().unwrap().to_owned();
    assert!(by_link.contains(" --from ") && by_link.contains(" --to "), "{by_link}");
    let size =
        "const box = document.querySelector('figure').getBoundingClientRect(); [box.x, box.y, box.width, box.height]";
    let size = browser.find(size);
    let [x, y, width, height] = [0, 1, 2, 3].map(|place| size[place].as_f64().unwrap());
    browser.expect_load();
    browser.drag((x + width * 0.4, y + height / 2.0), (x + width * 0.6, y + height / 2.0));
    browser.wait_until_loaded();
    let by_drag = browser.find(command).as_str().unwrap().to_owned();
    assert!(by_drag != by_link && by_drag.contains("ns"), "{by_drag}");
    is_clean(&mut browser, &served, "zoom");
}
