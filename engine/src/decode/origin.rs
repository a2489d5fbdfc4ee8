//! The source id that agents give to what has none: its origin.

use super::fields::{fields, whole_fields};

const SOURCE_ID_KEY: u8 = 2 << 3 | 2;
const DEPRECATED_TAGS: u64 = 3;
const TAGS: u64 = 9;
const ORIGIN: &[u8] = b"origin";
/// The kinds of a `Value`: `text`, `integer`, `decimal`.
const TEXT: u64 = 1;
const DECIMAL: u64 = 3;

/// What upstream's agents take for the source id of a checked v2 envelope that has none: its tag `origin`,
/// else the text of its deprecated tag `origin` (nothing if that is a number). `None` without such a tag.
pub(crate) fn origin(envelope: &[u8]) -> Option<&[u8]> {
    last_of(envelope, TAGS).or_else(|| last_of(envelope, DEPRECATED_TAGS).map(text))
}

/// Appends the source id to an envelope that has none.
pub(crate) fn append_source(envelope: &mut Vec<u8>, source_id: &[u8]) {
    envelope.push(SOURCE_ID_KEY);
    let mut length = source_id.len();
    while length >= 0x80 {
        envelope.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    envelope.push(length.to_le_bytes()[0]);
    envelope.extend_from_slice(source_id);
}

/// The value of the last entry `origin` of a map: that one counts.
fn last_of(envelope: &[u8], map: u64) -> Option<&[u8]> {
    let entries = fields(envelope).filter(|(number, _)| *number == map);
    let named = entries.filter_map(|(_, entry)| {
        let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
        for (number, field) in fields(entry) {
            match number {
                1 => key = field,
                2 => value = field,
                _ => {}
            }
        }
        (key == ORIGIN).then_some(value)
    });
    named.last()
}

/// The text of a `Value`, of whose kinds the last counts.
fn text(value: &[u8]) -> &[u8] {
    let kinds = whole_fields(value).filter(|(number, _)| (TEXT..=DECIMAL).contains(number));
    let last = kinds.last().and_then(|(_, field)| fields(field).next());
    last.map_or(&[], |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes; number and length are small.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len().to_le_bytes()[0]], bytes].concat()
    }

    fn entry(map: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
        field(map, &[field(1, key), field(2, value)].concat())
    }

    #[test]
    fn a_tag_goes_before_a_deprecated_one_and_the_last_counts() {
        let old = entry(3, ORIGIN, &field(1, b"old"));
        let [first, last] = [b"first", b"last."].map(|text| entry(9, ORIGIN, text));
        let other = entry(9, b"other", b"x");
        assert_eq!(origin(&[&old[..], &other].concat()), Some(&b"old"[..]));
        let all = [&first[..], &other, &last, &old].concat();
        assert_eq!(origin(&all), Some(&b"last."[..]));
        assert_eq!(origin(&other), None);
        assert_eq!(origin(&[]), None);
        // An empty one is one.
        assert_eq!(
            origin(&[old, entry(9, ORIGIN, b"")].concat()),
            Some(&b""[..])
        );
    }

    #[test]
    fn a_deprecated_number_is_no_text() {
        let number = b"\x10\x07";
        for value in [
            number.to_vec(),
            [&field(1, b"text")[..], number].concat(),
            vec![],
        ] {
            assert_eq!(origin(&entry(3, ORIGIN, &value)), Some(&b""[..]));
        }
        let text = [number, &field(1, b"text")[..]].concat();
        assert_eq!(origin(&entry(3, ORIGIN, &text)), Some(&b"text"[..]));
    }

    #[test]
    fn an_appended_source_is_the_envelopes() {
        for length in [1, 127, 128, 20_000] {
            let source_id = vec![b's'; length];
            let mut envelope = entry(9, b"a", b"b");
            append_source(&mut envelope, &source_id);
            let found = super::super::v2::envelope(&envelope).unwrap().source;
            assert!(found.is(&source_id), "{length}");
        }
    }
}
