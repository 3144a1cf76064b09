//! `fancyhwd publish`.

use crate::command::{SendSettings, bind};
use crate::device::Source;
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::publisher::{self, Publication, Published};
use crate::service;

/// What `publish` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to.
    pub send: SendSettings,
    /// From where.
    pub device: Source,
    /// Seed of the simulated device.
    pub seed: u32,
    /// What, and how fast.
    pub publication: Publication,
}

/// Publish a device until it ends, the count is reached, or a stop is asked for.
///
/// # Errors
/// When the device or an endpoint cannot be opened, or fails later.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let publication = &settings.publication;
    let mut device = settings.device.open(settings.seed)?;
    let head = publication.topic.head();
    let envelope_bytes = head.len() as u64 + 2 * u64::from(publication.packet_samples);
    let mut sender = bind(&settings.send, vec![head], envelope_bytes)?;
    let status = format!(
        "publishing {} on {}, {} samples a packet, {}",
        publication.topic,
        sender.endpoints().join(" "),
        publication.packet_samples,
        publication.cadence,
    );
    tracing::info!("{status}");
    service::ready(&status);

    let published = match sender.wait_for_subscribers(settings.send.wait_subscribers, stop)? {
        true => Published::default(),
        false => publisher::run(device.as_mut(), &mut sender, publication, &status, stop)?,
    };
    service::stopping();
    let subscribers = sender.subscribers()?;
    let dropped = sender.close(stop);

    if published.odd_bytes > 0 {
        tracing::warn!("the stream ended in the middle of a sample: its last byte was not sent");
    }
    tracing::info!(
        "published {}, {dropped}; subscribers at the end: {subscribers}{}",
        published.tally.over(published.elapsed_ns),
        published.stalls,
    );
    Ok(Exit::from_loss(published.odd_bytes > 0 || dropped.any()))
}
