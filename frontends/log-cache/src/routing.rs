//! Which node of a cluster keeps a source: the same as upstream's nodes think, which hash source ids by
//! xxh64 and divide the hashes among the nodes by jump consistent hash (Lamping and Veach, 2014).

use hydrant_engine::record::source_hash;

/// The factor and the addend of the generator that the method draws its jumps from.
const FACTOR: u64 = 2_862_933_555_777_941_757;

/// The index of the node that keeps sources of this hash, of so many nodes: 0 if there is one or none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the method is defined by these roundings: what is divided has 31 bits, and what comes out is \
              cut to a whole number that is not negative"
)]
pub(crate) fn owner(hash: u64, node_count: usize) -> usize {
    let (mut key, mut node, mut next) = (hash, 0, 0_u64);
    while next < node_count as u64 {
        node = next;
        key = key.wrapping_mul(FACTOR).wrapping_add(1);
        let draw = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((node + 1) as f64 * draw) as u64;
    }
    usize::try_from(node).unwrap_or(0)
}

/// The index of the node that keeps a source, of so many nodes, as in `log_cache.nodes`.
pub fn node_of(source_id: &[u8], node_count: usize) -> usize {
    owner(source_hash(source_id), node_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source ids, and their nodes of 2, 3, 4, 5 and 10: as three of upstream's nodes divided them.
    const VECTORS: [(&str, u64, [usize; 5]); 14] = [
        ("0", 7_148_434_200_721_666_028, [0, 0, 3, 4, 4]),
        ("200", 2_685_111_111_418_367_100, [0, 0, 3, 3, 3]),
        ("400", 11_111_781_720_710_347_155, [0, 0, 0, 0, 6]),
        ("src-zero", 6_727_955_504_463_301_110, [0, 0, 0, 0, 0]),
        ("other-src", 2_416_040_688_038_506_749, [1, 2, 3, 3, 3]),
        ("a", 15_154_266_338_359_012_955, [1, 1, 1, 1, 8]),
        ("b", 8_666_379_929_374_662_555, [1, 2, 2, 2, 2]),
        ("c", 11_806_979_466_381_907_949, [0, 0, 0, 0, 0]),
        ("", 17_241_709_254_077_376_921, [1, 2, 2, 2, 7]),
        ("doppler", 5_081_415_911_528_867_563, [1, 1, 1, 1, 1]),
        ("router", 8_268_631_161_390_945_494, [1, 1, 1, 4, 8]),
        ("p.rabbitmq", 16_484_491_731_973_782_965, [1, 1, 1, 1, 5]),
        (
            "11111111-2222-3333-4444-555555555555",
            5_802_704_441_791_654_211,
            [0, 0, 0, 4, 4],
        ),
        (
            "8e4d1c1a-0b2f-4a0e-9d3a-3f9e2b7c6d5f",
            7_855_003_247_656_457_220,
            [0, 2, 2, 2, 7],
        ),
    ];

    #[test]
    fn sources_are_where_upstreams_nodes_have_them() {
        for (source_id, hash, nodes) in VECTORS {
            assert_eq!(source_hash(source_id.as_bytes()), hash, "{source_id}");
            let found = [2, 3, 4, 5, 10].map(|count| node_of(source_id.as_bytes(), count));
            assert_eq!(found, nodes, "{source_id}");
        }
    }

    #[test]
    fn every_hash_has_a_node() {
        for hash in [0, 1, u64::MAX, 1 << 63] {
            for count in [0, 1] {
                assert_eq!(owner(hash, count), 0);
            }
            for count in 2..100 {
                assert!(owner(hash, count) < count);
            }
        }
    }

    #[test]
    fn one_more_node_takes_only_for_itself() {
        for number in 0..10_000_u64 {
            let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (before, after) = (owner(hash, 4), owner(hash, 5));
            assert!(after == before || after == 4);
        }
    }
}
