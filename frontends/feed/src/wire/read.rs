//! A cursor over the fields of a protobuf message, as far as reading without objects goes: what it does
//! not take is left to who reads with objects.

/// What is left of a message. Everything it gives is `None` where the bytes end too soon.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'e>(&'e [u8]);

impl<'e> Reader<'e> {
    /// All of a message.
    pub const fn new(message: &'e [u8]) -> Self {
        Self(message)
    }

    /// What has not been read.
    #[inline(always)]
    pub const fn rest(&self) -> &'e [u8] {
        self.0
    }

    /// The next field's key, `None` at the end. One of two bytes or more looks like a field that
    /// nobody knows.
    #[inline(always)]
    pub fn key(&mut self) -> Option<u8> {
        let (key, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*key)
    }

    /// A number.
    #[inline(always)]
    pub fn varint(&mut self) -> Option<u64> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Some(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline]
    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                // The tenth byte holds the last bit.
                return (index < 9 || *byte < 2).then_some(value);
            }
        }
        None
    }

    /// A number that is only passed on. `None` also if it takes more bytes than it has to.
    #[inline(always)]
    pub fn number(&mut self) -> Option<Number<'e>> {
        let end = self.0.iter().take(10).position(|byte| *byte < 0x80)?;
        let (number, rest) = self.0.split_at(end + 1);
        match number {
            [_, .., 0] | [_, _, _, _, _, _, _, _, _, 2..=0x7f] => None,
            _ => {
                self.0 = rest;
                Some(Number(number))
            }
        }
    }

    /// A field of bytes, a text or a message.
    #[inline(always)]
    pub fn bytes(&mut self) -> Option<&'e [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of eight bytes.
    #[inline(always)]
    pub fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }
}

/// A number as the varint that it is on the wire, as short as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<'e>(&'e [u8]);

impl<'e> Number<'e> {
    /// As it is on the wire.
    pub const fn varint(self) -> &'e [u8] {
        self.0
    }

    /// What it says. A signed number has the same bits.
    #[inline]
    pub fn value(self) -> u64 {
        Reader(self.0).varint().unwrap_or_default()
    }
}

impl Default for Number<'_> {
    fn default() -> Self {
        Self(&[0])
    }
}

// The keys of the first fields of a message, by their type.

/// Bytes, a text or a message in the first field.
pub const BYTES_1: u8 = 1 << 3 | 2;
/// The same in the second.
pub const BYTES_2: u8 = 2 << 3 | 2;
/// A number in the second field.
pub const VARINT_2: u8 = 2 << 3;
/// The same in the third.
pub const VARINT_3: u8 = 3 << 3;
/// A number of eight bytes in the second field.
pub const DOUBLE_2: u8 = 2 << 3 | 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;
    use prost::encoding::{decode_varint, encode_varint};

    /// The bytes that matter to varints.
    const BYTES: &[u8] = &[0, 1, 2, 0x7f, 0x80, 0x80, 0x81, 0x81, 0xff, 0xff];

    proptest! {
        #[test]
        fn varints_read_as_prost_reads_them(bits in 0_u32..64, value: u64, after: Vec<u8>) {
            let mut bytes = Vec::new();
            encode_varint(value >> bits, &mut bytes);
            bytes.extend(&after);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Some(value >> bits));
            prop_assert_eq!(reader.0, &after[..]);
            let mut reader = Reader::new(&bytes);
            let number = reader.number().map(Number::varint);
            prop_assert_eq!(Reader::new(&bytes).number().map(Number::value), Some(value >> bits));
            prop_assert_eq!(number, Some(&bytes[..bytes.len() - after.len()]));
            prop_assert_eq!(reader.0, &after[..]);
        }

        #[test]
        fn no_bytes_are_a_varint_to_one_alone(bytes in proptest::collection::vec(select(BYTES), 0..12)) {
            let expected = decode_varint(&mut &bytes[..]).ok();
            prop_assert_eq!(Reader::new(&bytes).varint(), expected);
            let passed_on = Reader::new(&bytes).number();
            let mut written = Vec::new();
            encode_varint(expected.unwrap_or_default(), &mut written);
            prop_assert_eq!(
                passed_on.map(Number::varint),
                expected.map(|_| &written[..]).filter(|written| bytes.starts_with(written)),
            );
        }
    }

    #[test]
    fn what_ends_too_soon_is_nothing() {
        assert_eq!(Reader::new(b"").key(), None);
        assert_eq!(Reader::new(b"\x03ab").bytes(), None);
        assert_eq!(
            Reader::new(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").bytes(),
            None
        );
        assert_eq!(Reader::new(b"1234567").double(), None);
        assert_eq!(Reader::new(b"\x02abc").bytes(), Some(&b"ab"[..]));
    }
}
