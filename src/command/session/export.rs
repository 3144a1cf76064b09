//! `fancyhwd session export`.

use std::io::{self, IsTerminal};

use crate::command::ledger;
use crate::error::Result;
use crate::exit::Exit;
use crate::exporter::{Exported, Format, Output, Selection, Watch, write_database, write_packets};
use crate::process::stop::Stop;
use crate::settings::ExportSettings;
use crate::store::{Database, Session};
use crate::time::durations::seconds;

/// Export a session. The file gets its name at the very end.
pub(super) fn run(settings: &ExportSettings, stop: &Stop) -> Result<Exit> {
    let database = Database::for_reading(&settings.database)?;
    let session = database.find_session(&settings.session)?;
    let format = settings.plan.format;
    let output = Output::open(settings.output.as_deref(), settings.replace, format, database.path())?;
    let name = output.name();
    // Packets that run over the terminal show well enough how far it is.
    let is_shown = settings.output.is_some() || !io::stdout().is_terminal();
    let watch = Watch::new(stop, &name, session.tally.packets + session.tally.rejected, is_shown);
    let exported = match format {
        Format::Sqlite => write_database(database, &session, &output, &watch)?,
        _ => write_selected(settings, database, &session, &output, &watch)?,
    };
    let bytes = output.finish()?;
    let elapsed_ns = watch.elapsed_ns();
    // The bar goes before the summary comes.
    drop(watch);
    let rejects = match exported.rejected {
        0 => String::new(),
        rejected => format!(", {}", counted(rejected, "reject")),
    };
    tracing::info!(
        "exported session {} as {format}: {}{rejects}, {bytes} bytes in {:.3} s to {name}",
        session.id,
        counted(exported.packets, "packet"),
        seconds(elapsed_ns),
    );
    Ok(Exit::from_loss(report(&session, format, &exported)))
}

fn write_selected(
    settings: &ExportSettings,
    database: Database,
    session: &Session,
    output: &Output,
    watch: &Watch<'_>,
) -> Result<Exported> {
    let plan = &settings.plan;
    let selection = Selection::of(&database, session, plan, watch)?;
    if plan.format == Format::Wav && plan.sample_rate_hz.is_none() {
        tracing::info!(
            "{} samples per second, as estimated from the session; --sample-rate sets it",
            selection.sample_rate_hz
        );
    }
    write_packets(database, session, plan.format, &selection, output, watch)
}

/// Say what the export does not hold. Gives whether that is a loss.
fn report(session: &Session, format: Format, exported: &Exported) -> bool {
    if format != Format::Sqlite && session.tally.rejected > 0 {
        tracing::warn!(
            "left out: {} of the session, which only --format sqlite keeps",
            counted(session.tally.rejected, "reject")
        );
    }
    if exported.is_deleted {
        tracing::warn!("missing: session {} was deleted while it was exported", session.id);
    } else {
        ledger::warn_of_gaps(&exported.gaps);
    }
    if exported.is_ledger_damaged {
        tracing::warn!("missing: entries of its ledger, which are damaged");
    }
    exported.is_deleted || exported.is_ledger_damaged || !exported.gaps.is_empty()
}

/// `1 packet`, `2 packets`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
