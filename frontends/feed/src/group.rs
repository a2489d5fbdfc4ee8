//! Sharing a stream: of a group's sessions exactly one gets each message.

use hydrant_engine::lanes::Place;

/// The member that gets the record at `place`, as an index below `member_count`.
///
/// A pure function of the place, so that any worker that sees the same lane decides the same; and
/// mixed, so that a pattern in what comes in is no pattern in who gets it.
///
/// # Panics
/// If there are no members.
pub fn member(place: Place, member_count: usize) -> usize {
    let shard = (place.shard as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = u128::from(mix(place.sequence ^ shard));
    // The upper half of the product is uniform below the count.
    let index = (mixed * member_count as u128) >> 64;
    usize::try_from(index).unwrap_or(0).min(member_count - 1)
}

/// The finalizer of SplitMix64: every bit of the input moves half of the output's.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_evenly_whatever_the_pattern() {
        for step in [1, 2, 3, 64] {
            for shard in 0..3 {
                let mut counts = [0_u32; 3];
                for number in 0..30_000 {
                    counts[member(
                        Place {
                            shard,
                            sequence: number * step,
                        },
                        3,
                    )] += 1;
                }
                assert!(
                    counts.iter().all(|count| count.abs_diff(10_000) < 500),
                    "{counts:?}"
                );
            }
        }
    }

    #[test]
    fn one_member_gets_everything() {
        assert!((0..100).all(|sequence| member(Place { shard: 1, sequence }, 1) == 0));
    }
}
