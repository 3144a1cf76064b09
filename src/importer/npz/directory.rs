//! What is where in a ZIP file whose entries are not compressed, as numpy and `session export` write it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::importer::records::Members;
use crate::importer::{Read, Refused};

/// What a ZIP file with entries begins with.
pub(in crate::importer) const MAGIC: &[u8] = b"PK\x03\x04";

/// The record at the very end, and the longest comment behind it.
const END: u32 = 0x0605_4b50;
const END_BYTES: u64 = 22;
const COMMENT_MAX_BYTES: u64 = u16::MAX as u64;

/// Before it, in large files: where the record is that has numbers of 64 bits, ...
const LOCATOR: u32 = 0x0706_4b50;
const LOCATOR_BYTES: u64 = 20;

/// ... and that record.
const LARGE_END: u32 = 0x0606_4b50;
const LARGE_END_BYTES: u64 = 56;

/// An entry in the directory, ...
const LISTED: u32 = 0x0201_4b50;

/// ... and what stands before its bytes.
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_BYTES: u64 = 30;

/// Where a number of 32 bits stands for one of 64 in the extra field of this kind.
const SEE_EXTRA: u32 = u32::MAX;
const LARGE_EXTRA: u16 = 1;

/// The longest directory: of 65,536 streams with long topics, all arrays.
const DIRECTORY_MAX_BYTES: u64 = 128 << 20;

const STORED: u16 = 0;
const IS_ENCRYPTED: u16 = 1;

/// An entry: where it begins, how many bytes it has, and their CRC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    local_at: u64,
    pub bytes: u64,
    pub crc: u32,
}

/// Read the directory of a file of so many bytes: entries by their names.
pub(super) fn read(file: &File, file_bytes: u64) -> Read<HashMap<String, Entry>> {
    let no_end = || Refused::damaged("it is cut off, or no ZIP file: its directory is missing");
    let tail_at = file_bytes.saturating_sub(END_BYTES + COMMENT_MAX_BYTES);
    let tail = bytes_at(file, tail_at, file_bytes - tail_at, file_bytes)?;
    let is_end =
        |&at: &usize| tail.get(at..).is_some_and(|tail| tail.starts_with(&END.to_le_bytes()) && ends_there(tail));
    let end_at = (0..tail.len()).rev().find(is_end).ok_or_else(no_end)?;
    let mut end = Members(tail.get(end_at..).unwrap_or_default());
    end.bytes(12)?;
    let (mut bytes, mut at) = (u64::from(end.u32()?), u64::from(end.u32()?));
    let end_at = tail_at + end_at as u64;
    if let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES)
        && let locator = bytes_at(file, locator_at, LOCATOR_BYTES, file_bytes)?
        && let mut locator = Members(&locator)
        && locator.u32()? == LOCATOR
    {
        locator.u32()?;
        let large = bytes_at(file, locator.u64()?, LARGE_END_BYTES, file_bytes)?;
        let mut large = Members(&large);
        if large.u32()? != LARGE_END {
            return Err(no_end());
        }
        large.bytes(36)?;
        (bytes, at) = (large.u64()?, large.u64()?);
    }
    if bytes > DIRECTORY_MAX_BYTES {
        let cause = format!("its directory has {bytes} bytes, and {DIRECTORY_MAX_BYTES} are the most");
        return Err(Refused::damaged(cause));
    }
    let directory = bytes_at(file, at, bytes, file_bytes)?;
    let (mut rest, mut entries, mut all_bytes) = (Members(&directory), HashMap::new(), 0_u64);
    while !rest.0.is_empty() {
        let (name, entry) = listed(&mut rest)?;
        // None is in another one.
        all_bytes = all_bytes.saturating_add(entry.bytes);
        if all_bytes > file_bytes {
            return Err(Refused::damaged("its entries have more bytes than it has itself"));
        }
        if entries.insert(name.to_owned(), entry).is_some() {
            return Err(Refused::damaged(format!("it has two entries of the name {}", name.escape_debug())));
        }
    }
    Ok(entries)
}

impl Entry {
    /// Where its bytes begin.
    pub fn begins_at(&self, file: &File, file_bytes: u64) -> Read<u64> {
        let local = bytes_at(file, self.local_at, LOCAL_BYTES, file_bytes)?;
        let mut local = Members(&local);
        if local.u32()? != LOCAL {
            return Err(Refused::damaged("its directory names an entry where there is none"));
        }
        local.bytes(22)?;
        let begins_at = self.local_at + LOCAL_BYTES + u64::from(local.u16()?) + u64::from(local.u16()?);
        match begins_at.checked_add(self.bytes) {
            Some(end) if end <= file_bytes => Ok(begins_at),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// Whether the comment behind the record at the end is all that there is.
fn ends_there(end: &[u8]) -> bool {
    let comment = end.get(END_BYTES as usize - 2..).and_then(|rest| rest.split_first_chunk());
    comment.is_some_and(|(length, comment)| usize::from(u16::from_le_bytes(*length)) == comment.len())
}

/// The next entry of the directory.
fn listed<'a>(rest: &mut Members<'a>) -> Read<(&'a str, Entry)> {
    if rest.u32()? != LISTED {
        return Err(Refused::damaged("its directory has something else than entries"));
    }
    rest.bytes(4)?;
    let (flags, method) = (rest.u16()?, rest.u16()?);
    rest.bytes(4)?;
    let (crc, stored, bytes) = (rest.u32()?, rest.u32()?, rest.u32()?);
    let (name, extra, comment) = (rest.u16()?, rest.u16()?, rest.u16()?);
    rest.bytes(8)?;
    let local_at = rest.u32()?;
    let name = rest.bytes(name.into())?;
    let name = std::str::from_utf8(name).map_err(|_| Refused::damaged("the name of an entry is no UTF-8"))?;
    let mut extra = Members(rest.bytes(extra.into())?);
    rest.bytes(comment.into())?;
    if method != STORED || flags & IS_ENCRYPTED != 0 {
        let cause = format!("its entry {} is compressed or encrypted", name.escape_debug());
        return Err(Refused::File(cause, "`session export` and `numpy.savez` write entries as they are"));
    }
    let mut large = Members(&[]);
    while let Ok(kind) = extra.u16() {
        let length = extra.u16()?;
        let field = extra.bytes(length.into())?;
        if kind == LARGE_EXTRA {
            large = Members(field);
        }
    }
    let mut long = |short: u32| if short == SEE_EXTRA { large.u64() } else { Ok(short.into()) };
    let (bytes, stored, local_at) = (long(bytes)?, long(stored)?, long(local_at)?);
    match bytes == stored {
        true => Ok((name, Entry { local_at, bytes, crc })),
        false => Err(Refused::damaged("an entry that is not compressed has two sizes")),
    }
}

/// So many bytes, which the file must have.
fn bytes_at(file: &File, at: u64, bytes: u64, file_bytes: u64) -> Read<Vec<u8>> {
    if at.checked_add(bytes).is_none_or(|end| end > file_bytes) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let mut found = vec![0; bytes as usize];
    file.read_exact_at(&mut found, at)?;
    Ok(found)
}
