//! JSON lines, as an export writes them: `framing` and `frames` are all that a message is, and what its layout made of it is not
//! read.

use std::borrow::Cow;
use std::io::{BufRead, Read as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::framing::Framing;
use crate::importer::input::Input;
use crate::importer::intake::{Arrival, Ended, Intake, Reading};
use crate::importer::{Read, Refused};
use crate::store;
use crate::time::clock::NS_PER_S;

/// The longest line. Of the largest message it has the bytes in base64, and beside them each as a number.
const LINE_MAX_BYTES: u64 = 6 << 30;

/// What is read of a line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow)]
    elapsed_s: &'a RawValue,
    endpoint: u32,
    #[serde(borrow)]
    framing: Text<'a>,
    #[serde(borrow)]
    frames: Vec<Text<'a>>,
}

/// A text that is copied only where it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Read a file.
pub(super) fn read(mut input: Input, intake: &mut Intake<'_>) -> Read<Ended> {
    let (mut line, mut bytes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut number, mut began_ns) = (0_u64, None);
    loop {
        number += 1;
        line.clear();
        (&mut input).take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        if line.len() as u64 == LINE_MAX_BYTES && !line.ends_with(b"\n") {
            return Err(Refused::damaged(format!("line {number} is longer than {LINE_MAX_BYTES} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let arrival = decode(&line, &mut bytes, &mut ends).map_err(|cause| {
            Refused::File(
                format!("line {number}: {cause}"),
                "`session export --format jsonl` writes what can be imported",
            )
        })?;
        began_ns.get_or_insert(arrival.unix_ns.wrapping_sub(arrival.elapsed_ns));
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let frames = starts.zip(&ends).map(|(from, &to)| bytes.get(from..to).unwrap_or_default());
        intake.take(arrival, frames, &Reading::default())?;
        // Long lines are few messages.
        intake.at(input.passed())?;
    }
    let origin = store::Origin { started_unix_ns: began_ns.unwrap_or(0), ..store::Origin::default() };
    Ok(Ended { origin, digest: input.digest(), ..Ended::default() })
}

/// Take a line apart: the bytes of all frames, and where each ends.
fn decode(line: &[u8], bytes: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<Arrival, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|cause| without_place(&cause.to_string()))?;
    let time = DateTime::parse_from_rfc3339(&line.time.0).ok().and_then(|time| time.timestamp_nanos_opt());
    let unix_ns = time.ok_or("its time is none")?;
    let elapsed_ns = nanoseconds(line.elapsed_s.get()).ok_or("its elapsed_s is no time")?;
    let framing = Framing::named(&line.framing.0).ok_or("its framing is none of space, frames and whole")?;
    bytes.clear();
    ends.clear();
    for frame in &line.frames {
        STANDARD.decode_vec(frame.0.as_bytes(), bytes).map_err(|_| "a frame is no base64")?;
        ends.push(bytes.len());
    }
    Ok(Arrival { endpoint: line.endpoint, framing, unix_ns, elapsed_ns })
}

/// The line is always the first one for who reads one line.
fn without_place(cause: &str) -> String {
    cause.split(" at line ").next().unwrap_or(cause).to_owned()
}

/// Seconds with decimals, exactly.
fn nanoseconds(seconds: &str) -> Option<i64> {
    let (sign, digits) = seconds.strip_prefix('-').map_or((1, seconds), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(NS_PER_S)?.checked_add(fraction)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_are_exact() {
        for (text, expected) in [
            ("0.000000000", Some(0)),
            ("12.000000345", Some(12_000_000_345)),
            ("-1.5", Some(-1_500_000_000)),
            ("9000000000.123456789", Some(9_000_000_000_123_456_789)),
            ("7", Some(7_000_000_000)),
            ("1e3", None),
            ("1.", None),
            ("1.0000000001", None),
            ("99999999999999999999", None),
            ("\"1\"", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&line, &mut Vec::new(), &mut Vec::new());
        }
    }
}
