//! Who holds a lock on the files of a database. SQLite locks bytes of two files with fcntl(2): anybody who may read a file
//! can hold a read lock on it, which keeps us from writing, and nothing prevents that. So he is named.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor, stat, statx};

use crate::store::sqlite::open::files::beside;
use crate::store::sqlite::open::owner;
use crate::store::sqlite::untrusted::foreign::one_line;

/// The byte of the `-shm` file that one who writes locks; see the file format of SQLite's write-ahead log.
const WRITE_BYTE: RangeInclusive<u64> = 120..=120;

/// The bytes that a checkpoint locks: its own, and then those of the readers, of whom an old one holds it up.
const CHECKPOINT_BYTE: RangeInclusive<u64> = 121..=121;
const READER_BYTES: RangeInclusive<u64> = 123..=127;

/// Any byte of a file.
const ALL_BYTES: RangeInclusive<u64> = 0..=u64::MAX;

/// How often the list is read when nobody is found: the kernel gives it page by page, and while others give locks back, one in it may
/// be passed over.
const LOOKS: usize = 3;

/// So many processes are named at most.
const NAMED_MAX: usize = 3;

/// Who keeps us from writing into the write-ahead log, in words; `None` when nobody is found.
pub fn of_writing(path: &Path) -> Option<String> {
    first_of(&[(&beside(path, "-shm"), &WRITE_BYTE)])
}

/// Who keeps us from moving the write-ahead log into the database.
pub(in crate::store) fn of_checkpoint(path: &Path) -> Option<String> {
    let index = &beside(path, "-shm");
    first_of(&[(index, &CHECKPOINT_BYTE), (index, &READER_BYTES)])
}

/// Who keeps us from the database in whatever we do with it.
pub(in crate::store) fn of_database(path: &Path) -> Option<String> {
    let index = &beside(path, "-shm");
    first_of(&[(index, &WRITE_BYTE), (index, &CHECKPOINT_BYTE), (index, &READER_BYTES), (path, &ALL_BYTES)])
}

/// Words about a locked database: what SQLite says, and who it is.
pub(in crate::store) fn with_holder(words: String, path: &Path) -> String {
    match of_database(path) {
        Some(who) => format!("{words}: {who}"),
        None => words,
    }
}

/// Who holds the lock of a recorder, and how that is ended.
pub(in crate::store) fn of_recorder_lock(name: &Path) -> (String, String) {
    let locks = || locks_on(name).filter(|lock| lock.is_flock);
    let Some(who) = words(name, locks()) else {
        return ("another recorder is writing to it".to_owned(), "stop that one".to_owned());
    };
    let writer = locks().find(|lock| lock.is_write && lock.pid > 0);
    let since =
        writer.as_ref().and_then(|lock| owner::began(lock.pid)).map_or(String::new(), |when| format!(", since {when}"));
    match writer {
        Some(lock) => (format!("another recorder is writing to it: {who}{since}"), owner::how_to_end(lock.pid)),
        None => (format!("another program keeps recorders out: {who}"), "end that one".to_owned()),
    }
}

/// Whether a recorder holds this lock file, for those who may not open it.
pub(in crate::store) fn is_flocked(name: &Path) -> bool {
    locks_on(name).any(|lock| lock.is_flock && lock.is_write)
}

/// Those of the first place where there are any.
fn first_of(places: &[(&Path, &RangeInclusive<u64>)]) -> Option<String> {
    let ours = std::process::id() as i32;
    (0..LOOKS).flat_map(|_| places).find_map(|(file, bytes)| {
        let is_in_the_way = |lock: &Lock| {
            !lock.is_flock && lock.pid != ours && lock.first <= *bytes.end() && lock.last >= *bytes.start()
        };
        words(file, locks_on(file).filter(is_in_the_way))
    })
}

/// `process 12 (sqlite3) holds a lock on /a/c.db-shm`.
fn words(file: &Path, locks: impl Iterator<Item = Lock>) -> Option<String> {
    let mut names: Vec<String> = locks.map(|lock| process(lock.pid)).collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let verb = if names.len() == 1 { "holds" } else { "hold" };
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{}{more} {verb} a lock on {}", names.join(", "), file.display()))
}

fn process(pid: i32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        // An open file description has the lock, not a process.
        _ if pid <= 0 => "a process that the system does not name".to_owned(),
        Ok(name) => format!("process {pid} ({})", one_line(name.trim_end())),
        // Of another user, where those are hidden.
        Err(_) => format!("process {pid}"),
    }
}

/// A line of `/proc/locks`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lock {
    is_flock: bool,
    is_write: bool,
    pid: i32,
    device: (u32, u32),
    inode: u64,
    first: u64,
    last: u64,
}

impl Lock {
    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = match words.next()? {
            "FLOCK" => true,
            "POSIX" | "OFDLCK" => false,
            // One that is waited for, or a lease.
            _ => return None,
        };
        let is_write = words.nth(1)? == "WRITE";
        let pid = words.next()?.parse().ok()?;
        let mut place = words.next()?.split(':');
        let mut device = || u32::from_str_radix(place.next()?, 16).ok();
        let device = (device()?, device()?);
        let inode = place.next()?.parse().ok()?;
        let first = words.next()?.parse().ok()?;
        let last = match words.next()? {
            "EOF" => u64::MAX,
            last => last.parse().ok()?,
        };
        Some(Self { is_flock, is_write, pid, device, inode, first, last })
    }
}

/// All locks on a file, which is not opened: SQLite's own locks would be dropped when it is closed.
fn locks_on(file: &Path) -> impl Iterator<Item = Lock> {
    let is_it = stat(file).ok().map(|there| {
        let devices = [Some((major(there.st_dev), minor(there.st_dev))), device_of_mount(file)];
        move |lock: &Lock| lock.inode == there.st_ino && devices.contains(&Some(lock.device))
    });
    let all = is_it.as_ref().and_then(|_| fs::read_to_string("/proc/locks").ok()).unwrap_or_default();
    let found: Vec<Lock> = all
        .lines()
        .filter_map(Lock::from_line)
        .filter(|lock| is_it.as_ref().is_some_and(|is_it| is_it(lock)))
        .collect();
    found.into_iter()
}

/// The device of the whole file system, which the kernel names in `/proc/locks`: in a subvolume of btrfs, a file has another one.
fn device_of_mount(file: &Path) -> Option<(u32, u32)> {
    let mount = statx(CWD, file, AtFlags::empty(), StatxFlags::MNT_ID).ok()?.stx_mnt_id.to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut words = mounts.lines().map(str::split_whitespace).find(|words| words.clone().next() == Some(&mount))?;
    let (major, minor) = words.nth(2)?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_kernel_are_understood() {
        let lock = Lock::from_line("12: POSIX  ADVISORY  READ  4711 fe:1a:131089 120 127").unwrap();
        let place = (lock.pid, lock.device, lock.inode, lock.first, lock.last);
        assert_eq!(place, (4711, (0xfe, 0x1a), 131_089, 120, 127));
        assert!(!lock.is_write && !lock.is_flock);
        let lock = Lock::from_line("3: FLOCK  ADVISORY  WRITE 9 00:2f:7 0 EOF").unwrap();
        assert!(lock.is_write && lock.is_flock && lock.last == u64::MAX);
        assert_eq!(Lock::from_line("3: -> FLOCK  ADVISORY  WRITE 9 00:2f:7 0 EOF"), None);
        assert_eq!(Lock::from_line("4: LEASE  ACTIVE    READ  9 00:2f:7 0 EOF"), None);
        assert_eq!(Lock::from_line("nonsense"), None);
    }

    #[test]
    fn a_lock_of_this_process_is_found_and_not_called_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let file = fs::File::create(&path).unwrap();
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(locks_on(&path).count(), 1);
        assert_eq!(of_database(&path), None);
        file.lock().unwrap();
        assert!(is_flocked(&path));
        let (who, advice) = of_recorder_lock(&path);
        let pid = std::process::id();
        assert!(who.contains(&format!("process {pid} (")) && who.contains(", since 2"), "{who}");
        assert!(advice.contains(&format!("kill {pid}")) || advice.contains("systemctl"), "{advice}");
    }
}
