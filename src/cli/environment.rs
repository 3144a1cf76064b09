//! Environment variables that look like options and are none.

use std::collections::BTreeSet;
use std::env;

use crate::cli::definition;
use crate::nearest::nearest;

/// What the names of our variables begin with.
const PREFIX: &str = "FANCYHWD_";

/// What the tests of this project read begins with this; it is no mistake.
const OF_TESTS: &str = "FANCYHWD_TEST_";

/// So many are told of, each in a line.
const TOLD_MAX: usize = 10;

/// Tell of variables that begin as ours do and that no option has: what they say is ignored.
pub fn warn_of_unknown_variables() {
    let names = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let ours: BTreeSet<String> =
        names.filter(|name| name.to_uppercase().starts_with(PREFIX) && !name.starts_with(OF_TESTS)).collect();
    if ours.is_empty() {
        return;
    }
    let known = known();
    for name in ours.iter().filter(|name| !known.contains(*name)).take(TOLD_MAX) {
        // What they all begin with is no likeness.
        let end = name.get(PREFIX.len()..).unwrap_or_default();
        match nearest(end, known.iter().filter_map(|name| name.strip_prefix(PREFIX))) {
            Some(near) => tracing::warn!(
                "the environment variable {name} is ignored: there is no such option; did you mean {PREFIX}{near}?"
            ),
            None => tracing::warn!(
                "the environment variable {name} is ignored: there is no such option; `fancyhwd COMMAND --help` shows them"
            ),
        }
    }
}

/// The variables of all options of all commands.
fn known() -> BTreeSet<String> {
    fn add(command: &clap::Command, known: &mut BTreeSet<String>) {
        let variables = command.get_arguments().filter_map(clap::Arg::get_env);
        known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| add(command, known));
    }
    let mut known = BTreeSet::new();
    add(&definition(), &mut known);
    known
}
