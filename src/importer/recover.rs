//! What can be read of a damaged database, into sessions of a new one: what is proven, and apart from that what is not.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::codec::framing::Framing;
use crate::codec::layout::Layout;
use crate::codec::stream::{Key, Stream};
use crate::error::Result;
use crate::importer::Watch;
use crate::importer::gathering::Gathering;
use crate::importer::missing::Missing;
use crate::importer::origin;
use crate::message::{Gap, Gaps, Message};
use crate::observe::event::{Event, Kind};
use crate::store::{
    Durability, EndReason, Extract, LOST_ENDPOINT, Piece, Recording, RowState, Salvage, Session, SessionStart,
};

/// All of the ledger.
const ALL: Extract = Extract { from_ns: i64::MIN, to_ns: i64::MAX, is_by_topic: false, endpoints: None };

/// What became of a session.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Its number; `None` stands for messages in the range of no session.
    pub id: Option<i64>,
    /// Its label.
    pub label: Option<String>,
    /// The id that its first message had.
    pub first_id: i64,
    /// What became of what it says of itself.
    pub row: RowState,
    /// Messages that their digests prove, ...
    pub proven: u64,
    /// ... those that can be read and are not proven, by their numbers, ...
    pub unproven: Gaps,
    /// ... and those that are gone.
    pub gone: Gaps,
    /// Whether its endpoints, how its streams are read, and its ledger are there, as far as that is known.
    pub is_described: bool,
    /// The new session with what is proven, ...
    pub session_id: Option<i64>,
    /// ... and the one with what is not.
    pub unproven_session_id: Option<i64>,
}

impl Recovered {
    /// Whether all of it is proven, and nothing is gone.
    pub fn is_whole(&self) -> bool {
        self.row == RowState::Sound && self.unproven.is_empty() && self.gone.is_empty() && self.is_described
    }
}

/// Write all sessions that were found into the empty file `target`, which becomes a database. Errors call it `name`.
///
/// # Errors
/// When the index cannot be read, the new database not be written, or a stop is asked for.
pub fn recover(salvage: &mut Salvage, target: &Path, name: &Path, watch: &Watch<'_>) -> Result<Vec<Recovered>> {
    let mut to = Target { salvage, file: target, name, watch, done: 0 };
    let mut all = Vec::new();
    for session in to.salvage.database().sessions()? {
        all.push(to.session(&session)?);
    }
    if let Some(session) = to.salvage.of_none()? {
        let mut recovered = Recovered {
            id: None,
            label: None,
            first_id: session.first_id,
            row: RowState::Lost,
            proven: 0,
            unproven: Gaps::default(),
            gone: Gaps::default(),
            is_described: false,
            session_id: None,
            unproven_session_id: None,
        };
        to.unproven(&session, &mut recovered)?;
        // Between its messages are those of others.
        recovered.gone = Gaps::default();
        all.push(recovered);
    }
    Ok(all)
}

struct Target<'a> {
    salvage: &'a mut Salvage,
    file: &'a Path,
    name: &'a Path,
    watch: &'a Watch<'a>,
    /// Messages that were given so far.
    done: u64,
}

impl Target<'_> {
    /// Recover a session: first what is proven, then the rest.
    fn session(&mut self, session: &Session) -> Result<Recovered> {
        let mut recording = Recording::build(self.file, self.name, about(session, session.label.clone()))?;
        let session_id = Some(recording.session_id());
        let streams = self.salvage.database().streams(session)?;
        let mut is_described = self.salvage.has_all_fields(&streams)?;
        is_described &= recording.take_endpoints(self.salvage.database(), session)?;
        let mut filling = Filling::new(&mut recording, session, streams, "not proven");
        let (watch, mut done) = (self.watch, self.done);
        let found = self.salvage.proven(session, &mut |piece| {
            done += filling.take_proven(piece)?;
            watch.at(done)
        })?;
        self.done = done;
        let filled = filling.finish()?;
        let Filled { messages: proven, missing: rest, .. } = &filled;
        is_described &= make_endpoints(session, &mut recording, &filled)?;
        is_described &= self.take_ledger(session, &mut recording, found.row)?;
        recording.take_unwanted(session.tally.unwanted)?;
        let rest_words = if rest.is_empty() { String::new() } else { format!("; {rest}") };
        end(
            self.salvage,
            session,
            recording,
            &filled,
            &format!("{proven} messages, proven by their digests{rest_words}"),
        )?;
        let mut recovered = Recovered {
            id: Some(session.id),
            label: session.label.clone(),
            first_id: found.first_id,
            row: found.row,
            proven: *proven,
            unproven: Gaps::default(),
            gone: Gaps::default(),
            is_described,
            session_id,
            unproven_session_id: None,
        };
        if !rest.is_empty() {
            self.unproven(session, &mut recovered)?;
        }
        Ok(recovered)
    }

    /// Take the ledger over. Says whether it is whole, as far as its session knows how many messages it says were lost.
    fn take_ledger(&self, session: &Session, recording: &mut Recording, row: RowState) -> Result<bool> {
        let before = recording.tally().lost;
        let mut is_whole = true;
        for of in session.parts.iter() {
            let mut next_row = Some(i64::MIN);
            while let Some(from_row) = next_row {
                let are_read;
                (next_row, are_read) = recording.take_ledger(self.salvage.database(), of, &ALL, from_row)?;
                is_whole &= are_read;
                self.watch.at(self.done)?;
            }
        }
        let found = recording.tally().lost.saturating_sub(before);
        let lost = if row == RowState::Lost { found } else { session.tally.lost };
        if lost > found {
            let detail =
                format!("entries of the ledger of session {} are gone, with what they say was lost", session.id);
            let event = Event::at(session.started_unix_ns, 0, Kind::Damaged, Some(lost - found));
            let mut gathering = Gathering::new(recording);
            gathering.note(Event { detail: Some(detail), ..event })?;
            gathering.finish()?;
        }
        Ok(is_whole && lost == found)
    }

    /// Recover what of a session is not proven.
    fn unproven(&mut self, session: &Session, recovered: &mut Recovered) -> Result<()> {
        let (mut readable, mut gone) = (Gaps::default(), Gaps::default());
        let at =
            |first_number, last_number| Gap { first_number, last_number, elapsed_ns: None, until_elapsed_ns: None };
        // A session is only begun when there is something for it.
        self.salvage.unproven(session, recovered.first_id, &mut |piece| {
            match piece {
                Piece::Missing(first, last) => gone.add(at(first, last)),
                Piece::Messages(batch) => batch.numbers().iter().for_each(|number| readable.add(at(*number, *number))),
            }
            self.watch.at(self.done)
        })?;
        (recovered.unproven, recovered.gone) = (readable, gone);
        if recovered.unproven.is_empty() {
            return Ok(());
        }
        let whose = recovered.id.map_or("of no session".to_owned(), |id| format!("session {id}"));
        let label = format!("{} (unproven)", recovered.label.clone().unwrap_or(whose));
        let mut recording = Recording::build(self.file, self.name, about(session, Some(label)))?;
        recovered.unproven_session_id = Some(recording.session_id());
        recording.take_endpoints(self.salvage.database(), session)?;
        let streams = self.salvage.database().streams(session)?;
        let mut filling = Filling::new(&mut recording, session, streams, "gone");
        let (watch, mut done) = (self.watch, self.done);
        self.salvage.unproven(session, recovered.first_id, &mut |piece| {
            done += filling.take_unproven(piece)?;
            watch.at(done)
        })?;
        self.done = done;
        let filled = filling.finish()?;
        make_endpoints(session, &mut recording, &filled)?;
        let what = format!("{} messages that no digest proves", filled.messages);
        end(self.salvage, session, recording, &filled, &what)
    }
}

/// Takes the parts of a session.
struct Filling<'a> {
    missing: Missing<'a>,
    session: &'a Session,
    streams: BTreeMap<i64, Stream>,
    places: HashMap<i64, usize>,
}

/// What was taken.
struct Filled {
    messages: u64,
    missing: Gaps,
    last_unix_ns: Option<i64>,
    /// Endpoints of streams.
    endpoints: Vec<u32>,
}

impl<'a> Filling<'a> {
    fn new(
        recording: &'a mut Recording,
        session: &'a Session,
        streams: BTreeMap<i64, Stream>,
        what: &'static str,
    ) -> Self {
        let missing = Missing::new(Gathering::new(recording), session, true, what);
        Self { missing, session, streams, places: HashMap::new() }
    }

    /// Gives how many messages that were.
    fn take_proven(&mut self, piece: Piece<'_>) -> Result<u64> {
        let batch = match piece {
            Piece::Missing(first, last) => return self.missing.between(first, last).map(|()| 0),
            Piece::Messages(batch) => batch,
        };
        for (message, stream_id) in batch.messages().zip(batch.streams()) {
            self.take(message, message.elapsed_ns, *stream_id)?;
        }
        Ok(batch.len() as u64)
    }

    /// The same of messages whose times may be anything: where one is not between those around it, it is that of the message
    /// before.
    fn take_unproven(&mut self, piece: Piece<'_>) -> Result<u64> {
        let Piece::Messages(batch) = piece else { return self.take_proven(piece) };
        let mut next = batch.messages().skip(1).map(|message| message.elapsed_ns);
        for (message, stream_id) in batch.messages().zip(batch.streams()) {
            let last_ns = self.missing.last_ns;
            let latest_ns = Some(self.session.last_elapsed_ns).filter(|latest_ns| *latest_ns > 0);
            let until_ns = [next.next(), latest_ns].into_iter().flatten().filter(|until_ns| *until_ns >= last_ns).min();
            let is_plausible =
                message.elapsed_ns >= last_ns && until_ns.is_none_or(|until_ns| message.elapsed_ns <= until_ns);
            self.take(message, if is_plausible { message.elapsed_ns } else { last_ns }, *stream_id)?;
        }
        Ok(batch.len() as u64)
    }

    fn take(&mut self, message: Message<'_>, elapsed_ns: i64, stream_id: i64) -> Result<()> {
        let Self { missing, streams, places, .. } = self;
        let place = *places.entry(stream_id).or_insert_with(|| {
            let known = streams.get(&stream_id).cloned();
            missing.gathering.add(known.unwrap_or_else(|| lost_stream(message.origin.0)))
        });
        missing.arrive(elapsed_ns, message.unix_ns);
        missing.gathering.copy(message, elapsed_ns, place)
    }

    fn finish(mut self) -> Result<Filled> {
        self.missing.note()?;
        let Missing { gathering, gaps, first_ns, last_unix_ns, .. } = self.missing;
        let endpoints = gathering.streams().iter().map(|stream| stream.endpoint).collect();
        let messages = gathering.messages();
        gathering.finish()?;
        Ok(Filled { messages, missing: gaps, last_unix_ns: first_ns.map(|_| last_unix_ns), endpoints })
    }
}

/// What is left of a stream whose row is lost, or of another session.
fn lost_stream(endpoint: u32) -> Stream {
    Stream::assumed(Key { endpoint, framing: Framing::Whole, topic: Vec::new() }, Layout::bytes())
}

/// Give the endpoints of streams a row that have none. Says whether all had one.
fn make_endpoints(session: &Session, recording: &mut Recording, filled: &Filled) -> Result<bool> {
    let mut had_all = true;
    for number in &filled.endpoints {
        let name = match *number {
            LOST_ENDPOINT => "an endpoint that is lost".to_owned(),
            number => format!("endpoint {number} of session {}", session.id),
        };
        had_all &= !recording.make_endpoint(*number, &name)?;
    }
    Ok(had_all)
}

/// End a session with what is known of the one that it was.
fn end(salvage: &Salvage, session: &Session, mut recording: Recording, filled: &Filled, what: &str) -> Result<()> {
    let file = origin::file_name(salvage.path());
    let words = format!("recovered from session {} of {file}: {what}", session.id);
    let ended_unix_ns = session.ended_unix_ns.or(filled.last_unix_ns).unwrap_or(session.started_unix_ns);
    recording.set_origin(&origin::of(session, words, ended_unix_ns))?;
    recording.end(EndReason::Recovered).map(|_| ())
}

/// What a session begins with.
fn about(session: &Session, label: Option<String>) -> SessionStart {
    SessionStart {
        id: None,
        label,
        note: None,
        started_unix_ns: session.started_unix_ns,
        endpoints: Vec::new(),
        connected: 0,
        socket: "sub",
        topics: session.topics.clone(),
        framing: Framing::named(&session.framing),
        host: session.host.clone(),
        boot_id: session.boot_id.clone(),
        durability: Durability::Normal,
        recorder: None,
        resumes: false,
    }
}
