//! The archive beside a recording: a thread that follows it, and what is left at its end.

use std::path::Path;
use std::time::Duration;

use crate::archiver::{Archiver, Standing};
use crate::observe::snapshot::Archive;
use crate::recorder::Gauges;
use crate::store::{Chapter, Target};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// How long the end of a recording waits for its archive. What is not sent by then is sent the next time.
const FINISH_NS: i64 = 10 * NS_PER_S;

/// Send what is recorded to an archive until the recording is over.
pub(super) fn follow(target: &Target, gauges: &Gauges) {
    let pause = |wait_ns: i64| gauges.wait(Duration::from_nanos(wait_ns.max(0).unsigned_abs()));
    let tell = |standing: &Standing| gauges.archive(words(standing));
    let mut archiver = Archiver::new(target.access.clone(), target.keeping, &pause, &tell);
    archiver.follow(&|| gauges.holdup.path());
}

fn words(standing: &Standing) -> Archive {
    let behind_ns = standing.behind_since_ns.map_or(0, |since_ns| monotonic_ns() - since_ns);
    Archive {
        archived: standing.archived,
        behind: standing.behind,
        behind_s: (behind_ns / NS_PER_S).max(0).unsigned_abs(),
        trouble: standing.trouble.clone(),
    }
}

/// Send what is left of a recording that is over. Says whether all of it is there.
pub(super) fn finish(target: &Target, chapters: &[Chapter]) -> bool {
    let until_ns = monotonic_ns() + FINISH_NS;
    let pause = |wait_ns: i64| {
        let left_ns = until_ns - monotonic_ns();
        std::thread::sleep(Duration::from_nanos(wait_ns.min(left_ns).max(0).unsigned_abs()));
        left_ns > 0
    };
    let mut is_whole = true;
    for chapter in chapters {
        let mut archiver = Archiver::new(target.access.clone(), target.keeping, &pause, &|_| {});
        is_whole &= finish_file(&mut archiver, target, &chapter.path);
    }
    is_whole
}

fn finish_file(archiver: &mut Archiver<'_>, target: &Target, path: &Path) -> bool {
    let address = &target.access.address;
    match archiver.finish(path) {
        Ok((_, true)) => {
            tracing::info!("all of it is in archive {address} as {}", target.recorder);
            true
        }
        Ok((behind, false)) => {
            let why = archiver.standing().trouble.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            tracing::warn!(
                "{behind} messages of {} are not in archive {address} yet{why}: they stay here, and the next `record --archive` \
                 into it or `session archive` sends them",
                path.display()
            );
            false
        }
        Err(error) => {
            tracing::error!("what is left of {} is not archived: {error}", path.display());
            false
        }
    }
}
