//! The values in made envelopes, and how they are written.

use super::Maker;
use crate::random::{chance, pick};
use crate::wire::{self, FIXED32, FIXED64, GROUP_END, GROUP_START, LENGTH, VARINT};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

/// Texts that matter to somebody on the way, and some of each width of UTF-8.
const TEXTS: &[&str] = &[
    "",
    "gorouter",
    "cf/router",
    "source_id",
    "origin",
    "instance_id",
    "__v1_type",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "ünïcödé",
    "日本語",
    "🚒\u{10ffff}",
    "line\nfeed\0nul",
    " ",
];

impl Maker {
    /// A field that is no message.
    pub(super) fn value(&mut self, field: &FieldDescriptor) -> Vec<u8> {
        let number = field.number();
        match field.kind() {
            Kind::String => {
                let text = self.text();
                self.delimited(number, text.as_bytes())
            }
            Kind::Bytes => {
                let bytes = self.bytes();
                self.delimited(number, &bytes)
            }
            Kind::Double => self.fixed(number, FIXED64, 8),
            Kind::Enum(values) => {
                let value = self.enum_value(field, &values);
                self.number(number, value)
            }
            Kind::Int32 | Kind::Int64 | Kind::Uint64 => {
                let value = self.any_number();
                self.number(number, value)
            }
            other => panic!("no envelope has a field of kind {other:?}"),
        }
    }

    fn text(&mut self) -> String {
        if chance(&mut self.random, 70) {
            return (*pick(&mut self.random, TEXTS)).to_owned();
        }
        let length = self.random.usize(0..300);
        let mut text: String = (0..length).map(|_| self.random.alphanumeric()).collect();
        if chance(&mut self.random, 30) {
            let at = self.random.usize(0..=text.len());
            text.insert(at, self.random.char(..));
        }
        text
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.random.usize(0..200)];
        self.random.fill(&mut bytes);
        bytes
    }

    /// In v1 (closed enums) a value that readers know, in v2 any.
    fn enum_value(&mut self, field: &FieldDescriptor, values: &EnumDescriptor) -> u64 {
        let is_closed = field.parent_message().package_name() == "events";
        if !is_closed && chance(&mut self.random, self.odd_percent) {
            return self.any_number();
        }
        if values.name() == "Method" && chance(&mut self.random, 10) {
            return 0; // What dropsonde sends for a method that it does not know.
        }
        let known: Vec<_> = values
            .values()
            .map(|value| value.number().unsigned_abs())
            .collect();
        let value = u64::from(*pick(&mut self.random, &known));
        if chance(&mut self.random, self.odd_percent / 8) {
            return value | 1 << 40; // Readers take the low 32 bits.
        }
        value
    }

    fn any_number(&mut self) -> u64 {
        match self.random.u32(0..5) {
            0 => 0,
            1 => self.random.u64(0..128),
            2 => u64::MAX - self.random.u64(0..3), // Negative in signed fields.
            _ => self.random.u64(..) >> self.random.u32(0..64),
        }
    }

    fn number(&mut self, field: u32, value: u64) -> Vec<u8> {
        let mut out = self.key(field, VARINT);
        self.varint(&mut out, value);
        out
    }

    pub(super) fn delimited(&mut self, field: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = self.key(field, LENGTH);
        self.varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    fn fixed(&mut self, field: u32, wire_type: u32, byte_count: usize) -> Vec<u8> {
        let mut out = self.key(field, wire_type);
        let mut bytes = vec![0; byte_count];
        self.random.fill(&mut bytes);
        out.extend(bytes);
        out
    }

    pub(super) fn key(&mut self, field: u32, wire_type: u32) -> Vec<u8> {
        let mut out = Vec::new();
        self.varint(&mut out, u64::from(field) << 3 | u64::from(wire_type));
        out
    }

    pub(super) fn varint(&mut self, out: &mut Vec<u8>, value: u64) {
        let byte_count = if chance(&mut self.random, self.odd_percent / 8) {
            self.random.usize(1..=10)
        } else {
            1
        };
        wire::varint_in(out, value, byte_count);
    }

    /// A number that the message does not have.
    pub(super) fn unknown_number(&mut self, message: &MessageDescriptor) -> u32 {
        const LARGEST: u32 = (1 << 29) - 1;
        let numbers = [3, 4, 5, 11, 18, 100, 2047, 2048, 19_000, LARGEST];
        let unknown: Vec<_> = numbers
            .into_iter()
            .filter(|number| message.get_field(*number).is_none())
            .collect();
        *pick(&mut self.random, &unknown)
    }

    /// A field of any wire type; groups are nested a little.
    pub(super) fn unknown(&mut self, field: u32, depth: u32) -> Vec<u8> {
        match self.random.u32(0..if depth < 4 { 6 } else { 4 }) {
            0 => {
                let value = self.any_number();
                self.number(field, value)
            }
            1 => self.fixed(field, FIXED64, 8),
            2 => self.fixed(field, FIXED32, 4),
            3 => {
                let bytes = self.bytes();
                self.delimited(field, &bytes)
            }
            _ => self.group(field, depth),
        }
    }

    fn group(&mut self, field: u32, depth: u32) -> Vec<u8> {
        let mut out = self.key(field, GROUP_START);
        for _ in 0..self.random.u32(0..4) {
            let inner = self.random.u32(1..30);
            out.extend(self.unknown(inner, depth + 1));
        }
        out.extend(self.key(field, GROUP_END));
        out
    }
}
