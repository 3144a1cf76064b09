//! One run of the program, from the command line to the exit code: the table of contents.

use tracing::Level;

use crate::cli::{self, Asked, Cli, Command, LogArguments};
use crate::command;
use crate::error::Result;
use crate::exit::Exit;
use crate::log;
use crate::settings;
use crate::stop::Stop;

/// Run the command that the command line asks for. An error is said in one line on standard error.
pub fn run() -> Exit {
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
        Ok(Asked::Text(text)) => return command::print(&text),
        Err(error) => {
            log::start(Level::ERROR);
            return Err(error);
        }
    };
    log::start(level(&cli.log));
    execute(&cli)
}

fn execute(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Publish(typed) => command::publish::run(&settings::publish(typed)?, &Stop::on_signals()?),
        Command::Record(typed) => command::record::run(&settings::record(typed)?, &Stop::on_signals()?),
        Command::Replay(typed) => command::replay::run(&settings::replay(typed)?, &Stop::on_signals()?),
        Command::Session(typed) => command::session::run(&typed.command),
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
