use super::*;
use hydrant_engine::decode::envelope as checked;
use hydrant_engine::record::{SourceRule, Version};
use hydrant_proto::v2::{Log, Value};
use proptest::prelude::*;

fn version2(config: &str) -> Version2 {
    Version2::new(&toml::from_str(config).unwrap())
}

const TAGS_OF_AGENT: &str = "[tags]\ndeployment = 'cf'\nip = '10.0.0.1'\n";

/// What becomes of it.
fn sent(version2: &mut Version2, envelope: &Envelope) -> Envelope {
    let bytes = envelope.encode_to_vec();
    let kind = checked(&bytes, Version::V2, SourceRule::DeploymentJob)
        .unwrap()
        .kind;
    let mut out = Vec::new();
    let sent = version2.of(kind, &bytes, &mut out).unwrap();
    checked(sent, Version::V2, SourceRule::DeploymentJob).unwrap();
    Envelope::decode(sent).unwrap()
}

fn log(source_id: &str, tags: &[(&str, &str)]) -> Envelope {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Envelope {
        source_id: source_id.to_owned(),
        tags: tags.iter().map(owned).collect(),
        message: Some(Event::Log(Log::default())),
        ..Envelope::default()
    }
}

fn counter(delta: u64, total: u64) -> Envelope {
    let name = "c".to_owned();
    Envelope {
        message: Some(Event::Counter(Counter { name, delta, total })),
        ..log("s", &[])
    }
}

fn total_of(envelope: &Envelope) -> u64 {
    match &envelope.message {
        Some(Event::Counter(counter)) => counter.total,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_lacks_nothing_stays_as_it_is() {
    let mut version2 = version2(TAGS_OF_AGENT);
    let whole = log("s", &[("deployment", ""), ("ip", "other")]);
    let bytes = whole.encode_to_vec();
    let mut out = Vec::new();
    let sent = version2.of(Kind::Log, &bytes, &mut out).unwrap();
    assert_eq!(sent.as_ptr(), bytes.as_ptr());
}

#[test]
fn only_tags_that_are_absent_are_added() {
    let mut version2 = version2(TAGS_OF_AGENT);
    let with_tags = sent(&mut version2, &log("s", &[("deployment", ""), ("a", "b")]));
    let expected = [("a", "b"), ("deployment", ""), ("ip", "10.0.0.1")];
    assert_eq!(with_tags, log("s", &expected), "an empty tag is there");
    assert_eq!(version2.origin_mappings(), 0);
}

#[test]
fn who_has_no_source_is_its_origin() {
    let mut version2 = version2("");
    let tagged = log("", &[("origin", "o")]);
    assert_eq!(sent(&mut version2, &tagged).source_id, "o");
    let nobody = log("", &[("x", "y")]);
    assert_eq!(sent(&mut version2, &nobody), nobody);
    let somebody = log("s", &[("origin", "o")]);
    assert_eq!(sent(&mut version2, &somebody), somebody);
    assert_eq!(version2.origin_mappings(), 1);
    let mut deprecated = nobody;
    let value = |data| Value { data: Some(data) };
    let text = value(Data::Text("old".to_owned()));
    deprecated.deprecated_tags.insert("origin".to_owned(), text);
    assert_eq!(sent(&mut version2, &deprecated).source_id, "old");
    let number = value(Data::Integer(5));
    deprecated
        .deprecated_tags
        .insert("origin".to_owned(), number);
    assert_eq!(sent(&mut version2, &deprecated).source_id, "", "no text");
    assert_eq!(version2.origin_mappings(), 3);
}

#[test]
fn deprecated_tags_are_copied_over_tags_and_stay() {
    let mut version2 = version2(TAGS_OF_AGENT);
    let mut envelope = log("s", &[("t", "new"), ("k", "kept")]);
    for (key, data) in [
        ("t", Some(Data::Text("old".to_owned()))),
        ("i", Some(Data::Integer(-7))),
        ("d", Some(Data::Decimal(1e21))),
        ("e", Some(Data::Decimal(0.000_001_5))),
        ("n", Some(Data::Decimal(f64::NEG_INFINITY))),
        ("none", None),
    ] {
        let value = Value { data };
        envelope.deprecated_tags.insert(key.to_owned(), value);
    }
    let sent = sent(&mut version2, &envelope);
    let expected = log(
        "s",
        &[
            ("t", "old"),
            ("k", "kept"),
            ("i", "-7"),
            ("d", "1000000000000000000000"),
            ("e", "0.0000015"),
            ("n", "-Inf"),
            ("none", ""),
            ("deployment", "cf"),
            ("ip", "10.0.0.1"),
        ],
    );
    assert_eq!(sent.tags, expected.tags);
    assert_eq!(sent.deprecated_tags, envelope.deprecated_tags);
}

#[test]
fn deltas_get_totals_and_totals_count() {
    let mut version2 = version2(TAGS_OF_AGENT);
    let mut total = |delta, total| total_of(&sent(&mut version2, &counter(delta, total)));
    assert_eq!(total(20, 0), 20);
    assert_eq!(total(1, 0), 21);
    assert_eq!(total(5, 100), 100);
    assert_eq!(total(1, 0), 101);
    assert_eq!(total(0, 0), 0, "as upstream: the counter was reset");
    assert_eq!(total(3, 0), 3);
}

#[test]
fn counters_of_other_names_sources_instances_and_tags_are_others() {
    let mut version2 = version2("");
    let change: [fn(&mut Envelope); 5] = [
        |_| {},
        |envelope| envelope.source_id.push('2'),
        |envelope| envelope.instance_id.push('2'),
        |envelope| drop(envelope.tags.insert("a".to_owned(), "b".to_owned())),
        |envelope| match &mut envelope.message {
            Some(Event::Counter(counter)) => counter.name.push('2'),
            _ => panic!("{envelope:?}"),
        },
    ];
    for round in 1..=2 {
        for change in change {
            let mut envelope = counter(1, 0);
            change(&mut envelope);
            assert_eq!(total_of(&sent(&mut version2, &envelope)), round);
        }
    }
}

#[test]
fn without_totals_counters_stay_as_they_are() {
    let mut version2 = version2("totals = false");
    assert_eq!(total_of(&sent(&mut version2, &counter(5, 0))), 0);
}

proptest! {
    #[test]
    fn bytes_and_objects_are_changed_alike(
        source_id in "[a-z]{0,3}",
        tags in proptest::collection::btree_map(
            proptest::sample::select(vec!["origin", "deployment", "ip", "a", ""]),
            "[a-z]{0,3}",
            0..4,
        ),
    ) {
        let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let envelope = log(&source_id, &tags);
        let mut version2 = version2(TAGS_OF_AGENT);
        let mut changed = envelope.clone();
        version2.change(&mut changed);
        let mappings = version2.origin_mappings();
        prop_assert_eq!(sent(&mut version2, &envelope), changed);
        prop_assert_eq!(version2.origin_mappings(), 2 * mappings);
    }
}
