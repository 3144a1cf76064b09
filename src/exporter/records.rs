//! One row of each record, with its own time.

use std::io;

use crate::codec::layout::Part;
use crate::codec::reading::Content;
use crate::codec::stream::Stream;
use crate::exporter::Packet;
use crate::time::clock::NS_PER_S;

/// Whether the messages of a stream have records.
pub(super) fn has_records(stream: &Stream) -> bool {
    stream.layout.parts().iter().any(|part| matches!(part, Part::Numbers(_) | Part::NdArray))
}

/// Give a message once for each of its records, with the number of the record and the time of it: the last one of a frame is of the
/// moment when the message came, and the others lie before it as the sample rate of the stream says. What has no records, or
/// cannot be read, is given once, as it is. Says whether it could be read.
///
/// # Errors
/// The first one of `take`.
pub(super) fn each_record<'a>(
    packet: &Packet<'a>,
    mut take: impl FnMut(&Packet<'a>) -> io::Result<bool>,
) -> io::Result<bool> {
    let Packet { message, stream, .. } = *packet;
    let Some(rate_hz) = stream.sample_rate_hz.filter(|_| has_records(stream)) else { return take(packet) };
    if stream.check(message.frames()).is_err() {
        return take(packet);
    }
    let (mut number, mut is_read) = (0, true);
    for content in stream.read(message.frames()) {
        let records = match content {
            Ok(Content::Numbers(numbers, frame)) => numbers.records_of(frame).len(),
            Ok(Content::Array(_, of, array)) => array.len() / of.bytes(),
            _ => 0,
        };
        for behind in (0..records).rev() {
            // A rate near zero gives the largest number.
            let before_ns = (behind as f64 * NS_PER_S as f64 / rate_hz).round() as i64;
            let (unix_ns, elapsed_ns) = (message.unix_ns, message.elapsed_ns);
            let message = message.at(unix_ns.saturating_sub(before_ns), elapsed_ns.saturating_sub(before_ns));
            is_read &= take(&Packet { message, record: Some(number), ..*packet })?;
            number += 1;
        }
    }
    match number {
        0 => take(packet),
        _ => Ok(is_read),
    }
}
