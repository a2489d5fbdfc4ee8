//! Where the reader of a spool stands, as it is kept in a file of 16 bytes that is written in place.

use super::frame::crc;

/// Bytes of the file.
pub(super) const POSITION_BYTES: usize = 16;

/// Where a reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The first line that is not settled.
    pub(super) next: u64,
    /// So many from there on were on their way: the peer may have them.
    pub(super) in_flight: u32,
}

impl Position {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(POSITION_BYTES);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&self.in_flight.to_le_bytes());
        let crc = crc(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if it is not as it was written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (next, rest) = bytes.split_first_chunk()?;
        let (in_flight, rest) = rest.split_first_chunk()?;
        let written: [u8; 4] = rest.try_into().ok()?;
        let is_whole = u32::from_le_bytes(written) == crc(&bytes[..POSITION_BYTES - 4]);
        is_whole.then(|| Self {
            next: u64::from_le_bytes(*next),
            in_flight: u32::from_le_bytes(*in_flight),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_or_not_at_all() {
        let position = Position {
            next: u64::MAX - 5,
            in_flight: 700,
        };
        let bytes = position.bytes();
        assert_eq!(Position::read(&bytes), Some(position));
        for index in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[index] ^= 0x10;
            assert_eq!(Position::read(&turned), None);
            assert_eq!(Position::read(&bytes[..index]), None);
        }
    }
}
