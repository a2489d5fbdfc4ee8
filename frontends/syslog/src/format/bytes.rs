//! Which bytes may stand where in a line. One look in one table answers for every field.

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

/// Whether all of `bytes` are of `class`. It looks at each of them even after one that is not:
/// most often there is none, and a loop without an early end is the faster one.
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    bytes
        .iter()
        .fold(class, |all, byte| all & CLASSES[usize::from(*byte)])
        != 0
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
