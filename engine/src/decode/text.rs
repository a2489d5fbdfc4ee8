//! Where a run of ASCII ends.

/// How far past the text in question a look goes: far enough for the tags of an envelope, not for a
/// log line that nobody has to read as text.
const LOOK_AHEAD_BYTES: usize = 256;
const BLOCK_BYTES: usize = 32;

/// The end of the run of ASCII bytes that starts at `from`, at least as far as it concerns `to`.
pub(super) fn ascii_end(bytes: &[u8], from: usize, to: usize) -> usize {
    let bytes = &bytes[..bytes.len().min(to + LOOK_AHEAD_BYTES)];
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        if !is_ascii(block) {
            break;
        }
        at += BLOCK_BYTES;
    }
    // The rest is short, or has its end within a block.
    at + bytes[at..]
        .iter()
        .take(BLOCK_BYTES)
        .take_while(|byte| byte.is_ascii())
        .count()
}

/// Without branches, so that the compiler uses vectors.
#[inline]
fn is_ascii(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().fold(0, |bits, byte| bits | byte) < 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_looking_at_each_byte(
            before in proptest::collection::vec(0_u8..128, 0..400),
            after in proptest::collection::vec(any::<u8>(), 0..80),
            from in 0_usize..400,
        ) {
            let bytes = [before, after].concat();
            let from = from.min(bytes.len());
            let found = ascii_end(&bytes, from, bytes.len());
            let run = bytes[from..].iter().take_while(|byte| byte.is_ascii()).count();
            prop_assert_eq!(found, from + run);
        }
    }

    #[test]
    fn looks_a_little_ahead_only() {
        let bytes = vec![b'a'; 4096];
        assert_eq!(ascii_end(&bytes, 0, 10), 10 + LOOK_AHEAD_BYTES);
    }
}
