//! The pages of a table in a database file, and damage to them.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use rusqlite::Connection;

pub const PAGE_BYTES: usize = 4096;

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// The tree of a table: its pages, numbered from 1.
pub struct Tree {
    pub root: usize,
    pub interior: Vec<usize>,
    pub leaves: Vec<usize>,
}

pub fn tree(path: &Path, table: &str) -> Tree {
    let root = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let root: i64 = Connection::open(path).unwrap().query_row(root, [table], |row| row.get(0)).unwrap();
    let mut tree = Tree { root: root as usize, interior: Vec::new(), leaves: Vec::new() };
    walk(&fs::read(path).unwrap(), root as usize, &mut tree);
    tree
}

fn page(database: &[u8], number: usize) -> &[u8] {
    &database[(number - 1) * PAGE_BYTES..number * PAGE_BYTES]
}

fn walk(database: &[u8], number: usize, tree: &mut Tree) {
    let page = page(database, number);
    match page[0] {
        LEAF => tree.leaves.push(number),
        INTERIOR => {
            tree.interior.push(number);
            children(page).into_iter().for_each(|child| walk(database, child, tree));
        }
        kind => panic!("page {number} of a table is of kind {kind}"),
    }
}

fn u16_at(page: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([page[at], page[at + 1]]))
}

fn u32_at(page: &[u8], at: usize) -> usize {
    u32::from_be_bytes(page[at..at + 4].try_into().unwrap()) as usize
}

fn children(page: &[u8]) -> Vec<usize> {
    let cells = (0..u16_at(page, 3)).map(|cell| u32_at(page, u16_at(page, 12 + 2 * cell)));
    cells.chain([u32_at(page, 8)]).collect()
}

/// The ids of the rows on a page, or on those below it.
pub fn ids(path: &Path, number: usize) -> RangeInclusive<i64> {
    let database = fs::read(path).unwrap();
    let mut tree = Tree { root: number, interior: Vec::new(), leaves: Vec::new() };
    walk(&database, number, &mut tree);
    let first = leaf_ids(page(&database, tree.leaves[0])).0;
    first..=leaf_ids(page(&database, *tree.leaves.last().unwrap())).1
}

fn leaf_ids(page: &[u8]) -> (i64, i64) {
    let id = |cell: usize| {
        let at = u16_at(page, 8 + 2 * cell);
        let (_, length) = varint(&page[at..]);
        varint(&page[at + length..]).0
    };
    (id(0), id(u16_at(page, 3) - 1))
}

/// A number of SQLite's, and how many bytes it takes.
fn varint(bytes: &[u8]) -> (i64, usize) {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(8) {
        value = value << 7 | i64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return (value, at + 1);
        }
    }
    (value << 8 | i64::from(bytes[8]), 9)
}

/// Write a copy of a database in which the bytes of one page are changed.
pub fn damage(from: &Path, to: &Path, number: usize, change: impl FnOnce(&mut [u8])) {
    let mut database = fs::read(from).unwrap();
    change(&mut database[(number - 1) * PAGE_BYTES..number * PAGE_BYTES]);
    fs::write(to, database).unwrap();
}

/// The rows of a table: their ids, and the pages that they are on, those behind the leaf included.
pub fn rows(path: &Path, table: &str) -> Vec<(i64, Vec<usize>)> {
    let database = fs::read(path).unwrap();
    let mut rows = Vec::new();
    for leaf in tree(path, table).leaves {
        let bytes = page(&database, leaf);
        for cell in 0..u16_at(bytes, 3) {
            let at = u16_at(bytes, 8 + 2 * cell);
            let (payload_bytes, length) = varint(&bytes[at..]);
            let (id, more) = varint(&bytes[at + length..]);
            let payload_bytes = payload_bytes as usize;
            let mut pages = vec![leaf];
            if payload_bytes > PAGE_BYTES - 35 {
                // As the file format has it.
                let least = (PAGE_BYTES - 12) * 32 / 255 - 23;
                let wanted = least + (payload_bytes - least) % (PAGE_BYTES - 4);
                let local = if wanted <= PAGE_BYTES - 35 { wanted } else { least };
                let mut next = u32_at(bytes, at + length + more + local);
                while next != 0 {
                    pages.push(next);
                    next = u32_at(page(&database, next), 0);
                }
            }
            rows.push((id, pages));
        }
    }
    rows
}
