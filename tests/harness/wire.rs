//! Protobuf's wire format as anybody may write it, well or badly.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The wire types, as the low three bits of a field's key.
pub const VARINT: u32 = 0;
/// Eight bytes, little-endian.
pub const FIXED64: u32 = 1;
/// A length and so many bytes.
pub const LENGTH: u32 = 2;
/// A group begins (deprecated since proto2).
pub const GROUP_START: u32 = 3;
/// A group ends.
pub const GROUP_END: u32 = 4;
/// Four bytes, little-endian.
pub const FIXED32: u32 = 5;

/// The shortest varint of `value`.
pub fn varint(out: &mut Vec<u8>, value: u64) {
    varint_in(out, value, 1);
}

/// A varint of `value` in at least `byte_count` bytes, at most ten: longer than it need be, and as
/// valid.
pub fn varint_in(out: &mut Vec<u8>, mut value: u64, byte_count: usize) {
    let mut written = 1;
    while value >= 0x80 || written < byte_count {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
        written += 1;
    }
    out.push(value.to_le_bytes()[0]);
}

/// A field's key.
pub fn key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field) << 3 | u64::from(wire_type));
}

/// A whole varint field.
pub fn number_field(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, VARINT);
    varint(out, value);
}

/// A whole string, bytes or message field.
pub fn bytes_field(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    key(out, field, LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A frame of a TCP stream: a 4-byte little-endian length and the bytes.
pub fn frame(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What shared-secret mode wants in front of a datagram.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &str, envelope: &[u8]) -> Vec<u8> {
    let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let keyed = keyed.expect("HMAC takes keys of any length");
    let signature = keyed.chain_update(envelope).finalize();
    signature.into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_as_long_as_asked() {
        let of = |value, byte_count| {
            let mut out = Vec::new();
            varint_in(&mut out, value, byte_count);
            out
        };
        assert_eq!(of(0, 1), [0]);
        assert_eq!(of(300, 1), [0xac, 2]);
        assert_eq!(of(300, 4), [0xac, 0x82, 0x80, 0]);
        assert_eq!(of(u64::MAX, 3).len(), 10);
    }
}
