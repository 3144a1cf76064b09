//! The command line: types and help text only. Manual pages and completions are made from here.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Result};

/// Stand in for, record and replay a measuring device that speaks over ZeroMQ
///
/// fancyhwd publishes a device's int16 samples, keeps every packet of a device in an SQLite database with the moment of
/// its arrival, and sends a capture out again with the original timing, so that the program that reads the device can
/// be debugged without it.
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
    #[arg(short, long, global = true, display_order = 900, action = ArgAction::Count, env = "FANCYHWD_VERBOSE", hide_env_values = true)]
    pub verbose: u8,
    /// Log warnings and errors only, and no summary
    #[arg(short, long, global = true,
        display_order = 901, value_parser = BoolishValueParser::new(), env = "FANCYHWD_QUIET", hide_env_values = true)]
    pub quiet: bool,
}

/// The four commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a simulated device, or pass a stream of samples on
    ///
    /// Publishes packets of little-endian int16 samples over ZeroMQ. The simulated device sends the values of the C
    /// library's rand(); a stream device sends what it reads.
    Publish(PublishArguments),
    /// Record a device into an SQLite database
    ///
    /// Subscribes to one or more devices and stores every packet with the moment of its arrival, until it is stopped.
    Record(RecordArguments),
    /// Send a capture out again with the original timing
    ///
    /// Publishes the messages of a session byte for byte, as far apart as they came, and says how late each one left.
    Replay(ReplayArguments),
    /// List and show what was captured
    Session(SessionArguments),
}

/// Options of the commands that publish.
#[derive(Args, Debug)]
pub struct SendArguments {
    /// Endpoint to bind, tcp://HOST:PORT or ipc://PATH; `tcp://*:5555` serves every interface. May be given several times
    #[arg(
        long,
        value_name = "ENDPOINT",
        default_value = "tcp://127.0.0.1:5555",
        env = "FANCYHWD_BIND",
        hide_env_values = true
    )]
    pub bind: Vec<String>,
    /// Send the first packet only when so many subscribers are there
    #[arg(long, value_name = "N", default_value_t = 0, env = "FANCYHWD_WAIT_SUBSCRIBERS", hide_env_values = true)]
    pub wait_subscribers: u64,
    /// When a subscriber reads too slowly: `drop` packets for it, or `block` until it has read
    #[arg(long, value_name = "POLICY", default_value = "drop", env = "FANCYHWD_ON_FULL", hide_env_values = true)]
    pub on_full: String,
}

/// Options of `publish`.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Topic of every packet: 1 to 255 bytes, no space
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data", env = "FANCYHWD_TOPIC", hide_env_values = true)]
    pub topic: String,
    /// What to publish: `simulated`, or raw little-endian int16 from `stream:PATH` or `stream:-` (standard input)
    #[arg(long, value_name = "DEVICE", default_value = "simulated", env = "FANCYHWD_DEVICE", hide_env_values = true)]
    pub device: String,
    /// Seed of the simulated device, as for srand()
    #[arg(long, value_name = "N", default_value_t = 12345, env = "FANCYHWD_SEED", hide_env_values = true)]
    pub seed: u32,
    /// Samples in a packet: 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 16, env = "FANCYHWD_PACKET_SIZE", hide_env_values = true)]
    pub packet_size: u32,
    /// Time between two packets, such as 250ms, 1s or 1m30s [default: 1s]
    #[arg(long, value_name = "DURATION", env = "FANCYHWD_INTERVAL", hide_env_values = true)]
    pub interval: Option<String>,
    /// Packets per second instead of an interval; `max` sends without a pause
    #[arg(long, value_name = "HZ", env = "FANCYHWD_RATE", hide_env_values = true)]
    pub rate: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), env = "FANCYHWD_COUNT", hide_env_values = true)]
    pub count: Option<u64>,
}

/// Which database.
#[derive(Args, Debug)]
pub struct DatabaseArguments {
    /// Database file [default: $STATE_DIRECTORY/captures.db under systemd, else $XDG_STATE_HOME/fancyhwd/captures.db]
    #[arg(long, value_name = "PATH", env = "FANCYHWD_DATABASE", hide_env_values = true)]
    pub database: Option<PathBuf>,
}

/// Options of `record`.
#[derive(Args, Debug)]
pub struct RecordArguments {
    /// Endpoint of a device, tcp://HOST:PORT or ipc://PATH. May be given several times
    #[arg(
        long,
        value_name = "ENDPOINT",
        default_value = "tcp://127.0.0.1:5555",
        env = "FANCYHWD_CONNECT",
        hide_env_values = true
    )]
    pub connect: Vec<String>,
    /// Topic to record, exactly; `*` records every topic. May be given several times
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data", env = "FANCYHWD_TOPIC", hide_env_values = true)]
    pub topic: Vec<String>,
    /// Where to record
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Name of the session
    #[arg(long, value_name = "TEXT", env = "FANCYHWD_LABEL", hide_env_values = true)]
    pub label: Option<String>,
    /// Remark about the session
    #[arg(long, value_name = "TEXT", env = "FANCYHWD_NOTE", hide_env_values = true)]
    pub note: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), env = "FANCYHWD_COUNT", hide_env_values = true)]
    pub count: Option<u64>,
    /// Stop after this time, such as 90s or 1h30m
    #[arg(long, value_name = "DURATION", env = "FANCYHWD_DURATION", hide_env_values = true)]
    pub duration: Option<String>,
    /// Begin a new session after this time or size, such as 1h or 2GB, without losing a packet. SIGHUP does so at once
    #[arg(long, value_name = "DURATION|SIZE", env = "FANCYHWD_SPLIT_EVERY", hide_env_values = true)]
    pub split_every: Option<String>,
    /// The most that the database may take, such as 20GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE", env = "FANCYHWD_MAX_USE", hide_env_values = true)]
    pub max_use: Option<String>,
    /// What must stay free on the disk, such as 1GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE", env = "FANCYHWD_KEEP_FREE", hide_env_values = true)]
    pub keep_free: Option<String>,
    /// What a commit survives: `full` also a power cut, `normal` a crash of the program
    #[arg(long, value_name = "LEVEL", default_value = "full", env = "FANCYHWD_DURABILITY", hide_env_values = true)]
    pub durability: String,
    /// The longest time until a packet is committed
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "100ms",
        env = "FANCYHWD_COMMIT_EVERY",
        hide_env_values = true
    )]
    pub commit_every: String,
    /// Memory for packets that wait for the disk, such as 64MiB or 2GB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", env = "FANCYHWD_QUEUE", hide_env_values = true)]
    pub queue: String,
    /// The largest message that is received, such as 64KiB; a larger one breaks the link, which is mended
    #[arg(long, value_name = "SIZE", default_value = "1MiB", env = "FANCYHWD_MAX_MESSAGE", hide_env_values = true)]
    pub max_message: String,
    /// When that memory is full: `drop` the newest packets and count them, or `block` the device, if it can wait
    #[arg(long, value_name = "POLICY", default_value = "drop", env = "FANCYHWD_ON_OVERFLOW", hide_env_values = true)]
    pub on_overflow: String,
    /// Print each packet, decoded, once it is stored
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_PRINT", hide_env_values = true)]
    pub print: bool,
}

/// Options of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// Session to replay: an id, a label, or `latest` for the newest finished one
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// What to replay from
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Factor on the speed, such as 0.5 or 10; `max` sends without a pause
    #[arg(long, value_name = "FACTOR", default_value = "1", env = "FANCYHWD_SPEED", hide_env_values = true)]
    pub speed: String,
    /// Replay again and again, or N times
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "forever",
        default_value = "1",
        hide_default_value = true,
        env = "FANCYHWD_LOOP",
        hide_env_values = true
    )]
    pub passes: String,
}

/// Options of `session`.
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true)]
pub struct SessionArguments {
    /// What to do
    #[command(subcommand)]
    pub command: SessionCommand,
}

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List all sessions, oldest first
    List(ListArguments),
    /// Show all that is known about a session
    Show(ShowArguments),
}

/// Options of `session list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of `session show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Session to show: an id, a label, or `latest` for the newest finished one
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of every session command.
#[derive(Args, Debug)]
pub struct SessionOutput {
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Print JSON
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_JSON", hide_env_values = true)]
    pub json: bool,
}

/// The definition, for manual pages and completions.
pub fn definition() -> clap::Command {
    Cli::command()
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
    let matches = match definition().try_get_matches() {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = error.render();
            let is_terminal = std::io::stdout().is_terminal();
            return Ok(Asked::Text(if is_terminal { text.ansi().to_string() } else { text.to_string() }));
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
    }
    Ok(Asked::Run(Box::new(cli)))
}

/// The parser's message without its usage text, on one line.
fn one_line(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::CommandLine(line.strip_prefix("error: ").unwrap_or(&line).to_owned())
}

/// Several values in one environment variable are separated by spaces; on the command line a space is part of a value.
fn split_environment(cli: &mut Cli, matches: &ArgMatches) -> Result<()> {
    let split = |name, values: &mut Vec<String>| {
        if matches.value_source(name) == Some(ValueSource::EnvVariable) {
            *values = values.iter().flat_map(|value| value.split_whitespace()).map(str::to_owned).collect();
        }
        match values.is_empty() {
            true => Err(Error::CommandLine(format!("the environment variable for --{name} holds no value"))),
            false => Ok(()),
        }
    };
    match &mut cli.command {
        Command::Publish(publish) => split("bind", &mut publish.send.bind),
        Command::Record(record) => {
            split("connect", &mut record.connect)?;
            split("topic", &mut record.topic)
        }
        Command::Replay(replay) => split("bind", &mut replay.send.bind),
        Command::Session(_) => Ok(()),
    }
}

/// `--rate` and `--interval` say the same thing. Of two that come from different places the command line wins.
fn settle_pace(cli: &mut Cli, matches: &ArgMatches) -> Result<()> {
    let Command::Publish(publish) = &mut cli.command else { return Ok(()) };
    if publish.rate.is_none() || publish.interval.is_none() {
        return Ok(());
    }
    let is_typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    match (is_typed("rate"), is_typed("interval")) {
        (true, false) => publish.interval = None,
        (false, true) => publish.rate = None,
        _ => return Err(Error::CommandLine("--rate and --interval cannot be used together; choose one".to_owned())),
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
