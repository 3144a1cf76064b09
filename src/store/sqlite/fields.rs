//! The layout of a stream, taken apart for SQL: what the rows of the table `fields` are.

use crate::codec::layout::Part;
use crate::codec::stream::Stream;

/// A row of `fields`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Field {
    pub part: usize,
    pub every: usize,
    pub place: &'static str,
    pub position: usize,
    pub byte_offset: usize,
    pub of: String,
    pub channel: Option<String>,
    pub unit: Option<String>,
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub header_bytes: usize,
    pub record_bytes: Option<usize>,
}

/// The layout of a stream as rows, in the order of their key.
pub(in crate::store) fn fields(stream: &Stream) -> Vec<Field> {
    let Stream { layout, channels, .. } = stream;
    let mut named = channels.iter().flat_map(|channels| channels.iter());
    let mut unnamed = 0;
    let mut fields = Vec::new();
    let mut frame = 0;
    for (place, part) in layout.parts().iter().enumerate() {
        let frames = if *part == Part::NdArray { 2 } else { 1 };
        let every = if place + 1 == layout.parts().len() { frames } else { 0 };
        let whole = |of: &str, part| Field {
            part,
            every,
            place: "frame",
            position: 0,
            byte_offset: 0,
            of: of.to_owned(),
            channel: None,
            unit: None,
            scale: None,
            offset: None,
            header_bytes: 0,
            record_bytes: None,
        };
        let mut channel = |mut field: Field| {
            let channel = named.next();
            let scaled = channel.filter(|channel| !channel.is_raw());
            field.channel = Some(channel.map_or_else(|| format!("ch{unnamed}"), |channel| channel.name.clone()));
            field.unit = channel.and_then(|channel| channel.unit.clone());
            (field.scale, field.offset) = scaled.map(|channel| (channel.scale, channel.offset)).unzip();
            unnamed += 1;
            field
        };
        match part {
            Part::Bytes => {}
            Part::Text => fields.push(whole("text", frame)),
            Part::Json => fields.push(whole("json", frame)),
            Part::NdArray => {
                fields.push(whole("json", frame));
                fields.push(channel(Field { place: "record", ..whole("ndarray", frame + 1) }));
            }
            Part::Numbers(numbers) => {
                let header_bytes = numbers.header.bytes();
                for (place, of, header_bytes, record_bytes) in [
                    ("header", &numbers.header, 0, None),
                    ("record", &numbers.record, header_bytes, Some(numbers.record.bytes())),
                ] {
                    for (position, number) in of.numbers().iter().enumerate() {
                        let field = whole(&number.of.to_string(), frame);
                        let byte_offset = number.offset;
                        let field = Field { place, position, byte_offset, header_bytes, record_bytes, ..field };
                        fields.push(channel(field));
                    }
                }
            }
        }
        frame += frames;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::framing::Framing;
    use crate::codec::layout::Layout;

    #[test]
    fn a_layout_is_taken_apart() {
        let layout: Layout = "uint32,pad/int16-bex2+ndarray+json".parse().unwrap();
        let channels = Some("n,x:V:0.5,y,z".parse().unwrap());
        let stream = Stream {
            endpoint: 1,
            framing: Framing::Whole,
            topic: Vec::new(),
            layout,
            is_assumed: false,
            channels,
            sample_rate_hz: None,
            counter: None,
        };
        let found: Vec<String> = fields(&stream)
            .iter()
            .map(|field| {
                let Field { part, every, place, position, byte_offset, of, header_bytes, record_bytes, .. } = field;
                let channel = field.channel.as_deref().unwrap_or("-");
                format!(
                    "{part} {every} {place} {position} {byte_offset} {of} {channel} {header_bytes} {record_bytes:?}"
                )
            })
            .collect();
        let expected = [
            "0 0 header 0 0 uint32 n 0 None",
            "0 0 record 0 0 int16-be x 5 Some(4)",
            "0 0 record 1 2 int16-be y 5 Some(4)",
            "1 0 frame 0 0 json - 0 None",
            "2 0 record 0 0 ndarray z 0 None",
            "3 1 frame 0 0 json - 0 None",
        ];
        assert_eq!(found, expected);
        assert_eq!(fields(&stream)[1].scale.zip(fields(&stream)[1].offset), Some((0.5, 0.0)));
    }
}
