//! Rules of the project that a reader would otherwise have to watch.

use std::fs;
use std::path::PathBuf;

use crate::support::root;

/// The layers from top to bottom. Edges do not know each other, so each is one of its own kind.
const LAYERS: [&[&str]; 7] = [
    &["main", "run", "lib"],
    &["command"],
    &["settings", "cli"],
    &["publisher", "recorder", "replayer", "exporter", "comparison"],
    &["device", "socket", "store"],
    &[
        "envelope",
        "event",
        "batch",
        "queue",
        "pace",
        "position",
        "lateness",
        "tally",
        "gap",
        "statistics",
        "progress",
        "alarm",
        "awake",
        "clock",
        "stalls",
    ],
    &["stop", "signals", "leavings", "terminal", "masks", "service", "log", "error", "exit"],
];
const EDGES: usize = 4;

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("{module} has no layer"))
}

/// All Rust files of `src`, with the name of their top-level module.
fn sources() -> Vec<(String, PathBuf)> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let first = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap();
                files.push((first.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    assert!(files.len() > 20);
    files
}

#[test]
fn imports_only_go_down() {
    for (module, path) in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("crate::").skip(1) {
            let target = target.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap();
            let (from, to) = (layer(&module), layer(target));
            let between_edges = from == EDGES && to == EDGES && module != target;
            assert!(from <= to && !between_edges, "{} imports crate::{target}", path.display());
        }
    }
}

#[test]
fn only_the_edges_name_their_libraries() {
    for (library, owner) in [("zmq::", "socket"), ("zmq_sys::", "socket"), ("rusqlite::", "store")] {
        for (module, path) in sources() {
            let text = fs::read_to_string(&path).unwrap();
            assert!(module == owner || !text.contains(library), "{} names {library}", path.display());
        }
    }
}

#[test]
fn unsafe_code_stands_in_one_file() {
    for (_, path) in sources() {
        let has_unsafe = fs::read_to_string(&path).unwrap().contains("unsafe {");
        assert_eq!(has_unsafe, path.ends_with("socket/raw.rs"), "{}", path.display());
    }
}

#[test]
fn files_stay_readable() {
    for (_, path) in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_architecture_page_names_every_module() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (module, path) in sources().into_iter().filter(|(module, _)| module != "lib") {
        assert!(
            page.contains(&format!("`{module}.rs`")) || page.contains(&format!("`{module}/`")),
            "{} is not in ARCHITECTURE.md",
            path.display()
        );
    }
}

/// A tree may be copied or moved with what was built in it, and another version may be installed.
#[test]
fn tests_run_the_binary_that_was_built_with_them() {
    for folder in ["tests", "tests/it", "tests/support"] {
        for file in fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            let Some(text) = fs::read_to_string(&file).ok().filter(|_| !file.ends_with("tidy.rs")) else { continue };
            for wrong in ["env!(\"CARGO_BIN", "env!(\"CARGO_MANIFEST_DIR", "Command::new(FANCYHWD"] {
                assert!(!text.contains(wrong), "{}: {wrong}: use `support::command`", file.display());
            }
        }
    }
}
