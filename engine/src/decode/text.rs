//! Where a run of ASCII ends.

/// How far past a text a look goes: far enough for the tags of an envelope, not for a log line that
/// nobody has to read as text.
pub(super) const LOOK_AHEAD_BYTES: usize = 256;

/// The top bit of every byte of a word: set in none that is ASCII.
pub(super) const TOP_BITS: u64 = 0x8080_8080_8080_8080;

const BLOCK_BYTES: usize = 32;

/// How many bytes at the start are ASCII.
pub(super) fn ascii_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    let all_blocks = blocks.iter().all(is_ascii);
    // The rest once more with the end of the last block: cheaper than byte by byte.
    let is_all = all_blocks
        && match bytes.last_chunk() {
            Some(block) => is_ascii(block),
            None => bytes.is_ascii(),
        };
    if is_all {
        bytes.len()
    } else {
        first_other(bytes)
    }
}

/// Without a branch between bytes, so that the compiler takes the top bits of a vector at once.
#[inline(always)]
fn is_ascii(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().filter(|byte| byte.is_ascii()).count() == BLOCK_BYTES
}

/// Where the first byte is that is not ASCII; the length if there is none.
#[cold]
fn first_other(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let top_bits = u64::from_le_bytes(*word) & TOP_BITS;
        if top_bits != 0 {
            return 8 * index + top_bits.trailing_zeros() as usize / 8;
        }
    }
    8 * words.len() + rest.iter().take_while(|byte| byte.is_ascii()).count()
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
        ) {
            let bytes = [before, after].concat();
            let run = bytes.iter().take_while(|byte| byte.is_ascii()).count();
            prop_assert_eq!(ascii_run(&bytes), run);
        }
    }
}
