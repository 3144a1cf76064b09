//! The manual pages in `man/` are what the command line's definition makes of itself, followed by the sections written by hand in
//! `man/sections/`, and the completions are what the binary prints. `make man` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Bench, root};

/// Every file of `man/` that is generated, with its content.
fn generated() -> Vec<(PathBuf, Vec<u8>)> {
    let mut definition = fancyhwd::cli::definition();
    definition.build();
    let mut files = Vec::new();
    pages(&definition, &mut files);
    let bench = Bench::new();
    for (shell, name) in [("bash", "fancyhwd.bash"), ("zsh", "_fancyhwd"), ("fish", "fancyhwd.fish")] {
        let printed = bench.fancyhwd(&format!("completions {shell}")).run().success().stdout;
        files.push((Path::new("completions").join(name), printed.into_bytes()));
    }
    files
}

/// One page per command.
fn pages(command: &clap::Command, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .date(release_date())
        .source(format!("fancyhwd {}", env!("CARGO_PKG_VERSION")))
        .manual("fancyhwd")
        .render(&mut page)
        .unwrap();
    // What clap_mangen makes of a list of values has more line breaks than roff likes.
    let mut page = String::from_utf8(page).unwrap().replace(".br\n\n.br\n", ".sp\n").into_bytes();
    let sections = root().join("man/sections").join(format!("{name}.roff"));
    page.extend(fs::read(&sections).unwrap_or_else(|cause| panic!("{}: {cause}", sections.display())));
    files.push((format!("{name}.1").into(), page));
    for subcommand in command.get_subcommands() {
        pages(subcommand, files);
    }
}

/// The day of this version, from the changelog: `## 0.1.0 (2026-11-22)`.
fn release_date() -> String {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let heading = format!("## {} (", env!("CARGO_PKG_VERSION"));
    let line = changelog.lines().find_map(|line| line.strip_prefix(&heading)).expect("CHANGELOG.md has this version");
    line.trim_end_matches(')').to_owned()
}

#[test]
fn manual_pages_and_completions_match_the_binary() {
    let write = std::env::var_os("FANCYHWD_WRITE_MAN").is_some();
    for (name, content) in generated() {
        let path = root().join("man").join(name);
        if write {
            fs::write(&path, &content).unwrap();
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(committed == content, "{} is not up to date: run `make man`", path.display());
    }
}

#[test]
fn every_kind_of_the_ledger_is_explained() {
    let page = fs::read_to_string(root().join("man/sections/fancyhwd-record.roff")).unwrap();
    let (_, ledger) = page.split_once(".SH \"THE LEDGER\"").unwrap();
    let ledger = ledger.split("\n.SH ").next().unwrap();
    let source = fs::read_to_string(root().join("src/observe/event.rs")).unwrap();
    // Behind them come their ids for the journal.
    let source = source.split("pub fn message_id").next().unwrap();
    let names: Vec<&str> = source.split("=> \"").skip(1).map(|text| text.split('"').next().unwrap()).collect();
    assert!(names.len() >= 27, "{names:?}");
    let headings = || ledger.lines().filter_map(|line| line.strip_prefix(".BR ")).flat_map(|line| line.split(' '));
    for name in names {
        assert!(headings().any(|word| word == name), "fancyhwd-record(1) does not explain '{name}'");
    }
}

#[test]
fn manual_pages_have_no_formatting_errors() {
    let bench = Bench::new();
    for page in fs::read_dir(root().join("man")).unwrap().map(|entry| entry.unwrap().path()) {
        if !page.is_file() {
            continue;
        }
        let lint = bench.program("mandoc").args(["-T", "lint", "-W", "warning"]).arg(page).run();
        assert_eq!(lint.stdout, "");
        lint.success();
    }
}
