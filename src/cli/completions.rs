//! Completion in shells: `completions` prints what a shell reads once, which asks this program each time.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::Builder;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Arg, ArgMatches, Args, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{Bash, EnvCompleter, Fish, Shells, Zsh};

use crate::cli::values::{kept_by_services, to_read};
use crate::cli::{DatabaseArguments, definition};
use crate::command::completions::Settings;
use crate::error::{Error, Result};
use crate::escape;
use crate::store::{Database, Session, services};
use crate::summary::text::iso_seconds;

/// By this variable a shell says that it asks.
const VARIABLE: &str = "_FANCYHWD_COMPLETE";

/// The name of the program, for the shell that asks and for what it runs then.
const PROGRAM: &str = "fancyhwd";

/// zsh runs a file in its path as the function that is to complete: the first time it both sets up and answers.
const IN_PLACE: &str = r#"
if [ "$funcstack[1]" = "_fancyhwd" ]; then
    _clap_dynamic_completer_fancyhwd "$@"
fi
"#;

/// The shells that are known.
const SHELLS: Shells<'static> = Shells(&[&Bash, &Zsh, &Fish]);

/// A database that takes longer is not waited for: somebody sits at the keys.
const PATIENCE: Duration = Duration::from_millis(700);

/// More names are no help.
const NAMES_MAX: usize = 500;

/// Options of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell that is to complete command lines
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that can be told how to complete.
#[derive(Clone, Copy, Debug)]
pub enum Shell {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl ValueEnum for Shell {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Bash, Self::Zsh, Self::Fish]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.completer().name()))
    }
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}

impl CompletionsArguments {
    /// What the shell is told.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn settings(&self) -> Result<Settings> {
        let mut script = Vec::new();
        self.shell
            .completer()
            .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
            .map_err(Error::Output)?;
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if matches!(self.shell, Shell::Zsh) {
            script.push_str(IN_PLACE);
        }
        Ok(Settings { script })
    }
}

/// Answer a shell that asks how a command line may go on. Says whether one asked. Whatever goes wrong, nothing is said of it: the
/// words would stand in the middle of what somebody types.
pub fn answer() -> bool {
    let asked = CompleteEnv::with_factory(|| with_candidates(definition())).var(VARIABLE).shells(SHELLS);
    asked.try_complete(env::args_os(), env::current_dir().ok().as_deref()).unwrap_or(true)
}

/// Let the words that name what is in a database be completed out of it.
fn with_candidates(command: clap::Command) -> clap::Command {
    let reads = command.get_arguments().any(|argument| argument.get_id() == "database");
    let with = move |argument: Arg| {
        let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        match (argument.get_id().as_str(), value.as_deref()) {
            ("database" | "other", _) => argument.add(ArgValueCompleter::new(databases)),
            ("topic" | "latched", _) if reads => argument.add(ArgValueCompleter::new(topics)),
            (_, Some("SESSION" | "A")) if reads => argument.add(ArgValueCompleter::new(sessions)),
            (_, Some("B")) if reads => argument.add(ArgValueCompleter::new(other_sessions)),
            _ => argument,
        }
    };
    command.mut_args(with).mut_subcommands(with_candidates)
}

fn sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    sessions_of(current, typed().and_then(|typed| database(&typed)))
}

fn other_sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    let other = |typed: ArgMatches| match typed.try_get_one::<PathBuf>("other") {
        Ok(Some(other)) => to_read(&DatabaseArguments { database: Some(other.clone()) }).ok(),
        _ => database(&typed),
    };
    sessions_of(current, typed().and_then(other))
}

/// The names of sessions, the newest ones first: labels, and ids for those who type one or have no label.
fn sessions_of(current: &OsStr, database: Option<PathBuf>) -> Vec<CompletionCandidate> {
    let listed = database.and_then(|path| in_time(move || Database::for_viewing(&path)?.list()));
    let mut told = BTreeSet::new();
    let mut candidates = Vec::new();
    for session in listed.iter().flat_map(|listed| listed.sessions.iter().rev()) {
        let id = session.id.to_string();
        let label = session.label.as_deref().filter(|label| is_a_word(label));
        let is_id = label.is_none() || begins(current, &id) && !current.is_empty();
        for name in label.into_iter().chain(is_id.then_some(id.as_str())) {
            if begins(current, name) && told.insert(name.to_owned()) && candidates.len() < NAMES_MAX {
                candidates.push(CompletionCandidate::new(name).help(Some(about(session).into())));
            }
        }
    }
    candidates
}

/// A session in a few words.
fn about(session: &Session) -> String {
    let label = session.label.as_deref().map_or(String::new(), |label| format!("{}, ", escape::line(label)));
    format!("{label}{} messages, {}", session.tally.messages, iso_seconds(session.started_unix_ns))
}

/// The topics of the session that is named on the command line, or else of the newest.
fn topics(current: &OsStr) -> Vec<CompletionCandidate> {
    let look = || {
        let typed = typed()?;
        let path = database(&typed)?;
        let session = typed.try_get_raw("session").ok().flatten().and_then(|mut named| named.next());
        let session = session.and_then(OsStr::to_str).unwrap_or("latest").to_owned();
        in_time(move || {
            let database = Database::for_viewing(&path)?;
            database.streams(&database.find_session(&session)?)
        })
    };
    let streams = look().unwrap_or_default();
    let names: BTreeSet<&str> = streams
        .values()
        .filter_map(|stream| str::from_utf8(&stream.topic).ok())
        .filter(|name| is_a_word(name))
        .collect();
    let wanted = names.into_iter().filter(|name| begins(current, name));
    wanted.take(NAMES_MAX).map(CompletionCandidate::new).collect()
}

/// Files, and what services keep.
fn databases(current: &OsStr) -> Vec<CompletionCandidate> {
    let kept = services::names(&kept_by_services()).unwrap_or_default();
    let kept = kept.into_iter().filter(|name| is_a_word(name) && begins(current, name)).take(NAMES_MAX);
    kept.map(CompletionCandidate::new).chain(PathCompleter::any().complete(current)).collect()
}

/// What stands on the command line so far, of the innermost command.
fn typed() -> Option<ArgMatches> {
    let words = env::args_os().skip_while(|word| word != "--").skip(1);
    let mut typed = definition().ignore_errors(true).try_get_matches_from(words).ok()?;
    while let Some((_, inner)) = typed.remove_subcommand() {
        typed = inner;
    }
    Some(typed)
}

/// The database that is meant there.
fn database(typed: &ArgMatches) -> Option<PathBuf> {
    let database = typed.try_get_one::<PathBuf>("database").ok().flatten().cloned();
    to_read(&DatabaseArguments { database }).ok()
}

/// The result of some work, if it comes in time. What takes longer ends with the process.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let work = move || {
        // When it is too late, nobody listens.
        let _ = tell.send(work());
    };
    Builder::new().name("completion".to_owned()).spawn(work).ok()?;
    told.recv_timeout(PATIENCE).ok()?.ok()
}

fn begins(current: &OsStr, name: &str) -> bool {
    current.to_str().is_some_and(|current| name.starts_with(current))
}

/// Whether a shell takes this for a word and nothing else. Bash puts it into the line as it is: a label that somebody else gave,
/// such as `$(reboot)`, would be obeyed.
fn is_a_word(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_-.:/@+,".contains(char);
    name.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_') && name.chars().all(is_plain)
}
