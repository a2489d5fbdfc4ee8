//! `decode::envelope` against a second reader that is built on descriptors: both must take and
//! refuse the same bytes, for the same kind of reason, and read the same out of them.

use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::Loss;
use hydrant_engine::decode::{self, Envelope};
use hydrant_engine::record::{SourceRule, Version, source_hash};
use hydrant_tests::envelopes::Maker;
use hydrant_tests::mutate::mutate;
use hydrant_tests::random::Rng;
use hydrant_tests::strict::{self, Reading, Refusal};
use hydrant_tests::wire;

const VERSIONS: [Version; 2] = [Version::V1, Version::V2];
const RULES: [SourceRule; 2] = [SourceRule::DeploymentJob, SourceRule::Origin];

/// Whether both readers are of one opinion; whether they take it, then.
fn compare(bytes: &[u8], version: Version) -> Result<bool, String> {
    let mut is_taken = false;
    for rule in RULES {
        let ours = decode::envelope(bytes, version, rule);
        let strict = strict::read(bytes, version, rule);
        let agree = match (&ours, &strict) {
            (Ok(envelope), Ok(reading)) => reads_as(envelope, reading, bytes, version),
            (Err(loss), Err(refusal)) => is_reason(*loss, refusal),
            _ => false,
        };
        if !agree {
            return Err(format!(
                "{version:?} {rule:?}\n  bytes: {}\n  engine: {ours:02x?}\n  strict: {strict:?}",
                hex(bytes)
            ));
        }
        is_taken = ours.is_ok();
    }
    Ok(is_taken)
}

fn reads_as(ours: &Envelope<'_>, strict: &Reading, bytes: &[u8], version: Version) -> bool {
    let source_id = strict.source_id.as_bytes();
    let header = ours.header(UnixNanos(1));
    ours.bytes == bytes
        && (ours.version, header.version) == (version, version)
        && (ours.kind, header.kind) == (strict.kind, strict.kind)
        && ours.timestamp == strict.timestamp
        && ours.has_event == strict.has_event
        && ours.source.is(source_id)
        && header.source_hash == source_hash(source_id)
        && strict::generated(bytes, version).is_ok()
}

/// Within an encoding error the order in which readers look decides what they complain of first.
fn is_reason(loss: Loss, refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Encoding(_) => matches!(loss, Loss::Wire | Loss::Utf8),
        Refusal::Required(_) => loss == Loss::Required,
        Refusal::Enum(_) => loss == Loss::Enum,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn agree(bytes: &[u8], version: Version) -> bool {
    compare(bytes, version).unwrap_or_else(|difference| panic!("two opinions: {difference}"))
}

#[test]
fn valid_envelopes_of_every_kind_are_taken_and_read_alike() {
    for (seed, odd_percent) in [(11, 0), (12, 20), (13, 60), (14, 95)] {
        let mut maker = Maker::new(Rng::with_seed(seed), odd_percent);
        for _ in 0..2000 {
            for version in VERSIONS {
                let bytes = maker.valid(version);
                assert!(
                    agree(&bytes, version),
                    "{version:?} refused {}",
                    hex(&bytes)
                );
            }
            assert!(agree(&maker.eventless(), Version::V1));
            assert!(!agree(&maker.incomplete(), Version::V1));
        }
    }
}

#[test]
fn damaged_envelopes_are_judged_alike() {
    let mut random = Rng::with_seed(21);
    let mut maker = Maker::new(random.fork(), 15);
    let mut taken = 0_u32;
    let mut refused = 0_u32;
    for _ in 0..8000 {
        let version = VERSIONS[random.usize(0..2)];
        let envelope = maker.valid(version);
        let other = maker.valid(version);
        for _ in 0..75 {
            let mut bytes = envelope.clone();
            mutate(&mut random, &mut bytes, &other);
            if agree(&bytes, version) {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    // Damage that never matters or always does would compare little.
    assert!(taken > 50_000 && refused > 200_000, "{taken} and {refused}");
}

#[test]
fn an_envelope_read_as_the_other_version_is_judged_alike() {
    let mut maker = Maker::new(Rng::with_seed(31), 30);
    for _ in 0..2000 {
        agree(&maker.valid(Version::V1), Version::V2);
        agree(&maker.valid(Version::V2), Version::V1);
    }
}

#[test]
fn noise_is_judged_alike() {
    let mut random = Rng::with_seed(41);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.usize(0..24)];
        random.fill(&mut bytes);
        for version in VERSIONS {
            agree(&bytes, version);
        }
    }
}

/// Groups nested in the envelope itself and in each message, up to the limit and beyond: a frame
/// must not be taken that prost's generated code would give up on.
#[test]
fn nesting_ends_where_the_generated_types_end_it() {
    // The messages around an unknown field, by field number; the last is in a map of messages.
    let places: [&[u32]; 5] = [&[], &[4], &[9], &[6, 1], &[6, 1, 2]];
    for place in places {
        for depth in 90..110 {
            for innermost in [&[][..], &[0x08, 0x01]] {
                let bytes = nested(place, depth, innermost);
                let is_taken = agree(&bytes, Version::V2);
                let is_read = strict::generated(&bytes, Version::V2).is_ok();
                assert_eq!(is_taken, is_read, "{place:?} {depth} {innermost:?}");
                assert!(is_taken || depth > 95);
            }
        }
    }
}

fn nested(place: &[u32], depth: usize, innermost: &[u8]) -> Vec<u8> {
    let Some((field, place)) = place.split_first() else {
        let mut bytes = [0xa3, 0x06].repeat(depth);
        bytes.extend_from_slice(innermost);
        bytes.extend([0xa4, 0x06].repeat(depth));
        return bytes;
    };
    let mut bytes = Vec::new();
    wire::bytes_field(&mut bytes, *field, &nested(place, depth, innermost));
    bytes
}

/// The one departure from the `.proto`: dropsonde sends method 0.
#[test]
fn method_zero_is_taken_and_other_strangers_are_not() {
    for (field, value, is_taken) in [
        (5, 0, true),
        (5, 44, true),
        (5, 45, false),
        (5, 1 << 32, true), // Its low 32 bits are 0.
        (5, u64::MAX, false),
        (4, 0, false),
        (4, 3, false),
        (4, 2, true),
    ] {
        let mut request = Vec::new();
        for (number, default) in [(1, 1), (2, 2), (4, 1), (5, 1), (9, 200), (10, u64::MAX)] {
            wire::number_field(&mut request, number, default);
        }
        wire::bytes_field(&mut request, 3, &[0x08, 0x01, 0x10, 0x02]);
        for text in 6..=8 {
            wire::bytes_field(&mut request, text, b"x");
        }
        wire::number_field(&mut request, field, value);
        let mut envelope = vec![0x0a, 0x01, b'o', 0x10, 0x04];
        wire::bytes_field(&mut envelope, 7, &request);
        assert_eq!(agree(&envelope, Version::V1), is_taken, "{field} = {value}");
    }
}

/// Against the published value, since both sides above use the same hash function.
#[test]
fn the_source_hash_is_xxh64_with_seed_0() {
    assert_eq!(source_hash(b""), 0xef46_db37_51d8_e999);
    assert_eq!(source_hash(b"a"), 0xd24e_c4f1_a98c_6e5b);
}

/// The alarm: where the readers are given different bytes, the comparison says so.
#[test]
fn a_difference_is_noticed() {
    let mut maker = Maker::new(Rng::with_seed(51), 0);
    let one = maker.valid(Version::V2);
    let mut other = one.clone();
    wire::bytes_field(&mut other, 2, b"somebody else");
    let [ours, theirs] = [&one, &other].map(|bytes| {
        let ours = decode::envelope(bytes, Version::V2, SourceRule::Origin).unwrap();
        (
            ours,
            strict::read(bytes, Version::V2, SourceRule::Origin).unwrap(),
        )
    });
    assert!(reads_as(&ours.0, &ours.1, &one, Version::V2));
    assert!(!reads_as(&ours.0, &theirs.1, &one, Version::V2));
    assert!(!is_reason(Loss::Wire, &Refusal::Enum(String::new())));
}
