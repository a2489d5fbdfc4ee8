//! Envelopes as nobody writes them: fields in another order, twice, unknown, cut off; and bytes
//! that are no envelopes.

use crate::is_right;
use crate::strategies::any_v2;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode::whole_fields;
use hydrant_engine::record::{Header, Kind, Record, SourceRule, Version};
use hydrant_feed::convert::V1Form;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use std::hint::black_box;

/// Fields of an envelope in forms that the generated types do not write.
const FIELDS: &[&[u8]] = &[
    // Unknown: a number, bytes, 32 bits, a group.
    b"\x58\x01",
    b"\x5a\x02ab",
    b"\x5d1234",
    b"\x5b\x08\x01\x5c",
    // A timestamp again, with a key and a value longer than need be.
    b"\x08\x80\x80\x01",
    b"\x88\x00\x07",
    b"\x08\x87\x80\x00",
    // Tags: the value first, two keys, two values, no key, no value, neither, an unknown field.
    b"\x4a\x06\x12\x01v\x0a\x01k",
    b"\x4a\x09\x0a\x01k\x0a\x01j\x12\x01v",
    b"\x4a\x09\x0a\x01k\x12\x01v\x12\x01w",
    b"\x4a\x03\x12\x01v",
    b"\x4a\x04\x0a\x02ip",
    b"\x4a\x00",
    b"\x4a\x08\x0a\x01k\x12\x01v\x18\x01",
    // With a length longer than need be.
    b"\x4a\x86\x00\x0a\x01k\x12\x01v",
    // Tags with a meaning.
    b"\x4a\x12\x0a\x09__v1_type\x12\x05Error",
    b"\x4a\x0e\x0a\x09__v1_type\x12\x01E",
    b"\x4a\x0e\x0a\x09source_id\x12\x01s",
    b"\x4a\x0b\x0a\x06origin\x12\x01o",
    // A deprecated tag without a value.
    b"\x1a\x03\x0a\x01k",
    // Logs: a type beyond 32 bits that reads as OUT, one that does not, an unknown field.
    b"\x22\x09\x0a\x01l\x10\x80\x80\x80\x80\x10",
    b"\x22\x08\x10\xff\xff\xff\xff\x1f\x0a\x00",
    b"\x22\x05\x0a\x01l\x18\x01",
    b"\x22\x06\x0a\x01l\x0a\x01m",
    // Counters and timers.
    b"\x2a\x09\x10\x01\x0a\x01c\x10\x02\x18\x03",
    b"\x3a\x04\x10\x01\x18\x02",
    // Gauges: no metric, a name alone, one metric twice, one value twice, a value first.
    b"\x32\x00",
    b"\x32\x05\x0a\x03\x0a\x01m",
    b"\x32\x14\x0a\x08\x0a\x01m\x12\x03\x0a\x01u\x0a\x08\x0a\x01m\x12\x03\x0a\x01w",
    b"\x32\x0f\x0a\x0d\x0a\x01m\x12\x03\x0a\x01u\x12\x03\x0a\x01w",
    b"\x32\x0a\x0a\x08\x12\x03\x0a\x01u\x0a\x01m",
    // An event.
    b"\x52\x03\x0a\x01t",
];

/// Fields of two envelopes and of none, in any order.
fn mixed() -> impl Strategy<Value = Vec<u8>> {
    let fields = |envelope: &[u8]| -> Vec<Vec<u8>> {
        let fields = whole_fields(envelope);
        fields.map(|(_, field)| field.to_vec()).collect()
    };
    let strange = vec(select(FIELDS), 0..4);
    let first = any_v2().prop_map(|mut envelope| {
        envelope.deprecated_tags.clear();
        envelope.encode_to_vec()
    });
    let second = prop_oneof![
        3 => Just(Vec::new()),
        1 => any_v2().prop_map(|envelope| envelope.encode_to_vec())
    ];
    (first, second, strange)
        .prop_map(move |(first, second, strange)| {
            let strange = strange.into_iter().map(<[u8]>::to_vec);
            [fields(&first), fields(&second), strange.collect()].concat()
        })
        .prop_shuffle()
        .prop_map(|fields| fields.concat())
}

/// Converts bytes that nobody has checked: whatever comes of it, it does not panic.
fn survive(form: &mut V1Form, envelope: &[u8]) {
    let header = Header {
        version: Version::V2,
        kind: Kind::Log,
        source_rule: SourceRule::DeploymentJob,
        source_hash: 0,
        received: UnixNanos(0),
    };
    let record = Record { header, envelope };
    form.messages(&record, |message| _ = black_box(message));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn fields_in_any_order_and_twice_and_unknown(envelope in mixed()) {
        let mut form = V1Form::default();
        prop_assert!(is_right(&mut form, &envelope));
        // What is left of one is not found in the next.
        prop_assert!(is_right(&mut form, &envelope));
    }

    #[test]
    fn strange_fields_alone(fields in vec(select(FIELDS), 0..6)) {
        prop_assert!(is_right(&mut V1Form::default(), &fields.concat()));
    }

    #[test]
    fn what_is_cut_off_or_changed_is_survived(
        mut envelope in mixed(), cut: Index, place: Index, byte: u8,
    ) {
        let mut form = V1Form::default();
        let cut = cut.index(envelope.len() + 1);
        survive(&mut form, &envelope[..cut]);
        prop_assert!(is_right(&mut form, &envelope[..cut]));
        if !envelope.is_empty() {
            let place = place.index(envelope.len());
            envelope[place] = byte;
        }
        survive(&mut form, &envelope);
        prop_assert!(is_right(&mut form, &envelope));
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let mut form = V1Form::default();
        survive(&mut form, &bytes);
        prop_assert!(is_right(&mut form, &bytes));
    }
}

#[test]
fn every_strange_field_is_an_envelope() {
    for field in FIELDS {
        assert!(crate::record(field).is_some(), "{field:x?}");
        assert!(is_right(&mut V1Form::default(), field), "{field:x?}");
    }
}
