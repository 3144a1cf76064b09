//! What can be typed behind `fancyhwd session export`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::SourceArguments;
use crate::cli::range::RangeArguments;
use crate::cli::values::{refuse, wanted};
use crate::codec::topic::Wanted;
use crate::command::session::export;
use crate::error::{Error, Result};
use crate::exporter::{self, Format, SAMPLE_RATE_MAX_HZ};

/// Options of `session export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Session to export: an id, a label, or `latest` for the newest finished one that has messages. Several become a file each in the directory of
    /// --output
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: Vec<String>,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,
    /// File to write; without it, or with `-` or `/dev/stdout`, standard output, which npz, mcap, wav and sqlite cannot be written to.
    /// A directory, which ends with `/`, gets a file for each of several sessions, or with csv, for each stream of one
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Topic to export, exactly; `*` exports every topic [default: every topic]. May be given several times
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<OsString>,
    /// Only what came from the endpoint of this number, as `session show` counts them. May be given several times
    #[arg(long, value_name = "N", value_delimiter = ' ')]
    pub endpoint: Vec<u32>,
    /// From where to where
    #[command(flatten)]
    pub range: RangeArguments,
    /// Numbers as the device sent them, without the scale and offset of their channels
    #[arg(long)]
    pub raw: bool,
    /// Write a row for each record, with its own time, instead of for each message: the last record gets the time at
    /// which its message came. Needs a sample rate, which `session describe --sample-rate` sets. Only with csv and
    /// parquet
    #[arg(long)]
    pub explode: bool,
    /// Write messages as the bytes that came instead of as JSON; `session import` restores these exactly. Only with
    /// mcap
    #[arg(long)]
    pub untouched: bool,
    /// Samples per second of a wav file [default: the rate that `session describe` set, else estimated from the times]
    #[arg(long, value_name = "HZ")]
    pub sample_rate: Option<u32>,
    /// Fill gaps, where the times of the messages show that samples are missing, with silence. Only with wav
    #[arg(long)]
    pub fill_gaps: bool,
    /// What to export from
    #[command(flatten)]
    pub source: SourceArguments,
}

impl ExportArguments {
    /// Check what was typed for `session export`.
    ///
    /// # Errors
    /// For the first value that cannot be used, and for options that do not go together.
    pub fn settings(&self) -> Result<export::Settings> {
        let format = self.format;
        let is_standard_output = |path: &PathBuf| ["-", "/dev/stdout"].map(Path::new).contains(&path.as_path());
        let output = self.output.clone().filter(|path| !is_standard_output(path));
        let wanted = match self.topic.as_slice() {
            [] => None,
            topics => Some(wanted(&topics.iter().map(|topic| topic.as_bytes()).collect::<Vec<_>>())?),
        };
        let endpoints = Some(self.endpoint.clone()).filter(|numbers| !numbers.is_empty());
        if output.is_none() && self.session.len() > 1 {
            let text = "several sessions need --output with a directory, in which each gets a file";
            return Err(Error::CommandLine(text.to_owned()));
        }
        if output.is_none() && !format.can_be_piped() {
            let text = format!("--format {format} needs --output: only a file can be written in this format");
            return Err(Error::CommandLine(text));
        }
        let (from, to, sought) = self.range.positions()?;
        let has_range = from.is_some() || to.is_some() || !sought.is_empty();
        let is_part = matches!(wanted, Some(Wanted::Only(_))) || endpoints.is_some() || has_range;
        if format == Format::Sqlite && is_part {
            let text = "--from, --to, --topic and --endpoint cannot be used with --format sqlite: the digests hold for whole \
                        sessions only";
            return Err(Error::CommandLine(text.to_owned()));
        }
        for (option, is_given) in [("--raw", self.raw), ("--explode", self.explode)] {
            if is_given && !matches!(format, Format::Csv | Format::Parquet) {
                let text = format!("{option} cannot be used with --format {format}, only with csv and parquet");
                return Err(Error::CommandLine(text));
            }
        }
        if self.untouched && format != Format::Mcap {
            let text = format!("--untouched cannot be used with --format {format}, only with mcap");
            return Err(Error::CommandLine(text));
        }
        if self.fill_gaps && format != Format::Wav {
            let text = format!("--fill-gaps cannot be used with --format {format}, only with wav");
            return Err(Error::CommandLine(text));
        }
        if let Some(rate_hz) = self.sample_rate {
            if format != Format::Wav {
                return Err(Error::CommandLine(format!(
                    "--sample-rate cannot be used with --format {format}, only with wav"
                )));
            }
            if !(1..=SAMPLE_RATE_MAX_HZ).contains(&rate_hz) {
                let rule = format!("a sample rate is from 1 to {SAMPLE_RATE_MAX_HZ}");
                return Err(refuse("--sample-rate", &rate_hz.to_string(), rule));
            }
        }
        Ok(export::Settings {
            sessions: self.session.clone(),
            output,
            replace: self.force,
            sought,
            export: exporter::Export {
                format,
                wanted,
                endpoints,
                from,
                to,
                is_raw: self.raw,
                is_exploded: self.explode,
                is_untouched: self.untouched,
                fills_gaps: self.fill_gaps,
                sample_rate_hz: self.sample_rate,
            },
            // Last, as it looks at files.
            source: self.source.source()?,
        })
    }
}
