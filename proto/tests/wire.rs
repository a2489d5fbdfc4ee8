//! The generated types on the wire, every one of them, against a decoder that is driven by the
//! descriptors.

#![cfg(test)]

use hydrant_proto::logcache::{self, prom_ql};
use hydrant_proto::{DESCRIPTORS, plumbing, v1, v2};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).unwrap()
}

/// Every message but the entries of maps, which have no type of their own.
fn messages() -> Vec<MessageDescriptor> {
    pool()
        .all_messages()
        .filter(|message| !message.is_map_entry())
        .collect()
}

/// Decodes and encodes with the generated type. A message that this does not know fails.
fn reencode(name: &str, bytes: &[u8]) -> Vec<u8> {
    let with = match name {
        "events.Envelope" => with::<v1::Envelope>,
        "events.LogMessage" => with::<v1::LogMessage>,
        "events.ValueMetric" => with::<v1::ValueMetric>,
        "events.CounterEvent" => with::<v1::CounterEvent>,
        "events.ContainerMetric" => with::<v1::ContainerMetric>,
        "events.Error" => with::<v1::Error>,
        "events.UUID" => with::<v1::Uuid>,
        "events.HttpStartStop" => with::<v1::HttpStartStop>,
        "loggregator.v2.Envelope" => with::<v2::Envelope>,
        "loggregator.v2.EnvelopeBatch" => with::<v2::EnvelopeBatch>,
        "loggregator.v2.Value" => with::<v2::Value>,
        "loggregator.v2.Log" => with::<v2::Log>,
        "loggregator.v2.Counter" => with::<v2::Counter>,
        "loggregator.v2.Gauge" => with::<v2::Gauge>,
        "loggregator.v2.GaugeValue" => with::<v2::GaugeValue>,
        "loggregator.v2.Timer" => with::<v2::Timer>,
        "loggregator.v2.Event" => with::<v2::Event>,
        "loggregator.v2.IngressResponse" => with::<v2::IngressResponse>,
        "loggregator.v2.BatchSenderResponse" => with::<v2::BatchSenderResponse>,
        "loggregator.v2.SendResponse" => with::<v2::SendResponse>,
        "loggregator.v2.EgressRequest" => with::<v2::EgressRequest>,
        "loggregator.v2.EgressBatchRequest" => with::<v2::EgressBatchRequest>,
        "loggregator.v2.Selector" => with::<v2::Selector>,
        "loggregator.v2.LogSelector" => with::<v2::LogSelector>,
        "loggregator.v2.GaugeSelector" => with::<v2::GaugeSelector>,
        "loggregator.v2.CounterSelector" => with::<v2::CounterSelector>,
        "loggregator.v2.TimerSelector" => with::<v2::TimerSelector>,
        "loggregator.v2.EventSelector" => with::<v2::EventSelector>,
        "plumbing.EnvelopeData" => with::<plumbing::EnvelopeData>,
        "plumbing.PushResponse" => with::<plumbing::PushResponse>,
        "plumbing.SubscriptionRequest" => with::<plumbing::SubscriptionRequest>,
        "plumbing.Filter" => with::<plumbing::Filter>,
        "plumbing.LogFilter" => with::<plumbing::LogFilter>,
        "plumbing.MetricFilter" => with::<plumbing::MetricFilter>,
        "plumbing.Response" => with::<plumbing::Response>,
        "plumbing.BatchResponse" => with::<plumbing::BatchResponse>,
        name => with_log_cache(name),
    };
    with(bytes)
}

fn with<T: Message + Default>(bytes: &[u8]) -> Vec<u8> {
    T::decode(bytes).unwrap().encode_to_vec()
}

/// The same for Log Cache's types.
fn with_log_cache(name: &str) -> fn(&[u8]) -> Vec<u8> {
    match name {
        "logcache.v1.SendRequest" => with::<logcache::SendRequest>,
        "logcache.v1.SendResponse" => with::<logcache::SendResponse>,
        "logcache.v1.ReadRequest" => with::<logcache::ReadRequest>,
        "logcache.v1.ReadResponse" => with::<logcache::ReadResponse>,
        "logcache.v1.MetaRequest" => with::<logcache::MetaRequest>,
        "logcache.v1.MetaResponse" => with::<logcache::MetaResponse>,
        "logcache.v1.MetaInfo" => with::<logcache::MetaInfo>,
        "logcache.v1.PromQL" => with::<logcache::PromQl>,
        "logcache.v1.PromQL.InstantQueryRequest" => with::<prom_ql::InstantQueryRequest>,
        "logcache.v1.PromQL.RangeQueryRequest" => with::<prom_ql::RangeQueryRequest>,
        "logcache.v1.PromQL.InstantQueryResult" => with::<prom_ql::InstantQueryResult>,
        "logcache.v1.PromQL.RangeQueryResult" => with::<prom_ql::RangeQueryResult>,
        "logcache.v1.PromQL.Scalar" => with::<prom_ql::Scalar>,
        "logcache.v1.PromQL.Vector" => with::<prom_ql::Vector>,
        "logcache.v1.PromQL.Point" => with::<prom_ql::Point>,
        "logcache.v1.PromQL.Sample" => with::<prom_ql::Sample>,
        "logcache.v1.PromQL.Matrix" => with::<prom_ql::Matrix>,
        "logcache.v1.PromQL.Series" => with::<prom_ql::Series>,
        _ => panic!("{name} has no generated type here"),
    }
}

/// A message with random values in its required fields and in about half of the others.
fn dynamic(descriptor: MessageDescriptor) -> BoxedStrategy<DynamicMessage> {
    let fields: Vec<_> = descriptor.fields().map(field).collect();
    fields
        .prop_map(move |fields| {
            let mut message = DynamicMessage::new(descriptor.clone());
            for (field, value) in fields.into_iter().flatten() {
                message.set_field(&field, value);
            }
            message
        })
        .boxed()
}

fn field(field: FieldDescriptor) -> BoxedStrategy<Option<(FieldDescriptor, Value)>> {
    let value = if field.is_map() {
        map(&field.kind())
    } else if field.is_list() {
        vec(single(&field.kind()), 0..3)
            .prop_map(Value::List)
            .boxed()
    } else {
        single(&field.kind())
    };
    let required = field.cardinality() == Cardinality::Required;
    let value = value.prop_map(move |value| (field.clone(), value));
    if required {
        value.prop_map(Some).boxed()
    } else {
        prop::option::of(value).boxed()
    }
}

fn map(entry: &Kind) -> BoxedStrategy<Value> {
    let entry = entry.as_message().unwrap();
    let value = single(&entry.map_entry_value_field().kind());
    let key = "[a-z]{0,2}".prop_map(MapKey::String);
    hash_map(key, value, 0..4).prop_map(Value::Map).boxed()
}

fn single(kind: &Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::String => any::<String>().prop_map(Value::String).boxed(),
        Kind::Bytes => any::<Vec<u8>>()
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Double => any::<f64>().prop_map(Value::F64).boxed(),
        Kind::Int32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Int64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Enum(values) => {
            let numbers: Vec<_> = values.values().map(|value| value.number()).collect();
            prop::sample::select(numbers)
                .prop_map(Value::EnumNumber)
                .boxed()
        }
        Kind::Message(descriptor) => dynamic(descriptor.clone()).prop_map(Value::Message).boxed(),
        other => panic!("no field is of kind {other:?}"),
    }
}

fn any_message() -> impl Strategy<Value = DynamicMessage> {
    prop::sample::select(messages()).prop_flat_map(dynamic)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_type_reads_and_writes_what_its_descriptor_says(message in any_message()) {
        let descriptor = message.descriptor();
        let bytes = message.encode_to_vec();
        let again = reencode(descriptor.full_name(), &bytes);
        let original = DynamicMessage::decode(descriptor.clone(), &*bytes)?;
        prop_assert_eq!(DynamicMessage::decode(descriptor, &*again)?, original);
    }

    #[test]
    fn equal_messages_have_equal_bytes(message in any_message()) {
        let name = message.descriptor().full_name().to_owned();
        let once = reencode(&name, &message.encode_to_vec());
        prop_assert_eq!(reencode(&name, &once), once);
    }
}

#[test]
fn every_message_has_a_generated_type_that_reads_nothing_as_its_default() {
    for message in messages() {
        let again = reencode(message.full_name(), &[]);
        let default = DynamicMessage::decode(message.clone(), &*again).unwrap();
        let required = |field: &FieldDescriptor| field.cardinality() == Cardinality::Required;
        for field in message.fields() {
            assert_eq!(
                default.has_field(&field),
                required(&field),
                "{}",
                field.full_name()
            );
        }
    }
}

#[test]
fn enum_values_without_a_name_are_kept() {
    let request = v1::HttpStartStop {
        method: 0,
        peer_type: 99,
        ..Default::default()
    };
    assert_eq!(
        v1::HttpStartStop::decode(&*request.encode_to_vec()).unwrap(),
        request
    );
    let log = v2::Log {
        r#type: -1,
        ..Default::default()
    };
    assert_eq!(v2::Log::decode(&*log.encode_to_vec()).unwrap(), log);
}

#[test]
fn text_that_is_not_utf8_is_refused_and_bytes_are_not() {
    v1::Error::decode(&b"\x0a\x01\xff"[..]).unwrap_err();
    v2::Event::decode(&b"\x0a\x01\xff"[..]).unwrap_err();
    let log = v2::Log {
        payload: b"\xff"[..].into(),
        ..Default::default()
    };
    assert_eq!(v2::Log::decode(&b"\x0a\x01\xff"[..]).unwrap(), log);
}

#[test]
fn tags_are_written_in_the_order_of_their_keys() {
    let tags = ["b", "a", "c"]
        .map(|key| (key.to_owned(), "v".to_owned()))
        .into();
    let bytes = v2::Envelope {
        tags,
        ..Default::default()
    }
    .encode_to_vec();
    let tag = |key: &[u8]| [&b"\x4a\x06\x0a\x01"[..], key, &b"\x12\x01v"[..]].concat();
    assert_eq!(bytes, [tag(b"a"), tag(b"b"), tag(b"c")].concat());
}
