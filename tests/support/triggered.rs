//! Recordings with a trigger of the simulated device, of which every packet is known.

use fancyhwd::device::Simulated;
use rusqlite::{Connection, Row};

use crate::support::{Bench, Daemon, Finished, eventually};

/// A condition that holds in one of about so many packets: two samples of it are at least this.
#[derive(Clone, Copy)]
pub struct Rare(pub i16);

impl Rare {
    pub fn condition(self) -> String {
        format!("ch3 >= {0} and ch7 >= {0}", self.0)
    }

    fn holds(self, payload: &[u8]) -> bool {
        let sample = |channel: usize| i16::from_le_bytes([payload[2 * channel], payload[2 * channel + 1]]);
        sample(3) >= self.0 && sample(7) >= self.0
    }
}

/// Messages one behind the other that are not in the recording.
#[derive(Debug)]
pub struct LeftOut {
    pub elapsed_ns: i64,
    pub until_ns: i64,
    pub messages: i64,
}

/// A recording with a trigger of everything that the device sent.
pub struct Triggered {
    /// When each message came that is kept.
    pub kept_ns: Vec<i64>,
    /// What lies between, lost or not.
    pub left_out: Vec<LeftOut>,
    /// When the condition held, as far as these messages are kept.
    pub places_ns: Vec<i64>,
    /// Messages for which it held and that are not kept.
    pub missed: usize,
    pub recorder: Finished,
}

/// Let the device publish so much to a recorder with these options, which is given to `meanwhile`.
pub fn record(bench: &Bench, publish: &str, rare: Rare, options: &str, meanwhile: impl FnOnce(&Daemon)) -> Triggered {
    let endpoint = bench.endpoint("device");
    let line = format!("record --database c.db --layout int16x16 --connect {endpoint} {options}");
    let recorder = bench.fancyhwd(&line).arg("--trigger").arg(rare.condition()).start();
    let publish = format!("publish --on-full block --wait-subscribers 1 --bind {endpoint} {publish}");
    let device = bench.fancyhwd(&publish).spawn();
    meanwhile(&recorder);
    let device = device.finish().success();
    // All that it sent comes before the end of the link.
    eventually("the recorder sees that the device has left", || recorder.log().contains("disconnected from"));
    let sent = device.stderr.lines().last().and_then(|line| line.split_once("published ")?.1.split_once(" message"));
    read(bench, sent.unwrap().0.parse().unwrap(), rare, recorder.stop())
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    mut take: impl FnMut(T),
) {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], row).unwrap().for_each(|row| take(row.unwrap()));
}

/// Read it, and find where what is kept was in what was sent: by what the ledger says that lies between.
fn read(bench: &Bench, sent: i64, rare: Rare, recorder: Finished) -> Triggered {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    // The time goes on from session to session.
    let began =
        "(SELECT started_unix_ns - (SELECT min(started_unix_ns) FROM sessions) FROM sessions WHERE id = session_id)";
    let entries = format!(
        "SELECT elapsed_ns + {began}, until_elapsed_ns + {began}, iif(kind = 'overflow', lost, CAST(detail AS INTEGER)) FROM events \
         WHERE kind = 'overflow' OR kind = 'not-triggered' AND lost = 0 ORDER BY 1"
    );
    let mut left_out = Vec::new();
    let row = |row: &Row<'_>| Ok(LeftOut { elapsed_ns: row.get(0)?, until_ns: row.get(1)?, messages: row.get(2)? });
    rows(&connection, &entries, row, |entry| left_out.push(entry));

    let mut device = Simulated::new(12345);
    let mut packet = || (0..16).flat_map(|_| (device.rand() as i16).to_le_bytes()).collect::<Vec<u8>>();
    let (mut kept_ns, mut places_ns, mut at, mut missed) = (Vec::new(), Vec::new(), 0, 0_usize);
    let mut pauses = left_out.iter().peekable();
    let messages = format!(
        "SELECT messages.payload, messages.elapsed_ns + {began} FROM batches JOIN messages ON messages.id BETWEEN first_id AND last_id \
         ORDER BY first_id, messages.id"
    );
    let row = |row: &Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?));
    rows(&connection, &messages, row, |(payload, elapsed_ns)| {
        while let Some(pause) = pauses.next_if(|pause| pause.elapsed_ns < elapsed_ns) {
            assert!(pause.until_ns < elapsed_ns, "{pause:?} and a message at {elapsed_ns} ns");
            missed += (0..pause.messages).filter(|_| rare.holds(&packet())).count();
            at += pause.messages;
        }
        assert_eq!(payload, packet(), "message {at} of those that were sent");
        kept_ns.push(elapsed_ns);
        places_ns.extend(rare.holds(&payload).then_some(elapsed_ns));
        at += 1;
    });
    for pause in pauses {
        missed += (0..pause.messages).filter(|_| rare.holds(&packet())).count();
        at += pause.messages;
    }
    assert_eq!(at, sent, "every message is accounted for");
    Triggered { kept_ns, left_out, places_ns, missed, recorder }
}

impl Triggered {
    /// Every window is whole, and nothing outside of all windows is kept.
    pub fn assert_windows(&self, before_ns: i64, after_ns: i64) {
        let Self { kept_ns, left_out, places_ns, missed, .. } = self;
        println!("{} places, {} messages kept, {} pauses", places_ns.len(), kept_ns.len(), left_out.len());
        assert_eq!(*missed, 0, "places that are not kept");
        let in_window = |ns: i64| {
            let next = places_ns.partition_point(|place| *place < ns);
            let is_before = places_ns.get(next).is_some_and(|place| ns >= place - before_ns);
            let is_behind = next.checked_sub(1).is_some_and(|last| ns <= places_ns[last] + after_ns);
            is_before || is_behind
        };
        let outside = kept_ns.iter().filter(|ns| !in_window(**ns)).count();
        assert_eq!(outside, 0, "messages that are in no window");
        for pause in left_out {
            // No place lies in it, so it is outside if its ends are outside, and no window begins and ends in it.
            assert!(!in_window(pause.elapsed_ns) && !in_window(pause.until_ns), "{pause:?} is not outside");
        }
    }
}
