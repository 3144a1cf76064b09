//! The playing thread: sends each message when it is due, and notes how late it left.

mod keys;

use std::collections::VecDeque;

use crate::analysis::lateness::Late;
use crate::codec::framing::{Framing, SEPARATOR};
use crate::codec::topic::named;
use crate::error::Result;
use crate::message::queue::Queue;
use crate::message::{Batch, Gap, Message, Piece};
use crate::replayer::awake::Awake;
use crate::replayer::{
    Announcement, Announcer, Controls, Jumps, Key, Outlets, Passes, Playback, Played, Prompt, Screen, Standing,
};
use crate::socket::Sent;
use crate::time::clock::{NS_PER_S, monotonic_ns, sharpen_wakeups, wait_until};
use crate::time::pace::{Pacer, Rhythm};
use crate::time::stalls::Stalls;

/// At full speed nobody waits, so what is asked for is looked for after so many messages, and the clock is read. To read it for each
/// takes a tenth of the time.
const LOOK_MESSAGES: u64 = 256;

/// How often the lateness on the screen is worked out.
const SHOW_EVERY_NS: i64 = NS_PER_S / 10;

/// Plays batches.
pub struct Player<'a> {
    outlets: &'a mut Outlets,
    controls: Controls<'a>,
    awake: Awake,
    playback: &'a Playback,
    jumps: &'a Jumps,
    screen: &'a Screen,
    announcer: Announcer<'a>,
    pacer: Pacer,
    passes: u64,
    /// The jump whose batches are played.
    jump: u64,
    standing: Standing,
    /// While it stands still: one message is to be sent.
    step: bool,
    /// Where it pauses again.
    goal: Option<Goal>,
    /// Whether it went on elsewhere, and the next message shows where.
    has_jumped: bool,
    prompt: Prompt,
    /// Pressed, and not obeyed yet.
    keys: VecDeque<Key>,
    /// The message that is waited for, or was sent last: its number, and when it was recorded.
    number: i64,
    elapsed_ns: i64,
    /// The last message that was sent, and its stream.
    sent: Option<i64>,
    stream_id: i64,
    /// What is sent before the first message of each pass, and whether it is to be sent next.
    latched: &'a Batch,
    is_latched_due: bool,
    shown_ns: i64,
    /// When it was looked for what is asked for, at full speed.
    looked_ns: i64,
    renamed: Vec<u8>,
    played: Played,
}

/// Where a replay that was asked to go on for a while pauses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Behind the next message of this stream.
    Stream(i64),
    /// Before the first message behind this time.
    Time(i64),
}

/// What is to be done with a message that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Send it; it was due at this time, if at any.
    Send(Option<i64>),
    /// The replay goes on elsewhere.
    Elsewhere,
    /// A stop was asked for.
    Stop,
}

impl<'a> Player<'a> {
    /// Play through `outlets` as planned.
    pub fn new(
        outlets: &'a mut Outlets,
        controls: Controls<'a>,
        playback: &'a Playback,
        jumps: &'a Jumps,
        screen: &'a Screen,
        announcements: &'a [Announcement],
        (standing, latched): (Standing, &'a Batch),
    ) -> Self {
        Self {
            outlets,
            controls,
            awake: Awake::new(playback.pacing),
            playback,
            jumps,
            screen,
            announcer: Announcer::new(announcements),
            pacer: Pacer::new(playback.rhythm, playback.max_gap_ns),
            passes: 0,
            jump: 0,
            standing,
            step: false,
            goal: None,
            has_jumped: false,
            prompt: Prompt::default(),
            keys: VecDeque::new(),
            number: 0,
            elapsed_ns: 0,
            sent: None,
            stream_id: 0,
            latched,
            is_latched_due: true,
            shown_ns: 0,
            looked_ns: 0,
            renamed: Vec::new(),
            played: Played { stalls: Stalls::new(playback.catch_up), ..Played::default() },
        }
    }

    /// Play what comes through the queue as often as planned, or until a stop is asked for. The caller closes the queue
    /// then.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn run(mut self, queue: &Queue<Batch>) -> Result<Played> {
        sharpen_wakeups();
        self.show_standing();
        let Some(mut batch) = queue.pop() else { return Ok(self.played) };
        let started_ns = monotonic_ns();
        loop {
            match self.play_batch(&batch)? {
                Turn::Stop => {
                    self.played.stopped = true;
                    break;
                }
                Turn::Send(_) if self.is_over() => break,
                Turn::Send(_) | Turn::Elsewhere => {}
            }
            queue.recycle(batch);
            let is_starved = queue.is_starved();
            self.played.underruns += u64::from(!self.standing.is_still() && is_starved);
            let Some(next) = queue.pop() else { break };
            batch = next;
            if is_starved {
                self.played.stalls.ran_at(monotonic_ns());
            }
        }
        self.played.elapsed_ns = monotonic_ns() - started_ns;
        self.played.kept_awake = self.awake.was_granted();
        self.played.holds = self.standing.holds();
        Ok(self.played)
    }

    fn is_over(&self) -> bool {
        self.playback.passes == Passes::Times(self.passes)
    }

    fn play_batch(&mut self, batch: &Batch) -> Result<Turn> {
        if batch.jump() != self.jump {
            // It was read before the last jump.
            return Ok(Turn::Elsewhere);
        }
        if batch.is_empty() {
            self.end_goal();
            if let Some(turn) = self.wait_at_the_end() {
                return Ok(turn);
            }
            self.pacer.end_pass();
            self.passes += 1;
            self.screen.passed(self.passes);
            self.announcer.rewind();
            self.is_latched_due = true;
        }
        let mut gaps = batch.gaps().iter().peekable();
        for ((message, &number), &stream_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
            while let Some(gap) = gaps.next_if(|gap| gap.first_number < number) {
                self.pass(gap);
            }
            match self.play(message, number, stream_id)? {
                Turn::Send(_) => {}
                other => return Ok(other),
            }
        }
        gaps.for_each(|gap| self.pass(gap));
        Ok(Turn::Send(None))
    }

    /// Messages that are damaged would have their turn here.
    fn pass(&mut self, gap: &Gap) {
        self.announcer.come_to(gap);
        self.played.gaps.add(*gap);
    }

    fn play(&mut self, message: Message<'_>, number: i64, stream_id: i64) -> Result<Turn> {
        (self.number, self.elapsed_ns) = (number, message.elapsed_ns);
        if self.sent.is_none() {
            self.stream_id = stream_id;
        }
        if std::mem::take(&mut self.has_jumped) {
            self.screen.jumped(number, message.elapsed_ns);
        }
        self.announcer.come_by(number, message.elapsed_ns);
        if let Some(Goal::Time(until_ns)) = self.goal
            && message.elapsed_ns > until_ns
        {
            self.end_goal();
        }
        let turn = self.wait_for_turn();
        let Turn::Send(due_ns) = turn else { return Ok(turn) };
        if std::mem::take(&mut self.is_latched_due) {
            for message in self.latched.messages() {
                let Sent::At(_) = self.send(message, monotonic_ns())? else { return Ok(Turn::Stop) };
                self.count(message);
            }
        }
        let is_max = self.pacer.rhythm() == Rhythm::Max;
        let now_ns = if is_max { self.looked_ns } else { monotonic_ns() };
        let Sent::At(at_ns) = self.send(message, now_ns)? else { return Ok(Turn::Stop) };
        if let Some(due_ns) = due_ns {
            self.played.stalls.waited(self.outlets.take_blocked_ns());
            let late_ns = at_ns.saturating_sub(due_ns).saturating_sub(self.notice_stall(at_ns, due_ns));
            self.played.lateness.record(Late { number, elapsed_ns: self.elapsed_ns, late_ns });
        }
        (self.sent, self.stream_id) = (Some(number), stream_id);
        self.count(message);
        self.show();
        if self.goal == Some(Goal::Stream(stream_id)) {
            self.end_goal();
        }
        Ok(turn)
    }

    /// Wait until this message is due, and do meanwhile what is asked for.
    fn wait_for_turn(&mut self) -> Turn {
        let mut due_ns = None;
        self.follow();
        loop {
            if self.standing.is_still() {
                if std::mem::take(&mut self.step) {
                    // Where it goes on after the pause, time begins anew.
                    self.pacer.forget();
                    return Turn::Send(None);
                }
                self.rest();
            } else {
                // Asked once for each message, because the pacer counts them.
                due_ns = due_ns.or_else(|| self.pacer.due_ns(self.elapsed_ns, monotonic_ns));
                match due_ns {
                    _ if !self.keys.is_empty() => {}
                    Some(due_ns) => {
                        if let Some(now_ns) = wait_until(due_ns, self.playback.pacing, |ns| self.wait_ns(ns)) {
                            return Turn::Send(Some(due_ns + self.notice_stall(now_ns, due_ns)));
                        }
                    }
                    None if self.total().is_multiple_of(LOOK_MESSAGES) && self.is_asked() => {}
                    None => return Turn::Send(None),
                }
            }
            if self.controls.stop().requested() {
                return Turn::Stop;
            }
            if self.take_keys() {
                return Turn::Elsewhere;
            }
            // Before it is asked again, as the schedule moves.
            self.follow();
            due_ns = due_ns.and_then(|_| self.pacer.again());
        }
    }

    /// When this process was stopped before this message left, move the schedule. Gives by how much.
    fn notice_stall(&mut self, now_ns: i64, due_ns: i64) -> i64 {
        let moves_ns = self.played.stalls.look(now_ns, due_ns, self.number);
        self.pacer.delay(moves_ns);
        moves_ns
    }

    /// Wait until something is asked for, `ns` at most, or less. Says whether something was.
    fn wait_ns(&mut self, ns: i64) -> bool {
        let ns = self.standing.limit_ns(ns);
        self.standing.has_changed(monotonic_ns) || self.awake.wait_ns(ns, |ns| self.controls.wait_ns(ns))
    }

    /// Whether something is asked for.
    fn is_asked(&mut self) -> bool {
        self.looked_ns = monotonic_ns();
        self.standing.has_changed(monotonic_ns) || self.controls.wait_ns(0)
    }

    /// Stand still while the process does that the replay goes with.
    fn follow(&mut self) {
        if self.standing.follow(monotonic_ns, self.number, |moves_ns| self.pacer.delay(moves_ns)) {
            self.show_standing();
        }
    }

    /// While it stands still: wait until something is asked for.
    fn rest(&mut self) {
        if self.keys.is_empty() {
            self.wait_ns(i64::MAX);
        }
    }

    /// Somebody who steps through a session is not thrown out at its end, but may step back. Gives what to do when the
    /// pass is not to be ended.
    fn wait_at_the_end(&mut self) -> Option<Turn> {
        while self.standing.is_paused() && self.controls.has_keyboard() {
            self.rest();
            if self.controls.stop().requested() {
                return Some(Turn::Stop);
            }
            if self.take_keys() {
                return Some(Turn::Elsewhere);
            }
            self.step = false;
            self.end_goal();
        }
        None
    }

    fn total(&self) -> u64 {
        self.played.tally.messages
    }

    fn send(&mut self, message: Message<'_>, now_ns: i64) -> Result<Sent> {
        let stop = self.controls.stop();
        let Some(sender) = self.outlets.of(message.origin) else { return Ok(Sent::Stopped) };
        let (first, frame_count) = (message.frames().next().unwrap_or_default(), message.frame_count as usize);
        let renamed = self.playback.renamed.iter().find_map(|(old, new)| {
            Some((named(old.as_str().as_bytes(), first, frame_count)?, new.as_str().as_bytes()))
        });
        let Some((found, new)) = renamed else { return sender.send(message.frames().pieces(), now_ns, stop) };
        self.renamed.clear();
        self.renamed.extend_from_slice(new);
        match found.framing {
            Framing::Space => {
                self.renamed.push(SEPARATOR);
                self.renamed.extend_from_slice(first.get(found.topic.len() + 1..).unwrap_or_default());
            }
            // A final NUL stays.
            _ if found.topic.ends_with(b"\0") => self.renamed.push(0),
            _ => {}
        }
        let frames = std::iter::once(Piece::Lent(&self.renamed)).chain(message.frames().pieces().skip(1));
        sender.send(frames, now_ns, stop)
    }

    fn count(&mut self, message: Message<'_>) {
        self.played.tally.message(message.bytes());
    }

    fn show_standing(&self) {
        self.screen.rhythm(self.pacer.rhythm(), self.standing.words());
    }

    fn show(&mut self) {
        if self.screen.is_watched() {
            self.screen.sent(self.number, self.elapsed_ns, self.total());
            let now_ns = monotonic_ns();
            if now_ns - self.shown_ns >= SHOW_EVERY_NS {
                self.shown_ns = now_ns;
                self.screen.lateness(self.played.lateness.quantile_ns(0.99));
            }
        }
    }
}
