//! Which bytes may stand where in a line.

/// RFC 5424's PRINTUSASCII, which header fields are made of.
pub(super) const PRINTABLE: u8 = 1;
/// What a SD-NAME is made of: PRINTUSASCII without `=`, `]` and `"`.
pub(super) const SD_NAME: u8 = 1 << 1;
/// What stands in a PARAM-VALUE without a backslash.
pub(super) const UNESCAPED: u8 = 1 << 2;
/// What a label of HOSTNAME keeps: letters, digits and the dash.
pub(super) const LABEL: u8 = 1 << 3;

const CLASSES: [u8; 256] = classes();

/// Whether `byte` is of `class`.
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether all of `bytes` are of `class`; asked for with a constant, eight bytes at a time.
#[inline(always)]
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    match class {
        PRINTABLE => all_words(bytes, are_printable),
        UNESCAPED => all_words(bytes, are_unescaped),
        SD_NAME => all_words(bytes, |word| {
            are_printable(word) && has_no(word, b'=') && has_no(word, b']') && has_no(word, b'"')
        }),
        _ => bytes.iter().all(|byte| is(*byte, class)),
    }
}

/// Words overlap where the length is no multiple of theirs: what is fine once is fine twice.
#[inline(always)]
fn all_words(bytes: &[u8], are_fine: impl Fn(u64) -> bool) -> bool {
    let (words, _) = bytes.as_chunks();
    let last = match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => short_word(bytes),
    };
    words.iter().all(|word| are_fine(u64::from_le_bytes(*word))) && are_fine(last)
}

/// Fewer bytes than a word has, some of them twice, or with letters beside them.
#[inline(always)]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return first | last << 32;
    }
    let byte = |place| bytes.get(place).copied().unwrap_or(b'a');
    u64::from_le_bytes([byte(0), byte(1), byte(2), b'a', b'a', b'a', b'a', b'a'])
}

/// One in each byte, and the highest bit of each.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Each byte is from `!` to `~`: none is 127 or more, none gets its highest bit only by more than
/// what `!` needs for it.
#[inline(always)]
const fn are_printable(word: u64) -> bool {
    let over = word | word.wrapping_add(ONES);
    let enough = word.wrapping_add(ONES * (0x80 - b'!' as u64));
    over & HIGHS == 0 && enough & HIGHS == HIGHS
}

#[inline(always)]
const fn are_unescaped(word: u64) -> bool {
    has_no(word, b'"') && has_no(word, b'\\') && has_no(word, b']')
}

/// No byte is `byte`: only a zero borrows from the bit above it.
#[inline(always)]
const fn has_no(word: u64, byte: u8) -> bool {
    let zeros = word ^ (ONES * byte as u64);
    zeros.wrapping_sub(ONES) & !zeros & HIGHS == 0
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = classes_of(byte);
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

const fn classes_of(byte: u8) -> u8 {
    let is_printable = byte.is_ascii_graphic();
    let is_sd_name = is_printable && !matches!(byte, b'=' | b']' | b'"');
    let is_unescaped = !matches!(byte, b'"' | b'\\' | b']');
    let is_label = byte == b'-' || byte.is_ascii_alphanumeric();
    (is_printable as u8 * PRINTABLE)
        | (is_sd_name as u8 * SD_NAME)
        | (is_unescaped as u8 * UNESCAPED)
        | (is_label as u8 * LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn members(class: u8) -> Vec<u8> {
        (0..=u8::MAX).filter(|byte| is(*byte, class)).collect()
    }

    #[test]
    fn each_class_has_its_bytes() {
        let printable: Vec<u8> = (33..=126).collect();
        assert_eq!(members(PRINTABLE), printable);
        let name: Vec<u8> = printable
            .into_iter()
            .filter(|byte| !b"=]\"".contains(byte))
            .collect();
        assert_eq!(members(SD_NAME), name);
        let unescaped: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| !b"\"\\]".contains(byte))
            .collect();
        assert_eq!(members(UNESCAPED), unescaped);
        let label = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        assert_eq!(members(LABEL), label);
    }

    proptest! {
        #[test]
        fn words_find_what_bytes_find(
            mut bytes in vec(prop_oneof![b'!'..=b'~', Just(b'a')], 0..40),
            place in 0_usize..40,
            other: u8,
        ) {
            for at in [None, Some(place)] {
                if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                    *byte = other;
                }
                for class in [PRINTABLE, SD_NAME, UNESCAPED, LABEL] {
                    let one_by_one = bytes.iter().all(|byte| is(*byte, class));
                    prop_assert_eq!(all(&bytes, class), one_by_one, "{}", class);
                }
            }
        }
    }

    #[test]
    fn one_byte_of_another_class_decides() {
        assert!(all(b"", SD_NAME));
        assert!(all(b"a.b", SD_NAME));
        for text in [&b"a=b"[..], b"=ab", b"ab=", b"==="] {
            assert!(!all(text, SD_NAME));
            assert!(all(text, PRINTABLE));
        }
    }
}
