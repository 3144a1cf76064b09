//! Reading what an archive has. Whoever may write there may have written anything: it is compared with its digests, and takes
//! memory for what is there.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::codec::stream::Key;
use crate::message::{Batch, Digest, Digester, FIRST_DIGEST, MESSAGE_MAX_BYTES};
use crate::store::RecorderName;
use crate::store::captures::{Commits, ProvenCommit};
use crate::store::nats::bundle::{Committed, Unbundling};
use crate::store::nats::failure::Failure;
use crate::store::nats::link::Link;
use crate::store::nats::names::{self, About};
use crate::store::nats::parts::{PART_MAX_BYTES, Whole};

/// Messages that are asked for at once.
const IN_FLIGHT_MAX: usize = 16;

/// Parts of one bundle or description: the largest message, that cannot be made smaller, and what stands before it.
const PARTS_MAX: usize = MESSAGE_MAX_BYTES / PART_MAX_BYTES + 64;

/// Sessions of one recorder that are looked at.
const SESSIONS_MAX: usize = 100_000;

/// Streams of one cluster that are looked at.
const STREAMS_MAX: usize = 10_000;

/// A session in an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archived {
    /// The database that it was captured into.
    pub database_id: String,
    /// Its number there.
    pub session_id: i64,
}

/// Reads the captures of one recorder.
pub struct Reading<'a> {
    pub(super) link: Rc<Link<'a>>,
    pub(super) stream: Stream,
    pub(super) recorder: RecorderName,
}

impl<'a> Link<'a> {
    /// The recorders that an archive knows, in their order.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn recorders(&self) -> Result<Vec<RecorderName>, Failure> {
        let mut recorders = Vec::new();
        let mut offset = 0;
        loop {
            let page: Value = self.ask("STREAM.NAMES", &json!({ "offset": offset, "subject": "fhw.>" }))?;
            let found = page.get("streams").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let names = found.iter().filter_map(|name| name.as_str()?.strip_prefix(names::STREAM)?.parse().ok());
            recorders.extend(names);
            offset += found.len();
            let total = page.get("total").and_then(Value::as_u64).unwrap_or_default();
            if found.is_empty() || offset as u64 >= total || offset >= STREAMS_MAX {
                recorders.sort();
                return Ok(recorders);
            }
        }
    }

    fn ask(&self, subject: &str, what: &Value) -> Result<Value, Failure> {
        let answer: Value = self.patiently(|| {
            let asked = self.wait(self.context().request(subject.to_owned(), what))?;
            asked.map_err(|error| self.failed("ask what there is", &error))
        })?;
        match answer.get("error") {
            Some(error) => {
                let said = error.get("description").and_then(Value::as_str).unwrap_or("an error");
                Err(Failure::refused(format!("its server says: {said}"), "check what this account may read"))
            }
            None => Ok(answer),
        }
    }
}

impl<'a> Reading<'a> {
    /// Read the captures of this recorder.
    ///
    /// # Errors
    /// When there are none, or they may not be read.
    pub fn open(link: Rc<Link<'a>>, recorder: RecorderName) -> Result<Self, Failure> {
        match link.patiently(|| link.stream(&names::stream(&recorder)))? {
            Some((stream, info)) if info.config.allow_direct => Ok(Self { link, stream, recorder }),
            Some(_) => Err(Failure::refused(
                format!("the stream of {recorder} does not allow direct reading"),
                "set allow_direct in its configuration",
            )),
            None => Err(Failure::refused(
                format!("there is no recorder {recorder} in it"),
                "look at the names with `nats stream list`, or how --recorder was given",
            )),
        }
    }

    /// The sessions that it has, oldest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sessions(&self) -> Result<Vec<Archived>, Failure> {
        let subject = format!("STREAM.INFO.{}", names::stream(&self.recorder));
        let mut sessions = Vec::new();
        let mut offset = 0;
        loop {
            let filter = format!("fhw.{}.*.*.meta", self.recorder);
            let page = self.link.ask(&subject, &json!({ "subjects_filter": filter, "offset": offset }))?;
            let found = page.pointer("/state/subjects").and_then(Value::as_object);
            let subjects: Vec<&str> = found.map(|found| found.keys().map(String::as_str).collect()).unwrap_or_default();
            sessions.extend(subjects.iter().filter_map(|subject| {
                let (database_id, session_id, _) = names::parsed(subject)?;
                Some(Archived { database_id: database_id.to_owned(), session_id })
            }));
            offset += subjects.len();
            let total = page.get("total").and_then(Value::as_u64).unwrap_or_default();
            if subjects.is_empty() || offset as u64 >= total || offset >= SESSIONS_MAX {
                sessions.sort_by(|a, b| (a.session_id, &a.database_id).cmp(&(b.session_id, &b.database_id)));
                return Ok(sessions);
            }
        }
    }

    pub(super) fn subject(&self, of: &Archived, about: About) -> String {
        names::subject(&self.recorder, &of.database_id, of.session_id, about)
    }

    /// Read the messages of a session.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn bundles(&self, of: &Archived) -> Result<Bundles<'_, 'a>, Failure> {
        let subject = self.subject(of, About::Bundle);
        // The leader knows all of them.
        let last = || match self.link.wait(self.stream.get_last_raw_message_by_subject(&subject))? {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(self.link.failed("read a message", &error)),
        };
        // Any server is asked, also one that does not have it yet.
        let first = || match self.link.wait(self.stream.direct_get_first_for_subject(subject.as_str()))? {
            Ok(message) => Ok(message.sequence),
            Err(error) => Err(self.link.failed("read the first message", &error)),
        };
        let (next, last) = match self.link.patiently(last)? {
            Some(last) => (self.link.patiently(first)?, last),
            None => (1, 0),
        };
        Ok(Bundles {
            reading: self,
            subject,
            next,
            last,
            asked: VecDeque::new(),
            bundle: None,
            number: 0,
            digest: FIRST_DIGEST,
        })
    }

    /// A message that may not be on the server that was asked, and then is on the leader.
    pub(super) fn get(&self, sequence: u64) -> Result<Option<StreamMessage>, Failure> {
        match self.link.wait(self.stream.direct_get(sequence))? {
            Ok(message) => Ok(Some(message)),
            Err(_) => self.get_of_leader(sequence),
        }
    }

    fn get_of_leader(&self, sequence: u64) -> Result<Option<StreamMessage>, Failure> {
        self.link.patiently(|| match self.link.wait(self.stream.get_raw_message(sequence))? {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(said) if said.code() == 404 => Ok(None),
                _ => Err(self.link.failed("read a message", &error)),
            },
        })
    }

    /// A message whose bytes are those that were written.
    pub(super) fn checked(&self, message: StreamMessage, about: About) -> Result<StreamMessage, Failure> {
        let is_of = names::parsed(&message.subject).is_some_and(|(.., found)| found == about);
        match is_of && names::digest(&message.headers, names::CHECK) == Some(*blake3::hash(&message.payload).as_bytes())
        {
            true => Ok(message),
            false => Err(self.damaged(&format!("message {} of it is not as it was written", message.sequence))),
        }
    }

    pub(super) fn damaged(&self, what: &str) -> Failure {
        Failure::Damaged(format!("the stream {} is damaged: {what}", names::stream(&self.recorder)))
    }
}

/// Reads bundles in their order, and some ahead.
pub struct Bundles<'r, 'a> {
    reading: &'r Reading<'a>,
    subject: String,
    next: u64,
    last: u64,
    asked: VecDeque<(u64, JoinHandle<Option<StreamMessage>>)>,
    /// The bundle whose commits come now.
    bundle: Option<Unbundling<Whole<Bytes>>>,
    /// The number of the next message, ...
    number: i64,
    /// ... and the digest of all before it.
    digest: Digest,
}

impl Bundles<'_, '_> {
    /// The next bundle that is whole; `None` at the end. Parts of one that was begun and not ended are passed over, because it
    /// was begun again then.
    fn next_bundle(&mut self) -> Result<Option<Unbundling<Whole<Bytes>>>, Failure> {
        let mut parts: BTreeMap<usize, Bytes> = BTreeMap::new();
        let mut from = None;
        while let Some(message) = self.message()? {
            let StreamMessage { headers, payload, sequence, .. } = self.reading.checked(message, About::Bundle)?;
            let place = place(&headers).ok_or_else(|| self.damaged(sequence))?;
            if place == 0 {
                parts.clear();
                from = names::number(&headers, names::FROM);
            }
            if place != parts.len() || place >= PARTS_MAX {
                return Err(self.damaged(sequence));
            }
            parts.insert(place, payload);
            if names::number(&headers, names::TO).is_some() {
                let whole = Whole::new(parts.into_values().collect()).and_then(Unbundling::new);
                let bundle = whole.map_err(|cause| {
                    self.reading
                        .damaged(&format!("the bundle that ends with message {sequence} cannot be read: {cause}"))
                })?;
                let first = bundle.first_number();
                if from != Some(first) {
                    return Err(self.damaged(sequence));
                }
                if first != self.number || *bundle.previous() != self.digest {
                    let what =
                        format!("messages {} to {first} are not there, or are not those that it has", self.number);
                    return Err(self.senseless(&what));
                }
                return Ok(Some(bundle));
            }
        }
        Ok(None)
    }

    /// The messages of the next commit of the bundle, if its digest proves them.
    fn prove(
        &mut self,
        bundle: &mut Unbundling<Whole<Bytes>>,
        batch: &mut Batch,
    ) -> Result<Option<ProvenCommit>, Failure> {
        let (number, mark) = (self.number, batch.mark());
        let next = bundle.next(batch).map_err(|cause| {
            self.senseless(&format!("message {number} and those behind it cannot be read: {cause}"))
        })?;
        let Some(Committed { messages, unix_ns, digest }) = next else { return Ok(None) };
        let previous = self.digest;
        let mut digester = Digester::new(&previous, number);
        digester.add(batch, mark);
        if digester.finish() != digest {
            let what = format!("the digest of message {number} and those behind it says that they were changed");
            return Err(self.senseless(&what));
        }
        (self.number, self.digest) = (number.saturating_add(messages as i64), digest);
        Ok(Some(ProvenCommit { first_number: number, messages, unix_ns, previous, digest }))
    }

    /// The error that what a bundle holds makes no sense.
    pub fn senseless(&self, what: &str) -> Failure {
        self.reading.damaged(what)
    }

    fn damaged(&self, sequence: u64) -> Failure {
        self.reading.damaged(&format!("message {sequence} of it is not what follows the one before"))
    }

    /// The next message of the session.
    fn message(&mut self) -> Result<Option<StreamMessage>, Failure> {
        loop {
            while self.asked.len() < IN_FLIGHT_MAX && self.next <= self.last {
                let (stream, sequence) = (self.reading.stream.clone(), self.next);
                let get = self.reading.link.begin(async move { stream.direct_get(sequence).await.ok() })?;
                self.asked.push_back((sequence, get));
                self.next += 1;
            }
            let Some((sequence, get)) = self.asked.pop_front() else { return Ok(None) };
            let message = match self.reading.link.wait(get)? {
                Ok(Some(message)) => Some(message),
                // It is not there, or not yet on that server, or that server is gone.
                _ => self.reading.get_of_leader(sequence)?,
            };
            if let Some(message) = message.filter(|message| message.subject.as_str() == self.subject) {
                return Ok(Some(message));
            }
        }
    }
}

impl Commits for Bundles<'_, '_> {
    type Error = Failure;

    fn next(&mut self, batch: &mut Batch) -> Result<Option<ProvenCommit>, Failure> {
        loop {
            let Some(mut bundle) = self.bundle.take().map_or_else(|| self.next_bundle(), |one| Ok(Some(one)))? else {
                return Ok(None);
            };
            if let Some(proven) = self.prove(&mut bundle, batch)? {
                self.bundle = Some(bundle);
                return Ok(Some(proven));
            }
        }
    }

    fn stream(&self, number: i64) -> Option<&Key> {
        let streams = self.bundle.as_ref()?.streams();
        streams.get(usize::try_from(number).ok()?).map(|(_, key)| key)
    }
}

impl Drop for Bundles<'_, '_> {
    fn drop(&mut self) {
        self.asked.iter().for_each(|(_, get)| get.abort());
    }
}

fn place(headers: &HeaderMap) -> Option<usize> {
    usize::try_from(names::number(headers, names::PART)?).ok()
}
