//! The stream of a recorder: how it is made, and what one that is there is weaker in.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};

use crate::store::nats::failure::Failure;
use crate::store::nats::link::Link;
use crate::store::nats::names;
use crate::store::{Keeping, RecorderName};

/// Make a stream as strong as it should be.
pub(super) fn make(link: &Link<'_>, recorder: &RecorderName, keeping: Keeping) -> Result<(), Failure> {
    let config = Config {
        name: names::stream(recorder),
        subjects: vec![names::all_of(recorder)],
        description: Some("captures of fancyhwd".to_owned()),
        storage: StorageType::File,
        num_replicas: keeping.replicas,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        allow_direct: true,
        deny_delete: true,
        ..Config::default()
    };
    let made = link.wait(link.context().create_stream(config))?;
    made.map(|_| ()).map_err(|error| match error.kind() {
        CreateStreamErrorKind::JetStream(said) if said.error_code() != ErrorCode::STREAM_NAME_EXIST => {
            Failure::refused(
                format!(
                    "its stream {} cannot be made with {} replicas ({said})",
                    names::stream(recorder),
                    keeping.replicas
                ),
                "let so many servers run, or ask for fewer with --archive-replicas",
            )
        }
        _ => link.failed("make the stream", &error),
    })
}

/// What a stream that is there is weaker in than one that we make.
pub(super) fn weaknesses(info: &Info, recorder: &RecorderName, keeping: Keeping) -> Result<Vec<String>, Failure> {
    let config = &info.config;
    if !config.subjects.contains(&names::all_of(recorder)) || config.subject_transform.is_some() {
        return Err(Failure::refused(
            format!("its stream {} has other subjects than {}", config.name, names::all_of(recorder)),
            "delete it, or choose another name with --recorder",
        ));
    }
    let mut weak = Vec::new();
    let mut say = |is_weak: bool, what: String| weak.extend(Some(what).filter(|_| is_weak));
    say(
        config.num_replicas < keeping.replicas,
        format!("it has {} replicas, and not {}: fewer servers can fail", config.num_replicas, keeping.replicas),
    );
    say(config.storage != StorageType::File, "it is kept in memory alone".to_owned());
    say(config.retention != RetentionPolicy::Limits, "what was read there is deleted".to_owned());
    say(
        config.discard != DiscardPolicy::New && (config.max_bytes > 0 || config.max_messages > 0),
        "when it is full, the oldest messages in it are deleted".to_owned(),
    );
    say(!config.max_age.is_zero(), "messages in it are deleted by their age".to_owned());
    say(config.max_messages_per_subject > 0, "of each session it keeps some messages only".to_owned());
    say(config.no_ack, "it acknowledges nothing".to_owned());
    match (config.no_ack, config.sealed) {
        (false, false) => Ok(weak),
        _ => Err(Failure::refused(
            format!("its stream {} takes nothing", config.name),
            "choose another name with --recorder",
        )),
    }
}
