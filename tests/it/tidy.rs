//! Rules of the project that a reader would otherwise have to watch.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The floors from top to bottom. Rooms of one floor do not know each other.
const FLOORS: [&[&str]; 19] = [
    &["main", "run", "lib"],
    &["cli"],
    &["command"],
    &["publisher", "recorder", "replayer", "exporter", "importer", "archiver", "server"],
    &["picture"],
    &["summary"],
    &["analysis"],
    &["device", "socket", "store"],
    &["streams"],
    &["message"],
    &["codec"],
    &["observe"],
    &["time"],
    &["process"],
    &["service"],
    &["log"],
    &["escape"],
    &["error"],
    &["exit", "nearest", "safe_open"],
];

/// The same in `store/sqlite`.
const STORE_FLOORS: [&[&str]; 7] = [
    &["mod"],
    &["retention", "failover", "describing", "marking", "cutting", "archiving", "recover"],
    &["read", "write"],
    &["open"],
    &["seal", "fields"],
    &["untrusted"],
    &["schema"],
];

fn floor(floors: &[&[&str]], room: &str) -> usize {
    floors.iter().position(|floor| floor.contains(&room)).unwrap_or_else(|| panic!("{room} has no floor"))
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

/// What stands between `before` and the next character that no name has, wherever `before` stands in a file.
fn names_behind(path: &Path, before: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let name = |text: &str| text.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap().to_owned();
    text.split(before).skip(1).map(name).collect()
}

#[test]
fn imports_only_go_down() {
    let check = |floors: &[&[&str]], room: &str, path: &Path, before: &str| {
        for target in names_behind(path, before) {
            let goes_down = floor(floors, room) < floor(floors, &target);
            assert!(goes_down || room == target, "{} imports {before}{target}", path.display());
        }
    };
    let store = root().join("src/store/sqlite");
    for (room, path) in sources() {
        check(&FLOORS, &room, &path, "crate::");
        if let Ok(inside) = path.strip_prefix(&store) {
            let first = inside.iter().next().unwrap().to_str().unwrap();
            check(&STORE_FLOORS, first.trim_end_matches(".rs"), &path, "crate::store::sqlite::");
        }
    }
}

#[test]
fn only_the_edges_name_their_libraries() {
    for (library, owner) in [
        ("zmq::", "socket"),
        ("zmq_sys::", "socket"),
        ("rusqlite::", "store"),
        ("axum::", "server"),
        ("hyper::", "server"),
        ("async_nats::", "store"),
    ] {
        for (module, path) in sources() {
            let text = fs::read_to_string(&path).unwrap();
            assert!(module == owner || !text.contains(library), "{} names {library}", path.display());
        }
    }
}

/// Whoever needs an asynchronous runtime has one of its own.
#[test]
fn two_rooms_know_tokio() {
    for (module, path) in sources() {
        let is_at_home = module == "server" || path.starts_with(root().join("src/store/nats"));
        assert!(is_at_home || !fs::read_to_string(&path).unwrap().contains("tokio::"), "{}", path.display());
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
