//! Processors that stay awake while messages are due.
//!
//! An idle processor sleeps, and takes longer to wake the deeper it does: microseconds on bare metal, a hundred in a
//! virtual machine. A message wakes several on its way to the program that receives it. Linux lets a program ask for less
//! for as long as it holds a file open, see Documentation/power/pm_qos_interface.rst of its sources; sound cards and
//! cyclictest(8) do.

use std::fs::{File, OpenOptions};
use std::io::Write;

use crate::time::clock::Pacing;

/// Where processors are asked to wake within so many microseconds (an i32 in the order of this machine). Root may, and
/// whom a rule of udev(7) allows to.
const DEVICE: &str = "/dev/cpu_dma_latency";

/// At once: they do not sleep at all.
const LATENCY_US: i32 = 0;

/// A message is on its way for so long after it was sent.
const ON_ITS_WAY_NS: i64 = 1_000_000;

/// Keeps the processors awake while somebody waits a short time for the next message, and lets them sleep while it is a
/// long time.
#[derive(Debug)]
pub struct Awake {
    may_ask: bool,
    was_granted: bool,
    request: Option<File>,
}

impl Awake {
    /// For this pacing; an economical one never asks.
    pub fn new(pacing: Pacing) -> Self {
        Self { may_ask: pacing == Pacing::Precise, was_granted: false, request: None }
    }

    /// Wait with `wait`, which is given the longest time and says whether it was interrupted. No time at all says that a
    /// message is due soon. It may end early.
    pub fn wait_ns(&mut self, ns: i64, mut wait: impl FnMut(i64) -> bool) -> bool {
        if ns <= 0 {
            self.ask();
        } else if self.request.is_some() {
            let interrupted = wait(ns.min(ON_ITS_WAY_NS));
            self.request = None;
            return interrupted;
        }
        wait(ns)
    }

    fn ask(&mut self) {
        if !self.may_ask || self.request.is_some() {
            return;
        }
        let asked = OpenOptions::new().write(true).open(DEVICE).and_then(|mut device| {
            device.write_all(&LATENCY_US.to_ne_bytes())?;
            Ok(device)
        });
        match asked {
            Ok(device) => {
                self.was_granted = true;
                self.request = Some(device);
            }
            Err(cause) => {
                self.may_ask = false;
                tracing::debug!("processors may sleep between messages and wake late: cannot write {DEVICE}: {cause}");
            }
        }
    }

    /// Whether the processors stayed awake for messages.
    pub fn was_granted(&self) -> bool {
        self.was_granted
    }
}
