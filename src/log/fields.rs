//! What an event says: its words, and fields for programs.

use std::fmt::{self, Write};
use std::io;

use ::log::kv::{Key, Source, VisitSource};
use ::log::{Level, Record};
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use systemd_journal_logger::JournalLog;
use tracing::Event;
use tracing::field::{Field, Visit};

use crate::escape::{self, json};

/// The field that names the kind of an event.
const EVENT: &str = "event";

/// The field of the journal by which all events of a kind are found.
const MESSAGE_ID: &str = "message_id";

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Its words.
    pub message: String,
    /// The rest.
    pub values: Map<String, Value>,
}

impl Fields {
    pub fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// An object on one line, which nothing in it can break.
    pub fn into_json(mut self, level: &str) -> String {
        self.values.remove(MESSAGE_ID);
        let event = self.values.remove(EVENT);
        json::compact(&json!({
            "time": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            "level": level,
            "event": event,
            "fields": self.values,
            "message": self.message,
        }))
    }

    /// Hand it to the journal with its fields, if it is of a kind that has an id there. `None`: it is to go another way.
    pub fn to_journal(&self, journal: &JournalLog, priority: u8) -> Option<()> {
        self.values.get(MESSAGE_ID)?;
        // In the words of that library, these are the priorities that a line would have.
        let level = match priority {
            3 => Level::Error,
            4 => Level::Warn,
            6 => Level::Debug,
            _ => Level::Trace,
        };
        let message = escape::line(&self.message);
        let words = format_args!("{message}");
        let target = env!("CARGO_PKG_NAME");
        let sent: io::Result<()> =
            journal.journal_send(&Record::builder().level(level).target(target).key_values(self).args(words).build());
        sent.ok()
    }
}

/// The fields of the journal: it wants names in capitals, which that library makes of them.
impl Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), ::log::kv::Error> {
        for (name, value) in &self.values {
            let value = match value {
                Value::String(text) => ::log::kv::Value::from_display(text),
                other => ::log::kv::Value::from_display(other),
            };
            visitor.visit_pair(Key::from_str(name), value)?;
        }
        Ok(())
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            // Where there is none.
            _ if value.is_empty() => {}
            name => drop(self.values.insert(name.to_owned(), value.into())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            // Writing to a String cannot fail.
            "message" => drop(write!(self.message, "{value:?}")),
            name => drop(self.values.insert(name.to_owned(), format!("{value:?}").into())),
        }
    }
}
