//! Messages of one repeated field of bytes: `EnvelopeBatch`, `BatchResponse`, and, with one element,
//! `Response` and `EnvelopeData`. Each element lies in them as `0A length bytes`, so a batch is put
//! together and taken apart without decoding what is in it.

use bytes::{BufMut, BytesMut};

/// Field 1, length-delimited.
const ELEMENT: u8 = 0x0a;
/// A varint of 64 bits takes no more.
const VARINT_BYTES_MAX: usize = 10;
const GROUP_DEPTH_MAX: u32 = 100;

/// The bytes are not a message of this form. What came before has been given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed batch")]
pub struct Malformed;

/// The elements of a batch in order. Fields that are not known are skipped, as every reader does.
#[derive(Clone, Debug)]
pub struct Elements<'b> {
    rest: &'b [u8],
}

/// Takes a batch apart.
pub const fn elements(batch: &[u8]) -> Elements<'_> {
    Elements { rest: batch }
}

/// Adds an element to a batch.
#[inline]
pub fn push(batch: &mut BytesMut, element: &[u8]) {
    batch.reserve(element_bytes_max(element.len()));
    batch.put_u8(ELEMENT);
    put_varint(batch, element.len());
    batch.put_slice(element);
}

/// Room that an element of `bytes` takes in a batch, at most.
pub const fn element_bytes_max(bytes: usize) -> usize {
    1 + VARINT_BYTES_MAX + bytes
}

fn put_varint(batch: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        // The low seven bits, and more to come.
        batch.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    batch.put_u8(number.to_le_bytes()[0]);
}

impl<'b> Iterator for Elements<'b> {
    type Item = Result<&'b [u8], Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while let Some((&first, rest)) = self.rest.split_first() {
            let outcome = if first == ELEMENT {
                self.rest = rest;
                self.delimited().map(Some)
            } else {
                self.skip_field().map(|()| None)
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(element)) => return Some(Ok(element)),
                Err(malformed) => {
                    self.rest = &[];
                    return Some(Err(malformed));
                }
            }
        }
        None
    }
}

impl<'b> Elements<'b> {
    /// What has not been taken apart so far.
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (index, &byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if index + 1 == VARINT_BYTES_MAX && byte > 1 {
                    return Err(Malformed); // More than 64 bits.
                }
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'b [u8], Malformed> {
        let length = usize::try_from(self.varint()?).or(Err(Malformed))?;
        self.bytes(length)
    }

    fn bytes(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Skips a field that is not an element. Field 1 of another wire type is none either: its
    /// readers refuse it, so do we.
    fn skip_field(&mut self) -> Result<(), Malformed> {
        let key = self.varint()?;
        match key >> 3 {
            0 | 1 => Err(Malformed),
            _ => self.skip_value(key, 0),
        }
    }

    fn skip_value(&mut self, key: u64, depth: u32) -> Result<(), Malformed> {
        match key & 7 {
            0 => self.varint().map(|_| ()),
            1 => self.bytes(8).map(|_| ()),
            2 => self.delimited().map(|_| ()),
            3 if depth < GROUP_DEPTH_MAX => self.skip_group(key >> 3, depth + 1),
            5 => self.bytes(4).map(|_| ()),
            _ => Err(Malformed),
        }
    }

    fn skip_group(&mut self, field: u64, depth: u32) -> Result<(), Malformed> {
        loop {
            let key = self.varint()?;
            match (key & 7, key >> 3) {
                (_, 0) => return Err(Malformed),
                (4, ended) if ended == field => return Ok(()),
                _ => self.skip_value(key, depth)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(batch: &[u8]) -> Vec<Result<&[u8], Malformed>> {
        elements(batch).collect()
    }

    #[test]
    fn what_is_put_together_comes_apart() {
        let long = vec![7; 300];
        let mut batch = BytesMut::new();
        for element in [&b"a"[..], b"", &long] {
            push(&mut batch, element);
        }
        assert_eq!(taken_apart(&batch), [Ok(&b"a"[..]), Ok(b""), Ok(&long)]);
        assert_eq!(taken_apart(b""), []);
    }

    #[test]
    fn a_cut_batch_gives_what_is_whole_and_says_so() {
        let mut batch = BytesMut::new();
        push(&mut batch, b"whole");
        push(&mut batch, b"cut");
        for end in 8..batch.len() {
            assert_eq!(
                taken_apart(&batch[..end]),
                [Ok(&b"whole"[..]), Err(Malformed)]
            );
        }
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // Field 2: a varint, bytes, a group with a field within; field 3: 32 and 64 bits.
        let unknown = b"\x10\xff\x01\x12\x02xx\x13\x08\x05\x14\x1d1234\x1912345678";
        let batch = [&unknown[..], b"\x0a\x01a", unknown].concat();
        assert_eq!(taken_apart(&batch), [Ok(&b"a"[..])]);
    }

    #[test]
    fn what_no_reader_takes_is_malformed() {
        let deep = [vec![0x13; 200], vec![0x14; 200]].concat();
        let cases: [&[u8]; 7] = [
            b"\x08\x01",                                     // field 1 as a varint
            b"\x00\x01",                                     // field 0
            b"\x14",                                         // the end of no group
            b"\x13\x08\x05",                                 // a group without end
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", // a length of 65 bits
            b"\x16\x01",                                     // wire type 6
            &deep,
        ];
        for case in cases {
            assert_eq!(taken_apart(case).last(), Some(&Err(Malformed)), "{case:?}");
        }
    }

    #[test]
    fn every_short_input_is_survived() {
        for first in 0..=255 {
            for second in 0..=255 {
                let count = elements(&[first, second, 1]).count();
                assert!(count <= 3);
            }
        }
    }
}
