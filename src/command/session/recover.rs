//! `fancyhwd session recover`.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::command::print;
use crate::error::{Error, Result};
use crate::escape;
use crate::exit::Exit;
use crate::exporter::{Format, Output};
use crate::importer::{self, Recovered, Watch};
use crate::message::Gaps;
use crate::process::leavings::PartialFile;
use crate::process::stop::Stop;
use crate::store::{FILE_MODE, RowState, Salvage, Unread};
use crate::summary::ledger::NAMED_MAX_GAPS;
use crate::summary::text::pretty;
use crate::time::durations::seconds;

/// What `session recover` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The damaged database.
    pub file: PathBuf,
    /// The new one.
    pub output: PathBuf,
    /// Whether that may be replaced.
    pub replace: bool,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// Take out of a damaged database what can be read. The new one gets its name when it is whole.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let file = &settings.file;
    let damaged = crate::store::true_path(file).unwrap_or_else(|_| file.clone());
    let output = Output::open(Some(&settings.output), settings.replace, Format::Sqlite, &damaged)?;
    let name = PathBuf::from(output.name());
    // Beside the new database, because it may be large too. It goes when this ends.
    let index = PartialFile::create_in(output.directory(), FILE_MODE).map_err(|cause| output.failed(cause))?;
    let what = format!("recover {}", file.display());
    let scanning = Watch::new(stop, what.clone(), pages(file), "pages");
    let mut salvage = Salvage::open(file, index.file().path(), &name, &mut |done, _| scanning.at(done))?;
    let began_ns = scanning.elapsed_ns();
    drop(scanning);
    let watch = Watch::new(stop, what, salvage.messages()?, "messages");
    let recovered = importer::recover(&mut salvage, output.path(), &name, &watch)?;
    let elapsed_ns = began_ns + watch.elapsed_ns();
    drop(watch);
    let is_something = |one: &Recovered| one.row != RowState::Lost || one.proven > 0 || !one.unproven.is_empty();
    if !recovered.iter().any(is_something) {
        return Err(Error::OpenDatabase {
            path: file.clone(),
            cause: "no page of it has anything of a capture".to_owned(),
            hint: "check whether it is the right file",
        });
    }
    let unread = salvage.unread();
    let bytes = output.finish()?;
    print(&match settings.is_json {
        true => pretty(&as_json(settings, &recovered, unread)),
        false => lines(&recovered, unread),
    })?;
    let proven: u64 = recovered.iter().map(|one| one.proven).sum();
    tracing::info!(
        "recovered {proven} proven messages of {} in {:.3} s to {}, {bytes} bytes",
        file.display(),
        seconds(elapsed_ns),
        name.display()
    );
    Ok(Exit::from_loss(!unread.is_empty() || !recovered.iter().all(Recovered::is_whole)))
}

/// About how many pages a file has, for the bar.
fn pages(file: &PathBuf) -> u64 {
    std::fs::metadata(file).map_or(0, |about| about.len() / 4096)
}

fn lines(recovered: &[Recovered], unread: Unread) -> String {
    let mut text = String::new();
    for one in recovered {
        let _ = writeln!(text, "{}", line(one));
        for (what, gaps) in [("not proven", &one.unproven), ("gone", &one.gone)] {
            for gap in gaps.iter().take(NAMED_MAX_GAPS) {
                let (first, last) =
                    (one.first_id.saturating_add(gap.first_number), one.first_id.saturating_add(gap.last_number));
                let _ = writeln!(text, "  {what}: {} (ids {first} to {last})", gap.messages());
            }
            if gaps.iter().len() > NAMED_MAX_GAPS {
                let _ = writeln!(text, "  {what}: ... in all, {} in {} ranges", gaps.messages(), gaps.iter().len());
            }
        }
    }
    let Unread { pages, rows, is_log_damaged, is_log_missing } = unread;
    if pages > 0 {
        let _ = writeln!(text, "{pages} pages hold nothing, though others lead to them");
    }
    if rows > 0 {
        let _ = writeln!(text, "{rows} rows make no sense");
    }
    if is_log_damaged {
        text.push_str("a part of the write-ahead log is damaged\n");
    }
    if is_log_missing {
        text.push_str("the write-ahead log is not there: what was in it is gone\n");
    }
    text
}

fn line(one: &Recovered) -> String {
    let whose = one.id.map_or("of no session".to_owned(), |id| format!("session {id}"));
    let label = one.label.as_deref().map_or(String::new(), |label| format!(" {}", escape::line(label)));
    let row = match one.row {
        _ if one.id.is_none() => "",
        RowState::Sound => "",
        RowState::Unproven => ", what it says of itself is not proven",
        RowState::Lost => ", what it says of itself is lost",
    };
    let described = if one.is_described { "" } else { ", its ledger, endpoints or layouts are not whole" };
    let to = [one.session_id, one.unproven_session_id].into_iter().flatten().map(|id| id.to_string());
    format!(
        "{whose}{label}: {} proven, {} not proven, {} gone{row}{described}; now session {}",
        one.proven,
        one.unproven.messages(),
        one.gone.messages(),
        to.collect::<Vec<_>>().join(" and ")
    )
}

fn as_json(settings: &Settings, recovered: &[Recovered], unread: Unread) -> Value {
    let ranges = |one: &Recovered, gaps: &Gaps| -> Value {
        let range = |gap: &crate::message::Gap| {
            json!({
                "first_id": one.first_id.saturating_add(gap.first_number),
                "last_id": one.first_id.saturating_add(gap.last_number),
                "messages": gap.messages(),
            })
        };
        gaps.iter().map(range).collect()
    };
    let sessions = recovered.iter().map(|one| {
        json!({
            "id": one.id,
            "label": one.label,
            "row": match one.row {
                RowState::Sound => "sound",
                RowState::Unproven => "unproven",
                RowState::Lost => "lost",
            },
            "proven": one.proven,
            "unproven": one.unproven.messages(),
            "unproven_ids": ranges(one, &one.unproven),
            "gone": one.gone.messages(),
            "gone_ids": ranges(one, &one.gone),
            "is_described": one.is_described,
            "session_id": one.session_id,
            "unproven_session_id": one.unproven_session_id,
        })
    });
    json!({
        "file": settings.file.display().to_string(),
        "output": settings.output.display().to_string(),
        "sessions": sessions.collect::<Vec<_>>(),
        "unread_pages": unread.pages,
        "senseless_rows": unread.rows,
        "log_damaged": unread.is_log_damaged,
        "log_missing": unread.is_log_missing,
        "is_whole": unread.is_empty() && recovered.iter().all(Recovered::is_whole),
    })
}
