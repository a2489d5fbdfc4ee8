//! A cursor over protobuf's wire format, within one frame.

use super::text::ascii_end;
use crate::counters::Loss;
use crate::limits::GROUP_DEPTH_MAX;

/// The parts of a field's key.
pub(super) const VARINT: u64 = 0;
pub(super) const FIXED64: u64 = 1;
pub(super) const LENGTH: u64 = 2;
const GROUP_START: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED32: u64 = 5;

/// The key of a field with a number and a wire type.
pub(super) const fn key(field: u64, wire: u64) -> u64 {
    field << 3 | wire
}

/// A position in a frame. Nested messages are scanned in place: they end at an `end` that is passed
/// along, so that positions are the frame's own.
///
/// **Invariant: `at ≤ end ≤ bytes.len()`** for every `end` in use, and all bytes from the start of
/// the last text that was checked up to `ascii_end` are ASCII.
pub(super) struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
    ascii_end: usize,
}

impl<'b> Scan<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            ascii_end: 0,
        }
    }

    /// The key of the next field, or nothing at the message's end.
    #[inline]
    pub(super) fn field(&mut self, end: usize) -> Result<Option<u64>, Loss> {
        if self.at == end {
            Ok(None)
        } else {
            self.varint(end).map(Some)
        }
    }

    #[inline]
    pub(super) fn varint(&mut self, end: usize) -> Result<u64, Loss> {
        if self.at < end && self.bytes[self.at] < 0x80 {
            self.at += 1;
            return Ok(u64::from(self.bytes[self.at - 1]));
        }
        self.varint_long(end)
    }

    /// A varint of two bytes or more: eight at once where the frame has them.
    #[inline]
    fn varint_long(&mut self, end: usize) -> Result<u64, Loss> {
        const STOP: u64 = 0x8080_8080_8080_8080;
        let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) else {
            return self.varint_bytewise(end);
        };
        let word = u64::from_le_bytes(*word);
        let stop = !word & STOP;
        if stop == 0 {
            return self.varint_bytewise(end);
        }
        let length = stop.trailing_zeros() as usize / 8 + 1;
        if length > end - self.at {
            return Err(Loss::Wire);
        }
        self.at += length;
        Ok(compact(word & (stop ^ (stop - 1))))
    }

    #[inline]
    fn varint_bytewise(&mut self, end: usize) -> Result<u64, Loss> {
        let mut value = 0;
        for (index, byte) in self.bytes[self.at..end].iter().take(10).enumerate() {
            // The tenth byte holds the last bit.
            if index == 9 && *byte > 1 {
                return Err(Loss::Wire);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(Loss::Wire)
    }

    /// Steps into a length-delimited field; returns where it ends.
    #[inline]
    pub(super) fn enter(&mut self, end: usize) -> Result<usize, Loss> {
        let length = self.varint(end)?;
        if length > (end - self.at) as u64 {
            return Err(Loss::Wire);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "just found to be within the frame"
        )]
        Ok(self.at + length as usize)
    }

    #[inline]
    pub(super) fn skip_bytes(&mut self, end: usize) -> Result<(), Loss> {
        self.at = self.enter(end)?;
        Ok(())
    }

    /// A string field: valid UTF-8.
    #[inline]
    pub(super) fn string(&mut self, end: usize) -> Result<&'b [u8], Loss> {
        let text_end = self.enter(end)?;
        let text = &self.bytes[self.at..text_end];
        if text_end > self.ascii_end {
            self.check_text(text_end)?;
        }
        self.at = text_end;
        Ok(text)
    }

    /// Strings mostly stand side by side and are mostly ASCII, as are the bytes between them: so one
    /// look covers many strings.
    fn check_text(&mut self, text_end: usize) -> Result<(), Loss> {
        let known = self.at.max(self.ascii_end);
        self.ascii_end = ascii_end(self.bytes, known, text_end);
        if text_end <= self.ascii_end {
            return Ok(());
        }
        match simdutf8::basic::from_utf8(&self.bytes[self.at..text_end]) {
            Ok(_) => Ok(()),
            Err(_) => Err(Loss::Utf8),
        }
    }

    #[inline]
    pub(super) fn fixed64(&mut self, end: usize) -> Result<(), Loss> {
        self.skip_fixed(8, end)
    }

    /// Skips a field that is not in the message's definition. `message_depth` counts the messages
    /// around it, for the limit on nesting.
    #[cold]
    pub(super) fn skip(
        &mut self,
        field_key: u64,
        end: usize,
        message_depth: u32,
    ) -> Result<(), Loss> {
        self.skip_at_depth(field_key, end, message_depth)
    }

    fn skip_at_depth(&mut self, field_key: u64, end: usize, depth: u32) -> Result<(), Loss> {
        check_key(field_key)?;
        if depth >= GROUP_DEPTH_MAX {
            return Err(Loss::Wire);
        }
        match field_key & 7 {
            VARINT => self.varint(end).map(|_| ()),
            FIXED64 => self.skip_fixed(8, end),
            LENGTH => self.skip_bytes(end),
            FIXED32 => self.skip_fixed(4, end),
            GROUP_START => self.skip_group(field_key, end, depth),
            _ => Err(Loss::Wire),
        }
    }

    fn skip_group(&mut self, start_key: u64, end: usize, depth: u32) -> Result<(), Loss> {
        let end_key = start_key - GROUP_START + GROUP_END;
        loop {
            let inner_key = self.varint(end)?;
            if inner_key == end_key {
                return Ok(());
            }
            self.skip_at_depth(inner_key, end, depth + 1)?;
        }
    }

    fn skip_fixed(&mut self, count: usize, end: usize) -> Result<(), Loss> {
        if end - self.at < count {
            return Err(Loss::Wire);
        }
        self.at += count;
        Ok(())
    }
}

/// Whether a key can be one: field numbers have 29 bits and start at 1.
fn check_key(field_key: u64) -> Result<(), Loss> {
    if field_key < 8 || field_key > u64::from(u32::MAX) {
        Err(Loss::Wire)
    } else {
        Ok(())
    }
}

/// A skip of a field unknown to the message, or the refusal of a known one with a wrong wire type.
#[cold]
pub(super) fn unknown(
    scan: &mut Scan<'_>,
    field_key: u64,
    known_fields: &[u64],
    end: usize,
    message_depth: u32,
) -> Result<(), Loss> {
    if known_fields.contains(&(field_key >> 3)) {
        return Err(Loss::Wire);
    }
    scan.skip(field_key, end, message_depth)
}

/// Pushes the seven value bits of each of eight bytes together.
#[inline]
fn compact(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
    (word & 0x0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        bytes.push(value.to_le_bytes()[0]);
        bytes
    }

    proptest! {
        #[test]
        fn varints_read_back_at_the_end_and_in_the_middle(bits in 0_u32..64, value: u64, after in 0_usize..12) {
            let value = value >> bits;
            let mut bytes = encode(value);
            let end = bytes.len();
            bytes.resize(end + after, 0xff);
            let mut scan = Scan::new(&bytes);
            prop_assert_eq!(scan.varint(end), Ok(value));
            prop_assert_eq!(scan.at, end);
            if end > 1 {
                prop_assert_eq!(Scan::new(&bytes).varint(end - 1), Err(Loss::Wire));
            }
        }
    }

    #[test]
    fn a_varint_has_64_bits_and_ten_bytes() {
        let mut bytes = [0x80; 11];
        bytes[9] = 1;
        assert_eq!(Scan::new(&bytes).varint(10), Ok(1 << 63));
        bytes[9] = 2;
        assert_eq!(Scan::new(&bytes).varint(10), Err(Loss::Wire));
        bytes[9] = 0x80;
        assert_eq!(Scan::new(&bytes).varint(11), Err(Loss::Wire));
    }

    #[test]
    fn groups_end_with_their_own_number_and_nest_within_the_limit() {
        let nested = |depth: usize| [vec![0x1b; depth], vec![0x1c; depth]].concat();
        let skip = |bytes: &[u8]| {
            let mut scan = Scan::new(bytes);
            let field_key = scan.varint(bytes.len())?;
            scan.skip(field_key, bytes.len(), 0)
        };
        assert_eq!(skip(&nested(1)), Ok(()));
        assert_eq!(skip(&nested(100)), Ok(()));
        assert_eq!(skip(&nested(101)), Err(Loss::Wire));
        assert_eq!(skip(&[0x1b, 0x24]), Err(Loss::Wire));
        assert_eq!(skip(&[0x1b, 0x10, 0x01]), Err(Loss::Wire));
        assert_eq!(skip(&[0x1c]), Err(Loss::Wire));
    }
}
