//! Numbers of a segment: protobuf's varints, signed ones in zigzag.

/// Appends a number.
#[inline]
pub(super) fn write(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        // The low seven bits, and more to come.
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends a length.
#[inline]
pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    write(length as u64, out);
}

/// Appends bytes behind their length.
#[inline]
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// How many bytes `write` takes for it.
pub(super) const fn length(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

/// A signed number as an unsigned one that is small if it is near to zero.
#[inline]
pub(super) const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// The signed number again.
#[inline]
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::wire::read::Reader;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, shift in 0_u32..64, signed: i64) {
            let number = number >> shift;
            let mut out = Vec::new();
            write(number, &mut out);
            prop_assert_eq!(out.len(), length(number));
            prop_assert_eq!(Reader::new(&out).varint(), Some(number));
            prop_assert_eq!(unzigzag(zigzag(signed >> shift)), signed >> shift);
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let lengths = [0, -1, 1, -64, 63, 64].map(|number| length(zigzag(number)));
        assert_eq!(lengths, [1, 1, 1, 1, 1, 2]);
        assert_eq!(length(u64::MAX), 10);
    }
}
