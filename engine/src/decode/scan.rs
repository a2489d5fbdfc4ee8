//! A cursor over protobuf's wire format, within one frame.

use super::text::{LOOK_AHEAD_BYTES, TOP_BITS, ascii_run};
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

/// A position in a frame. Nested messages are scanned in place.
///
/// **Invariant: `after_message ≤ rest.len()`**: so many bytes of `rest` lie beyond the message that
/// is being scanned; and all bytes of `rest` but the last `after_ascii` are known to be ASCII.
///
/// The fields stay in registers as long as no call that is not inlined sees a scan: such calls take
/// and give slices and numbers, or a copy of the scan.
#[derive(Clone, Copy)]
pub(super) struct Scan<'b> {
    /// From the position to the frame's end.
    rest: &'b [u8],
    after_message: usize,
    after_ascii: usize,
}

impl<'b> Scan<'b> {
    pub(super) fn new(frame: &'b [u8]) -> Self {
        Self {
            rest: frame,
            after_message: 0,
            after_ascii: frame.len(),
        }
    }

    /// The frame from here on.
    pub(super) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Whether the message goes on.
    #[inline(always)]
    pub(super) fn has_more(&self) -> bool {
        self.rest.len() > self.after_message
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, Loss> {
        if self.has_more() && self.rest[0] < 0x80 {
            let byte = self.rest[0];
            self.rest = &self.rest[1..];
            return Ok(u64::from(byte));
        }
        let (value, length) = varint_long(self.rest);
        if length == 0 {
            return Err(Loss::Wire);
        }
        self.advance(length)?;
        Ok(value)
    }

    /// Steps over `length` bytes of the message.
    #[inline(always)]
    fn advance(&mut self, length: usize) -> Result<(), Loss> {
        match self.rest.get(length..) {
            Some(rest) if rest.len() >= self.after_message => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Loss::Wire),
        }
    }

    /// Skips a number whose value nobody asks for.
    #[inline(always)]
    pub(super) fn skip_varint(&mut self) -> Result<(), Loss> {
        self.varint().map(|_| ())
    }

    /// The length of the field that starts here with it.
    #[inline(always)]
    fn length(&mut self) -> Result<usize, Loss> {
        // Longer than an address space is longer than any frame.
        self.varint()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Scans a nested message by `fields`, which takes all of it.
    #[inline(always)]
    pub(super) fn nested(
        &mut self,
        fields: impl FnOnce(&mut Self) -> Result<(), Loss>,
    ) -> Result<(), Loss> {
        let length = self.length()?;
        match self.rest.len().checked_sub(length) {
            Some(after) if after >= self.after_message => {
                let mut message = Self {
                    after_message: after,
                    ..*self
                };
                fields(&mut message)?;
                *self = Self {
                    after_message: self.after_message,
                    ..message
                };
                Ok(())
            }
            _ => Err(Loss::Wire),
        }
    }

    /// A field of bytes.
    #[inline(always)]
    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Loss> {
        let length = self.length()?;
        let rest = self.rest;
        self.advance(length)?;
        Ok(&rest[..length])
    }

    #[inline(always)]
    pub(super) fn skip_bytes(&mut self) -> Result<(), Loss> {
        let length = self.length()?;
        self.advance(length)
    }

    /// A string field: valid UTF-8.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<&'b [u8], Loss> {
        let length = self.length()?;
        let rest = self.rest;
        self.advance(length)?;
        let text = &rest[..length];
        if self.rest.len() < self.after_ascii {
            self.after_ascii = check_text(rest, length, self.after_ascii).ok_or(Loss::Utf8)?;
        }
        Ok(text)
    }

    #[inline(always)]
    pub(super) fn skip_string(&mut self) -> Result<(), Loss> {
        self.string().map(|_| ())
    }

    /// Skips entries of a `map<string, string>` as long as they are of the one form that everybody
    /// writes: the field's key of one byte, then name and value in this order, all short and known
    /// to be ASCII. What is not of this form stays.
    ///
    /// Call it between fields of the outermost message only.
    #[inline(always)]
    pub(super) fn skip_plain_entries(&mut self, map_key: u8) {
        let head = u32::from(map_key) | STRING_1 << 16;
        while let Some(word) = self.rest.first_chunk() {
            let word = u32::from_le_bytes(*word);
            let (length, name_length) = (word >> 8 & 0xff, word >> 24);
            let entry_bytes = 2 + length as usize;
            // All bytes of the entry are ASCII, so all its lengths are single bytes.
            let is_ascii = self.rest.len() >= entry_bytes + self.after_ascii;
            if word & 0x00ff_00ff != head || !is_ascii {
                return;
            }
            let value_at = 4 + name_length as usize;
            let Some(value) = self.rest.get(value_at..).and_then(<[u8]>::first_chunk) else {
                return;
            };
            let value_head = STRING_2 | length.wrapping_sub(4 + name_length) << 8;
            match self.rest.get(entry_bytes..) {
                Some(rest) if u32::from(u16::from_le_bytes(*value)) == value_head => {
                    self.rest = rest;
                }
                _ => return,
            }
        }
    }

    /// Skips a field that is not among the message's `known_fields`; one of those has come with a
    /// wrong wire type and is refused. `depth` counts the messages around this one.
    #[inline(always)]
    pub(super) fn unknown(
        &mut self,
        field_key: u64,
        known_fields: &[u64],
        depth: u32,
    ) -> Result<(), Loss> {
        if known_fields.contains(&(field_key >> 3)) {
            return Err(Loss::Wire);
        }
        let mut copy = *self;
        copy.skip(field_key, depth)?;
        *self = copy;
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn skip(&mut self, field_key: u64, depth: u32) -> Result<(), Loss> {
        check_key(field_key)?;
        if depth >= GROUP_DEPTH_MAX {
            return Err(Loss::Wire);
        }
        match field_key & 7 {
            VARINT => self.skip_varint(),
            FIXED64 => self.advance(8),
            LENGTH => self.skip_bytes(),
            FIXED32 => self.advance(4),
            GROUP_START => self.skip_group(field_key, depth),
            _ => Err(Loss::Wire),
        }
    }

    fn skip_group(&mut self, start_key: u64, depth: u32) -> Result<(), Loss> {
        let end_key = start_key - GROUP_START + GROUP_END;
        loop {
            let inner_key = self.varint()?;
            if inner_key == end_key {
                return Ok(());
            }
            self.skip(inner_key, depth + 1)?;
        }
    }

    #[inline(always)]
    pub(super) fn skip_double(&mut self) -> Result<(), Loss> {
        self.advance(8)
    }
}

/// The keys of a map entry's name and value, both strings.
const STRING_1: u32 = 0x0a;
const STRING_2: u32 = 0x12;

/// Whether a key can be one: field numbers have 29 bits and start at 1.
fn check_key(field_key: u64) -> Result<(), Loss> {
    if field_key < 8 || field_key > u64::from(u32::MAX) {
        Err(Loss::Wire)
    } else {
        Ok(())
    }
}

/// A varint of two bytes or more, and its length; the length is 0 if it is none. Eight bytes at once
/// where the frame has them.
#[inline(never)]
fn varint_long(bytes: &[u8]) -> (u64, usize) {
    let Some((word, after)) = bytes.split_first_chunk() else {
        return varint_bytewise(bytes);
    };
    let word = u64::from_le_bytes(*word);
    let stop = !word & TOP_BITS;
    if stop != 0 {
        let length = stop.trailing_zeros() as usize / 8 + 1;
        return (compact(word & (stop ^ (stop - 1))), length);
    }
    match after.first() {
        // A time in nanoseconds takes nine.
        Some(byte) if *byte < 0x80 => (compact(word) | u64::from(*byte) << 56, 9),
        _ => varint_bytewise(bytes),
    }
}

#[cold]
fn varint_bytewise(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        // The tenth byte holds the last bit.
        if index == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return (value, index + 1);
        }
    }
    (0, 0)
}

/// Checks the text of `length` bytes at the start of `rest`, of which all but the last `after_ascii`
/// bytes are known to be ASCII. Gives the new `after_ascii`, or nothing if the text is not UTF-8.
///
/// Strings mostly stand side by side and are mostly ASCII, as are the bytes between them: so one
/// look covers many strings.
#[inline(never)]
fn check_text(rest: &[u8], length: usize, after_ascii: usize) -> Option<usize> {
    let unknown = &rest[rest.len().saturating_sub(after_ascii)..];
    let look = unknown.len().min(length + LOOK_AHEAD_BYTES);
    let after_ascii = unknown.len() - ascii_run(&unknown[..look]);
    if length + after_ascii <= rest.len() {
        return Some(after_ascii);
    }
    simdutf8::basic::from_utf8(&rest[..length])
        .ok()
        .map(|_| after_ascii)
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
            prop_assert_eq!(scan.varint(), Ok(value));
            prop_assert_eq!(scan.rest.len(), after);
            let mut scan = Scan::new(&bytes);
            scan.after_message = after + 1;
            prop_assert_eq!(scan.varint(), Err(Loss::Wire));
        }
    }

    #[test]
    fn a_varint_has_64_bits_and_ten_bytes() {
        let mut bytes = [0x80; 11];
        bytes[9] = 1;
        assert_eq!(Scan::new(&bytes[..10]).varint(), Ok(1 << 63));
        bytes[9] = 2;
        assert_eq!(Scan::new(&bytes[..10]).varint(), Err(Loss::Wire));
        bytes[9] = 0x80;
        assert_eq!(Scan::new(&bytes).varint(), Err(Loss::Wire));
    }

    #[test]
    fn groups_end_with_their_own_number_and_nest_within_the_limit() {
        let nested = |depth: usize| [vec![0x1b; depth], vec![0x1c; depth]].concat();
        let skip = |bytes: &[u8]| {
            let mut scan = Scan::new(bytes);
            let field_key = scan.varint()?;
            scan.skip(field_key, 0)
        };
        assert_eq!(skip(&nested(1)), Ok(()));
        assert_eq!(skip(&nested(100)), Ok(()));
        assert_eq!(skip(&nested(101)), Err(Loss::Wire));
        assert_eq!(skip(&[0x1b, 0x24]), Err(Loss::Wire));
        assert_eq!(skip(&[0x1b, 0x10, 0x01]), Err(Loss::Wire));
        assert_eq!(skip(&[0x1c]), Err(Loss::Wire));
    }
}
