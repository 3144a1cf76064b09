//! MCAP files: those that an export with `--untouched` wrote, and those of others, whose messages are bytes behind the topic of
//! their channel.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Read as _};

use crate::codec::framing::Framing;
use crate::escape;
use crate::importer::input::{Input, Summed};
use crate::importer::intake::{Arrival, ENDPOINTS_MAX, Ended, Intake, READINGS_MAX_BYTES, Reading};
use crate::importer::records::Members;
use crate::importer::{Read, Refused};
use crate::message::{Digester, FIRST_DIGEST, MESSAGE_MAX_BYTES, Origin};
use crate::store;

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8] = b"\x89MCAP0\r\n";

const HEADER: u8 = 0x01;
const FOOTER: u8 = 0x02;
const CHANNEL: u8 = 0x04;
const MESSAGE: u8 = 0x05;
const CHUNK: u8 = 0x06;
const ATTACHMENT: u8 = 0x09;
const METADATA: u8 = 0x0c;
const DATA_END: u8 = 0x0f;

/// What stands before the data of a message: channel, sequence and two times.
const MESSAGE_HEADER_BYTES: usize = 2 + 4 + 8 + 8;

/// The largest record that is read: a message.
const RECORD_MAX_BYTES: u64 = (MESSAGE_HEADER_BYTES + MESSAGE_MAX_BYTES) as u64;

/// The largest chunk when it is decompressed. Nobody has a reason to make one that is larger than any message.
const CHUNK_MAX_BYTES: u64 = RECORD_MAX_BYTES + (64 << 20);

/// The largest record that says something of a session or channel, ...
const SAID_MAX_BYTES: u64 = 16 << 20;

/// ... and all channels together, with how they are read.
const CHANNELS_MAX_BYTES: usize = READINGS_MAX_BYTES;

/// A compression has a short name.
const NAME_MAX_BYTES: u32 = 64;

/// A record up to this size has its memory at once, others as they come.
const AT_ONCE_BYTES: u64 = 64 << 10;

/// The encoding of messages that are as they came.
const UNTOUCHED: &str = "fancyhwd";

/// The attachment with the digest of all messages, as one commit of them would have it.
const DIGEST: &str = "fancyhwd.digest";

/// The only number of the endpoint of a file that is not ours.
const ONLY: u32 = 1;

/// Read a file.
pub(super) fn read(input: Input, intake: &mut Intake<'_>) -> Read<Ended> {
    let mut file = Summed::new(input);
    let mut reader =
        Reader { intake, known: Known::default(), digester: Digester::new(&FIRST_DIGEST, 0), body: Vec::new() };
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    let mut is_first = true;
    loop {
        // The sum is over all that stands before the end of the data.
        let sum = file.crc.clone();
        let (opcode, length) = head(&mut file)?;
        if is_first && opcode != HEADER {
            return Err(Refused::damaged("it does not begin with a header"));
        }
        is_first = false;
        match opcode {
            CHUNK => reader.chunk(&mut file, length)?,
            DATA_END => {
                reader.body(&mut file, opcode, length)?;
                let expected = Members(&reader.body).u32()?;
                if expected != 0 && expected != sum.finalize() {
                    return Err(Refused::damaged("its sum (CRC) does not agree with its data"));
                }
                break;
            }
            FOOTER => return Err(Refused::damaged("its data has no end")),
            _ => reader.record(&mut file, opcode, length)?,
        }
        reader.intake.at(file.inner.passed())?;
    }
    // What follows repeats what was read.
    loop {
        let (opcode, length) = head(&mut file)?;
        skip(&mut file, length)?;
        if opcode == FOOTER {
            break;
        }
    }
    file.read_exact(&mut magic)?;
    if magic != MAGIC || file.read(&mut [0])? > 0 {
        return Err(Refused::damaged("it does not end as an MCAP file does"));
    }
    let found = escape::hex(&reader.digester.finish());
    let Known { origin, endpoints, has_origin, has_ours, digest, .. } = reader.known;
    if has_origin && !has_ours {
        tracing::warn!("it was exported without --untouched: messages are what was made of them, not what came");
    }
    // A tool may have left some out, or put several files together.
    let is_changed = has_ours && digest.is_some_and(|digest| digest != found);
    Ok(Ended { origin, endpoints, digest: file.inner.digest(), is_changed })
}

/// Opcode and length of the next record.
fn head(from: &mut impl io::Read) -> Read<(u8, u64)> {
    let mut opcode = [0];
    let mut length = [0; 8];
    from.read_exact(&mut opcode)?;
    from.read_exact(&mut length)?;
    let [opcode] = opcode;
    Ok((opcode, u64::from_le_bytes(length)))
}

fn skip(from: &mut impl io::Read, length: u64) -> Read<()> {
    match io::copy(&mut from.take(length), &mut io::sink())? {
        skipped if skipped < length => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}

struct Reader<'a, 'b> {
    intake: &'a mut Intake<'b>,
    known: Known,
    digester: Digester,
    body: Vec<u8>,
}

/// What the file has said so far.
#[derive(Default)]
struct Known {
    origin: store::Origin,
    has_origin: bool,
    /// There is a channel whose messages are as they came.
    has_ours: bool,
    endpoints: BTreeMap<u32, String>,
    channels: HashMap<u16, Channel>,
    channels_bytes: usize,
    /// What all messages were when they were exported.
    digest: Option<String>,
    /// The time of the first message, from which the others count.
    began_ns: Option<i64>,
}

/// How the messages of a channel become ours.
struct Channel {
    bytes: usize,
    reading: Reading,
    of: Of,
}

enum Of {
    /// Somebody else's.
    Topic(Vec<u8>),
    /// Ours: from this endpoint, with this framing, and whether the length stands before each frame.
    Ours(u32, Framing, bool),
}

impl Reader<'_, '_> {
    /// Read the body of a record.
    fn body(&mut self, from: &mut impl io::Read, opcode: u8, length: u64) -> Read<()> {
        let most = if opcode == MESSAGE { RECORD_MAX_BYTES } else { SAID_MAX_BYTES };
        if length > most {
            let number = self.intake.messages();
            let cause = format!("a record of {length} bytes comes behind {number} messages, and {most} are the most");
            return Err(Refused::damaged(cause));
        }
        self.body.clear();
        if length <= AT_ONCE_BYTES {
            self.body.resize(length as usize, 0);
            from.read_exact(&mut self.body)?;
        } else if (from.take(length).read_to_end(&mut self.body)? as u64) < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    /// Read a record of the file or of a chunk.
    fn record(&mut self, from: &mut impl io::Read, opcode: u8, length: u64) -> Read<()> {
        match opcode {
            // Those of others may be pictures.
            ATTACHMENT if length > AT_ONCE_BYTES => return skip(from, length),
            CHANNEL | MESSAGE | METADATA | ATTACHMENT => self.body(from, opcode, length)?,
            _ => return skip(from, length),
        }
        let Self { intake, known, digester, body } = self;
        match opcode {
            CHANNEL => known.channel(body),
            METADATA => known.metadata(body),
            ATTACHMENT => {
                // One that is not ours may be anything.
                let _ = known.attachment(body);
                Ok(())
            }
            _ => known.message(body, intake, digester),
        }
    }

    fn chunk(&mut self, file: &mut Summed<Input>, length: u64) -> Read<()> {
        let mut fixed = [0; 32];
        file.read_exact(&mut fixed)?;
        let mut members = Members(&fixed);
        let _times = (members.u64()?, members.u64()?);
        let (bytes, expected, name_bytes) = (members.u64()?, members.u32()?, members.u32()?);
        if name_bytes > NAME_MAX_BYTES {
            return Err(Refused::damaged("a chunk has no compression that is known"));
        }
        let mut name = vec![0; name_bytes as usize];
        file.read_exact(&mut name)?;
        let mut stored = [0; 8];
        file.read_exact(&mut stored)?;
        let stored = u64::from_le_bytes(stored);
        if length != stored.saturating_add(40 + u64::from(name_bytes)) {
            return Err(Refused::damaged("a chunk is not as long as it says"));
        }
        if bytes > CHUNK_MAX_BYTES || stored > CHUNK_MAX_BYTES {
            let cause = format!("a chunk has {} bytes, and {CHUNK_MAX_BYTES} are the most", bytes.max(stored));
            return Err(Refused::File(cause, "`mcap compress --chunk-size 4194304` makes smaller ones"));
        }
        let mut inside = file.take(stored);
        match name.as_slice() {
            b"" => self.records(&mut inside, bytes, expected)?,
            b"zstd" => {
                let decoder = zstd::stream::read::Decoder::new(&mut inside)?;
                self.records(&mut BufReader::with_capacity(AT_ONCE_BYTES as usize, decoder), bytes, expected)?;
            }
            other => {
                let cause = format!("its chunks are compressed with {}, and zstd is read", other.escape_ascii());
                return Err(Refused::File(cause, "`mcap compress --compression zstd` makes a file that can be read"));
            }
        }
        let rest = inside.limit();
        skip(&mut inside, rest)
    }

    /// Read the records of a chunk of so many bytes.
    fn records(&mut self, from: &mut impl io::Read, bytes: u64, expected: u32) -> Read<()> {
        // No more than it says, whatever it is decompressed to.
        let mut from = Summed::new(from.take(bytes));
        while from.passed < bytes {
            let (opcode, length) = head(&mut from)?;
            self.record(&mut from, opcode, length)?;
        }
        match expected == 0 || expected == from.crc.finalize() {
            true => Ok(()),
            false => Err(Refused::damaged("the sum (CRC) of a chunk does not agree with its data")),
        }
    }
}

impl Known {
    fn channel(&mut self, body: &[u8]) -> Read<()> {
        let mut members = Members(body);
        let (id, _schema) = (members.u16()?, members.u16()?);
        let (topic, encoding, metadata) = (members.text()?, members.text()?, members.map()?);
        let said = |name: &str| metadata.get(name).copied();
        let framing = said("framing").and_then(Framing::named);
        let number = said("endpoint_number").and_then(|text| text.parse().ok());
        let is_several = match said("data") {
            Some("frame") => Some(false),
            Some("frames") => Some(true),
            _ => None,
        };
        let channel = match (encoding, framing, number, is_several) {
            (UNTOUCHED, Some(framing), Some(number @ 1..=ENDPOINTS_MAX), Some(is_several)) => {
                self.has_ours = true;
                if let Some(endpoint) = said("endpoint") {
                    self.endpoints.entry(number).or_insert_with(|| endpoint.to_owned());
                }
                let reading = Reading {
                    layout: said("layout").and_then(|text| text.parse().ok()),
                    is_assumed: said("assumed") == Some("true"),
                    channels: said("channels").and_then(|text| text.parse().ok()),
                    sample_rate_hz: said("sample_rate_hz")
                        .and_then(|text| text.parse().ok())
                        .filter(|rate_hz: &f64| rate_hz.is_finite() && *rate_hz > 0.0),
                    counter: said("counter").and_then(|text| text.parse().ok()),
                };
                Channel { bytes: body.len() + reading.bytes(), reading, of: Of::Ours(number, framing, is_several) }
            }
            _ => {
                let layout = if encoding == "json" { "json" } else { "bytes" };
                let reading = Reading { layout: layout.parse().ok(), is_assumed: true, ..Reading::default() };
                Channel { bytes: body.len() + reading.bytes(), reading, of: Of::Topic(topic.as_bytes().to_vec()) }
            }
        };
        self.channels_bytes += channel.bytes;
        if let Some(before) = self.channels.insert(id, channel) {
            self.channels_bytes -= before.bytes;
        }
        match self.channels_bytes > CHANNELS_MAX_BYTES {
            true => Err(Refused::damaged("its channels say more than can be remembered")),
            false => Ok(()),
        }
    }

    fn metadata(&mut self, body: &[u8]) -> Read<()> {
        let mut members = Members(body);
        if members.text()? != "fancyhwd.session" || self.has_origin {
            return Ok(());
        }
        let map = members.map()?;
        let text = |name: &str| map.get(name).copied().unwrap_or_default();
        let number = |name: &str| text(name).parse::<i64>().ok();
        let Some(started_unix_ns) = number("started_unix_ns") else { return Ok(()) };
        self.has_origin = true;
        self.origin.started_unix_ns = started_unix_ns;
        self.origin.ended_unix_ns = number("ended_unix_ns").unwrap_or(0);
        self.origin.host = text("host").to_owned();
        self.origin.boot_id = text("boot_id").to_owned();
        self.origin.framing = Framing::named(text("framing"));
        self.origin.topics = serde_json::from_str(text("topics")).unwrap_or_default();
        let endpoints: BTreeMap<u32, String> = serde_json::from_str(text("endpoints")).unwrap_or_default();
        self.endpoints.extend(endpoints.into_iter().filter(|(number, _)| (1..=ENDPOINTS_MAX).contains(number)));
        Ok(())
    }

    fn attachment(&mut self, body: &[u8]) -> Read<()> {
        let mut members = Members(body);
        let _times = (members.u64()?, members.u64()?);
        let (name, _type, length) = (members.text()?, members.text()?, members.u64()?);
        let data = members.bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
        if name == DIGEST {
            self.digest = Some(String::from_utf8_lossy(data).into_owned());
        }
        Ok(())
    }

    fn message(&mut self, body: &[u8], intake: &mut Intake<'_>, digester: &mut Digester) -> Read<()> {
        let mut members = Members(body);
        let (id, _sequence) = (members.u16()?, members.u32()?);
        let (log_time, publish_time) = (members.u64()?, members.u64()?);
        let number = intake.messages();
        let Some(channel) = self.channels.get(&id) else {
            return Err(Refused::damaged(format!("message {number} is on channel {id}, which there is not")));
        };
        match &channel.of {
            Of::Ours(endpoint, framing, is_several) => {
                // As many bits as they have: no clock shows such times, and they come back as they were.
                let (unix_ns, published_ns) = (log_time as i64, publish_time as i64);
                if !self.has_origin && self.began_ns.is_none() {
                    self.origin.started_unix_ns = published_ns;
                }
                let began_ns = *self.began_ns.get_or_insert(self.origin.started_unix_ns);
                let elapsed_ns = published_ns.wrapping_sub(began_ns);
                let arrival = Arrival { endpoint: *endpoint, framing: *framing, unix_ns, elapsed_ns };
                let (origin, times) = (Origin(*endpoint), (unix_ns, elapsed_ns));
                if !is_several {
                    digester.add_message(origin, times, std::iter::once(members.0));
                    return intake.take(arrival, std::iter::once(members.0), &channel.reading);
                }
                let mut checked = Members(members.0);
                while !checked.0.is_empty() {
                    let short = |_| Refused::damaged(format!("the frames of message {number} are cut off"));
                    checked.counted().map_err(short)?;
                }
                let mut rest = Members(members.0);
                let frames = std::iter::from_fn(move || rest.counted().ok());
                digester.add_message(origin, times, frames.clone());
                intake.take(arrival, frames, &channel.reading)
            }
            Of::Topic(topic) => {
                let unix_ns = i64::try_from(log_time).unwrap_or(i64::MAX);
                let began_ns = *self.began_ns.get_or_insert(unix_ns);
                if !self.has_origin {
                    self.origin.started_unix_ns = began_ns;
                }
                let elapsed_ns = unix_ns.saturating_sub(began_ns);
                let topic = Some(topic.as_slice()).filter(|topic| !topic.is_empty());
                let framing = if topic.is_some() { Framing::Frames } else { Framing::Whole };
                let arrival = Arrival { endpoint: ONLY, framing, unix_ns, elapsed_ns };
                intake.take(arrival, topic.into_iter().chain([members.0]), &channel.reading)
            }
        }
    }
}
