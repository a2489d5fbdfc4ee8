//! The schema as the descriptors have it, against a list that was written from the protocols'
//! descriptions: what every peer that was built elsewhere relies on.

#![cfg(test)]

use hydrant_proto::DESCRIPTORS;
use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

#[test]
fn the_schema_is_the_listed_one() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let messages = pool
        .all_messages()
        .filter(|message| !message.is_map_entry());
    let schema = [
        sorted(messages.map(|it| (it.full_name().to_owned(), message_lines(&it)))),
        sorted(
            pool.all_enums()
                .map(|it| (it.full_name().to_owned(), enum_lines(&it))),
        ),
        sorted(
            pool.services()
                .map(|it| (it.full_name().to_owned(), service_lines(&it))),
        ),
    ];
    assert_eq!(schema.concat(), include_str!("schema.txt"));
}

#[test]
fn envelopes_have_snake_case_names_in_json() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let envelope = pool.get_message_by_name("loggregator.v2.Envelope").unwrap();
    assert!(
        envelope
            .fields()
            .all(|field| field.json_name() == field.name())
    );
}

/// Each item's name on a line and its own lines below, in the order of names.
fn sorted(items: impl Iterator<Item = (String, Vec<String>)>) -> String {
    let mut items: Vec<_> = items.collect();
    items.sort();
    let text = |(name, lines)| [vec![name], lines].concat().join("\n  ") + "\n";
    items.into_iter().map(text).collect()
}

fn message_lines(message: &MessageDescriptor) -> Vec<String> {
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields.iter().map(field_line).collect()
}

fn field_line(field: &FieldDescriptor) -> String {
    let kind = match (field.kind(), field.cardinality()) {
        (Kind::Message(entry), _) if field.is_map() => {
            let [key, value] = [entry.map_entry_key_field(), entry.map_entry_value_field()];
            format!("map<{}, {}>", name(&key.kind()), name(&value.kind()))
        }
        (kind, Cardinality::Required) => format!("required {}", name(&kind)),
        (kind, Cardinality::Repeated) => format!("repeated {}", name(&kind)),
        (kind, Cardinality::Optional) => name(&kind),
    };
    format!("{kind} {} = {}", field.name(), field.number())
}

fn name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(values) => values.name().to_owned(),
        scalar => format!("{scalar:?}"),
    }
}

fn enum_lines(values: &EnumDescriptor) -> Vec<String> {
    values
        .values()
        .map(|value| format!("{} = {}", value.name(), value.number()))
        .collect()
}

fn service_lines(service: &ServiceDescriptor) -> Vec<String> {
    service
        .methods()
        .map(|method| method_line(&method))
        .collect()
}

fn method_line(method: &MethodDescriptor) -> String {
    let stream = |streams| if streams { "stream " } else { "" };
    format!(
        "{}({}{}) returns ({}{})",
        method.name(),
        stream(method.is_client_streaming()),
        method.input().name(),
        stream(method.is_server_streaming()),
        method.output().name(),
    )
}
