//! Control messages of a received datagram.

const LEVEL_UDP: i32 = libc::SOL_UDP;
const LEVEL_SOCKET: i32 = libc::SOL_SOCKET;
/// Bytes of `struct cmsghdr` on 64-bit Linux: a length of 8, level and type of 4 each.
const HEAD_BYTES: usize = 16;

/// What the kernel said along with a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// UDP_GRO: the size of each datagram of a train.
    pub(super) segment_bytes: Option<usize>,
    /// SO_RXQ_OVFL: socket buffers dropped so far, modulo 2^32.
    pub(super) dropped: Option<u32>,
}

impl Control {
    /// Reads the messages; what is not known or not whole is skipped.
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut control = Self::default();
        while let Some((level, kind, data, rest)) = split(bytes) {
            let number = data.first_chunk().map(|data| u32::from_ne_bytes(*data));
            match (level, kind) {
                (LEVEL_UDP, libc::UDP_GRO) => {
                    let bytes = number.and_then(|number| usize::try_from(number).ok());
                    control.segment_bytes = bytes.filter(|bytes| *bytes > 0);
                }
                (LEVEL_SOCKET, libc::SO_RXQ_OVFL) => control.dropped = number,
                _ => {}
            }
            bytes = rest;
        }
        control
    }
}

/// The first message: its level, type and data, and what follows it.
fn split(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let [
        l0,
        l1,
        l2,
        l3,
        l4,
        l5,
        l6,
        l7,
        v0,
        v1,
        v2,
        v3,
        t0,
        t1,
        t2,
        t3,
    ] = *head;
    let length = usize::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    let data = bytes.get(HEAD_BYTES..length)?;
    let rest = bytes.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    let level = i32::from_ne_bytes([v0, v1, v2, v3]);
    Some((level, i32::from_ne_bytes([t0, t1, t2, t3]), data, rest))
}

/// What a multishot recvmsg asks for: no sender's name, this much room for control messages.
pub(super) fn message_header(control_bytes: usize) -> libc::msghdr {
    // SAFETY: `msghdr` is plain data, for which all zeros is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_controllen = control_bytes;
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEAD_BYTES + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn finds_both_among_others() {
        let bytes = [
            message(LEVEL_SOCKET, 999, &[1; 24]),
            message(LEVEL_UDP, libc::UDP_GRO, &200_u32.to_ne_bytes()),
            message(LEVEL_SOCKET, libc::SO_RXQ_OVFL, &7_u32.to_ne_bytes()),
        ];
        let control = Control::parse(&bytes.concat());
        assert_eq!(
            control,
            Control {
                segment_bytes: Some(200),
                dropped: Some(7)
            }
        );
    }

    #[test]
    fn survives_what_is_not_whole() {
        let whole = message(LEVEL_UDP, libc::UDP_GRO, &200_u32.to_ne_bytes());
        for length in 0..20 {
            assert_eq!(Control::parse(&whole[..length]), Control::default());
        }
        let zero_length = [0; 64];
        assert_eq!(Control::parse(&zero_length), Control::default());
        let zero_segment = message(LEVEL_UDP, libc::UDP_GRO, &[0; 4]);
        assert_eq!(Control::parse(&zero_segment), Control::default());
    }
}
