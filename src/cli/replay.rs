//! What can be typed behind `fancyhwd replay`.

use std::path::PathBuf;

use crate::cli::range::RangeArguments;
use crate::cli::values::{connects, duration_ns, endpoint, outlets, parse, refuse, send, wanted};
use crate::codec::topic::{Topic, Wanted};
use crate::command::replay::{self, To};
use crate::error::Result;
use crate::replayer::{self, Latched};
use crate::store::Selection;
use crate::time::pace::{Cadence, Rhythm};
use clap::Args;

use crate::cli::{SendArguments, SourceArguments};
use crate::time::clock::Pacing;

/// Options of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// Session to replay: an id, a label, or `latest` for the newest finished one that has messages
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// Bind the port of each recorded endpoint on loopback, and send there what came from it
    #[arg(long)]
    pub as_recorded: bool,
    /// What to replay from
    #[command(flatten)]
    pub source: SourceArguments,
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Factor on the speed, such as 0.5 or 10; `max` sends without a pause [default: 1]
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<String>,
    /// Packets per second at even distances, whatever was recorded
    #[arg(long, value_name = "HZ")]
    pub rate: Option<String>,
    /// From where to where
    #[command(flatten)]
    pub range: RangeArguments,
    /// Only this topic, exactly; `NAME*` is all that begin so, `*` everything. May be given several times
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// Send a topic under another name. May be given several times
    #[arg(long, value_name = "OLD=NEW")]
    pub map: Vec<String>,
    /// Replay again and again, or N times
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "forever",
        default_value = "1",
        hide_default_value = true
    )]
    pub passes: String,
    /// Longest time between two packets, such as 1s: longer gaps are shortened to it
    #[arg(long, value_name = "DURATION")]
    pub max_gap: Option<String>,
    /// Begin with a pause, which the space bar or SIGUSR1 ends
    #[arg(long)]
    pub paused: bool,
    /// Pause while the process with this PID is stopped by a debugger or a signal
    #[arg(long, value_name = "PID")]
    pub pause_with: Option<String>,
    /// Begin with the last message of this topic from before --from, such as a header; `NAME*` matches all topics that
    /// begin with NAME. May be given several times
    #[arg(long, value_name = "TOPIC", requires = "from")]
    pub latched: Vec<String>,
    /// How to wait until a packet is due
    #[arg(long, value_name = "PACING", default_value = "precise")]
    pub pacing: Pacing,
    /// End with exit status 3 when one packet in a hundred left later than this
    #[arg(long, value_name = "DURATION")]
    pub lateness_budget: Option<String>,
    /// Write how late the packets left into this file, as JSON
    #[arg(long, value_name = "PATH")]
    pub timing_report: Option<PathBuf>,
}

impl ReplayArguments {
    /// Check what was typed for `replay`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<replay::Settings> {
        let rhythm = match (&self.rate, &self.speed) {
            (Some(rate), _) => match Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))? {
                Cadence::PeriodNs(period_ns) => Rhythm::EveryNs(period_ns),
                Cadence::Max => Rhythm::Max,
            },
            (None, Some(speed)) => Rhythm::from_speed(speed).map_err(|cause| refuse("--speed", speed, cause))?,
            (None, None) => Rhythm::Recorded(1.0),
        };
        let outlets = self.outlets()?;
        // Of several endpoints each has the number of what it stands for.
        let (connects, binds) = match &outlets {
            To::All(bind, connect) => (connect.len(), bind.len()),
            To::AsRecorded => (0, 1),
            To::Each(each) => {
                let connects = each.iter().filter(|(_, _, is_bound)| !is_bound);
                let binds = each.iter().filter(|(_, _, is_bound)| *is_bound).count();
                (connects.map(|(number, _, _)| *number as usize).max().unwrap_or(0), binds)
            }
        };
        let endpoints = match &outlets {
            To::Each(each) => Some(each.iter().map(|(number, _, _)| *number).collect()),
            _ => None,
        };
        let (from, to, sought) = self.range.positions()?;
        Ok(replay::Settings {
            session: self.session.clone(),
            outlets,
            send: send(&self.send, connects, binds)?,
            selection: Selection { wanted: wanted(&self.topic)?, endpoints, from, to },
            sought,
            playback: replayer::Playback {
                rhythm,
                max_gap_ns: self.max_gap.as_deref().map(|text| duration_ns("--max-gap", text)).transpose()?,
                passes: parse("--loop", &self.passes)?,
                paused: self.paused,
                pacing: self.pacing,
                renamed: self.map.iter().map(|text| renamed(text)).collect::<Result<_>>()?,
                catch_up: self.send.catch_up,
            },
            latched: self.latched()?,
            pause_with: self.pause_with.as_deref().map(process).transpose()?,
            lateness_budget_ns: self
                .lateness_budget
                .as_deref()
                .map(|text| duration_ns("--lateness-budget", text))
                .transpose()?,
            timing_report: self.timing_report.clone(),
            // Last, as it looks at files.
            source: self.source.source()?,
        })
    }

    /// What is sent first.
    fn latched(&self) -> Result<Option<Latched>> {
        let texts = self.latched.clone();
        let wanted = Wanted::of(&texts).map_err(|rule| refuse("--latched", &texts.join(" "), rule.to_owned()))?;
        Ok((!texts.is_empty()).then_some(Latched { texts, wanted }))
    }

    /// Where messages go: `ENDPOINT`, or `N=ENDPOINT` for those of one endpoint.
    fn outlets(&self) -> Result<To> {
        if self.as_recorded {
            return Ok(To::AsRecorded);
        }
        let numbered = |text: &String| {
            let (number, endpoint) = text.split_once('=')?;
            Some((number.parse::<u32>().ok()?, endpoint.to_owned()))
        };
        let each = |typed: &[String]| typed.iter().filter_map(numbered).collect::<Vec<_>>();
        let (bind, connect) = (each(&self.send.bind), each(&self.send.connect));
        if bind.is_empty() && connect.is_empty() {
            return outlets(&self.send).map(|(bind, connect)| To::All(bind, connect));
        }
        if bind.len() < self.send.bind.len() || connect.len() < self.send.connect.len() {
            let rule = "either all endpoints are N=ENDPOINT or none; N is a number of `fancyhwd session show`";
            let typed: Vec<&str> = self.send.bind.iter().chain(&self.send.connect).map(String::as_str).collect();
            return Err(refuse("--bind or --connect", &typed.join(" "), rule.to_owned()));
        }
        let bound = bind.into_iter().map(|(number, text)| Ok((number, endpoint("--bind", &text)?, true)));
        let connected = connect.into_iter().map(|(number, text)| {
            let endpoint = connects(std::slice::from_ref(&text))?.pop();
            endpoint.map(|endpoint| (number, endpoint, false)).ok_or_else(|| refuse("--connect", &text, String::new()))
        });
        bound.chain(connected).collect::<Result<_>>().map(To::Each)
    }
}

/// The number of a process.
fn process(text: &str) -> Result<u32> {
    let rule = || refuse("--pause-with", text, "a process has a number above 0, which `pidof NAME` shows".to_owned());
    text.parse().ok().filter(|&pid| pid > 0).ok_or_else(rule)
}

/// `OLD=NEW`. A topic may hold `=`; the first one divides.
fn renamed(text: &str) -> Result<(Topic, Topic)> {
    const OPTION: &str = "--map";
    let (old, new) = text
        .split_once('=')
        .ok_or_else(|| refuse(OPTION, text, "a topic is renamed with OLD=NEW, such as a=b".to_owned()))?;
    Ok((parse(OPTION, old)?, parse(OPTION, new)?))
}
