//! `publish --device wav:FILE`: sound files of several kinds, and what is none.

use std::fs;

use crate::support::Bench;

/// A chunk, padded to an even length.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = &[0][..body.len() % 2];
    [&name[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
}

/// A file of these chunks.
fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let inside = chunks.concat();
    [&b"RIFF"[..], &(inside.len() as u32 + 4).to_le_bytes(), b"WAVE", &inside].concat()
}

/// A format: codec, channels, bits; 96,000 samples in a second.
fn format([codec, channels, bits]: [u16; 3]) -> Vec<u8> {
    let record_bytes = channels * bits.div_ceil(8);
    let rate_hz = 96_000_u32;
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let rates = [rate_hz, rate_hz * u32::from(record_bytes)].map(u32::to_le_bytes);
    [&words(&[codec, channels])[..], rates.as_flattened(), &words(&[record_bytes, bits])].concat()
}

/// The same as WAVE_FORMAT_EXTENSIBLE.
fn extensible([codec, channels, bits]: [u16; 3]) -> Vec<u8> {
    let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let valid = [22, 0, bits as u8, 0, 3, 0, 0, 0];
    [&format([0xfffe, channels, bits])[..], &valid, &codec.to_le_bytes(), &guid].concat()
}

/// What a subscriber gets of `x.wav` in so many packets of three records.
fn published(bench: &Bench, packets: usize) -> (Vec<Vec<u8>>, String) {
    let endpoint = bench.endpoint("device");
    let line = "publish --device wav:x.wav --packet-size 3 --framing whole --wait-subscribers 1";
    let publisher = bench.fancyhwd(&format!("{line} --bind {endpoint}")).start();
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(&endpoint).unwrap();
    let packets = (0..packets).map(|_| socket.recv_bytes(0).unwrap()).collect();
    (packets, publisher.finish().success().stderr)
}

const INT16X2: [u16; 3] = [1, 2, 16];

#[test]
fn samples_come_out_as_they_were_whatever_stands_around_them() {
    let samples: Vec<u8> = (1..=28).collect();
    let (fmt, data) = (chunk(b"fmt ", &format(INT16X2)), chunk(b"data", &samples));
    let with_length = |length: u32| [b"data", &length.to_le_bytes()[..], &samples].concat();
    let large = {
        let sizes = [u64::MAX, 28, 7].map(u64::to_le_bytes);
        let ds64 = chunk(b"ds64", &[sizes.as_flattened(), &[0; 4]].concat());
        let mut file = riff(&[ds64, fmt.clone(), with_length(u32::MAX), chunk(b"LIST", b"behind")]);
        file[..8].copy_from_slice(b"RF64\xff\xff\xff\xff");
        file
    };
    let files = [
        ("plain", riff(&[fmt.clone(), data.clone()])),
        (
            "odd",
            riff(&[
                chunk(b"LIST", b"odd"),
                fmt.clone(),
                chunk(b"fact", &[7, 0, 0, 0]),
                data.clone(),
                chunk(b"bext", b"x"),
            ]),
        ),
        ("extensible", riff(&[chunk(b"fmt ", &extensible(INT16X2)), data.clone()])),
        ("a longer format", riff(&[chunk(b"fmt ", &[&format(INT16X2)[..], &[0, 0]].concat()), data])),
        ("RF64", large),
        ("of ffmpeg", riff(&[fmt.clone(), with_length(u32::MAX)])),
        ("of arecord", riff(&[fmt.clone(), with_length(1 << 31)])),
        ("of another one", riff(&[fmt, with_length(0)])),
    ];
    for (what, file) in files {
        println!("{what}");
        let bench = Bench::new();
        fs::write(bench.path("x.wav"), file).unwrap();
        let (packets, log) = published(&bench, 3);
        assert_eq!(packets, samples.chunks(12).collect::<Vec<_>>());
        assert!(log.contains("3 records of int16x2 a packet, 32000 packets/s"), "{log}");
    }
}

/// Written by Python, published, recorded, exported, and read by Python.
#[test]
fn a_sound_goes_round_in_its_own_type() {
    let write = "import sys, wave, numpy as np; of, n, f = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); \
                 s = np.random.default_rng(7).integers(0, 256, 1002 * n * int(sys.argv[4]), 'u1').tobytes(); \
                 w = wave.open('x.wav', 'wb'); w.setparams((n, int(sys.argv[4]), 44100, 0, 'NONE', '')); w.writeframes(s); w.close(); \
                 b = bytearray(open('x.wav', 'rb').read()); b[20] = f; open('x.wav', 'wb').write(b)";
    let compare =
        "import sys; a, b = open('x.wav', 'rb').read(), open('y.wav', 'rb').read(); assert a == b, (a[:60], b[:60])";
    for (layout, channels, codec, bytes) in
        [("int16x2", 2, 1, 2), ("int24", 1, 1, 3), ("float32", 1, 3, 4), ("float32x3", 3, 3, 4), ("int32x2", 2, 1, 4)]
    {
        println!("{layout}");
        let bench = Bench::new();
        let arguments = [layout, &channels.to_string(), &codec.to_string(), &bytes.to_string()];
        bench.program("/usr/bin/python3").args(["-c", write]).args(arguments).run().success();
        let endpoint = bench.endpoint("device");
        let packets = 1002_usize.div_ceil(100);
        let record =
            format!("record --database c.db --topic mic --layout {layout} --sample-rate 44100 --count {packets}");
        let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
        let publish = "publish --device wav:x.wav --topic mic --packet-size 100 --wait-subscribers 1";
        bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success().says(&format!("records of {layout} a"));
        recorder.finish().success();
        bench.fancyhwd("session export --database c.db --format wav -o y.wav").run().success();
        bench.program("/usr/bin/python3").args(["-c", compare]).run().success();
    }
}

#[test]
fn what_is_no_sound_is_told_and_nothing_is_published() {
    let bench = Bench::new();
    let data = chunk(b"data", &[0; 16]);
    let with = |codec: [u16; 3]| riff(&[chunk(b"fmt ", &format(codec)), data.clone()]);
    let mut wrong_align = with(INT16X2);
    wrong_align[32] = 8;
    let whole = with(INT16X2);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "it is no wav file"),
        ("text", b"not a sound at all".to_vec(), "it is no wav file"),
        ("mp3", [&b"ID3\x04"[..], &[0; 99]].concat(), "it is no wav file"),
        ("mp3 in wav", with([0x55, 2, 0]), "compressed or of another kind (format 0x0055)"),
        ("ADPCM", with([2, 1, 4]), "compressed or of another kind (format 0x0002)"),
        ("A-law, extensible", riff(&[chunk(b"fmt ", &extensible([6, 1, 8])), data.clone()]), "(format 0x0006)"),
        ("float64", with([3, 1, 64]), "numbers of 64 bits"),
        ("int12", with([1, 1, 12]), "numbers of 12 bits"),
        ("no channel", with([1, 0, 16]), "no channel"),
        ("padded samples", wrong_align, "of 8 bytes for 2 channels of 16 bits"),
        ("a short format", riff(&[chunk(b"fmt ", &[1, 0]), data.clone()]), "format is too short"),
        ("no format", riff(std::slice::from_ref(&data)), "its samples come before their format"),
        ("no samples", riff(&[chunk(b"fmt ", &format(INT16X2)), chunk(b"data", b"")]), "there are no samples in it"),
        ("no data", riff(&[chunk(b"fmt ", &format(INT16X2))]), "it ends before its samples"),
        ("cut header", whole[..30].to_vec(), "it ends before its samples"),
        ("cut samples", whole[..whole.len() - 3].to_vec(), "it is cut off: 13 of 16 bytes"),
        ("chunks without end", riff(&vec![chunk(b"junk", b""); 10_001]), "behind its first 10000 chunks"),
        ("a huge chunk", riff(&[[&b"junk"[..], &[0xff; 4]].concat()]), "it ends before its samples"),
    ];
    let publish = |line: &str| bench.fancyhwd(&format!("publish --bind tcp://127.0.0.1:* {line}")).run();
    for (what, bytes, cause) in cases {
        fs::write(bench.path("x.wav"), bytes).unwrap();
        let refused = publish("--device wav:x.wav").code(1).says("cannot open device sound x.wav: ").says(cause);
        assert_eq!(refused.stderr.lines().count(), 1, "{what}: {}", refused.stderr);
    }
    publish("--device wav:missing").code(1).says("cannot open device sound missing: No such file");
    publish("--device wav:/tmp").code(1).says("it is no regular file");
    publish("--device wav:").code(2).says("the path is missing");
    fs::write(bench.path("x.wav"), whole).unwrap();
    publish("--device wav:x.wav --layout int16").code(2).says("the records of x.wav are int16x2");
    publish("--device wav:x.wav --layout uint16x2 --rate max").success().says("16 records of uint16x2");
}

#[test]
fn a_device_without_a_byte_is_an_error() {
    let bench = Bench::new();
    fs::write(bench.path("empty"), b"").unwrap();
    let publish = |device: &str| bench.fancyhwd(&format!("publish --bind tcp://127.0.0.1:* --device {device}"));
    publish("stream:empty").run().code(1).says("cannot open device stream empty: it is empty");
    publish("wav:empty").run().code(1).says("it is no wav file");
    let nothing = std::process::Stdio::null();
    publish("stream:-").stdin(nothing).run().code(1).says("cannot read device stream from standard input: it is empty");
}
