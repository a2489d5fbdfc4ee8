use super::source::Class;
use super::*;
use crate::names::NameFilter;
use hydrant_engine::decode;
use hydrant_engine::record::{Kind, KindSet, SourceRule, Version, source_hash};
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{
    Counter, Envelope, EnvelopeBatch, Event, Gauge, GaugeValue, Log, Timer, Value, value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use std::cmp::Reverse;

const PLENTY: Bounds = Bounds {
    memory_bytes: 1 << 30,
    count_per_source: 100_000,
};

fn put(store: &mut Store, envelope: &Envelope) {
    let bytes = envelope.encode_to_vec();
    let checked = decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob).unwrap();
    let id = envelope.source_id.as_bytes();
    store.put(&[Arrived {
        source_hash: source_hash(id),
        source_id: id,
        kind: checked.kind,
        timestamp: checked.timestamp,
        bytes: &bytes,
    }]);
}

fn all() -> Query {
    Query {
        start: i64::MIN,
        end: i64::MAX,
        limit: 1_000_000,
        kinds: KindSet::ALL,
        descending: false,
        names: None,
    }
}

fn read(store: &Store, source_id: &str, query: &Query) -> Vec<Envelope> {
    let mut batch = Vec::new();
    let id = source_id.as_bytes();
    let found = store.read(source_hash(id), id, query, &mut batch);
    let batch = EnvelopeBatch::decode(&batch[..]).unwrap().batch;
    assert_eq!(batch.len(), found.count);
    batch
}

fn meta(store: &Store, source_id: &str) -> Meta {
    let mut all = store.meta();
    let found = all.find(|(id, _)| *id == source_id.as_bytes());
    found.unwrap().1
}

fn log(source_id: &str, timestamp: i64, payload: &str) -> Envelope {
    let log = Log {
        payload: payload.to_owned().into(),
        r#type: 1,
    };
    Envelope {
        timestamp,
        source_id: source_id.to_owned(),
        instance_id: "3".to_owned(),
        tags: [("app_name", "a"), ("origin", "rep")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        message: Some(Message::Log(log)),
        ..Default::default()
    }
}

fn messages() -> impl Strategy<Value = Option<Message>> {
    let name = || prop_oneof!["[a-c]", "cpu.[0-9]"];
    let metric = (name(), any::<u32>()).prop_map(|(name, value)| {
        let value = f64::from(value);
        (
            name,
            GaugeValue {
                unit: String::new(),
                value,
            },
        )
    });
    prop_oneof![
        1 => Just(None),
        4 => "[a-z]{0,80}".prop_map(|payload| Some(Message::Log(Log {
            payload: payload.into(),
            r#type: 0,
        }))),
        2 => (name(), any::<u64>()).prop_map(|(name, total)| Some(Message::Counter(Counter {
            name,
            delta: 0,
            total,
        }))),
        2 => vec(metric, 0..4).prop_map(|metrics| Some(Message::Gauge(Gauge {
            metrics: metrics.into_iter().collect(),
        }))),
        1 => name().prop_map(|name| Some(Message::Timer(Timer { name, start: -1, stop: 5 }))),
        1 => name().prop_map(|title| Some(Message::Event(Event { title, body: String::new() }))),
    ]
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let timestamp = prop_oneof![
        -3_i64..20,
        any::<i64>().prop_map(|time| time.min(i64::MAX - 1))
    ];
    let tags = vec(("[a-d]", prop_oneof!["[x-z]", "[x-z]{130,140}"]), 0..5);
    (timestamp, "[st]", "[01]?", tags, any::<u8>(), messages()).prop_map(
        |(timestamp, source_id, instance_id, tags, odd, message)| {
            let text = value::Data::Text("d".to_owned());
            let deprecated = Value { data: Some(text) };
            let deprecated_tags = (odd < 20).then(|| ("d".to_owned(), deprecated));
            Envelope {
                timestamp,
                source_id,
                instance_id,
                tags: tags.into_iter().collect(),
                deprecated_tags: deprecated_tags.into_iter().collect(),
                message,
            }
        },
    )
}

fn queries() -> impl Strategy<Value = Query> {
    let bounds = (
        prop_oneof![Just(i64::MIN), -5_i64..20],
        prop_oneof![Just(i64::MAX), -5_i64..25],
    );
    let kinds = prop_oneof![
        Just(KindSet::ALL),
        Just(KindSet::of(&[Kind::Log])),
        Just(KindSet::of(&[Kind::Gauge, Kind::Timer])),
        Just(KindSet::of(&[Kind::Event, Kind::Counter])),
    ];
    let names = prop_oneof![Just(None), Just(Some("a|cpu"))];
    (bounds, 0_usize..12, kinds, any::<bool>(), names).prop_map(
        |((start, end), limit, kinds, descending, names)| Query {
            start,
            end,
            limit,
            kinds,
            descending,
            names: names.map(|names| NameFilter::new(names).unwrap()),
        },
    )
}

/// What a query should find.
fn model(
    envelopes: &[Envelope],
    source_id: &str,
    query: &Query,
    count_max: usize,
) -> Vec<Envelope> {
    let own = envelopes
        .iter()
        .filter(|envelope| envelope.source_id == source_id);
    let own: Vec<_> = own.enumerate().collect();
    let mut found: Vec<_> = own[own.len().saturating_sub(count_max)..]
        .iter()
        .filter(|(_, envelope)| (query.start..query.end).contains(&envelope.timestamp))
        .filter_map(|(number, envelope)| Some((*number, wanted(envelope, query)?)))
        .collect();
    found.sort_by_key(|(number, envelope)| (envelope.timestamp, *number));
    if query.descending {
        found.sort_by_key(|(number, envelope)| Reverse((envelope.timestamp, *number)));
    }
    let mut count = query.limit.min(found.len());
    while count > 0
        && found
            .get(count)
            .is_some_and(|(_, next)| next.timestamp == found[count - 1].1.timestamp)
    {
        count += 1;
    }
    found.truncate(count);
    found.into_iter().map(|(_, envelope)| envelope).collect()
}

fn wanted(envelope: &Envelope, query: &Query) -> Option<Envelope> {
    let bytes = envelope.encode_to_vec();
    let checked = decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob).unwrap();
    query.kinds.contains(checked.kind).then_some(())?;
    let mut envelope = envelope.clone();
    if query.names.is_some() {
        let is_wanted = |name: &str| name.contains('a') || name.contains("cpu");
        let has = match &mut envelope.message {
            Some(Message::Counter(counter)) => is_wanted(&counter.name),
            Some(Message::Timer(timer)) => is_wanted(&timer.name),
            Some(Message::Gauge(gauge)) => {
                gauge.metrics.retain(|name, _| is_wanted(name));
                !gauge.metrics.is_empty()
            }
            _ => false,
        };
        has.then_some(())?;
    }
    Some(envelope)
}

/// What must be true of a store at any time.
fn check(store: &Store) {
    let recounted: usize = store
        .sources
        .iter()
        .map(|(_, source)| source.recounted_bytes())
        .sum();
    assert_eq!(store.memory_bytes(), recounted);
    let is_born = |(_, source): (_, &Source)| source.born() == source.find_born();
    assert!(store.sources.iter().all(is_born));
    assert_eq!(store.by_id.len(), store.sources.len());
    assert_eq!(store.by_age.len(), store.sources.len());
    let large = store
        .sources
        .iter()
        .filter(|(_, source)| source.memory_bytes() > FLOOR_BYTES);
    assert_eq!(store.large.len(), large.count());
    let counted: u64 = store.meta().map(|(_, meta)| meta.count).sum();
    assert!(counted <= store.count());
}

proptest! {
    #[test]
    fn a_store_finds_what_a_list_finds(
        envelopes in vec(envelopes(), 0..120),
        queries in vec(queries(), 1..8),
        count_max in prop_oneof![Just(100_000_usize), 1_usize..30],
    ) {
        let mut store = Store::new(Bounds { count_per_source: count_max as u64, ..PLENTY });
        for envelope in &envelopes {
            put(&mut store, envelope);
        }
        check(&store);
        for query in &queries {
            for source_id in ["s", "t", "none"] {
                let expected = model(&envelopes, source_id, query, count_max);
                prop_assert_eq!(read(&store, source_id, query), expected, "{:?}", query);
            }
        }
        for source_id in ["s", "t"] {
            let own = || envelopes.iter().filter(|envelope| envelope.source_id == source_id);
            if own().next().is_none() {
                continue;
            }
            let count = own().count();
            let meta = meta(&store, source_id);
            prop_assert_eq!(meta.count, count.min(count_max) as u64);
            prop_assert_eq!(meta.expired, count.saturating_sub(count_max) as u64);
            let there = || own().skip(count.saturating_sub(count_max));
            let oldest = there().map(|envelope| envelope.timestamp).min();
            prop_assert_eq!(Some(meta.oldest_timestamp), oldest);
            let newest = own().map(|envelope| envelope.timestamp).max();
            prop_assert_eq!(Some(meta.newest_timestamp), newest.map(|newest| newest.max(0)));
        }
    }
}

#[test]
fn sealed_segments_are_read_like_open_ones() {
    let mut store = Store::new(PLENTY);
    let sent: Vec<_> = (0..5_000)
        .map(|number| log("s", number / 3, &format!("line {number} of a log")))
        .collect();
    sent.iter().for_each(|envelope| put(&mut store, envelope));
    check(&store);
    assert_eq!(read(&store, "s", &all()), sent);
    // Page by page, nothing is missing and nothing comes twice.
    let (mut paged, mut start) = (Vec::new(), 0);
    loop {
        let page = read(
            &store,
            "s",
            &Query {
                start,
                limit: 100,
                ..all()
            },
        );
        let Some(last) = page.last() else { break };
        start = last.timestamp + 1;
        paged.extend(page);
    }
    assert_eq!(paged, sent);
    let newest = read(
        &store,
        "s",
        &Query {
            descending: true,
            limit: 10,
            ..all()
        },
    );
    let expected: Vec<_> = sent.iter().rev().take(11).cloned().collect();
    assert_eq!(newest, expected);
}

#[test]
fn a_flood_drowns_itself_first() {
    let bounds = Bounds {
        memory_bytes: 4 << 20,
        count_per_source: 1_000_000,
    };
    let mut store = Store::new(bounds);
    let noise =
        |number: i64| format!("{:016x}", number.wrapping_mul(0x1e37_79b9_7f4a_7c15)).repeat(8);
    for number in 0..200_000 {
        put(&mut store, &log("flood", number, &noise(number)));
        if number % 100 == 0 {
            let quiet = format!("quiet-{}", number / 100 % 50);
            put(&mut store, &log(&quiet, number, &noise(number)));
        }
        assert!(store.memory_bytes() <= bounds.memory_bytes);
    }
    check(&store);
    assert!(
        store.memory_bytes() > bounds.memory_bytes / 10 * 9,
        "{}",
        store.memory_bytes()
    );
    for number in 0..50 {
        assert_eq!(meta(&store, &format!("quiet-{number}")).count, 40);
    }
    let flood = meta(&store, "flood");
    assert!(flood.expired > 0 && flood.count > 1_000, "{flood:?}");
    assert_eq!(flood.count + flood.expired, 200_000);
    // The newest are there, without a gap.
    let left = read(&store, "flood", &all());
    let expected = 200_000 - i64::try_from(left.len()).unwrap()..200_000;
    assert!(left.iter().map(|envelope| envelope.timestamp).eq(expected));
}

#[test]
fn when_none_has_more_than_its_floor_the_oldest_goes() {
    let bounds = Bounds {
        memory_bytes: 100_000,
        count_per_source: 1_000_000,
    };
    let mut store = Store::new(bounds);
    for number in 0..2_000 {
        put(
            &mut store,
            &log(&format!("source-{number}"), number, "one line"),
        );
        assert!(store.memory_bytes() <= bounds.memory_bytes);
    }
    check(&store);
    assert!(store.source_count() > 50);
    assert_eq!(meta(&store, "source-1999").count, 1);
    assert!(store.meta().all(|(id, _)| id != b"source-0"));
    // What is more than all there may be is not kept, and hurts nobody else for long.
    put(&mut store, &log("huge", 0, &"x".repeat(200_000)));
    check(&store);
    assert!(store.memory_bytes() <= bounds.memory_bytes);
}

#[test]
fn what_is_too_old_goes() {
    let mut store = Store::new(PLENTY);
    for number in 0..5_000 {
        put(&mut store, &log("s", number, &format!("line {number}")));
        put(&mut store, &log("t", 0, ""));
    }
    store.drop_older(2_500);
    check(&store);
    let meta: Vec<_> = store.meta().collect();
    assert_eq!(meta.len(), 1);
    let (id, meta) = meta[0];
    assert_eq!(id, b"s");
    assert!((1..=2_500).contains(&meta.oldest_timestamp), "{meta:?}");
    assert_eq!(meta.count + meta.expired, 5_000);
    assert_eq!(store.count(), meta.count);
}

#[test]
fn who_asks_for_another_metric_does_not_take_timers_apart() {
    let mut store = Store::new(PLENTY);
    let said = |timestamp, message| Envelope {
        source_id: "s".to_owned(),
        timestamp,
        message: Some(message),
        ..Envelope::default()
    };
    for number in 0..20_000 {
        let timer = |name: &str| Timer {
            name: name.to_owned(),
            start: number,
            stop: number + 5,
        };
        put(&mut store, &said(number, Message::Timer(timer("http"))));
        if number % 4000 == 0 {
            let value = GaugeValue {
                unit: String::new(),
                value: 0.5,
            };
            let metrics = [("cpu".to_owned(), value)].into();
            put(&mut store, &said(number, Message::Gauge(Gauge { metrics })));
            put(&mut store, &said(number, Message::Timer(timer("job"))));
        }
    }
    check(&store);
    let looked_into = |store: &Store, name: &str| {
        let source = &store.sources[store.sources.iter().next().unwrap().0];
        let segments = Class::ALL.iter().flat_map(|class| source.segments(*class));
        segments
            .filter(|segment| segment.may_have(&|found| found == name))
            .count()
    };
    let samples = |store: &Store, name: &str| {
        let (window, is_named) = (0..20_000, |found: &str| found == name);
        let metrics = store.metrics(source_hash(b"s"), b"s", &window, &is_named);
        let found = metrics.series(&window, &is_named);
        found.iter().map(|series| series.samples.len()).sum()
    };
    let check_all = |store: &Store, segment_count: usize| {
        let counts: [usize; 3] = ["cpu", "job", "http"].map(|name| samples(store, name));
        assert_eq!(counts, [5, 5, 20_000]);
        assert_eq!(looked_into(store, "cpu"), 1);
        assert!((2..=6).contains(&looked_into(store, "job")));
        assert_eq!(looked_into(store, "http"), segment_count);
    };
    let segment_count = {
        let source = &store.sources[store.sources.iter().next().unwrap().0];
        Class::ALL
            .iter()
            .flat_map(|class| source.segments(*class))
            .count()
    };
    assert!(segment_count > 4);
    check_all(&store, segment_count);
    // What comes from a disk is known as well.
    let mut records = Vec::new();
    assert_eq!(store.save(0, Extent::All, usize::MAX, &mut records), None);
    let mut restored = Restored::default();
    assert!(restored.read(&records));
    let mut store = Store::new(PLENTY);
    for (id, segments) in restored.into_sources() {
        store.restore(source_hash(&id), &id, segments);
    }
    check(&store);
    check_all(&store, segment_count);
}
