//! Options of `serve`.

use std::net::SocketAddr;

use clap::Args;

use crate::cli::DatabaseArguments;
use crate::cli::values::{parse, to_read};
use crate::command::serve;
use crate::error::Result;

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Address and port to serve on. Port 0 takes a free one. A socket that the service manager hands over as standard input is used
    /// instead
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Serve other machines too. Whoever reaches the port reads all captures: there is no password and no encryption, so let only
    /// a reverse proxy reach it
    #[arg(long)]
    pub allow_remote: bool,
    /// What to show
    #[command(flatten)]
    pub database: DatabaseArguments,
}

impl ServeArguments {
    /// Check what was typed for `serve`.
    ///
    /// # Errors
    /// For the first value that cannot be used.
    pub fn settings(&self) -> Result<serve::Settings> {
        let listen = match self.listen.strip_prefix("localhost:") {
            Some(port) => parse::<SocketAddr>("--listen", &format!("127.0.0.1:{port}"))?,
            None => parse::<SocketAddr>("--listen", &self.listen)?,
        };
        Ok(serve::Settings { listen, allow_remote: self.allow_remote, database: to_read(&self.database)? })
    }
}
