//! UUIDs as dropsonde packs them: two words, each the little-endian reading of eight bytes.

use crate::v1::Uuid;

/// Where the two digits of each byte of the low word begin in the text.
const LOW_DIGITS: [usize; 8] = [0, 2, 4, 6, 9, 11, 14, 16];
/// The same for the high word.
const HIGH_DIGITS: [usize; 8] = [19, 21, 24, 26, 28, 30, 32, 34];

/// Reads the 36 bytes of `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in either case.
///
/// As upstream, it takes any byte as a separator. `None` for another length or a bad digit.
pub fn parse(text: &str) -> Option<Uuid> {
    let text = text.as_bytes().try_into().ok()?;
    Some(Uuid {
        low: word(text, LOW_DIGITS)?,
        high: word(text, HIGH_DIGITS)?,
    })
}

/// The lower-case text of `uuid`, which [`parse`] reads back to the same words.
pub fn print(uuid: Uuid) -> String {
    let low = uuid.low.swap_bytes();
    let high = uuid.high.swap_bytes();
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        low >> 32,
        low >> 16 & 0xffff,
        low & 0xffff,
        high >> 48,
        high & 0xffff_ffff_ffff,
    )
}

fn word(text: &[u8; 36], digits: [usize; 8]) -> Option<u64> {
    let mut bytes = [0; 8];
    for (byte, at) in bytes.iter_mut().zip(digits) {
        *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
    }
    Some(u64::from_le_bytes(bytes))
}

fn digit(ascii: u8) -> Option<u8> {
    let value = char::from(ascii).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

    #[test]
    fn words_are_little_endian_readings() {
        let uuid = Uuid {
            low: 0x7243_cc58_0bc1_7af4,
            high: 0x79d4_c3b2_020e_67a5,
        };
        assert_eq!(parse(TEXT), Some(uuid));
        assert_eq!(print(uuid), TEXT);
    }

    #[test]
    fn prints_what_the_udp_forwarder_prints() {
        let uuid = Uuid {
            low: 0x7243_cc58_0bc1_7af4,
            high: 0x79d4_c3b2_a020_e67e,
        };
        assert_eq!(print(uuid), "f47ac10b-58cc-4372-7ee6-20a0b2c3d479");
    }

    #[test]
    fn zero_is_padded() {
        assert_eq!(
            print(Uuid::default()),
            "00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn case_and_separators_do_not_matter() {
        assert_eq!(parse(&TEXT.to_uppercase()), parse(TEXT));
        assert_eq!(parse(&TEXT.replace('-', "_")), parse(TEXT));
    }

    #[test]
    fn anything_else_is_no_uuid() {
        let bad_digit = TEXT.replace('f', "g");
        let in_bytes_not_letters = "é".repeat(18);
        let braced = format!("{{{TEXT}}}");
        let digits_only = TEXT.replace('-', "");
        for text in [
            "",
            &TEXT[1..],
            &braced,
            &digits_only,
            &bad_digit,
            &in_bytes_not_letters,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parse_inverts_print(low: u64, high: u64) {
            let uuid = Uuid { low, high };
            prop_assert_eq!(parse(&print(uuid)), Some(uuid));
        }

        #[test]
        fn parse_takes_any_text(text: String) {
            if let Some(uuid) = parse(&text) {
                prop_assert_eq!(parse(&print(uuid)), Some(uuid));
            }
        }
    }
}
