//! A second reader of envelopes, built on descriptors and generated types and on nothing of the
//! engine's decoder: the opinion to compare it with.

use crate::schema::{self, V1_EVENTS, V2_MESSAGES};
use hydrant_engine::record::{Kind, SourceRule, Version};
use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::{v1, v2};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, ReflectMessage, Value,
};

const ORIGIN: &str = "origin";

/// What an envelope says, as far as it matters on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What kind it is.
    pub kind: Kind,
    /// Whom it is about.
    pub source_id: String,
    /// When it was made; 0 if not said.
    pub timestamp: i64,
    /// Whether the event that its type announces is there.
    pub has_event: bool,
}

/// Why it is no envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not well-formed, or text that is not UTF-8.
    Encoding(String),
    /// A required field, by its full name.
    Required(String),
    /// An enum field with a value that v1's readers do not know.
    Enum(String),
}

/// Reads an envelope by the letter of its `.proto`, with one departure: `HttpStartStop.method` may
/// be 0, as dropsonde's own instrumentation sends it.
///
/// # Errors
/// The first reason in the order of [`Refusal`].
pub fn read(bytes: &[u8], version: Version, rule: SourceRule) -> Result<Reading, Refusal> {
    let descriptor = schema::envelope(version);
    let encoding = |error: &dyn ToString| Refusal::Encoding(error.to_string());
    check_maps(bytes, descriptor).map_err(Refusal::Encoding)?;
    let message = DynamicMessage::decode(descriptor.clone(), bytes).map_err(|e| encoding(&e))?;
    check_nesting(bytes, version).map_err(Refusal::Encoding)?;
    if version == Version::V1 {
        check_required(&message).map_err(Refusal::Required)?;
        check_enums(&message).map_err(Refusal::Enum)?;
    }
    Ok(Reading {
        kind: kind_of(&message, version),
        source_id: source_of(bytes, version, rule).map_err(|e| encoding(&e))?,
        timestamp: number(&message, if version == Version::V1 { 6 } else { 1 }),
        has_event: version == Version::V2 || has_event(&message),
    })
}

/// Whether prost's generated types read it too.
///
/// # Errors
/// Theirs.
pub fn generated(bytes: &[u8], version: Version) -> Result<(), prost::DecodeError> {
    match version {
        Version::V1 => v1::Envelope::decode(bytes).map(|_| ()),
        Version::V2 => v2::Envelope::decode(bytes).map(|_| ()),
    }
}

/// prost and prost-reflect take a map field with any wire type for length-delimited. Other clients
/// skip such a field or refuse the envelope; the engine refuses.
fn check_maps(mut bytes: &[u8], message: &MessageDescriptor) -> Result<(), String> {
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes).map_err(|error| error.to_string())?;
        let field = message.get_field(number);
        let is_map = field.as_ref().is_some_and(FieldDescriptor::is_map);
        if is_map && wire_type != WireType::LengthDelimited {
            return Err(format!("field {number} is a map and {wire_type:?}"));
        }
        match field.map(|field| field.kind()) {
            Some(FieldKind::Message(inner)) if wire_type == WireType::LengthDelimited => {
                check_maps(delimited(&mut bytes)?, &inner)?;
            }
            _ => skip_field(wire_type, number, &mut bytes, DecodeContext::default())
                .map_err(|error| error.to_string())?,
        }
    }
    Ok(())
}

fn delimited<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], String> {
    let length = decode_varint(bytes).map_err(|error| error.to_string())?;
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let (inner, rest) = bytes.split_at_checked(length).ok_or("length too large")?;
    *bytes = rest;
    Ok(inner)
}

/// prost-reflect counts neither maps nor the innermost field of a group as a level of nesting. The
/// limit is prost's, as its generated code applies it.
fn check_nesting(bytes: &[u8], version: Version) -> Result<(), String> {
    match generated(bytes, version).map_err(|error| error.to_string()) {
        Err(error) if error.contains("recursion limit") => Err(error),
        _ => Ok(()),
    }
}

fn check_required(message: &DynamicMessage) -> Result<(), String> {
    for field in message.descriptor().fields() {
        let is_required = field.cardinality() == prost_reflect::Cardinality::Required;
        if is_required && !message.has_field(&field) {
            return Err(field.full_name().to_owned());
        }
    }
    for (_, value) in message.fields() {
        if let Value::Message(inner) = value {
            check_required(inner)?;
        }
    }
    Ok(())
}

fn check_enums(message: &DynamicMessage) -> Result<(), String> {
    for (field, value) in message.fields() {
        match (value, field.kind()) {
            (Value::Message(inner), _) => check_enums(inner)?,
            (Value::EnumNumber(number), FieldKind::Enum(values)) => {
                let is_method = field.full_name() == "events.HttpStartStop.method";
                let is_known = values.get_value(*number).is_some() || is_method && *number == 0;
                if !is_known {
                    return Err(format!("{} = {number}", field.full_name()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn kind_of(message: &DynamicMessage, version: Version) -> Kind {
    let v2_kinds = [
        Kind::Log,
        Kind::Counter,
        Kind::Gauge,
        Kind::Timer,
        Kind::Event,
    ];
    match (version, number(message, 2)) {
        (Version::V2, _) => std::iter::zip(V2_MESSAGES, v2_kinds)
            .find(|(field, _)| message.has_field_by_number(*field))
            .map_or(Kind::Empty, |(_, kind)| kind),
        (Version::V1, 4) => Kind::Timer,
        (Version::V1, 5) => Kind::Log,
        (Version::V1, 7) => Kind::Counter,
        (Version::V1, 8) => Kind::Error,
        (Version::V1, _) => Kind::Gauge,
    }
}

fn has_event(message: &DynamicMessage) -> bool {
    let event_type = number(message, 2);
    V1_EVENTS
        .into_iter()
        .find(|(number, _)| i64::from(*number) == event_type)
        .is_some_and(|(_, field)| message.has_field_by_number(field))
}

fn source_of(
    bytes: &[u8],
    version: Version,
    rule: SourceRule,
) -> Result<String, prost::DecodeError> {
    let fallback = match rule {
        SourceRule::DeploymentJob => SourceFallback::DeploymentJob,
        SourceRule::Origin => SourceFallback::Origin,
    };
    Ok(match version {
        Version::V1 => to_v2(v1::Envelope::decode(bytes)?, fallback).source_id,
        Version::V2 => v2::Envelope::decode(bytes)?.source_id,
    })
}

/// What an agent makes the source id of a v2 envelope that has none: its tag `origin`, else the deprecated
/// one; a number there is no text. `None`: the envelope stays as it is.
///
/// # Errors
///
/// The bytes are no v2 envelope.
pub fn origin_in_place_of_source(bytes: &[u8]) -> Result<Option<String>, prost::DecodeError> {
    let mut envelope = v2::Envelope::decode(bytes)?;
    if !envelope.source_id.is_empty() {
        return Ok(None);
    }
    let deprecated = envelope.deprecated_tags.remove(ORIGIN);
    let text = deprecated.map(|value| match value.data {
        Some(v2::value::Data::Text(text)) => text,
        _ => String::new(),
    });
    Ok(envelope.tags.remove(ORIGIN).or(text))
}

/// A field that is an integer or an enum.
fn number(message: &DynamicMessage, field: u32) -> i64 {
    match message.get_field_by_number(field).as_deref() {
        Some(Value::I64(value)) => *value,
        Some(Value::EnumNumber(value)) => i64::from(*value),
        _ => 0,
    }
}
