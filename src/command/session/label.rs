//! `fancyhwd session label`.

use crate::cli::LabelArguments;
use crate::command::ledger::printable;
use crate::error::Result;
use crate::exit::Exit;
use crate::settings;
use crate::store::Database;

/// Give a session another label, or none.
pub(super) fn run(typed: &LabelArguments) -> Result<Exit> {
    let label = Some(typed.text.as_str()).filter(|text| !text.is_empty());
    let label = label.map(|text| settings::label("TEXT", text)).transpose()?;
    let mut database = Database::for_changing(&settings::database(&typed.database)?.path)?;
    let session = database.find_session(&typed.session)?;
    database.set_label(session.id, label.as_deref())?;
    let before = session.label.map_or("no label".to_owned(), |label| format!("label '{}'", printable(&label)));
    let now = label.map_or("no label".to_owned(), |label| format!("label '{}'", printable(&label)));
    tracing::info!("session {} has {now}; it had {before}", session.id);
    Ok(Exit::Done)
}
