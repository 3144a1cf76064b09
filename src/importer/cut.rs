//! A part of another session: what its digests prove of it, with the ledger of that part.

use std::collections::HashMap;

use crate::codec::topic::Wanted;
use crate::error::Result;
use crate::importer::Watch;
use crate::importer::gathering::Gathering;
use crate::importer::missing::Missing;
use crate::importer::origin;
use crate::message::{Batch, Gap, Gaps};
use crate::store::{self, Database, Extract, Reader, Recording, Selection, Session};

/// What was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Messages.
    pub messages: u64,
    /// What is missing between them, because the database is damaged.
    pub gaps: Gaps,
    /// Whether entries of the ledger, or endpoints, cannot be read.
    pub is_ledger_damaged: bool,
}

/// Write the messages that `reader` gives of a session into one that has just begun.
///
/// # Errors
/// When one database cannot be read, or the other not be written, there is nothing that is selected and proven, or a stop is
/// asked for.
pub fn cut(
    mut reader: Reader,
    session: &Session,
    selection: &Selection,
    recording: &mut Recording,
    watch: &Watch<'_>,
) -> Result<Cut> {
    let streams = reader.database().streams(session)?;
    let are_endpoints_whole = recording.take_endpoints(reader.database(), session)?;
    let is_unselected = selection.wanted == Wanted::Every && selection.endpoints.is_none();
    let mut pass = Missing::new(Gathering::new(recording), session, is_unselected, "damaged");
    let (mut places, mut batch) = (HashMap::new(), Batch::default());
    while reader.step(&mut batch)? {
        for ((message, &number), &stream_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
            let Some(stream) = streams.get(&stream_id) else {
                // What it is cannot be read.
                pass.miss(Gap::of(number, message.elapsed_ns))?;
                continue;
            };
            let place = *places.entry(stream_id).or_insert_with(|| pass.gathering.add(stream.clone()));
            pass.arrive(message.elapsed_ns, message.unix_ns);
            pass.gathering.copy(message, message.elapsed_ns, place)?;
        }
        for gap in batch.gaps() {
            pass.miss(*gap)?;
        }
        watch.at(reader.passed())?;
        batch.clear();
    }
    // At the end it gives nothing, or says why there was nothing.
    reader.read(&mut batch)?;
    pass.note()?;
    let messages = pass.gathering.messages();
    if messages == 0 {
        return Err(reader.gone(session.first_id));
    }
    let Missing { gathering, gaps, first_ns, last_ns, last_unix_ns, .. } = pass;
    let numbers_of_endpoints: Vec<u32> = gathering.streams().iter().map(|stream| stream.endpoint).collect();
    let recording = gathering.finish()?;
    let mut cut = Cut { messages, gaps, is_ledger_damaged: !are_endpoints_whole };
    for number in numbers_of_endpoints {
        let name = format!("endpoint {number} of {}", session.title());
        cut.is_ledger_damaged |= recording.make_endpoint(number, &name)?;
    }
    let database = reader.database();
    let part = part(database, session, selection, (first_ns.unwrap_or_default(), last_ns))?;
    for of in session.parts.iter() {
        let mut next_row = Some(i64::MIN);
        while let Some(row) = next_row {
            let is_whole;
            (next_row, is_whole) = recording.take_ledger(database, of, &part, row)?;
            cut.is_ledger_damaged |= !is_whole;
            watch.at(reader.passed())?;
        }
    }
    if is_unselected && selection.from.is_none() && selection.to.is_none() {
        recording.take_unwanted(session.tally.unwanted)?;
    }
    let words = words(database, session, reader.numbers(), &cut)?;
    let topics = topics(session, selection);
    recording.set_origin(&store::Origin { topics, ..origin::of(session, words, last_unix_ns) })?;
    Ok(cut)
}

/// The part of the session that is in the cut, for its ledger. Where the time of an end cannot be read, it is all before or behind.
fn part(
    database: &Database,
    session: &Session,
    selection: &Selection,
    (first_ns, last_ns): (i64, i64),
) -> Result<Extract> {
    let at = |position: Option<_>| match position {
        Some(position) => database.elapsed_ns(session, position),
        None => Ok(None),
    };
    let known = database.endpoints(session)?;
    let names = |numbers: &Vec<u32>| numbers.iter().filter_map(|number| known.get(number).cloned()).collect();
    Ok(Extract {
        // What the messages prove of the time comes before what one of the others says.
        from_ns: at(selection.from)?.map_or(i64::MIN, |from_ns| from_ns.min(first_ns)),
        to_ns: at(selection.to)?.map_or(i64::MAX, |to_ns| to_ns.max(last_ns.saturating_add(1))),
        is_by_topic: selection.wanted != Wanted::Every,
        endpoints: selection.endpoints.as_ref().map(names),
    })
}

/// The topics that are asked for.
fn topics(session: &Session, selection: &Selection) -> Vec<String> {
    match &selection.wanted {
        Wanted::Every => session.topics.clone(),
        Wanted::Only(patterns) => patterns.iter().map(ToString::to_string).collect(),
    }
}

/// Where it came from, in words.
fn words(database: &Database, session: &Session, (first, last): (i64, i64), cut: &Cut) -> Result<String> {
    let file = origin::file_name(database.path());
    let sealed = match database.seals(session)? {
        seals if seals.is_empty() => "not sealed".to_owned(),
        seals => format!("seal BLAKE3 {}", seals.join(" ")),
    };
    let gaps = if cut.gaps.is_empty() { "all of them proven".to_owned() } else { cut.gaps.to_string() };
    let ledger = if cut.is_ledger_damaged { ", entries of its ledger are missing" } else { "" };
    let of = session.title();
    Ok(format!("cut from {of} of {file} ({sealed}): messages #{first} to #{last}, {gaps}{ledger}"))
}
