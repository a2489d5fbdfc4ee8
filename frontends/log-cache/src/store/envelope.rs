//! From a place in a segment back to the envelope, as an element of a batch.

use super::segment::{NO_MESSAGE, Place, Set, WHOLE};
use super::varint::{self, write_bytes, write_length};
use hydrant_feed::wire::fields::{INSTANCE_ID, SOURCE_ID, TAGS, TIMESTAMP};
use hydrant_feed::wire::read::{BYTES_1, BYTES_2};

/// Appends the envelope as an element of an `EnvelopeBatch`: its bytes behind key and length.
/// `message` goes in the place of its own, if it is given.
pub(super) fn write_element(
    segment: &[u8],
    place: &Place,
    source_id: &[u8],
    message: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let own = &segment[place.message.clone()];
    out.push(BYTES_1);
    if place.key == WHOLE {
        return write_bytes(message.unwrap_or(own), out);
    }
    let Some(set) = Set::at(segment, place.set) else {
        return out.push(0);
    };
    let message = message.unwrap_or(own);
    write_length(envelope_bytes(place, source_id, &set, message), out);
    write_envelope(place, source_id, &set, message, out);
}

fn write_envelope(
    place: &Place,
    source_id: &[u8],
    set: &Set<'_>,
    message: &[u8],
    out: &mut Vec<u8>,
) {
    if place.timestamp != 0 {
        out.push(TIMESTAMP);
        varint::write(place.timestamp.cast_unsigned(), out);
    }
    write_text(SOURCE_ID, source_id, out);
    if place.key != NO_MESSAGE {
        out.push(place.key);
        write_bytes(message, out);
    }
    write_text(INSTANCE_ID, set.instance_id, out);
    for (name, value) in set.tags() {
        out.push(TAGS);
        write_length(field_bytes(name) + field_bytes(value), out);
        out.push(BYTES_1);
        write_bytes(name, out);
        out.push(BYTES_2);
        write_bytes(value, out);
    }
}

fn write_text(key: u8, text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.push(key);
        write_bytes(text, out);
    }
}

fn envelope_bytes(place: &Place, source_id: &[u8], set: &Set<'_>, message: &[u8]) -> usize {
    let timestamp = match place.timestamp {
        0 => 0,
        timestamp => 1 + varint::length(timestamp.cast_unsigned()),
    };
    let message = match place.key {
        NO_MESSAGE => 0,
        _ => field_bytes(message),
    };
    let tag_bytes = |(name, value)| nested_bytes(field_bytes(name) + field_bytes(value));
    let tags: usize = set.tags().map(tag_bytes).sum();
    timestamp + text_bytes(source_id) + message + text_bytes(set.instance_id) + tags
}

fn text_bytes(text: &[u8]) -> usize {
    if text.is_empty() {
        0
    } else {
        field_bytes(text)
    }
}

fn field_bytes(bytes: &[u8]) -> usize {
    nested_bytes(bytes.len())
}

const fn nested_bytes(length: usize) -> usize {
    1 + varint::length(length as u64) + length
}
