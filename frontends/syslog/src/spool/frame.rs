//! How lines lie in a segment: frames, one behind the other, each a header and whole lines.
//!
//! | bytes | |
//! |---|---|
//! | 8 | the number of the first line |
//! | 4 | bytes of the lines |
//! | 4 | how many lines |
//! | 4 | CRC of the lines |
//! | 4 | CRC of the header so far |
//!
//! Numbers are little-endian, the CRC is CRC-32C. Lines are numbered from the folder's first on.

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc, Table};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 24;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What is said of a frame's lines before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the first line.
    pub(super) first: u64,
    pub(super) body_bytes: u32,
    pub(super) line_count: u32,
    body_crc: u32,
}

/// The CRC of the spool's files.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// Whole lines as a frame. `None` if they are more than a frame can have, 4 GiB.
pub(super) fn frame(first: u64, lines: &[Bytes], line_count: u64) -> Option<Vec<u8>> {
    let body_bytes: usize = lines.iter().map(Bytes::len).sum();
    let mut digest = CRC.digest();
    for part in lines {
        digest.update(part);
    }
    let header = Header {
        first,
        body_bytes: body_bytes.try_into().ok()?,
        line_count: line_count.try_into().ok()?,
        body_crc: digest.finalize(),
    };
    let mut frame = Vec::with_capacity(HEADER_BYTES + body_bytes);
    frame.extend_from_slice(&header.bytes());
    for part in lines {
        frame.extend_from_slice(part);
    }
    Some(frame)
}

impl Header {
    /// Reads the header that these bytes begin with. `None`: it is not whole, or not as it was
    /// written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let (body_bytes, rest) = rest.split_first_chunk()?;
        let (line_count, rest) = rest.split_first_chunk()?;
        let (body_crc, rest) = rest.split_first_chunk()?;
        let (header_crc, _) = rest.split_first_chunk()?;
        let header = Self {
            first: u64::from_le_bytes(*first),
            body_bytes: u32::from_le_bytes(*body_bytes),
            line_count: u32::from_le_bytes(*line_count),
            body_crc: u32::from_le_bytes(*body_crc),
        };
        let is_whole = u32::from_le_bytes(*header_crc) == crc(&bytes[..HEADER_BYTES - 4]);
        (is_whole && header.line_count > 0).then_some(header)
    }

    /// The number behind that of the last line.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.line_count as u64)
    }

    /// Bytes of header and lines.
    pub(super) const fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.body_bytes as usize
    }

    /// The lines, if `frame` has them all as they were written.
    pub(super) fn body<'f>(&self, frame: &'f [u8]) -> Option<&'f [u8]> {
        let body = frame.get(HEADER_BYTES..self.frame_bytes())?;
        (crc(body) == self.body_crc).then_some(body)
    }

    fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.line_count.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.body_crc.to_le_bytes());
        let header_crc = crc(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&header_crc.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_any_bit_turned_is_none() {
        let parts = [Bytes::from_static(b"2 a\n"), Bytes::from_static(b"2 b\n")];
        let whole = frame(7, &parts, 2).unwrap();
        let read = |bytes: &[u8]| {
            let header = Header::read(bytes)?;
            Some((header.first, header.end(), header.body(bytes)?.to_vec()))
        };
        assert_eq!(read(&whole), Some((7, 9, b"2 a\n2 b\n".to_vec())));
        for bit in 0..whole.len() * 8 {
            let mut turned = whole.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&turned), None, "bit {bit}");
        }
        for bytes in 0..whole.len() {
            assert_eq!(read(&whole[..bytes]), None);
        }
        assert_eq!(Header::read(&[0; 100]), None);
    }
}
