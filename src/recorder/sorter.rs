//! Which streams the messages of a recording belong to, and what is said of those that cannot be read.

use crate::codec::stream::Stream;
use crate::codec::topic;
use crate::message::Batch;
use crate::streams::{Sorted, Streams, Told};

/// Sorts the messages of a session.
#[derive(Debug)]
pub struct Sorter {
    streams: Streams,
    /// Of each stream whether it was said that messages cannot be read.
    said: Vec<bool>,
}

impl Sorter {
    /// No message came yet.
    pub fn new(told: Told) -> Self {
        Self { streams: Streams::new(told), said: Vec::new() }
    }

    /// A new session begins.
    pub fn restart(&mut self) {
        self.streams.restart();
        self.said.clear();
    }

    /// All streams of the session so far.
    pub fn streams(&self) -> &[Stream] {
        self.streams.all()
    }

    /// Find the streams of the messages of a batch.
    pub fn sort(&mut self, batch: &Batch) -> Sorted {
        self.streams.sort(batch)
    }

    /// Say once of each stream that its layout cannot read a message.
    pub fn report(&mut self, sorted: &Sorted) {
        for (place, why) in &sorted.faults {
            let Some(&of) = sorted.streams.get(*place) else { continue };
            self.said.resize(self.streams.all().len(), false);
            let (Some(stream), Some(said)) = (self.streams.all().get(of), self.said.get_mut(of)) else { continue };
            if std::mem::replace(said, true) {
                continue;
            }
            let assumed = if stream.is_assumed { "assumed " } else { "" };
            let topic = topic::title(&stream.topic);
            tracing::warn!(
                "{topic} from endpoint {}: the {assumed}layout {} cannot read a message ({why}); it and others \
                 like it are stored all the same; set another with --layout, or later with `fancyhwd session describe`",
                stream.endpoint,
                stream.layout,
            );
        }
    }
}
