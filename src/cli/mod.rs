//! The command line: types and help text only. Manual pages and completions are made from here.

mod archive;
mod completions;
mod cut;
mod environment;
mod export;
mod find;
mod import;
mod keys;
mod list;
mod mistakes;
mod publish;
mod range;
mod record;
mod recover;
mod remark;
mod replay;
mod serve;
mod session;
mod values;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command::record::Given;
use crate::error::{Error, Result};
use crate::log::{self, LogFormat};
use crate::message::queue::OnFull;
use crate::socket::SendingKind;

use mistakes::{one_line, refuse_loop_with_a_space};

pub use archive::{AccessArguments, ArchiveArguments, FetchArguments, KeepingArguments};
pub use completions::{CompletionsArguments, answer};
pub use cut::CutArguments;
pub use environment::warn_of_unknown_variables;
pub use export::ExportArguments;
pub use import::ImportArguments;
pub use keys::{KeyArguments, KeygenArguments};
pub use list::ListArguments;
pub use publish::PublishArguments;
pub use record::RecordArguments;
pub use recover::RecoverArguments;
pub use remark::{MarkArguments, NoteArguments};
pub use replay::ReplayArguments;
pub use serve::ServeArguments;
pub use session::{
    DeleteArguments, DescribeArguments, DiffArguments, LabelArguments, SessionArguments, SessionCommand, SessionOutput,
    ShowArguments, VerifyArguments,
};

/// Stand in for, record and replay a measuring device that speaks over ZeroMQ
///
/// fancyhwd publishes samples as a simulated device, stores every message of a real device in an SQLite database with
/// its arrival time, and replays a capture with the original timing, so that the program that reads the device can be
/// debugged without it.
#[derive(Debug, Parser)]
#[command(name = "fancyhwd", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What is logged
    #[command(flatten)]
    pub log: LogArguments,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct LogArguments {
    /// Log more; twice for everything
    #[arg(short, long, global = true, display_order = 900, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log warnings and errors only, and no summary
    #[arg(short, long, global = true, display_order = 901)]
    pub quiet: bool,
    /// Log format: `text` for people, `json` for log collectors, one object per line
    #[arg(long, global = true, display_order = 902, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a simulated device, or pass a stream of samples on
    ///
    /// Publishes packets of samples over ZeroMQ, little-endian int16 unless --layout or a sound file says otherwise.
    /// The simulated device sends the values of the C library's rand(); a stream device sends what it reads.
    Publish(PublishArguments),
    /// Record a device into an SQLite database
    ///
    /// Subscribes to one or more devices and stores every packet with the moment of its arrival, until it is stopped.
    Record(Box<RecordArguments>),
    /// Send a capture out again with the original timing
    ///
    /// Publishes the messages of a session byte for byte, as far apart as they came, and says how late each one left.
    Replay(Box<ReplayArguments>),
    /// List, show, verify, compare, describe, export, label and delete what was captured
    Session(SessionArguments),
    /// Show what was captured as web pages, with a live view, metrics and a health check
    ///
    /// Serves pages over a database, also while it is recorded, to browsers and to Prometheus. It only reads, and in its own
    /// process, so that nothing disturbs the capture.
    Serve(ServeArguments),
    /// Make a key pair for encrypted connections with known peers only
    ///
    /// Writes a public certificate, NAME.key, and a secret one, NAME.key_secret, which pyzmq and czmq read too.
    Keygen(KeygenArguments),
    /// Print a script that makes a shell complete command lines
    ///
    /// bash, zsh or fish reads the script once; for each completion it then runs fancyhwd, which also offers the
    /// sessions and topics of the database.
    Completions(CompletionsArguments),
}

/// Options of the commands that publish.
#[derive(Args, Debug)]
pub struct SendArguments {
    /// Endpoint to bind, tcp://HOST:PORT or ipc://PATH; `tcp://*:5555` serves every interface. May be given several times
    /// [default: tcp://127.0.0.1:5555, unless there is a --connect]
    #[arg(long, value_name = "ENDPOINT")]
    pub bind: Vec<String>,
    /// Endpoint to connect to, of a collector that binds. May be given several times
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// The kind of socket: `pub` sends to all who subscribe, `push` to one of those who pull, and waits while there is nobody
    #[arg(long, value_name = "KIND", default_value = "pub")]
    pub socket: SendingKind,
    /// Send the first packet only when so many subscribers are there
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub wait_subscribers: u64,
    /// What to do when a subscriber reads too slowly
    #[arg(long, value_name = "POLICY", default_value = "drop")]
    pub on_full: OnFull,
    /// Whom to trust
    #[command(flatten)]
    pub keys: KeyArguments,
    /// After a stop (Ctrl-Z, SIGSTOP), send at once what was due meanwhile, instead of delaying the schedule by the
    /// stop
    #[arg(long)]
    pub catch_up: bool,
}

/// Which database.
#[derive(Args, Debug)]
pub struct DatabaseArguments {
    /// Database file; to archive, describe, label, mark or note a session also NAME for a service's
    /// /var/lib/fancyhwd/NAME.db [default: $STATE_DIRECTORY/captures.db under systemd, else
    /// $XDG_STATE_HOME/fancyhwd/captures.db]
    #[arg(long, value_name = "PATH")]
    pub database: Option<PathBuf>,
}

/// What captures are read in.
#[derive(Args, Debug)]
pub struct SourceArguments {
    /// Database file, or NAME for a service's /var/lib/fancyhwd/NAME.db, or an archive, nats://HOST/RECORDER or
    /// nats://HOST,HOST, where a session is RECORDER/SESSION, or SESSION if only one recorder has it [default:
    /// $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db; if that is missing and
    /// nothing is to be changed, the only database in /var/lib/fancyhwd]
    #[arg(long, value_name = "PATH|URL")]
    pub database: Option<PathBuf>,
    /// Who we are in an archive
    #[command(flatten)]
    pub access: AccessArguments,
}

/// The definition, for manual pages and completions.
pub fn definition() -> clap::Command {
    with_variables(Cli::command())
}

/// Give each option its environment variable: `FANCYHWD_ON_FULL` for `--on-full`.
fn with_variables(command: clap::Command) -> clap::Command {
    let with_variable = |argument: Arg| {
        let Some(long) = argument.get_long() else { return argument };
        let variable = format!("FANCYHWD_{}", long.to_uppercase().replace('-', "_"));
        let argument = argument.env(variable).hide_env_values(true);
        match argument.get_action() {
            // As people write it in a file: `yes`, `off`, `1`.
            ArgAction::SetTrue => argument.value_parser(BoolishValueParser::new()),
            _ => argument,
        }
    };
    command.mut_args(with_variable).mut_subcommands(with_variables)
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// A run.
    Run(Box<Cli>),
    /// Text on standard output: the help or the version.
    Text(String),
}

/// Parse the command line and the environment.
///
/// # Errors
/// When they do not parse.
pub fn parse() -> Result<Asked> {
    refuse_loop_with_a_space()?;
    let matches = match definition().try_get_matches() {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = error.render();
            let has_colors = log::has_colors(std::io::stdout().is_terminal());
            return Ok(Asked::Text(if has_colors { text.ansi().to_string() } else { text.to_string() }));
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(Error::CommandLine("a command is missing; `fancyhwd --help` shows them".to_owned()));
        }
        Err(error) => return Err(one_line(&error)),
    };
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
    if let Some((_, matches)) = matches.subcommand() {
        split_environment(&mut cli, matches)?;
        settle_pace(&mut cli, matches)?;
        if let Command::Record(record) = &mut cli.command {
            record.given = given("record", matches);
        }
    }
    Ok(Asked::Run(Box::new(cli)))
}

/// Several values in one environment variable are separated by spaces; on the command line a space is part of a value.
fn split_environment(cli: &mut Cli, matches: &ArgMatches) -> Result<()> {
    let split = |name, values: &mut Vec<String>| split_words(name, values, matches);
    match &mut cli.command {
        Command::Publish(publish) => {
            split("bind", &mut publish.send.bind)?;
            split("server_key", &mut publish.send.keys.server_key)?;
            split("connect", &mut publish.send.connect)
        }
        Command::Record(record) => {
            split("connect", &mut record.connect)?;
            split("bind", &mut record.bind)?;
            split("server_key", &mut record.keys.server_key)?;
            split("topic", &mut record.topic)?;
            split("layout", &mut record.layout)?;
            split("channels", &mut record.channels)?;
            split("sample_rate", &mut record.sample_rate)?;
            split("counter", &mut record.counter)
        }
        Command::Replay(replay) => {
            split("bind", &mut replay.send.bind)?;
            split("server_key", &mut replay.send.keys.server_key)?;
            split("connect", &mut replay.send.connect)?;
            split("topic", &mut replay.topic)?;
            split("latched", &mut replay.latched)?;
            split("map", &mut replay.map)
        }
        Command::Session(session) => match (&mut session.command, matches.subcommand()) {
            (SessionCommand::Export(export), Some((_, matches))) => split_topics(export, matches),
            (SessionCommand::Find(find), Some((_, matches))) => {
                split_words("topic", &mut find.selection.topic, matches)
            }
            (SessionCommand::Cut(cut), Some((_, matches))) => split_words("topic", &mut cut.selection.topic, matches),
            (SessionCommand::Diff(diff), Some((_, matches))) => {
                split_words("topic", &mut diff.selection.topic, matches)
            }
            (SessionCommand::Verify(verify), Some((_, matches))) => {
                split_words("counter", &mut verify.counter, matches)
            }
            _ => Ok(()),
        },
        Command::Serve(_) | Command::Keygen(_) | Command::Completions(_) => Ok(()),
    }
}

fn split_words(name: &str, values: &mut Vec<String>, matches: &ArgMatches) -> Result<()> {
    if matches.value_source(name) == Some(ValueSource::EnvVariable) {
        *values = values.iter().flat_map(|value| value.split_whitespace()).map(str::to_owned).collect();
    }
    match values.is_empty() && matches.value_source(name).is_some() {
        true => Err(Error::CommandLine(format!("the environment variable for --{name} holds no value"))),
        false => Ok(()),
    }
}

/// The same for names that need not be UTF-8, and need not be there at all.
fn split_topics(export: &mut ExportArguments, matches: &ArgMatches) -> Result<()> {
    if matches.value_source("topic") == Some(ValueSource::EnvVariable) {
        let words = export.topic.iter().flat_map(|value| value.as_bytes().split(u8::is_ascii_whitespace));
        export.topic = words.filter(|word| !word.is_empty()).map(|word| OsString::from_vec(word.to_vec())).collect();
        if export.topic.is_empty() {
            return Err(Error::CommandLine("the environment variable for --topic holds no value".to_owned()));
        }
    }
    Ok(())
}

/// The options of a command that were given on the command line or in the environment, in the order of their definition.
fn given(command: &str, matches: &ArgMatches) -> Vec<Given> {
    let definition = definition();
    let arguments = definition.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    let mut given = Vec::new();
    for argument in arguments {
        let (id, Some(option)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id));
        let is_typed = matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        let mut add = |value| given.push(Given { option: format!("--{option}"), value });
        match argument.get_action() {
            _ if !is_typed => {}
            ArgAction::SetTrue if matches.get_flag(id) => add(None),
            ArgAction::SetTrue => {}
            action => {
                let is_split = matches!(action, ArgAction::Append) && source == Some(ValueSource::EnvVariable);
                for value in matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy()) {
                    match is_split {
                        true => value.split_whitespace().for_each(|word| add(Some(word.to_owned()))),
                        false => add(Some(value.into_owned())),
                    }
                }
            }
        }
    }
    given
}

/// `--rate` and `--interval`, or `--rate` and `--speed`, say the same thing. Of two that come from different places the
/// command line wins.
fn settle_pace(cli: &mut Cli, matches: &ArgMatches) -> Result<()> {
    let (rate, other, name) = match &mut cli.command {
        Command::Publish(publish) => (&mut publish.rate, &mut publish.interval, "interval"),
        Command::Replay(replay) => (&mut replay.rate, &mut replay.speed, "speed"),
        Command::Record(_) | Command::Session(_) | Command::Serve(_) | Command::Keygen(_) | Command::Completions(_) => {
            return Ok(());
        }
    };
    if rate.is_none() || other.is_none() {
        return Ok(());
    }
    let is_typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    match (is_typed("rate"), is_typed(name)) {
        (true, false) => *other = None,
        (false, true) => *rate = None,
        _ => return Err(Error::CommandLine(format!("--rate and --{name} cannot be used together; choose one"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_variable() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_positional()) {
                let Some(name) = argument.get_long() else { continue };
                if !matches!(name, "help" | "version") {
                    let expected = format!("FANCYHWD_{}", name.to_uppercase().replace('-', "_"));
                    assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(expected.as_str()));
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&definition());
    }
}
