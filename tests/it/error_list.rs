//! Every error of the program: that each says what was done, to what, why it failed and what to try, and which test provokes it.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Bench, root};

/// Each variant of `Error`, the test that provokes it, and words of it that stand in that test.
const PROVOKED: [(&str, &str, &str); 27] = [
    ("CommandLine", "words::wrong_command_lines_are_refused_with_what_was_meant_and_nothing_is_started", "WRONG_LINES"),
    ("Setting", "errors::wrong_settings_are_refused_before_anything_is_started", "option, value"),
    ("NoSuchSession", "errors::sessions_that_cannot_be_replayed_are_refused", "there is no such session"),
    ("SeveralSessions", "delete::", "several sessions have that label; give the id"),
    ("EmptySession", "errors::sessions_that_cannot_be_replayed_are_refused", "no messages"),
    ("EmptySelection", "cut::", "nothing in it is as asked for"),
    ("NoSuchPlace", "marks::", "it holds nowhere there"),
    ("NoSuchStream", "describe::", "it has no stream of that topic"),
    ("SessionIsRecorded", "delete::", "it is being recorded"),
    ("NothingIsRecorded", "marks::", "nothing is being recorded into it"),
    ("Endpoint", "words::what_cannot_be_bound_is_refused_with_advice_for_that_cause", "no address of this machine"),
    ("Key", "curve::", "key file {key}: "),
    ("Socket", "error_list::a_process_without_descriptors_says_so", "cannot open a sending socket"),
    ("OpenDatabase", "errors::databases_that_cannot_be_used_are_refused", "no SQLite database"),
    ("NotPermitted", "words::a_capture_of_the_service_names_the_group_that_may_read_it_and_how_to_join", "usermod -aG"),
    ("InUse", "words::a_database_that_is_being_recorded_says_by_whom_since_when_and_how_to_end_it", "kill {pid}"),
    ("Database", "verify::", "cannot verify a session in database "),
    ("NoRoom", "disk::", "used up by this session alone"),
    ("Device", "errors::a_stream_that_cannot_be_read_is_an_error", "cannot open device stream missing"),
    ("Report", "replay::", "cannot write the timing report nowhere/report.json"),
    ("System", "error_list::a_process_without_descriptors_says_so", "cannot make a pipe"),
    ("Export", "export::", "cannot export to /proc/x.csv"),
    ("ExportNotSynced", "export::", "but cannot sync its directory"),
    ("Import", "import::", "cannot import missing: No such file"),
    ("Archive", "error_list::an_archive_that_cannot_be_reached_says_so", "no server of it can be reached"),
    ("Stopped", "cut::", "it was stopped by a signal"),
    ("Output", "error_list::output_that_cannot_be_written_says_so", "cannot write standard output"),
];

/// The variants of `Error`, each with the text of its attribute.
fn variants() -> Vec<(String, String)> {
    let source = fs::read_to_string(root().join("src/error.rs")).unwrap();
    let body = source.split("pub enum Error {\n").nth(1).unwrap().split("\n}\n").next().unwrap();
    let (mut variants, mut text, mut is_text) = (Vec::new(), String::new(), false);
    for line in body.lines() {
        is_text |= line.starts_with("    #[error(");
        if is_text {
            text.push_str(line.trim());
            is_text = !line.ends_with(")]");
        } else if line.starts_with("    ") && line[4..].starts_with(|char: char| char.is_ascii_uppercase()) {
            let name = line[4..].split(|char: char| !char.is_alphanumeric()).next().unwrap();
            variants.push((name.to_owned(), std::mem::take(&mut text)));
        }
    }
    variants
}

#[test]
fn every_error_is_listed_with_a_test_that_provokes_it() {
    let listed: BTreeSet<&str> = PROVOKED.iter().map(|(variant, ..)| *variant).collect();
    let variants = variants();
    let known: BTreeSet<&str> = variants.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(listed, known);
    for (variant, test, words) in PROVOKED {
        let (module, name) = test.split_once("::").unwrap();
        let source = fs::read_to_string(root().join(format!("tests/it/{module}.rs"))).unwrap();
        // Of a large file any test will do.
        let body = match name {
            "" => &source,
            name => source.split(&format!("fn {name}(")).nth(1).unwrap_or_else(|| panic!("there is no {test}")),
        };
        let body = if name.is_empty() { body } else { body.split("\n#[test]").next().unwrap() };
        assert!(body.contains(words), "{variant} is not provoked by {test}: '{words}' is not there");
    }
}

/// Operation and object stand before the colon, the cause behind it, and the advice behind a semicolon.
#[test]
fn every_error_has_an_operation_an_object_a_cause_and_advice() {
    for (name, text) in variants() {
        match name.as_str() {
            // What the parser says, and what the settings of a command say of what was typed.
            "CommandLine" => assert_eq!(text, "#[error(\"{0}\")]"),
            // The cause of a setting says what would be right.
            "Setting" => assert!(text.contains("cannot use {option} '{value}': {cause}"), "{text}"),
            _ => {
                let (before, advice) = text.split_once("; ").unwrap_or_else(|| panic!("{name} has no advice: {text}"));
                assert!(before.contains("cannot ") && before.contains(": "), "{name}: {text}");
                assert!(!advice.is_empty());
            }
        }
    }
}

#[test]
fn a_process_without_descriptors_says_so() {
    let bench = Bench::new();
    let publish = |limit: u32| {
        let line = format!("ulimit -n {limit}; exec fancyhwd publish --count 1 --bind {}", bench.endpoint("device"));
        bench.program("sh").args(["-c", &line]).run()
    };
    publish(6)
        .code(1)
        .says("cannot make a pipe: Too many open files")
        .says("; check the limits of this process (`ulimit -a`)");
    // How many it has at that moment depends on what it was given.
    let says = "cannot open a sending socket: Too many open files; let this process open more files (`ulimit -n`";
    assert!((10..40).any(|limit| publish(limit).stderr.contains(says)));
}

#[test]
fn an_archive_that_cannot_be_reached_says_so() {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    let archive = bench.fancyhwd("session archive 1 --database c.db --archive nats://127.0.0.1:1 --recorder r").run();
    archive.code(1).says("archive nats://127.0.0.1:1: no server of it can be reached").says("; check its servers");
}

#[test]
fn output_that_cannot_be_written_says_so() {
    let bench = Bench::new();
    let list = bench.program("sh").args(["-c", "exec fancyhwd --help >/dev/full"]).run();
    list.code(1).says("cannot write standard output: No space left").says("; check where the output goes");
}
