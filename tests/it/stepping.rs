//! A replay for somebody who looks for an error: from message to message of a topic, from second to second, to where a condition holds,
//! and with what came before its beginning.

use crate::find::{Made, import};
use crate::replay::{assert_silent, subscriber};
use crate::support::kill::seeded;
use crate::support::terminal::Terminal;
use crate::support::{Bench, Run};

const S: i64 = 1_000_000_000;

/// A session of messages, each with its topic, when it came, and its number as an int16.
fn made(bench: &Bench, messages: &[(u32, &'static str, i64)]) {
    let one = |(number, &(endpoint, topic, elapsed_ns)): (usize, &(u32, &'static str, i64))| {
        let frame = (number as i16).to_le_bytes().to_vec();
        Made { endpoint, topic, elapsed_ns, frame }
    };
    import(bench, &messages.iter().enumerate().map(one).collect::<Vec<_>>());
    bench.fancyhwd("session describe made --layout int16 --database c.db").run().success();
}

/// Its number and its topic.
#[track_caller]
fn next(socket: &zmq::Socket) -> (i16, String) {
    let frames = socket.recv_multipart(0).unwrap();
    (i16::from_le_bytes(frames[1].as_slice().try_into().unwrap()), String::from_utf8(frames[0].clone()).unwrap())
}

#[track_caller]
fn expect(socket: &zmq::Socket, numbers: &[i16]) {
    let received: Vec<i16> = numbers.iter().map(|_| next(socket).0).collect();
    assert_eq!(received, numbers);
}

fn terminal(bench: &Bench, options: &str, socket_at: &str) -> Terminal {
    let line = format!(
        "fancyhwd replay made {options} --database {} --paused --wait-subscribers 1 --bind {socket_at}",
        bench.text("c.db")
    );
    Terminal::start(&line)
}

#[test]
fn keys_step_by_topic_and_by_time() {
    let bench = Bench::new();
    let messages: Vec<(u32, &str, i64)> =
        (0..20).map(|number| (1, if number % 5 == 0 { "slow" } else { "fast" }, number * S / 4)).collect();
    made(&bench, &messages);
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let mut terminal = terminal(&bench, "--speed 20", &endpoint);
    let mut press = |keys: &str, expected: &[i16], at: &str| {
        terminal.press(keys);
        expect(&socket, expected);
        terminal.wait_until(at);
        assert_silent(&socket);
    };
    // The first message is one of its topic.
    press("t", &[0], "paused at message #0");
    press("t", &[1, 2, 3, 4, 5], "paused at message #5");
    press("n", &[6], "] paused at #6");
    press("t", &[7], "paused at message #7");
    // From the message that is next, and all that came within a second from it.
    press("s", &[8, 9, 10, 11, 12], "paused at message #13");
    press("s", &[13, 14, 15, 16, 17], "paused at message #18");
    press("p", &[16], "] paused at #16");
    // Nobody is thrown out at the end, and can step back from there.
    press("s", &[17, 18, 19], "paused at message #19");
    press("t", &[], "paused at message #19");
    press("s", &[], "paused at message #19");
    press("[n", &[0], "] paused at #0");
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_step_by_topic_or_time_ends_at_the_next_key() {
    let bench = Bench::new();
    made(&bench, &[(1, "a", 0), (1, "b", S), (1, "b", 3600 * S), (1, "a", 7200 * S)]);
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let mut terminal = terminal(&bench, "", &endpoint);
    terminal.press("n");
    expect(&socket, &[0]);
    terminal.press("t");
    expect(&socket, &[1]);
    // The next of the topic is hours away: there is time to say no. Asked for again, it stays the same topic.
    terminal.press("t");
    terminal.press(" ");
    terminal.wait_until("paused at message #2");
    terminal.press("n");
    expect(&socket, &[2]);
    terminal.press("s");
    expect(&socket, &[3]);
    terminal.wait_until("paused at message #3");
    assert_silent(&socket);
    terminal.press("q");
    assert_eq!(terminal.finish().1, Some(0));
}

#[test]
fn the_prompt_takes_conditions_and_keys_lead_on_from_there() {
    let bench = Bench::new();
    let messages: Vec<(u32, &str, i64)> =
        (0..300).map(|number| (1, if number % 3 == 0 { "x" } else { "y" }, number * S)).collect();
    made(&bench, &messages);
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let mut terminal = terminal(&bench, "--from n10", &endpoint);
    for (keys, said, number) in [
        ("f", "no condition is looked for: type one behind g", 10),
        ("gx.ch0 > 200\r", "'x.ch0 > 200' begins to hold at message #201", 201),
        // What is before the beginning of the replay is none of it.
        ("gy.ch0 < 5 or y.ch0 == 100 or y.ch0 > 250\r", "begins to hold at message #100", 100),
        ("f", "begins to hold at message #251", 251),
        // Behind its first message, the place itself is the previous one.
        ("FF", "begins to hold at message #100", 100),
        ("gy.ch0 == 999\r", "'y.ch0 == 999' does not hold in what is replayed", 101),
        ("gz.ch0 > 1\r", "cannot go to 'z.ch0 > 1': ", 102),
        ("gch0 >\r", "cannot go to 'ch0 >': at character 6", 103),
        ("glater\r", "or a condition such as 'ch3 > 1200'", 104),
    ] {
        terminal.press(keys);
        terminal.wait_until(said);
        terminal.press("n");
        expect(&socket, &[number]);
    }
    terminal.press("g#20\rn");
    expect(&socket, &[20]);
    terminal.press("q");
    assert_eq!(terminal.finish().1, Some(0));
}

/// A replay of `made` that is not on a terminal.
fn replay<'a>(bench: &'a Bench, options: &str, endpoint: &str) -> Run<'a> {
    let line = format!("replay made {options} --database c.db --speed max --on-full block --wait-subscribers 1");
    bench.fancyhwd(&line).args(["--bind", endpoint])
}

#[track_caller]
fn replayed(bench: &Bench, options: &str, expected: &[i16]) {
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let replay = replay(bench, options, &endpoint).spawn();
    expect(&socket, expected);
    replay.finish().success().says(&format!(" session 1: {} messages", expected.len()));
    assert_silent(&socket);
}

#[test]
fn the_latest_message_of_a_topic_before_the_beginning_is_sent_first() {
    let bench = Bench::new();
    let topics = ["config/a", "data", "config/b", "config/a", "data", "data", "config/a", "data"];
    let messages: Vec<_> = (0..).zip(topics).map(|(number, topic)| (1, topic, number * S)).collect();
    made(&bench, &messages);
    replayed(&bench, "--from n5 --latched config/a", &[3, 5, 6, 7]);
    replayed(&bench, "--from n4 --latched config/*", &[2, 3, 4, 5, 6, 7]);
    // In the order in which they came, each once, and before each pass.
    replayed(&bench, "--from n7 --latched config/* --latched data --loop=2", &[2, 5, 6, 7, 2, 5, 6, 7]);
    // It need not be a topic that is replayed.
    replayed(&bench, "--from 4s --topic data --latched config/b", &[2, 4, 5, 7]);
    replayed(&bench, "--from data.ch0>4 --to n6 --latched config/a", &[3, 5]);

    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let renamed = replay(&bench, "--from n7 --topic data --latched config/b --map config/b=other", &endpoint).spawn();
    assert_eq!([next(&socket), next(&socket)], [(2, "other".to_owned()), (7, "data".to_owned())]);
    renamed.finish().success();

    let refused = |options| replay(&bench, options, "tcp://127.0.0.1:*").run().code(2);
    refused("--latched config/a").says("--from");
    refused("--from n5 --latched conf").says("cannot use --latched 'conf': session 1").says("has no such topic");
    refused("--from n5 --latched=").says("cannot use --latched '': a topic has at least one byte");
    let none_before = replay(&bench, "--from n2 --latched config/b --latched data", &endpoint);
    let socket = subscriber(&endpoint);
    let none_before = none_before.spawn();
    expect(&socket, &[1, 2, 3, 4, 5, 6, 7]);
    none_before.finish().success().says("'config/b' has no message before the beginning of the replay");
}

#[test]
fn each_endpoint_has_its_own_latest_message() {
    let bench = Bench::new();
    made(&bench, &[(1, "c", 0), (2, "c", S), (1, "d", 2 * S), (2, "d", 3 * S), (1, "c", 4 * S), (2, "d", 5 * S)]);
    replayed(&bench, "--from n3 --latched c", &[0, 1, 3, 4, 5]);
    replayed(&bench, "--from n5 --latched c", &[1, 4, 5]);
    let endpoint = bench.endpoint("second");
    let socket = subscriber(&endpoint);
    let line = format!("replay made --from n3 --latched c --database c.db --speed max --bind 2={endpoint}");
    let second = bench.fancyhwd(&line).args(["--wait-subscribers", "1"]).spawn();
    expect(&socket, &[1, 3, 5]);
    second.finish().success();
}

/// Whether overviews say where it is, or, where a recorder was interrupted, nobody does.
#[test]
fn the_latest_message_is_that_of_a_look_at_each() {
    let bench = Bench::new();
    let (mut random, topics) = (seeded(), ["a", "b", "c", "d"]);
    let messages: Vec<(u32, &str, i64)> = (0..20_000)
        .map(|number| {
            // Of the last two there are few.
            let place = match random.rand() % 4000 {
                0 => 3,
                1..=9 => 2,
                other => other as usize % 2,
            };
            (1, topics[place], number * S / 1000)
        })
        .collect();
    made(&bench, &messages);
    let interrupted = "UPDATE sessions SET end_reason = 'interrupted'; DELETE FROM overviews WHERE last_id > 9000";
    for sql in [None, Some(interrupted)] {
        if let Some(sql) = sql {
            bench.forge("c.db", sql);
        }
        for _ in 0..10 {
            let from = 1 + random.rand() as usize % (messages.len() - 2);
            let latest = |topic| messages[..from].iter().rposition(|message| message.1 == topic);
            let mut expected: Vec<i16> = topics.into_iter().filter_map(latest).map(|number| number as i16).collect();
            expected.sort_unstable();
            expected.push(from as i16);
            replayed(&bench, &format!("--from n{from} --to n{} --latched *", from + 1), &expected);
        }
    }
}
