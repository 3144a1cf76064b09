//! The pages of a damaged database, with those of its write-ahead log over them, and rows that go on over several of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::safe_open;
use crate::store::sqlite::open::files::beside;
use crate::store::sqlite::recover::log::{self, Log};
use crate::store::sqlite::recover::records::{
    Cell, Columns, FILE_HEADER_BYTES, cells, children, is_of_tree, u16_at, u32_at,
};

/// What a database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Where the header says whether there is a log.
const READ_VERSION_AT: usize = 19;
const WITH_LOG: u8 = 2;

/// Where it says whether there are pages that say what the others are for, as there are in ours.
const MAPS_AT: usize = 52;

/// The size of a page unless the file says another one.
const PAGE_BYTES: usize = 4096;

/// Where the first page of the list of free pages stands in the header, and how many they are.
const FREE_AT: usize = 32;

/// The sizes that a page can have.
const SIZES: [usize; 8] = [512, 1024, 2048, PAGE_BYTES, 8192, 16_384, 32_768, SIZE_MAX_BYTES];
const SIZE_MAX_BYTES: usize = 1 << 16;

/// Parts of a file that are looked at to see how large its pages are.
const SAMPLES_MAX: u64 = 64;

/// Each page is read so often at most, on average. A sound row is read three times: to find it, to prove it and to give it.
/// Rows that are made to lead into one another would be read without end.
const READS_PER_PAGE: u64 = 32;

/// ... and so often at least in a small file.
const READS_MIN: u64 = 100_000;

/// Where a page is read from. Pages of the log that are not known to be whole stand below zero.
pub(super) type Source = i64;

/// The pages of a file.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    file_bytes: u64,
    log_file: Option<File>,
    log: Log,
    /// The size of a page. Ours keep no room for others at its end.
    page_bytes: usize,
    /// How many there are.
    count: u32,
    free: Marks,
    /// Whether some pages say what the others are for.
    has_maps: bool,
    /// Those that are of a tree, ...
    of_trees: Marks,
    /// ... and of them, those that lead to others.
    interior: Marks,
    reads_left: u64,
    /// Pages that the disk did not give.
    unreadable: u64,
    /// The page that was read last.
    last: (Source, Vec<u8>),
}

/// A bit for each page.
#[derive(Clone, Debug, Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn of(count: u32) -> Self {
        Self(vec![0; count as usize / 64 + 1])
    }

    /// Whether it was not set before.
    fn set(&mut self, page: u32) -> bool {
        let bit = 1 << (page % 64);
        self.0.get_mut(page as usize / 64).is_some_and(|bits| {
            let is_new = *bits & bit == 0;
            *bits |= bit;
            is_new
        })
    }

    fn clear(&mut self, page: u32) {
        if let Some(bits) = self.0.get_mut(page as usize / 64) {
            *bits &= !(1 << (page % 64));
        }
    }

    fn has(&self, page: u32) -> bool {
        self.0.get(page as usize / 64).is_some_and(|bits| bits & 1 << (page % 64) != 0)
    }
}

/// The size of the pages of a file: that with which most rows make sense. What the file says of itself may be what is damaged,
/// and is believed where no other size is better.
fn likely_page_bytes(file: &File, file_bytes: u64, told: usize) -> usize {
    let parts = file_bytes.div_ceil(SIZE_MAX_BYTES as u64);
    let apart = parts.div_ceil(SAMPLES_MAX).max(1);
    let mut rows = SIZES.map(|page_bytes| (page_bytes, 0));
    let mut part = vec![0; SIZE_MAX_BYTES];
    for number in (0..parts).step_by(apart as usize) {
        let Ok(read_bytes) = file.read_at(&mut part, number * SIZE_MAX_BYTES as u64) else { continue };
        for (page_bytes, rows) in &mut rows {
            for (at, page) in part.get(..read_bytes).unwrap_or_default().chunks(*page_bytes).enumerate() {
                let cells = cells(page, number == 0 && at == 0, *page_bytes).flatten();
                *rows += cells.filter(|cell| Columns::of(cell.local, cell.bytes).is_some()).count();
            }
        }
    }
    let most = rows.iter().map(|(_, rows)| *rows).max();
    let is_best = |size: &usize| rows.iter().any(|(of, rows)| of == size && Some(*rows) == most);
    Some(told).filter(is_best).or_else(|| SIZES.into_iter().find(is_best)).unwrap_or(told)
}

impl Pages {
    /// Open a file, and the log beside it. Neither is changed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = safe_open::to_read(path)?;
        let log_file = match safe_open::to_read(&beside(path, "-wal")) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            log_file => Some(log_file?),
        };
        let mut header = [0; FILE_HEADER_BYTES];
        let read_bytes = file.read_at(&mut header, 0)?;
        let header = header.get(..read_bytes).unwrap_or_default();
        let told = u16_at(header, MAGIC.len()).filter(|_| header.starts_with(MAGIC));
        // 65,536 does not fit, and is written as 1.
        let told = told.map(|bytes| if bytes == 1 { 1 << 16 } else { usize::from(bytes) });
        let is_size = |bytes: &usize| SIZES.contains(bytes);
        let told = told.filter(is_size).or_else(|| log_file.as_ref().and_then(log::page_bytes).filter(is_size));
        let file_bytes = file.metadata()?.len();
        let page_bytes = likely_page_bytes(&file, file_bytes, told.unwrap_or(PAGE_BYTES));
        let log = log_file.as_ref().map(|log_file| Log::read(log_file, page_bytes)).transpose()?.unwrap_or_default();
        // A file that was cut off may end within a page.
        let of_file = u32::try_from(file_bytes.div_ceil(page_bytes as u64)).unwrap_or(u32::MAX);
        let of_log = log.committed.keys().chain(log.doubtful.keys()).copied().max().unwrap_or_default();
        // No number of a page is believed that would make marks for more than there can be.
        let most = of_file.saturating_add(u32::try_from(log.committed.len() + log.doubtful.len()).unwrap_or(u32::MAX));
        let count = of_file.max(of_log.min(most));
        let mut pages = Self {
            file,
            file_bytes,
            log_file,
            log,
            page_bytes,
            count,
            free: Marks::of(count),
            has_maps: !header.starts_with(MAGIC) || u32_at(header, MAPS_AT) != Some(0),
            of_trees: Marks::of(count),
            interior: Marks::of(count),
            reads_left: u64::from(count).saturating_mul(READS_PER_PAGE).max(READS_MIN),
            unreadable: 0,
            last: (0, Vec::new()),
        };
        pages.find_free();
        Ok(pages)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether a part of the log is damaged.
    pub fn is_log_damaged(&self) -> bool {
        self.log.is_damaged
    }

    /// Whether the file says that there is a log, and there is none.
    pub fn is_log_missing(&mut self) -> bool {
        self.load(1);
        let says_so = self.last.1.starts_with(MAGIC) && self.last.1.get(READ_VERSION_AT) == Some(&WITH_LOG);
        says_so && self.log_file.is_none()
    }

    /// How many pages the disk did not give.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// From where pages are read that may have rows, those first that are known to be whole.
    pub fn sources(&self) -> impl Iterator<Item = Source> + use<> {
        let mut doubtful: Vec<u32> = self.log.doubtful.keys().copied().collect();
        doubtful.sort_unstable();
        (1..=i64::from(self.count)).chain(doubtful.into_iter().map(|page| -i64::from(page)))
    }

    /// Whether the list of free pages has it: what is in it was deleted.
    pub fn is_free(&self, source: Source) -> bool {
        u32::try_from(source).is_ok_and(|page| self.free.has(page))
    }

    /// How many pages others lead to that are of no tree, once all were read.
    pub fn lost(&mut self, roots: &[i64]) -> u64 {
        let mut lost = Marks::of(self.count);
        let (of_trees, mut count) = (self.of_trees.clone(), 0);
        self.led_to(roots, |page| count += u64::from(!of_trees.has(page) && lost.set(page)));
        count
    }

    /// The pages that the list of free ones has, and that others lead to: they are not free.
    pub fn take_back(&mut self, roots: &[i64]) -> Vec<Source> {
        let (mut free, mut not_free) = (std::mem::take(&mut self.free), Vec::new());
        self.led_to(roots, |page| {
            if free.has(page) {
                free.clear(page);
                not_free.push(page.into());
            }
        });
        self.free = free;
        not_free
    }

    /// All pages that the pages of trees lead to, and these.
    fn led_to(&mut self, roots: &[i64], mut each: impl FnMut(u32)) {
        roots.iter().filter_map(|root| u32::try_from(*root).ok()).filter(|root| *root > 0).for_each(&mut each);
        for page in 1..=self.count {
            if self.interior.has(page) {
                self.load(page.into());
                children(&self.last.1, page == 1).for_each(&mut each);
            }
        }
    }

    /// The rows of a page. Each is `None` where it makes no sense.
    pub fn cells(&mut self, source: Source) -> impl Iterator<Item = Option<Cell<'_>>> {
        self.load(source);
        if let Ok(page) = u32::try_from(source)
            && let Some(leads_on) = is_of_tree(&self.last.1, page == 1)
            && !(leads_on && self.is_map(page))
        {
            self.of_trees.set(page);
            if leads_on {
                self.interior.set(page);
            }
        }
        cells(&self.last.1, source.abs() == 1, self.page_bytes)
    }

    /// Whether a page says what others are for, which may look like a page that leads to others.
    fn is_map(&self, page: u32) -> bool {
        let apart = (self.page_bytes / 5 + 1) as u32;
        self.has_maps && page.checked_sub(2).is_some_and(|page| page % apart == 0)
    }

    /// Read a whole row, which is that of this number on its page, into `row`. Gives its row id. `None` where it makes no sense
    /// or is larger than this.
    pub fn row(&mut self, source: Source, number: usize, max_bytes: usize, row: &mut Vec<u8>) -> Option<i64> {
        row.clear();
        let (page_bytes, count) = (self.page_bytes, self.count as usize);
        let cell = self.cells(source).nth(number)??;
        // No row is larger than the file.
        if cell.bytes > max_bytes || cell.bytes / page_bytes > count {
            return None;
        }
        row.extend_from_slice(cell.local);
        let (rowid, row_bytes, overflow) = (cell.rowid.unwrap_or_default(), cell.bytes, cell.overflow);
        let is_whole = match overflow {
            None => true,
            Some(first) => self.follow(source < 0, first, row_bytes, row),
        };
        is_whole.then_some(rowid)
    }

    /// Append the rest of a row, which is on other pages. Says whether it is there.
    fn follow(&mut self, is_doubtful: bool, first: u32, row_bytes: usize, row: &mut Vec<u8>) -> bool {
        let mut next = first;
        while row.len() < row_bytes {
            if next == 0 || next > self.count || self.reads_left == 0 {
                return false;
            }
            self.reads_left -= 1;
            let is_in_log = is_doubtful && self.log.doubtful.contains_key(&next);
            self.load(if is_in_log { -i64::from(next) } else { next.into() });
            let page = &self.last.1;
            let wanted = (row_bytes - row.len()).min(self.page_bytes - 4);
            let (Some(behind), Some(bytes)) = (u32_at(page, 0), page.get(4..4 + wanted)) else { return false };
            row.extend_from_slice(bytes);
            next = behind;
        }
        true
    }

    /// A page that the disk does not give is an empty one.
    fn load(&mut self, source: Source) {
        if self.last.0 == source {
            return;
        }
        self.last = (0, std::mem::take(&mut self.last.1));
        let page = u32::try_from(source.unsigned_abs()).unwrap_or(u32::MAX);
        let places = if source < 0 { &self.log.doubtful } else { &self.log.committed };
        let in_log = places.get(&page).and_then(|place| Some((self.log_file.as_ref()?, *place)));
        let in_file = (&self.file, u64::from(page.saturating_sub(1)) * self.page_bytes as u64);
        let (file, at) = in_log.unwrap_or(in_file);
        let there = if in_log.is_some() { self.page_bytes as u64 } else { self.file_bytes.saturating_sub(at) };
        self.last.1.resize((self.page_bytes as u64).min(there) as usize, 0);
        if file.read_exact_at(&mut self.last.1, at).is_err() {
            self.last.1.clear();
            self.unreadable += 1;
        }
        self.last.0 = source;
    }

    /// Find the free pages. A list that makes no sense is none.
    fn find_free(&mut self) {
        self.load(1);
        let header =
            self.last.1.get(..FILE_HEADER_BYTES).filter(|header| header.starts_with(MAGIC)).unwrap_or_default();
        let (first, expected) =
            (u32_at(header, FREE_AT).unwrap_or_default(), u32_at(header, FREE_AT + 4).unwrap_or_default());
        let (mut next, mut found) = (first, 0);
        let mut free = Marks::of(self.count);
        let mut is_sound = true;
        while next != 0 && is_sound {
            is_sound = next <= self.count && free.set(next);
            found += 1;
            self.load(next.into());
            let page = &self.last.1;
            next = u32_at(page, 0).unwrap_or_default();
            let leaves = u32_at(page, 4).unwrap_or_default() as usize;
            is_sound &= leaves <= self.page_bytes / 4;
            for leaf in 0..leaves.min(self.page_bytes / 4) {
                let leaf = u32_at(page, 8 + 4 * leaf).unwrap_or_default();
                is_sound &= leaf > 1 && leaf <= self.count && free.set(leaf);
                found += 1;
            }
        }
        if is_sound && found == expected {
            self.free = free;
        }
    }
}
