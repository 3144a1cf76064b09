//! `fancyhwd publish`.

use crate::command::{SendSettings, cut_off};
use crate::device::Source;
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::publisher::{self, Publication, Published};
use crate::service;
use crate::socket::{Outlet, Sender};

/// What `publish` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to, ...
    pub outlet: Outlet,
    /// ... and after how many subscribers.
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
    let mut device = settings.device.open(settings.seed, &publication.record)?;
    let head = publication.head();
    let message_bytes = head.len() as u64 + publication.payload_bytes() as u64;
    let mut sender = Sender::open(&settings.outlet, vec![head], message_bytes)?;
    let status = format!(
        "publishing {} on {}, {} records of {} a packet, {}",
        publication.topic,
        sender.endpoints().join(" "),
        publication.packet_records,
        publication.record,
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
    let cut = cut_off(sender.cut());
    let dropped = sender.close(stop);

    if published.odd_bytes > 0 {
        let bytes = match published.odd_bytes {
            1 => "byte was".to_owned(),
            bytes => format!("{bytes} bytes were"),
        };
        tracing::warn!("the stream ended in the middle of a record: its last {bytes} not sent");
    }
    tracing::info!(
        "published {}, {dropped}; subscribers at the end: {subscribers}{cut}{}",
        published.tally.over(published.elapsed_ns),
        published.stalls,
    );
    Ok(Exit::from_loss(published.odd_bytes > 0 || dropped.any()))
}
