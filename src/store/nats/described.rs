//! What is known of the sessions in an archive, beside their messages.

use std::io::BufReader;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;

use crate::store::Restored;
use crate::store::nats::failure::Failure;
use crate::store::nats::names::{self, About};
use crate::store::nats::parts::Whole;
use crate::store::nats::reading::{Archived, Reading};

/// The largest description in memory, as it is sent.
const DESCRIPTION_MAX_PARTS: usize = 64;

/// What is known of a session, as it was sent.
pub struct Described {
    parts: Vec<Bytes>,
    /// Whether it has ended, and nothing more comes.
    pub is_end: bool,
}

impl Described {
    /// Its lines, from the beginning.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn lines(&self) -> std::io::Result<BufReader<Whole<Bytes>>> {
        Whole::new(self.parts.clone()).map(BufReader::new)
    }
}

impl Reading<'_> {
    /// The last message of a subject.
    fn last(&self, subject: &str) -> Result<Option<StreamMessage>, Failure> {
        self.link.patiently(|| match self.link.wait(self.stream.direct_get_last_for_subject(subject))? {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.link.failed("read a message", &error)),
        })
    }

    /// What is known of a session; `None` if it is not there.
    pub(super) fn described(&self, of: &Archived) -> Result<Option<Described>, Failure> {
        match self.last(&self.subject(of, About::Description))? {
            Some(last) => self.described_by(last),
            None => Ok(None),
        }
    }

    /// What is known of a session whose subject has this last message.
    pub(super) fn described_by(&self, mut last: StreamMessage) -> Result<Option<Described>, Failure> {
        if names::number(&last.headers, names::PARTS).is_none() {
            // It was cut off, or is just being written: the one before is whole.
            let before = names::number(&last.headers, names::BEFORE).filter(|before| *before > 0);
            let Some(before) = before else { return Ok(None) };
            last = self
                .get(before.unsigned_abs())?
                .ok_or_else(|| self.damaged("the description of a session is not there"))?;
        }
        let count = names::number(&last.headers, names::PARTS).and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| (1..=DESCRIPTION_MAX_PARTS).contains(count));
        let count = count.ok_or_else(|| self.damaged("the description of a session is not as a recorder writes it"))?;
        let first = last.sequence.saturating_sub(count as u64 - 1);
        let mut parts = Vec::new();
        for sequence in first..last.sequence {
            let part = self.get(sequence)?.ok_or_else(|| self.damaged("a part of a description is not there"))?;
            parts.push(self.checked(part, About::Description)?.payload);
        }
        let is_end = names::number(&last.headers, names::ENDED).is_some();
        parts.push(self.checked(last, About::Description)?.payload);
        Ok(Some(Described { parts, is_end }))
    }

    /// The session, as it is described.
    pub(super) fn restored(&self, of: &Archived, described: &Described) -> Result<Restored, Failure> {
        let read =
            described.lines().map_err(|cause| cause.to_string()).and_then(|mut lines| Restored::read(&mut lines));
        read.map_err(|cause| self.damaged(&format!("the description of session {} is damaged: {cause}", of.session_id)))
    }

    /// How many messages of a session are there.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn messages(&self, of: &Archived) -> Result<u64, Failure> {
        let last = self.last(&self.subject(of, About::Bundle))?;
        Ok(last.and_then(|last| names::number(&last.headers, names::TO)).unwrap_or_default().unsigned_abs())
    }
}
