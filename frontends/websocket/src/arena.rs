//! Memory for messages, taken a chunk at a time.

use bytes::{Bytes, BytesMut};

/// Bytes of a chunk. It lives as long as one of its messages, so it is small beside an outbox.
const CHUNK_BYTES: usize = 32 * 1024;

/// Messages side by side in chunks, which are used again once their messages are gone.
#[derive(Debug)]
pub(crate) struct Arena(BytesMut);

impl Arena {
    pub(crate) fn new() -> Self {
        Self(BytesMut::with_capacity(CHUNK_BYTES))
    }

    /// A copy of the message that many can hold.
    pub(crate) fn share(&mut self, message: &[u8]) -> Bytes {
        self.0.extend_from_slice(message);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lie_side_by_side_in_a_chunk() {
        let mut arena = Arena::new();
        let (first, second) = (arena.share(b"first"), arena.share(b"second"));
        assert_eq!(first.as_ptr().wrapping_add(first.len()), second.as_ptr());
        assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
        let large = vec![7; CHUNK_BYTES + 1];
        assert_eq!(arena.share(&large), large);
    }

    #[test]
    fn a_chunk_whose_messages_are_gone_is_used_again() {
        let mut arena = Arena::new();
        let start = arena.share(&[1; 1000]).as_ptr();
        let reused = (0..1000).any(|_| arena.share(&[2; 1000]).as_ptr() == start);
        assert!(reused);
    }
}
