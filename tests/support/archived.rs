//! Archives under kills, cuts and steps of the clock, and whether what is there is what was recorded.

use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::allowed::not_run;
use super::clock::WallClock;
use super::cluster::Cluster;
use super::kill::seeded;
use super::{Bench, Daemon, command, eventually};

/// The archive is as far as the recorder again so long after its leader was killed.
pub const CAUGHT_UP_MAX: Duration = Duration::from_secs(15);

/// Digests and times of all commits, and what a session says of itself.
pub fn proof(bench: &Bench, database: &str, id: i64) -> String {
    bench.sqlite3(
        database,
        &format!(
            "SELECT hex(digest), committed_unix_ns FROM batches WHERE session_id = {id} ORDER BY id;
             SELECT label, note, started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, version, messages, \
             undecodable, unwanted, lost, bytes, hex(seal) FROM sessions WHERE id = {id};
             SELECT number, endpoint, socket, side, security FROM endpoints WHERE session_id = {id};
             SELECT unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, lost, detail FROM events WHERE session_id = {id} ORDER BY id"
        ),
    )
}

/// A device that sends so many packets a second, and where.
pub fn device(bench: &Bench, rate_hz: u32) -> (Daemon, String) {
    let endpoint = bench.endpoint("device");
    (bench.fancyhwd(&format!("publish --rate {rate_hz} --bind {endpoint}")).start(), endpoint)
}

/// All sessions that were recorded are in the archive, with the same digests.
pub fn assert_all_is_there(bench: &Bench, url: &str, recorder: &str) {
    bench.fancyhwd("session verify --all --database c.db").run().success();
    let count: i64 = bench.sqlite3("c.db", "SELECT count(*) FROM sessions").parse().unwrap();
    for id in 1..=count {
        bench.fancyhwd(&format!("session fetch {recorder}/{id} --archive {url} --database d.db")).run().success();
        assert_eq!(proof(bench, "c.db", id), proof(bench, "d.db", id), "session {id}");
    }
}

/// Kill the node that leads at random moments of a recording at 10 kHz, so many times. Gives how long it took until all that was
/// recorded was in the archive again, the shortest first.
pub fn kill_leaders(rounds: usize) -> Option<Vec<Duration>> {
    let mut random = seeded();
    let bench = Bench::new();
    let mut cluster = Cluster::start(&bench, 3, "")?;
    let (_device, endpoint) = device(&bench, 10_000);
    let url = cluster.url();
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r");
    let recorder = bench.fancyhwd(&record).start();
    let mut caught_up = Vec::new();
    for _ in 0..rounds {
        recorder.wait_until_status("all archived");
        eventually("the stream has a leader", || cluster.leader("FHW_r").is_some());
        // The moment is the point of the test, not a way to wait for something.
        park_timeout(Duration::from_micros(u64::from(random.rand() % 300_000)));
        let leader = cluster.leader("FHW_r").unwrap_or(0);
        let (killed, before) = (Instant::now(), archived(&bench));
        cluster.kill(leader);
        eventually("messages are archived again", || archived(&bench) > before + 5_000);
        recorder.wait_until_status("all archived");
        caught_up.push(killed.elapsed());
        cluster.begin(leader);
        cluster.wait_until_ready();
    }
    recorder.stop().success().says(" 0 lost");
    assert_all_is_there(&bench, &url, "r");
    caught_up.sort_unstable();
    println!("{rounds} kills of leaders; all is archived again after {caught_up:?}");
    Some(caught_up)
}

/// Up to where messages were acknowledged, by their ids.
fn archived(bench: &Bench) -> i64 {
    bench.sqlite3("c.db", "SELECT total(last_id) FROM archived").parse::<f64>().unwrap() as i64
}

/// Kill the recorder at random moments at 10 kHz, so many times.
pub fn kill_recorders(rounds: usize) {
    let mut random = seeded();
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 10_000);
    let url = cluster.url();
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r");
    for _ in 0..rounds {
        let recorder = bench.fancyhwd(&record).start();
        park_timeout(Duration::from_micros(u64::from(random.rand() % 700_000)));
        recorder.signal(Signal::KILL);
        recorder.finish();
    }
    bench.fancyhwd(&format!("{record} --count 1000")).run().success();
    assert_all_is_there(&bench, &url, "r");
}

/// Set the recorder's clock by an hour and back by two while it archives.
pub fn step_the_clock() {
    let bench = Bench::new();
    let Some(cluster) = Cluster::start(&bench, 3, "") else { return };
    let (_device, endpoint) = device(&bench, 1000);
    let (url, clock) = (cluster.url(), WallClock::new(&bench));
    let record = format!("record --database c.db --connect {endpoint} --archive {url} --recorder r");
    let recorder = clock.of(bench.fancyhwd(&record)).start();
    for offset in ["+3600", "-3600"] {
        let before = archived(&bench);
        clock.set(offset);
        eventually("messages are archived after the step", || archived(&bench) > before + 1_000);
    }
    recorder.stop().success().says("the wall clock was set by ");
    assert_all_is_there(&bench, &url, "r");
}

/// Cut the network between the recorder and its archive for so long. Gives how long it took until all that was recorded meanwhile
/// was archived. It runs in a network of its own: `test` is the name of the test that calls this, which is started again there.
pub fn cut_the_network(test: &str, cut: Duration) -> Option<Duration> {
    const IS_THERE: &str = "FANCYHWD_TEST_NETWORK";
    if std::env::var_os(IS_THERE).is_none() {
        let unshare = |words: &[&str]| {
            let mut run = command("unshare");
            run.args(["--net", "sh", "-e", "-c", "ip link set lo up; exec \"$@\"", "sh"]).args(words);
            run.env(IS_THERE, "1").status().unwrap().success()
        };
        if !unshare(&["true"]) {
            not_run("no network of its own");
            return None;
        }
        let tests = std::env::current_exe().unwrap();
        assert!(unshare(&[tests.to_str().unwrap(), "--exact", test, "--nocapture"]));
        return None;
    }
    let link = |state| assert!(Command::new("ip").args(["link", "set", "lo", state]).status().unwrap().success());
    let bench = Bench::new();
    // One node: several would be cut off from each other too, and take half a minute to find each other again.
    let cluster = Cluster::start(&bench, 1, "")?;
    let (_device, endpoint) = device(&bench, 1000);
    let record = format!("record --database c.db --connect {endpoint} --archive {} --recorder r", cluster.url());
    let record = format!("{record} --archive-replicas 1");
    let recorder = bench.fancyhwd(&record).start();
    recorder.wait_until_status("all archived");
    link("down");
    recorder.wait_until_status(" not archived for ");
    // How long it is away is what is tried, not a way to wait for something.
    park_timeout(cut);
    link("up");
    let back = Instant::now();
    recorder.wait_until_status("all archived");
    let caught_up = back.elapsed();
    println!("away for {cut:?}; all is archived again after {caught_up:?}");
    recorder.stop().success().says(" 0 lost");
    cluster.wait_until_ready();
    assert_all_is_there(&bench, &cluster.url(), "r");
    Some(caught_up)
}
