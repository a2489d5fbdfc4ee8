//! Chunks of a TCP stream into frames: a 4-byte little-endian length, then so many bytes.
//!
//! A frame that lies whole in a chunk is given out in place. Only the part of a frame at a chunk's
//! end is copied, to wait for its rest.

use crate::limits::{FRAME_BYTES_MAX, FRAME_LENGTH_BYTES};

/// The stream announced a frame over [`FRAME_BYTES_MAX`] and cannot be followed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversize;

/// Where a stream stands between two chunks.
///
/// **Invariant: `carried ≤ FRAME_LENGTH_BYTES + FRAME_BYTES_MAX`**, and the bytes carried never
/// hold a whole frame.
#[derive(Debug)]
pub struct Framing {
    carry: Box<[u8]>,
    carried: usize,
}

impl Default for Framing {
    fn default() -> Self {
        // Zeroed by the operating system page by page, when first written to: an idle connection
        // costs address space only.
        Self {
            carry: vec![0; FRAME_LENGTH_BYTES + FRAME_BYTES_MAX].into(),
            carried: 0,
        }
    }
}

impl Framing {
    /// Gives every frame that `chunk` completes to `each`, in order.
    ///
    /// # Errors
    /// [`Oversize`] at a length over the limit; the frames before it have been given out.
    #[inline]
    pub fn frames(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Oversize> {
        if self.carried > 0 {
            chunk = self.complete(chunk, &mut each)?;
        }
        while let Some((frame, rest)) = split(chunk)? {
            each(frame);
            chunk = rest;
        }
        self.carry[self.carried..self.carried + chunk.len()].copy_from_slice(chunk);
        self.carried += chunk.len();
        Ok(())
    }

    /// Whether the stream stands in the middle of a frame.
    pub fn is_inside(&self) -> bool {
        self.carried > 0
    }

    /// Forgets the part of a frame: a new stream begins.
    pub fn reset(&mut self) {
        self.carried = 0;
    }

    /// Completes the carried frame from `chunk` if it is long enough; returns what is left of it.
    fn complete<'c>(
        &mut self,
        chunk: &'c [u8],
        each: &mut impl FnMut(&[u8]),
    ) -> Result<&'c [u8], Oversize> {
        let chunk = self.fill(chunk, FRAME_LENGTH_BYTES);
        if self.carried < FRAME_LENGTH_BYTES {
            return Ok(chunk);
        }
        let end = FRAME_LENGTH_BYTES + length(&self.carry)?;
        let chunk = self.fill(chunk, end);
        if self.carried == end {
            each(&self.carry[FRAME_LENGTH_BYTES..end]);
            self.carried = 0;
        }
        Ok(chunk)
    }

    /// Copies from `chunk` until `end` bytes are carried; returns what is left of it.
    fn fill<'c>(&mut self, chunk: &'c [u8], end: usize) -> &'c [u8] {
        let (part, rest) = chunk.split_at(chunk.len().min(end.saturating_sub(self.carried)));
        self.carry[self.carried..self.carried + part.len()].copy_from_slice(part);
        self.carried += part.len();
        rest
    }
}

type FrameAndRest<'c> = (&'c [u8], &'c [u8]);

/// The first frame of `chunk` and what follows it, or nothing if it is not whole.
#[inline]
fn split(chunk: &[u8]) -> Result<Option<FrameAndRest<'_>>, Oversize> {
    if chunk.len() < FRAME_LENGTH_BYTES {
        return Ok(None);
    }
    let length = length(chunk)?;
    Ok(chunk[FRAME_LENGTH_BYTES..].split_at_checked(length))
}

/// The length at the start of `bytes`, which has at least [`FRAME_LENGTH_BYTES`].
#[inline]
fn length(bytes: &[u8]) -> Result<usize, Oversize> {
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    if length <= FRAME_BYTES_MAX {
        Ok(length)
    } else {
        Err(Oversize)
    }
}

/// Entry for the fuzzer: however a stream is cut into chunks, the frames are the same.
#[cfg(any(test, fuzzing))]
pub fn fuzz_framing(stream: &[u8], cuts: &[u8]) {
    let mut whole = Vec::new();
    let outcome = Framing::default().frames(stream, |frame| whole.push(frame.to_vec()));
    let mut framing = Framing::default();
    let mut pieces = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    let mut piece_outcome = Ok(());
    while !rest.is_empty() && piece_outcome.is_ok() {
        let cut = usize::from(*cuts.next().unwrap_or(&1)).clamp(1, rest.len());
        let (chunk, after) = rest.split_at(cut);
        piece_outcome = framing.frames(chunk, |frame| pieces.push(frame.to_vec()));
        rest = after;
    }
    assert_eq!(whole, pieces);
    assert_eq!(outcome, piece_outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        frames
            .iter()
            .flat_map(|frame| {
                let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
                length.into_iter().chain(frame.iter().copied())
            })
            .collect()
    }

    proptest! {
        #[test]
        fn cutting_anywhere_gives_the_same_frames(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..12),
            tail in 0_usize..5,
            cuts in proptest::collection::vec(any::<u8>(), 1..40),
        ) {
            let mut bytes = stream(&frames);
            bytes.truncate(bytes.len().saturating_sub(tail));
            fuzz_framing(&bytes, &cuts);
        }
    }

    #[test]
    fn every_single_cut_of_a_stream() {
        let frames = [vec![1; 3], vec![], vec![2; 9]];
        let bytes = stream(&frames);
        for cut in 0..=bytes.len() {
            let mut framing = Framing::default();
            let mut seen = Vec::new();
            for chunk in [&bytes[..cut], &bytes[cut..]] {
                framing
                    .frames(chunk, |frame| seen.push(frame.to_vec()))
                    .unwrap();
            }
            assert_eq!(seen, frames, "cut at {cut}");
            assert!(!framing.is_inside());
        }
    }

    #[test]
    fn the_largest_frame_fits_in_single_bytes_and_one_more_is_refused() {
        let largest = stream(&[vec![7; FRAME_BYTES_MAX]]);
        let mut framing = Framing::default();
        let mut seen = 0;
        for byte in &largest {
            framing
                .frames(&[*byte], |frame| seen += frame.len())
                .unwrap();
        }
        assert_eq!(seen, FRAME_BYTES_MAX);
        let over = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
        assert_eq!(framing.frames(&over, |_| ()), Err(Oversize));
        framing.reset();
        assert_eq!(framing.frames(&over[..2], |_| ()), Ok(()));
        assert_eq!(framing.frames(&over[2..], |_| ()), Err(Oversize));
    }
}
