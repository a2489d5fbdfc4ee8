//! Envelopes made by chance from the descriptors: every field of every message, in ordinary form
//! and in forms that are legal and that no encoder writes.

mod values;

use crate::random::{Rng, chance, pick};
use crate::schema::{self, V1_EVENTS};
use crate::wire;
use hydrant_engine::record::Version;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Makes envelopes, one after the other.
#[derive(Debug)]
pub struct Maker {
    random: Rng,
    odd_percent: u32,
}

/// A field's number and its bytes, key and all.
type Field = (u32, Vec<u8>);

const EVENT_TYPE: u32 = 2;

impl Maker {
    /// `odd_percent` says how often something unusual is done: fields out of order and twice,
    /// messages in two parts, unknown fields and groups, long varints. All of it is valid.
    pub fn new(random: Rng, odd_percent: u32) -> Self {
        Self {
            random,
            odd_percent,
        }
    }

    /// A valid envelope. In v1 the event that its type announces is there.
    pub fn valid(&mut self, version: Version) -> Vec<u8> {
        let mut fields = match version {
            Version::V1 => {
                let (event_type, event) = *pick(&mut self.random, &V1_EVENTS);
                self.v1(event_type, &[event])
            }
            Version::V2 => self.fields(schema::envelope(Version::V2)),
        };
        if self.random.bool() {
            fields.extend(self.plain_tags(version));
        }
        self.join(fields, schema::envelope(version))
    }

    /// A v1 envelope that is valid to a Doppler and says nothing: its event is not there.
    pub fn eventless(&mut self) -> Vec<u8> {
        let (event_type, event) = *pick(&mut self.random, &V1_EVENTS);
        let mut fields = self.v1(event_type, &[]);
        fields.retain(|(number, _)| *number != event);
        self.join(fields, schema::envelope(Version::V1))
    }

    /// A v1 envelope in which a required field is missing, in itself or in its event.
    pub fn incomplete(&mut self) -> Vec<u8> {
        let (event_type, event) = *pick(&mut self.random, &V1_EVENTS);
        let mut fields = self.v1(event_type, &[]);
        fields.retain(|(number, _)| *number != event);
        let envelope = schema::envelope(Version::V1);
        if self.random.bool() {
            let missing = *pick(&mut self.random, &[1, EVENT_TYPE]);
            fields.retain(|(number, _)| *number != missing);
        } else {
            let descriptor = envelope.get_field(event).expect("an event of the schema");
            let body = self.incomplete_message(&message_of(&descriptor));
            fields.push((event, self.delimited(event, &body)));
        }
        self.join(fields, envelope)
    }

    /// The message without one of its required fields, or with a message in that place that is
    /// itself incomplete.
    fn incomplete_message(&mut self, message: &MessageDescriptor) -> Vec<u8> {
        let required: Vec<_> = message.fields().filter(is_required).collect();
        let missing = pick(&mut self.random, &required).clone();
        let mut fields = self.fields(message);
        fields.retain(|(number, _)| *number != missing.number());
        if let Kind::Message(inner) = missing.kind()
            && self.random.bool()
        {
            let body = self.incomplete_message(&inner);
            fields.push((missing.number(), self.delimited(missing.number(), &body)));
        }
        self.join(fields, message)
    }

    /// The fields of a v1 envelope of this type with these events, and odd others.
    fn v1(&mut self, event_type: u32, events: &[u32]) -> Vec<Field> {
        let envelope = schema::envelope(Version::V1);
        let is_event = |number: u32| V1_EVENTS.iter().any(|(_, event)| *event == number);
        let mut fields = self.fields(envelope);
        let odd = chance(&mut self.random, self.odd_percent / 4);
        fields.retain(|(number, _)| *number != EVENT_TYPE && (odd || !is_event(*number)));
        let mut kind = self.key(EVENT_TYPE, wire::VARINT);
        self.varint(&mut kind, u64::from(event_type));
        fields.push((EVENT_TYPE, kind));
        for event in events {
            let descriptor = envelope.get_field(*event).expect("an event of the schema");
            fields.extend(self.occurrences(&descriptor));
        }
        fields
    }

    /// A run of tags in the form that every encoder gives them, as most real envelopes have one.
    fn plain_tags(&mut self, version: Version) -> Vec<Field> {
        let number = if version == Version::V1 { 17 } else { 9 };
        let tag = |random: &mut Rng| {
            let mut entry = Vec::new();
            for field in 1..=2 {
                let length_max = *pick(random, &[20, 20, 20, 140]);
                let length = random.usize(0..length_max);
                let text: String = (0..length).map(|_| random.alphanumeric()).collect();
                wire::bytes_field(&mut entry, field, text.as_bytes());
            }
            let mut bytes = Vec::new();
            wire::bytes_field(&mut bytes, number, &entry);
            (number, bytes)
        };
        (0..self.random.u32(0..10))
            .map(|_| tag(&mut self.random))
            .collect()
    }

    /// Fields as the message may have them: every required one, and of the others some.
    fn fields(&mut self, message: &MessageDescriptor) -> Vec<Field> {
        let chosen = self.choose(message);
        let mut fields = Vec::new();
        for field in message.fields() {
            for _ in 0..self.count_of(&field, &chosen) {
                fields.extend(self.occurrences(&field));
            }
        }
        fields
    }

    /// Of each oneof the field that is to be there, or none.
    fn choose(&mut self, message: &MessageDescriptor) -> Vec<u32> {
        let mut chosen = Vec::new();
        for oneof in message.oneofs() {
            let numbers: Vec<_> = oneof.fields().map(|field| field.number()).collect();
            if chance(&mut self.random, 90) {
                chosen.push(*pick(&mut self.random, &numbers));
            }
        }
        chosen
    }

    fn count_of(&mut self, field: &FieldDescriptor, chosen: &[u32]) -> usize {
        let again = usize::from(chance(&mut self.random, self.odd_percent / 4));
        if is_required(field) {
            1 + again
        } else if field.containing_oneof().is_some() {
            usize::from(chosen.contains(&field.number())) + again
        } else if field.is_list() || field.is_map() {
            self.random.usize(0..4)
        } else {
            usize::from(self.random.bool()) + again
        }
    }

    /// The field once; a message perhaps as two parts, which a reader merges.
    fn occurrences(&mut self, field: &FieldDescriptor) -> Vec<Field> {
        let number = field.number();
        let Kind::Message(message) = field.kind() else {
            return vec![(number, self.value(field))];
        };
        let fields = self.fields(&message);
        let is_split = !field.is_map() && chance(&mut self.random, self.odd_percent / 2);
        if !is_split {
            let body = self.join(fields, &message);
            return vec![(number, self.delimited(number, &body))];
        }
        let at = self.random.usize(0..=fields.len());
        let (first, second) = fields.split_at(at);
        [first, second]
            .map(|part| {
                let body = self.join(part.to_vec(), &message);
                (number, self.delimited(number, &body))
            })
            .into()
    }

    /// The bytes of fields, with unknown ones between them and in another order where that is odd.
    fn join(&mut self, mut fields: Vec<Field>, message: &MessageDescriptor) -> Vec<u8> {
        while chance(&mut self.random, self.odd_percent / 3) {
            let number = self.unknown_number(message);
            fields.push((number, self.unknown(number, 0)));
        }
        if chance(&mut self.random, self.odd_percent) {
            self.random.shuffle(&mut fields);
        }
        fields.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }
}

fn is_required(field: &FieldDescriptor) -> bool {
    field.cardinality() == prost_reflect::Cardinality::Required
}

fn message_of(field: &FieldDescriptor) -> MessageDescriptor {
    match field.kind() {
        Kind::Message(message) => message,
        other => panic!("{field:?} is no message but {other:?}"),
    }
}
