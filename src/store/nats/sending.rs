//! Sending sessions into the stream of a recorder, in order and without a hole: each message says which one it follows.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};

use crate::message::Digest;
use crate::store::nats::bundle::Bundle;
use crate::store::nats::failure::{Failure, words};
use crate::store::nats::link::Link;
use crate::store::nats::made::{make, weaknesses};
use crate::store::nats::names::{self, About};
use crate::store::nats::parts::Parts;
use crate::store::{Keeping, RecorderName};
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};

/// Parts that are on their way at once, and so not acknowledged: 8 MB are enough for a gigabit over 60 ms.
const IN_FLIGHT_MAX: usize = 16;
const IN_FLIGHT_MAX_BYTES: usize = 8 << 20;

/// Messages of others behind our last one that are passed over to find it.
const FOREIGN_MAX: u64 = 256;

/// How far a session is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// All messages below this number are there.
    pub number: i64,
    /// The digest up to there, if it is known.
    pub digest: Option<Digest>,
}

/// What a quorum has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// All messages of a session below this number.
    Bundle(i64, i64),
    /// What is known of a session; whether that is the end of it.
    Description(i64, bool),
}

/// A message that is not acknowledged yet.
struct InFlight {
    ack: PublishAckFuture,
    sequence: u64,
    bytes: usize,
    what: Option<Acknowledged>,
}

/// Sends into one stream.
pub struct Sending<'a> {
    link: Rc<Link<'a>>,
    stream: Stream,
    recorder: RecorderName,
    database_id: String,
    keeping: Keeping,
    /// The sequence of the last message of the stream, with those that are on their way.
    last_sequence: u64,
    in_flight: VecDeque<InFlight>,
    acknowledged: Vec<Acknowledged>,
    /// Of this run: so that no message of another one is taken for a copy of one of this.
    run: String,
    /// When the next bytes may be sent, at the rate that is allowed.
    free_ns: i64,
    /// The sequence of the last part of the last description.
    described: u64,
    /// Waits so long, and says whether to go on.
    pause: &'a dyn Fn(i64) -> bool,
    sent_bytes: u64,
}

impl<'a> Sending<'a> {
    /// Make the stream of a recorder, or see whether the one that is there is ours. Gives what is weaker there than it is made.
    ///
    /// # Errors
    /// When it can neither be made nor used.
    pub fn open(
        link: Rc<Link<'a>>,
        recorder: RecorderName,
        database_id: String,
        keeping: Keeping,
        pause: &'a dyn Fn(i64) -> bool,
    ) -> Result<(Self, Vec<String>), Failure> {
        let name = names::stream(&recorder);
        let (stream, info) = match link.stream(&name)? {
            Some(found) => found,
            None => {
                make(&link, &recorder, keeping)?;
                link.stream(&name)?
                    .ok_or_else(|| Failure::Passing("the stream that was made is not there".to_owned()))?
            }
        };
        let weaknesses = weaknesses(&info, &recorder, keeping)?;
        let run = blake3::hash(format!("{}{}{}", unix_ns(), monotonic_ns(), std::process::id()).as_bytes());
        let mut sending = Self {
            link,
            stream,
            recorder,
            database_id,
            keeping,
            last_sequence: info.state.last_sequence,
            in_flight: VecDeque::new(),
            acknowledged: Vec::new(),
            run: run.to_hex().chars().take(12).collect(),
            free_ns: 0,
            described: 0,
            pause,
            sent_bytes: 0,
        };
        sending.refuse_another_database()?;
        Ok((sending, weaknesses))
    }

    /// Under which name.
    pub fn recorder(&self) -> &RecorderName {
        &self.recorder
    }

    /// Bytes that were sent.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// One stream is written by one database.
    fn refuse_another_database(&mut self) -> Result<(), Failure> {
        let Some(last) = self.last(&names::all_of(&self.recorder))? else { return Ok(()) };
        let mut sequence = last.sequence;
        let mut subject = Some(last.subject.to_string());
        for _ in 0..FOREIGN_MAX {
            if let Some((database_id, ..)) = subject.as_deref().and_then(names::parsed) {
                if database_id == self.database_id {
                    return Ok(());
                }
                return Err(Failure::refused(
                    format!(
                        "database {database_id} is archived as {}, and this one is {}",
                        self.recorder, self.database_id
                    ),
                    "give this one another name with --recorder",
                ));
            }
            sequence = match sequence.checked_sub(1) {
                None | Some(0) => return Ok(()),
                Some(before) => before,
            };
            subject = match self.link.wait(self.stream.get_raw_message(sequence))? {
                Ok(message) => Some(message.subject.to_string()),
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => None,
                    _ => return Err(self.link.failed("read the end of the stream", &error)),
                },
            };
        }
        Err(Failure::refused(
            format!(
                "the last {FOREIGN_MAX} messages of its stream {} are not of fancyhwd",
                names::stream(&self.recorder)
            ),
            "let nobody else write there, and choose another name with --recorder",
        ))
    }

    /// The last message of a subject, as the leader knows it.
    fn last(&self, subject: &str) -> Result<Option<async_nats::jetstream::message::StreamMessage>, Failure> {
        match self.link.wait(self.stream.get_last_raw_message_by_subject(subject))? {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(said) if said.code() == 404 => Ok(None),
                _ => Err(self.link.failed("read the end of the stream", &error)),
            },
        }
    }

    /// Find out where the stream ends now, and how far a session is in it. What was on its way is forgotten: it is there by now,
    /// or never will be.
    ///
    /// # Errors
    /// When nobody answers who knows it.
    pub fn resume(&mut self, session_id: i64) -> Result<Reached, Failure> {
        self.in_flight.clear();
        let found = self.link.stream(&names::stream(&self.recorder))?;
        let (_, info) = found.ok_or_else(|| {
            Failure::refused(
                "its stream was deleted while it was written",
                "see who did that; what is kept here is sent again",
            )
        })?;
        self.last_sequence = info.state.last_sequence;
        let subject = |about| names::subject(&self.recorder, &self.database_id, session_id, about);
        let described = self.last(&subject(About::Description))?;
        // A part that is not the last one says which one before it is whole.
        self.described = described.map_or(0, |last| match names::number(&last.headers, names::PARTS) {
            Some(_) => last.sequence,
            None => names::number(&last.headers, names::BEFORE).unwrap_or_default().max(0).unsigned_abs(),
        });
        let Some(last) = self.last(&subject(About::Bundle))? else { return Ok(Reached { number: 0, digest: None }) };
        let number = |name| names::number(&last.headers, name);
        match (number(names::TO), number(names::FROM)) {
            (Some(to), _) => Ok(Reached { number: to, digest: names::digest(&last.headers, names::DIGEST) }),
            (None, Some(from)) => Ok(Reached { number: from, digest: None }),
            (None, None) => Err(Failure::refused_session(
                format!("message {} of its stream {} is not of fancyhwd", last.sequence, names::stream(&self.recorder)),
                "let nobody else write there, and choose another name with --recorder",
            )),
        }
    }

    /// Send a bundle. It waits while too much is on its way.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn send_bundle(&mut self, session_id: i64, bundle: &Bundle<'_>) -> Result<(), Failure> {
        let subject = names::subject(&self.recorder, &self.database_id, session_id, About::Bundle);
        let messages: usize = bundle.commits.iter().map(|commit| commit.messages).sum();
        let to = bundle.first_number.saturating_add(messages as i64);
        let from = bundle.first_number.to_string();
        let digest = bundle.commits.last().map_or(*bundle.previous, |commit| commit.digest);
        let mut headers = HeaderMap::new();
        headers.insert(names::FROM, from.as_str());
        let mut last_headers = headers.clone();
        last_headers.insert(names::TO, to.to_string().as_str());
        last_headers.insert(names::DIGEST, blake3::Hash::from_bytes(digest).to_hex().as_str());
        let what = Acknowledged::Bundle(session_id, to);
        self.send(&subject, headers, |_| last_headers, what, &mut |parts| bundle.write(parts))
    }

    /// Send what is known of a session: what `write` writes. If it has ended, when that was.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn send_description(
        &mut self,
        session_id: i64,
        ended_unix_ns: Option<i64>,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let subject = names::subject(&self.recorder, &self.database_id, session_id, About::Description);
        let mut headers = HeaderMap::new();
        headers.insert(names::BEFORE, self.described.to_string().as_str());
        let ended = ended_unix_ns.map(|ended_ns| ended_ns.to_string());
        let last_headers = headers.clone();
        let last = move |parts: usize| {
            let mut headers = last_headers;
            headers.insert(names::PARTS, parts.to_string().as_str());
            if let Some(ended) = &ended {
                headers.insert(names::ENDED, ended.as_str());
            }
            headers
        };
        let what = Acknowledged::Description(session_id, ended_unix_ns.is_some());
        self.send(&subject, headers, last, what, &mut |parts| write(parts))?;
        self.described = self.last_sequence;
        Ok(())
    }

    /// Send all parts of what is written. The last one has other headers, which are made for so many parts.
    fn send(
        &mut self,
        subject: &str,
        headers: HeaderMap,
        last_headers: impl FnOnce(usize) -> HeaderMap,
        what: Acknowledged,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let (mut place, mut failure) = (0, None);
        let sending = &mut *self;
        let (next_place, failed) = (&mut place, &mut failure);
        let parts = Parts::new(|part| {
            let sent = sending.publish(subject, &headers, *next_place, part, None);
            *next_place += 1;
            sent.map_err(|cause| {
                *failed = Some(cause);
                io::Error::other("the archive takes nothing")
            })
        });
        let written = parts.and_then(|mut parts| write(&mut parts).and_then(|()| parts.finish()));
        match (failure, written) {
            (Some(failure), _) => Err(failure),
            (None, Err(cause)) => Err(Failure::Passing(format!("cannot write a bundle: {cause}"))),
            (None, Ok(part)) => self.publish(subject, &last_headers(place + 1), place, part, Some(what)),
        }
    }

    fn publish(
        &mut self,
        subject: &str,
        headers: &HeaderMap,
        place: usize,
        part: Vec<u8>,
        what: Option<Acknowledged>,
    ) -> Result<(), Failure> {
        self.keep_rate(part.len())?;
        let is_full = |this: &Self| {
            let bytes: usize = this.in_flight.iter().map(|one| one.bytes).sum();
            this.in_flight.len() >= IN_FLIGHT_MAX || (bytes + part.len() > IN_FLIGHT_MAX_BYTES && bytes > 0)
        };
        while is_full(self) {
            self.settle_one()?;
        }
        let check = blake3::hash(&part).to_hex();
        let mut headers = headers.clone();
        headers.insert(names::PART, place.to_string().as_str());
        headers.insert(names::CHECK, check.as_str());
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SEQUENCE, self.last_sequence.to_string().as_str());
        // The same message at the same place is the same one, and no other is.
        let id = format!("{}-{}-{}", self.run, self.last_sequence, check.get(..16).unwrap_or_default());
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
        let bytes = part.len();
        let sent =
            self.link.wait(self.link.context().publish_with_headers(subject.to_owned(), headers, part.into()))?;
        let ack = sent.map_err(|error| self.not_taken(&error))?;
        self.sent_bytes += bytes as u64;
        self.last_sequence += 1;
        self.in_flight.push_back(InFlight { ack, sequence: self.last_sequence, bytes, what });
        Ok(())
    }

    /// Wait until so many bytes more may be sent.
    fn keep_rate(&mut self, bytes: usize) -> Result<(), Failure> {
        let Some(rate_bytes) = self.keeping.rate_bytes else { return Ok(()) };
        let now_ns = monotonic_ns();
        if self.free_ns > now_ns && !(self.pause)(self.free_ns - now_ns) {
            return Err(Failure::Passing("it was stopped".to_owned()));
        }
        let takes_ns = bytes as i128 * i128::from(NS_PER_S) / i128::from(rate_bytes.max(1));
        self.free_ns = self.free_ns.max(now_ns).saturating_add(i64::try_from(takes_ns).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Wait for the oldest acknowledgement.
    fn settle_one(&mut self) -> Result<(), Failure> {
        let Some(InFlight { ack, sequence, what, .. }) = self.in_flight.pop_front() else { return Ok(()) };
        let ack = self.link.wait(async { ack.await })?.map_err(|error| self.not_taken(&error))?;
        if ack.sequence != sequence {
            return Err(Failure::Moved(format!("message {sequence} of its stream became {}", ack.sequence)));
        }
        self.acknowledged.extend(what);
        Ok(())
    }

    /// Wait until all that was sent is acknowledged.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn settle(&mut self) -> Result<(), Failure> {
        while !self.in_flight.is_empty() {
            self.settle_one()?;
        }
        Ok(())
    }

    /// What was acknowledged since this was asked last, in its order.
    pub fn acknowledged(&mut self) -> Vec<Acknowledged> {
        std::mem::take(&mut self.acknowledged)
    }

    fn not_taken(&self, error: &async_nats::jetstream::context::PublishError) -> Failure {
        let said = words(error);
        match error.kind() {
            PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId => {
                Failure::Moved("another message was written into its stream".to_owned())
            }
            PublishErrorKind::StreamNotFound => Failure::Passing("its servers are electing a leader".to_owned()),
            PublishErrorKind::TimedOut => self.link.failed("write into the stream", error),
            _ if [
                "maximum bytes exceeded",
                "maximum messages exceeded",
                "resource limits exceeded",
                "insufficient storage",
            ]
            .iter()
            .any(|full| said.contains(full)) =>
            {
                Failure::refused(
                    format!("it is full ({said})"),
                    "give it more room, or delete sessions in it; what is kept here is sent then",
                )
            }
            _ => self.link.failed("write into the stream", error),
        }
    }
}
