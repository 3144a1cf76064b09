use super::*;
use crate::codec::framing::Framing;
use crate::codec::stream::Stream;

fn condition(text: &str) -> Condition {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn stream(endpoint: u32, topic: &str, layout: &str, channels: Option<&str>) -> Stream {
    Stream {
        endpoint,
        framing: if topic.is_empty() { Framing::Whole } else { Framing::Frames },
        topic: topic.as_bytes().to_vec(),
        layout: layout.parse().unwrap(),
        is_assumed: false,
        channels: channels.map(|channels| channels.parse().unwrap()),
        sample_rate_hz: None,
        counter: None,
    }
}

#[test]
fn conditions_read_as_they_are_typed() {
    for text in [
        "ch3 > 1200",
        "fancyhw_data.ch0 <= -5",
        "a.b.ch0 == 0.5",
        "\"no topic\".\"a channel\" != 1e300",
        "x > 1 and y < 2 and z >= 3",
        "x > 1 or (y < 2 and z >= 3)",
        "(x > 1 or y < 2) and z >= 3",
        "x > 1 or (y < 2 or z >= 3)",
        "\"gap\" > 5 and \"text\" < 6 and \"and\" == 7",
        "\"a.b\" > inf or x > -inf",
        "\"\\\"\\\\\" > 1",
        "\"\".ch0 > 18446744073709551615",
        "gap > 1m30s",
        "t.gap > 0s",
        "text ~ ^(alarm|warn) and \\d+$",
        "t.text ~ x",
        "gap.text.ch0 > 1",
    ] {
        assert_eq!(condition(text).to_string(), text);
    }
    for (text, same) in [
        ("ch3>1200", "ch3 > 1200"),
        ("  ( ( ch3 >= +7 ) )  ", "ch3 >= 7"),
        ("(a>1)and(b>2)or(c>3)", "(a > 1 and b > 2) or c > 3"),
        ("android > 1 or order < 2", "android > 1 or order < 2"),
        ("t.a > 1 and b > 2", "t.a > 1 and t.b > 2"),
        ("gap >  1m 30s ", "gap > 1m30s"),
        ("text ~  a b ", "text ~ a b"),
        ("a\".b\"c > 1", "\"a.bc\" > 1"),
        ("\"\\xff\".x > 1", "\\xff.x > 1"),
        ("x > 1e2", "x > 100.0"),
    ] {
        assert_eq!(condition(text).to_string(), same, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let deep = "(".repeat(33) + "x > 1";
    for (text, place) in [
        ("", "at character 1, '': a comparison is"),
        ("ch3", "at character 4, '': behind a channel stands one of"),
        ("ch3 = 5", "at character 5, '= 5': behind a channel stands one of"),
        ("ch3 > ", "at character 7, '': behind an operator stands a number"),
        ("ch3 > 5V", "at character 7, '5V': behind an operator stands a number"),
        ("ch3 > nan", "at character 7, 'nan': no comparison with NaN"),
        ("ch3 > 1e999", "at character 7, '1e999': the number is beyond"),
        ("ü > 1 and and y", "at character 11, 'and y': a comparison is"),
        ("ch3 > 5 ch4 > 6", "at character 9, 'ch4 > 6': comparisons are joined by"),
        ("(ch3 > 5", "at character 9, '': a bracket that was opened"),
        ("(ch3 > 5 && x)", "at character 10, '&& x)': comparisons are joined by"),
        ("ch3 > 5)", "at character 8, ')': comparisons are joined by"),
        (".ch3 > 5", "at character 1, '.ch3 > 5': a name is"),
        ("t. > 5", "at character 1, 't. > 5': a name is"),
        ("\"\" > 5", "at character 1, '\"\" > 5': a name is"),
        ("\"x > 5", "at character 1, '\"x > 5': a name in quotes"),
        ("a.x > 5 or b.x > 5", "at character 12, 'b.x > 5': a condition is about one topic"),
        ("x > 5 or gap > 5s", "at character 10, 'gap > 5s': `gap > DURATION`"),
        ("(text ~ x)", "at character 2, 'text ~ x)': `gap > DURATION`"),
        ("gap < 5s", "at character 5, '< 5s': a gap is only"),
        ("gap >= 5s", "at character 6, '= 5s': a gap is only"),
        ("gap > 5", "at character 7, '5': behind `gap >` stands a duration"),
        ("gap > 5s and x > 1", "at character 7, '5s and x > 1': behind `gap >` stands a duration"),
        ("gap > 999999y", "at character 7, '999999y': behind `gap >` stands a duration"),
        ("text == a", "at character 6, '== a': a text is looked for"),
        ("text ~ ", "at character 8, '': behind `text ~` stands"),
        ("text ~ ab(c", "at character 10, '(c': no regular expression: unclosed group"),
        ("text ~ (a{99}){99}{99}", "at character 8, '(a{99}){99}{99}': the regular expression takes more"),
        (&deep, "at character 33, '(x > 1': there are at most 32 brackets"),
        (&"x".repeat(4097), "at character 1, 'xxxx"),
    ] {
        let error = text.parse::<Condition>().unwrap_err().to_string();
        assert!(error.starts_with(place), "{text}: {error}");
    }
    assert_eq!(condition(&(deep[1..].to_owned() + &")".repeat(32))).to_string(), "x > 1");
}

/// Whether it holds for a message of a stream without a topic.
fn holds(text: &str, layout: &str, channels: Option<&str>, frames: &[&[u8]]) -> bool {
    let stream = stream(1, "", layout, channels);
    let mut bound = condition(text).bind(&stream).unwrap_or_else(|| panic!("{text} is not about it"));
    let holds = bound.holds(0, frames.iter().copied());
    assert_eq!(bound.why(frames.iter().copied()).is_some(), holds, "{text}");
    holds
}

#[test]
fn numbers_are_compared_exactly_and_physically() {
    let records: &[&[u8]] = &[&[1, 0, 0xff, 0xff, 5, 0, 0, 0x80]];
    for (text, expected) in [
        ("ch0 > 4", true),
        ("ch0 > 5", false),
        ("ch0 > 4.5", true),
        ("ch1 == -32768", true),
        ("ch0 == 1 and ch1 == -1", true),
        ("ch0 == 1 and ch1 == -32768", false),
        ("ch0 == 1 or ch1 == 7", true),
        ("ch1 != -1 and ch1 != -32768", false),
        ("ch0 < inf", true),
    ] {
        assert_eq!(holds(text, "int16x2", None, records), expected, "{text}");
    }
    let scaled = Some("x:V:-0.5:1,y");
    assert!(holds("x == 0.5", "int16x2", scaled, records) && holds("x < -1", "int16x2", scaled, records));
    assert!(!holds("x > 0.5", "int16x2", scaled, records) && !holds("x < -1.5", "int16x2", scaled, records));
    for place in [0, 63, 64, 127, 128, 199] {
        let mut many = [0_u8; 201];
        (many[0], many[1 + place]) = (9, 7);
        assert!(holds("ch0 == 9 and ch1 == 7", "uint8/uint8", None, &[&many]), "record {place}");
        assert!(!holds("ch0 == 8 or ch1 == 6", "uint8/uint8", None, &[&many]), "record {place}");
    }
    let large: &[&[u8]] = &[&((1_u64 << 53) + 1).to_le_bytes()];
    assert!(holds("ch0 == 9007199254740993", "uint64", None, large));
    assert!(!holds("ch0 == 9007199254740992", "uint64", None, large));
    assert!(holds("ch0 > -9223372036854775809", "int64-be", None, &[&i64::MIN.to_be_bytes()]));
    let tenth: &[&[u8]] = &[&0.1_f32.to_le_bytes()];
    assert!(holds("ch0 == 0.1", "float32", None, tenth) && !holds("ch0 != 0.1", "float32", None, tenth));
    assert!(holds("ch0 < 1e39", "float32", None, &[&f32::MAX.to_le_bytes()]));
    assert!(holds("ch0 == 0", "float64", None, &[&(-0.0_f64).to_le_bytes()]));
    for operator in [">", ">=", "<", "<=", "==", "!="] {
        for (layout, nan) in [("float32", &f32::NAN.to_le_bytes()[..]), ("float64", &f64::NAN.to_le_bytes())] {
            for channels in [None, Some("ch0::2:1")] {
                assert!(!holds(&format!("ch0 {operator} 1"), layout, channels, &[nan]), "{operator}");
                assert!(!holds(&format!("ch0 {operator} inf"), layout, channels, &[nan]), "{operator}");
            }
        }
    }
}

#[test]
fn header_numbers_belong_to_each_record_of_their_message() {
    let frames: &[&[u8]] = &[&[7, 1, 2], &[9, 5], &[8, 6]];
    // n and a in the first frame, m and b in the others.
    let on = |text| holds(text, "uint8/uint8+uint8/uint8", Some("n,a,m,b"), frames);
    assert!(on("n == 7 and a == 2") && on("n == 7 and b == 6") && on("m == 9 and a == 1"));
    assert!(on("m == 8 and b == 6") && !on("m == 8 and b == 5") && !on("m == 9 and b == 6"));
    assert!(!on("m == 8 and a == 1"), "the first frame of a part that serves several");
    assert!(holds("ch0 == 7", "uint8/int16", None, &[&[7]]), "without a record");
    assert!(!holds("ch0 == 7", "uint8/int16", None, &[&[7, 1]]), "undecodable");
    assert!(!holds("ch0 == 7", "uint8+text", None, &[&[7], &[0xff]]), "undecodable");
    assert!(holds("ch1 > 3", "json+uint8x2", None, &[b"{}", &[1, 2, 3, 4]]));
    let array = b"{\"dtype\": \">i2\", \"shape\": [2]}";
    assert!(holds("ch0 == -2", "ndarray", None, &[array, &[0, 4, 0xff, 0xfe]]));
    assert!(!holds("ch0 == 3", "ndarray", None, &[array, &[0, 4, 0xff, 0xfe]]));
}

#[test]
fn gaps_and_texts_are_found() {
    let mut gap = condition("gap > 5ns").bind(&stream(1, "t", "bytes", None)).unwrap();
    let mut next = |elapsed_ns| {
        let holds = gap.holds(elapsed_ns, [&b"t"[..]].into_iter());
        (holds, gap.why([].into_iter()))
    };
    assert!(!next(100).0, "nothing came before");
    assert!(!next(105).0);
    assert_eq!(next(111), (true, Some(Why::Gap(6))));
    gap.pass_over(200);
    assert!(!gap.holds(205, [].into_iter()) && gap.holds(211, [].into_iter()));
    let mut alarm = condition("text ~ (?i)alarm \\d").bind(&stream(1, "t", "text", None)).unwrap();
    let frames = |frames: &'static [&'static [u8]]| frames.iter().copied();
    assert!(alarm.holds(0, frames(&[b"t", b"x", b"an ALARM 7"])));
    assert_eq!(alarm.why(frames(&[b"t", b"x", b"an ALARM 7"])), Some(Why::Text("an ALARM 7".into())));
    assert!(!alarm.holds(0, frames(&[b"t", b"alarm"])) && !alarm.holds(0, frames(&[b"t", b"alarm 7", b"\xff"])));
    assert!(condition("text ~ x").bind(&stream(1, "t", "int16", None)).is_none());
}

#[test]
fn a_condition_is_about_the_streams_that_have_its_channels() {
    let streams = [
        stream(1, "imu", "int16x2", Some("x,y.z")),
        stream(2, "imu", "int16x2", Some("x,y.z")),
        stream(1, "aux", "int16", None),
        stream(1, "log", "text", None),
        stream(1, "two parts", "int16+int16+bytes", Some("a,b")),
    ];
    let bind = |text: &str| {
        let bound = condition(text).bind_all((0..).zip(&streams))?;
        Ok::<Vec<usize>, String>(bound.into_iter().map(|(place, _)| place).collect())
    };
    assert_eq!(bind("x > 1"), Ok(vec![0, 1]), "the same topic of two endpoints");
    assert_eq!(bind("imu.\"y.z\" > 1 and x > 2"), Ok(vec![0, 1]));
    assert_eq!(bind("ch0 > 1"), Ok(vec![2]));
    assert_eq!(bind("log.gap > 1s"), Ok(vec![3]));
    assert_eq!(bind("text ~ a"), Ok(vec![3]));
    assert_eq!(bind("\"two parts\".a > 1 or b > 1"), Ok(vec![4]));
    let named = "several topics have it: aux, imu, log, \"two parts\"; name one of them, as in TOPIC.CHANNEL";
    assert_eq!(bind("gap > 1s"), Err(named.to_owned()));
    let none = "no stream has the topic imux; there are aux, imu, log, \"two parts\"";
    assert_eq!(bind("imux.x > 1"), Err(none.to_owned()));
    assert_eq!(bind("imu.z > 1"), Err("no stream has the channel z; there are x, \"y.z\"".to_owned()));
    assert_eq!(bind("x > 1 and ch0 > 1"), Err("no stream has all of its channels".to_owned()));
    assert_eq!(bind("log.x > 1"), Err("no stream has numbers: see its layout".to_owned()));
    assert_eq!(bind("imu.text ~ x"), Err("no stream has texts: see its layout".to_owned()));
    let never = "its channels are in several frames, so no record has all of them";
    assert_eq!(bind("a > 1 and b > 1"), Err(never.to_owned()));
    let nothing = condition("x > 1").bind_all(std::iter::empty::<((), &Stream)>());
    assert_eq!(nothing.unwrap_err(), "there are no streams");
}
