//! Fields of a protobuf message, written as prost writes them.

use crate::wire::read::Number;

/// Writes all of them at the end of `out`.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

impl Writer {
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.out
    }

    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    #[inline(always)]
    pub(super) fn number(&mut self, field: u32, number: u64) {
        self.key(field, VARINT);
        self.varint(number);
    }

    /// A number as it came.
    #[inline(always)]
    pub(super) fn same_number(&mut self, field: u32, number: Number<'_>) {
        self.key(field, VARINT);
        self.out.extend_from_slice(number.varint());
    }

    /// A number of 32 bits; a negative one takes ten bytes.
    #[inline(always)]
    pub(super) fn int32(&mut self, field: u32, number: i32) {
        self.number(field, i64::from(number).cast_unsigned());
    }

    #[inline(always)]
    pub(super) fn double(&mut self, field: u32, number: f64) {
        self.key(field, FIXED64);
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// A field of bytes, a text or a message.
    #[inline(always)]
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key_and_length(field, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// A message of two numbers, its fields 1 and 2.
    pub(super) fn numbers(&mut self, field: u32, [first, second]: [u64; 2]) {
        let length = 2 + varint_bytes(first) + varint_bytes(second);
        self.key_and_length(field, length);
        self.number(1, first);
        self.number(2, second);
    }

    /// An entry of a `map<string, string>`. What is empty is left out.
    #[inline]
    pub(super) fn entry(&mut self, field: u32, key: &[u8], value: &[u8]) {
        self.key_and_length(field, entry_part_bytes(key) + entry_part_bytes(value));
        for (part, text) in [(1, key), (2, value)] {
            if !text.is_empty() {
                self.bytes(part, text);
            }
        }
    }

    #[inline(always)]
    fn key_and_length(&mut self, field: u32, length: usize) {
        match u8::try_from(length) {
            Ok(length @ ..0x80) => {
                let [first, second] = key(field, LENGTH);
                match second {
                    0 => self.out.extend_from_slice(&[first, length]),
                    _ => self.out.extend_from_slice(&[first, second, length]),
                }
            }
            _ => {
                self.key(field, LENGTH);
                self.varint(length as u64);
            }
        }
    }

    #[inline(always)]
    fn key(&mut self, field: u32, wire: u32) {
        match key(field, wire) {
            [first, 0] => self.out.push(first),
            both => self.out.extend_from_slice(&both),
        }
    }

    #[inline(always)]
    fn varint(&mut self, number: u64) {
        if number < 0x80 {
            self.out.push(number.to_le_bytes()[0]);
        } else {
            self.long_varint(number);
        }
    }

    #[inline(never)]
    fn long_varint(&mut self, mut number: u64) {
        let mut bytes = [0; 10];
        let mut length = 0;
        for byte in &mut bytes {
            length += 1;
            *byte = number.to_le_bytes()[0] | 0x80;
            number >>= 7;
            if number == 0 {
                *byte &= 0x7f;
                break;
            }
        }
        self.out.extend_from_slice(&bytes[..length]);
    }
}

/// A field's key as a varint of one or two bytes; the second is 0 if there is none.
#[inline(always)]
const fn key(field: u32, wire: u32) -> [u8; 2] {
    let [first, ..] = (field << 3 | wire).to_le_bytes();
    let [second, ..] = (field >> 4).to_le_bytes();
    match second {
        0 => [first, 0],
        _ => [first | 0x80, second],
    }
}

#[inline(always)]
fn entry_part_bytes(text: &[u8]) -> usize {
    match text.len() {
        0 => 0,
        length => 1 + varint_bytes(length as u64) + length,
    }
}

/// Bytes that the number takes as a varint: one for each seven bits that are not leading zeros.
#[inline(always)]
const fn varint_bytes(number: u64) -> usize {
    ((63 - (number | 1).leading_zeros()) / 7 + 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::encoding::{encode_varint, encoded_len_varint};

    proptest! {
        #[test]
        fn varints_are_written_as_prost_writes_them(bits in 0_u32..64, number: u64) {
            let number = number >> bits;
            let (mut writer, mut expected) = (Writer::default(), Vec::new());
            writer.varint(number);
            encode_varint(number, &mut expected);
            prop_assert_eq!(writer.written(), &expected[..]);
            prop_assert_eq!(varint_bytes(number), encoded_len_varint(number));
        }
    }

    #[test]
    fn an_entry_leaves_out_what_is_empty() {
        let entry = |key: &[u8], value: &[u8]| {
            let mut writer = Writer::default();
            writer.entry(17, key, value);
            writer.written().to_vec()
        };
        assert_eq!(entry(b"k", b"v2"), b"\x8a\x01\x07\x0a\x01k\x12\x02v2");
        assert_eq!(entry(b"k", b""), b"\x8a\x01\x03\x0a\x01k");
        assert_eq!(entry(b"", b"v"), b"\x8a\x01\x03\x12\x01v");
        assert_eq!(entry(b"", b""), b"\x8a\x01\x00");
    }

    #[test]
    fn an_entry_counts_the_bytes_of_long_lengths() {
        let value = [b'v'; 200];
        let mut writer = Writer::default();
        writer.entry(17, b"k", &value);
        assert_eq!(writer.written()[..4], [0x8a, 0x01, 206, 0x01]);
        assert_eq!(writer.written().len(), 4 + 206);
    }
}
