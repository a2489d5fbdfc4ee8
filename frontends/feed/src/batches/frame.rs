//! The header of a WebSocket's frame as a server writes it: RFC 6455 §5.2.

use bytes::{BufMut, BytesMut};

/// FIN, and the opcode of binary messages.
const WHOLE_BINARY: u8 = 0x82;
/// Lengths that do not fit the second byte follow in two bytes or in eight, as it says.
const IN_TWO_BYTES: u8 = 126;
const IN_EIGHT_BYTES: u8 = 127;

/// Bytes of the header of so many bytes.
#[inline]
pub(super) const fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    }
}

/// Begins a whole binary message of so many bytes, which are not masked.
#[inline]
pub(super) fn push_header(frame: &mut BytesMut, payload_bytes: usize) {
    frame.put_u8(WHOLE_BINARY);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(length @ 0..IN_TWO_BYTES), _) => frame.put_u8(length),
        (_, Ok(length)) => {
            frame.put_u8(IN_TWO_BYTES);
            frame.put_u16(length);
        }
        _ => {
            frame.put_u8(IN_EIGHT_BYTES);
            frame.put_u64(payload_bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        for (length, header) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (255, &[0x82, 126, 0, 255]),
            (256, &[0x82, 126, 1, 0]),
            (65_535, &[0x82, 126, 255, 255]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frame = BytesMut::new();
            push_header(&mut frame, length);
            assert_eq!(&frame[..], header, "{length}");
            assert_eq!(header_bytes(length), header.len());
        }
    }
}
