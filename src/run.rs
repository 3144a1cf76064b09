//! One run of the program, from the command line to the exit code: the table of contents.

use tracing::Level;

use crate::cli::{self, Asked, Cli, Command, LogArguments, SessionCommand};
use crate::command::{self, session};
use crate::error::Result;
use crate::exit::Exit;
use crate::log::{self, LogFormat};
use crate::process::signals::{OnHangup, OnUser, Signals};

/// Run the command that the command line asks for. An error is said in one line on standard error.
pub fn run() -> Exit {
    if cli::answer() {
        return Exit::Done;
    }
    match try_run() {
        Ok(exit) => exit,
        Err(error) => {
            if error.exit() != Exit::Done {
                tracing::error!("{error}");
            }
            error.exit()
        }
    }
}

fn try_run() -> Result<Exit> {
    let cli = match cli::parse() {
        Ok(Asked::Run(cli)) => cli,
        Ok(Asked::Text(text)) => {
            log::start(Level::WARN, LogFormat::of_environment());
            return command::print_help(&text);
        }
        Err(error) => {
            // As far as it is known without a command line.
            log::start(Level::WARN, LogFormat::of_environment());
            cli::warn_of_unknown_variables();
            return Err(error);
        }
    };
    log::start(level(&cli.log), cli.log.log_format);
    // A shell that completes a line has somebody type in it.
    if !matches!(cli.command, Command::Completions(_)) {
        cli::warn_of_unknown_variables();
    }
    execute(&cli)
}

fn execute(cli: &Cli) -> Result<Exit> {
    let (on_hangup, on_user) = match &cli.command {
        Command::Publish(_) | Command::Replay(_) => (OnHangup::GoOn, OnUser::Leave),
        Command::Record(_) => (OnHangup::Reload, OnUser::Mark),
        Command::Session(_) | Command::Serve(_) | Command::Keygen(_) | Command::Completions(_) => {
            (OnHangup::Stop, OnUser::Leave)
        }
    };
    // Before there is anything that a signal could leave half done.
    let signals = &Signals::catch(on_hangup, on_user)?;
    let stop = &signals.stop;
    match &cli.command {
        Command::Completions(typed) => command::completions::run(&typed.settings()?),
        Command::Keygen(typed) => command::keygen::run(&typed.settings()?),
        Command::Publish(typed) => command::publish::run(&typed.settings()?, stop),
        Command::Record(typed) => command::record::run(&typed.settings()?, signals),
        Command::Replay(typed) => command::replay::run(&typed.settings()?, stop),
        Command::Serve(typed) => command::serve::run(&typed.settings()?, stop),
        Command::Session(typed) => match &typed.command {
            SessionCommand::List(typed) => session::list::run(&typed.settings()?, stop),
            SessionCommand::Show(typed) => session::show::run(&typed.settings()?, stop),
            SessionCommand::Export(typed) => session::export::run(&typed.settings()?, stop),
            SessionCommand::Import(typed) => session::import::run(&typed.settings()?, stop),
            SessionCommand::Cut(typed) => session::cut::run(&typed.settings()?, stop),
            SessionCommand::Archive(typed) => session::archive::run(&typed.settings()?, stop),
            SessionCommand::Fetch(typed) => session::fetch::run(&typed.settings()?, stop),
            SessionCommand::Recover(typed) => session::recover::run(&typed.settings(), stop),
            SessionCommand::Verify(typed) => session::verify::run(&typed.settings()?, stop),
            SessionCommand::Diff(typed) => session::diff::run(&typed.settings()?, stop),
            SessionCommand::Find(typed) => session::find::run(&typed.settings()?, stop),
            SessionCommand::Describe(typed) => session::describe::run(&typed.settings()?, stop),
            SessionCommand::Label(typed) => session::label::run(&typed.settings()?),
            SessionCommand::Note(typed) => session::note::run(&typed.settings()?),
            SessionCommand::Mark(typed) => session::mark::run(&typed.settings()?, stop),
            SessionCommand::Delete(typed) => session::delete::run(&typed.settings()?, stop),
        },
    }
}

fn level(typed: &LogArguments) -> Level {
    match (typed.quiet, typed.verbose) {
        (true, _) => Level::WARN,
        (false, 0) => Level::INFO,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    }
}
