//! Fields put behind an envelope that is not taken apart. In protobuf what comes later is merged into
//! what came before: an entry of a map is added to it, and a text takes the place of another.

/// Adds a field of bytes, a text or a message.
pub(crate) fn put(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field << 3 | 2));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Adds an entry of `map<string, string>`.
pub(crate) fn put_entry(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    let mut entry = Vec::with_capacity(key.len() + value.len() + 8);
    put(&mut entry, 1, key.as_bytes());
    put(&mut entry, 2, value.as_bytes());
    put(out, field, &entry);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Key and value of an entry of `map<string, string>`; what is not there is empty.
pub(crate) fn entry(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for (number, field) in hydrant_engine::decode::fields(bytes) {
        match number {
            1 => key = field,
            2 => value = field,
            _ => {}
        }
    }
    (key, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::decode::fields;

    #[test]
    fn what_is_put_is_found() {
        let long = "x".repeat(300);
        let mut out = Vec::new();
        put(&mut out, 2, b"source");
        put_entry(&mut out, 17, "key", &long);
        put_entry(&mut out, 9, "", "");
        let found: Vec<_> = fields(&out).collect();
        let [(2, source), (17, one), (9, none)] = found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(source, b"source");
        assert_eq!(entry(one), (&b"key"[..], long.as_bytes()));
        assert_eq!(entry(none), (&b""[..], &b""[..]));
    }
}
