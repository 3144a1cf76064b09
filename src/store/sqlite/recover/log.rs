//! The write-ahead log of a damaged database: which pages it has, as far as its checksums prove them, and behind that.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::store::sqlite::recover::records::u32_at;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// What a log begins with; the last bit says in which order of bytes its checksums are made.
const MAGIC: u32 = 0x377f_0682;

/// Frames that are read: their places are kept in memory. A recorder's log is cut when it has some ten thousand.
const FRAMES_MAX: u64 = 1 << 20;

/// Where the pages in the log are, by their numbers.
pub(super) type Places = HashMap<u32, u64>;

/// A write-ahead log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The newest versions of pages that were committed.
    pub committed: Places,
    /// Those behind the place where its checksums stop, or of a log whose beginning is damaged: nothing says that they are
    /// whole.
    pub doubtful: Places,
    /// The highest page of the database after the last commit.
    pub pages: u32,
    /// Whether a part of it is damaged.
    pub is_damaged: bool,
}

/// The size of the pages in a log, if it says one.
pub(super) fn page_bytes(file: &File) -> Option<usize> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).ok()?;
    let is_one = u32_at(&header, 0)? & !1 == MAGIC;
    u32_at(&header, 8).map(|bytes| bytes as usize).filter(|_| is_one)
}

impl Log {
    /// Read which pages are where in a log with pages of this size.
    pub fn read(file: &File, page_bytes: usize) -> io::Result<Self> {
        let mut log = Self::default();
        let mut header = [0; HEADER_BYTES];
        let frames =
            file.metadata()?.len().saturating_sub(HEADER_BYTES as u64) / (FRAME_HEADER_BYTES + page_bytes) as u64;
        if frames == 0 {
            return Ok(log);
        }
        file.read_exact_at(&mut header, 0)?;
        let magic = u32_at(&header, 0).unwrap_or_default();
        let is_big_endian = magic & 1 == 1;
        let mut sum = (0, 0);
        add(&mut sum, header.get(..24).unwrap_or_default(), is_big_endian);
        let mut is_sound = magic & !1 == MAGIC && pair_at(&header, 24) == Some(sum);
        log.is_damaged = !is_sound;
        let mut salts = pair_at(&header, 16).filter(|_| is_sound);
        let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
        let mut open = Places::new();
        for number in 0..frames.min(FRAMES_MAX) {
            let at = HEADER_BYTES as u64 + number * frame.len() as u64;
            file.read_exact_at(&mut frame, at)?;
            let (Some(page), Some(pages)) = (u32_at(&frame, 0), u32_at(&frame, 4)) else { break };
            let found = pair_at(&frame, 8);
            // Frames with other salts are left from before.
            let is_of_this = *salts.get_or_insert(found.unwrap_or_default()) == found.unwrap_or_default();
            let place = at + FRAME_HEADER_BYTES as u64;
            if is_sound && !is_of_this {
                // Behind the end there is nothing, unless the frame itself is damaged.
                is_sound = false;
                continue;
            }
            if is_sound {
                let mut next = sum;
                add(&mut next, frame.get(..8).unwrap_or_default(), is_big_endian);
                add(&mut next, frame.get(FRAME_HEADER_BYTES..).unwrap_or_default(), is_big_endian);
                if pair_at(&frame, 16) == Some(next) {
                    sum = next;
                    open.insert(page, place);
                    if pages > 0 {
                        log.committed.extend(open.drain());
                        log.pages = pages;
                    }
                    continue;
                }
                is_sound = false;
            }
            if is_of_this {
                log.is_damaged = true;
                log.doubtful.insert(page, place);
            }
        }
        log.is_damaged |= frames > FRAMES_MAX;
        if log.is_damaged {
            // Its commit is behind the damage.
            for (page, place) in open {
                log.doubtful.entry(page).or_insert(place);
            }
        }
        Ok(log)
    }
}

fn pair_at(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((u32_at(bytes, at)?, u32_at(bytes, at + 4)?))
}

/// As the file format says: over pairs of numbers, each of which is in both sums.
fn add(sum: &mut (u32, u32), bytes: &[u8], is_big_endian: bool) {
    for pair in bytes.chunks_exact(8) {
        let number = |at: usize| {
            let big_endian = u32_at(pair, at).unwrap_or_default();
            if is_big_endian { big_endian } else { big_endian.swap_bytes() }
        };
        sum.0 = sum.0.wrapping_add(number(0)).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(number(4)).wrapping_add(sum.0);
    }
}
