//! The real binary with real sockets, real databases and real peers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod archive;
mod archive_example;
mod archive_faults;
mod archive_reading;
mod bind;
mod completions;
mod counters;
mod curve;
mod cut;
mod damaged;
mod delete;
mod describe;
mod device;
mod devices;
mod diff;
mod disk;
mod dry_run;
mod dry_run_line;
mod ending;
mod error_list;
mod errors;
mod examples;
mod export;
mod faults;
mod find;
mod foreign;
mod formats;
mod fuzz_links;
mod fuzz_targets;
mod held;
mod hostile_publishers;
mod hostile_subscribers;
mod hostile_texts;
mod import;
mod keys;
mod large_messages;
mod links;
mod log;
mod man;
mod marks;
mod mcap;
mod memory;
mod npz;
mod old_peers;

mod overviews;
mod own_stall;
mod packaging;
mod parquet;
mod parts;
mod pause_with;
mod peers;
mod pictures;
mod pipelines;
mod planted;
mod power;
mod publish;
mod readme;
mod record;
mod recover;
mod replay;
mod replay_edges;
mod round_trip;
mod screens;
mod serve;
mod serve_browser;
mod serve_hostile;
mod serve_live;
mod services;
mod session;
mod signals;
mod silence;
mod snapshots;
mod sound;
mod split;
mod stepping;
mod status;
mod tidy;
mod trigger;
mod unreached;
mod upgrade;
mod verify;
mod words;
