//! The members of MCAP records, taken from bytes that may be anything.

use std::collections::BTreeMap;

use crate::importer::{Read, Refused};

/// What is left of a record.
#[derive(Clone)]
pub(super) struct Members<'a>(pub &'a [u8]);

impl<'a> Members<'a> {
    pub fn bytes(&mut self, count: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(|| Refused::damaged("a record is too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|_| Refused::damaged("a record is too short"))
    }

    pub fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Bytes with their length before them.
    pub fn counted(&mut self) -> Read<&'a [u8]> {
        let count = self.u32()?;
        self.bytes(count as usize)
    }

    pub fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.counted()?).map_err(|_| Refused::damaged("a text is no UTF-8"))
    }

    pub fn map(&mut self) -> Read<BTreeMap<&'a str, &'a str>> {
        let mut inside = Members(self.counted()?);
        let mut map = BTreeMap::new();
        while !inside.0.is_empty() {
            map.insert(inside.text()?, inside.text()?);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_are_read_in_their_order() {
        let bytes = b"\x01\x00\x02\x00\x00\x00ab\x0a\x00\x00\x00\x01\x00\x00\x00k\x01\x00\x00\x00v\xff";
        let mut members = Members(bytes);
        assert_eq!(members.u16().unwrap(), 1);
        assert_eq!(members.text().unwrap(), "ab");
        assert_eq!(members.map().unwrap(), BTreeMap::from([("k", "v")]));
        assert_eq!(members.0, b"\xff");
        assert!(members.u16().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_read_beyond_the_record(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut members = Members(&bytes);
            let _ = members.map();
            let _ = members.text();
            let _ = members.u64();
            prop_assert!(bytes.ends_with(members.0));
        }
    }
}
