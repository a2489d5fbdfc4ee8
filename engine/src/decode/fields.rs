//! A second look at an envelope that has been checked, for what its record's header does not say.

use super::scan::{LENGTH, Scan};
use super::{Source, envelope};
use crate::record::{Record, Version};
use std::iter;

/// The length-delimited fields of a checked message, as their number and bytes, in order. Nested
/// messages are not entered. Ends where the bytes are not well-formed.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields(Scan::new(message))
}

/// What [`fields`] gives.
pub struct Fields<'b>(Scan<'b>);

impl<'b> Iterator for Fields<'b> {
    type Item = (u64, &'b [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.0.has_more() {
            let key = self.0.varint().ok()?;
            if key & 7 == LENGTH {
                return Some((key >> 3, self.0.bytes().ok()?));
            }
            self.0.unknown(key, &[], 0).ok()?;
        }
        None
    }
}

/// Every field of a checked message, as its number and all of its bytes, key and length among them,
/// in order: put together again they are the message. Ends where the bytes are not well-formed.
pub fn whole_fields(message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut scan = Scan::new(message);
    iter::from_fn(move || {
        if !scan.has_more() {
            return None;
        }
        let start = scan.rest();
        let key = scan.varint().ok()?;
        if key & 7 == LENGTH {
            scan.skip_bytes().ok()?;
        } else {
            scan.unknown(key, &[], 0).ok()?;
        }
        Some((key >> 3, &start[..start.len() - scan.rest().len()]))
    })
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

/// The source of a record, by the rule that its header names.
pub fn source<'r>(record: &Record<'r>) -> Source<'r> {
    let header = &record.header;
    match header.version {
        // Its last source id counts, as everywhere.
        Version::V2 => fields(record.envelope)
            .filter(|(number, _)| *number == V2_SOURCE_ID)
            .last()
            .map_or(Source::Text(&[]), |(_, text)| Source::Text(text)),
        // A record has been checked; if it had not, it would be nobody's.
        Version::V1 => envelope(record.envelope, Version::V1, header.source_rule)
            .map_or(Source::Text(&[]), |envelope| envelope.source),
    }
}

const V2_SOURCE_ID: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::SourceRule;

    #[test]
    fn gives_delimited_fields_and_skips_the_rest() {
        // Field 1: a varint; 2: "ab"; 3: a group with a field; 4: 64 bits; 5: ""; 6: 32 bits.
        let message = b"\x08\x96\x01\x12\x02ab\x1b\x08\x01\x1c\x2112345678\x2a\x00\x351234";
        let found: Vec<_> = fields(message).collect();
        assert_eq!(found, [(2, &b"ab"[..]), (5, b"")]);
        assert_eq!(fields(b"\x12\x05ab").count(), 0);
        let (numbers, bytes): (Vec<_>, Vec<_>) = whole_fields(message).unzip();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes.concat(), message);
        assert_eq!(whole_fields(b"\x12\x05ab").count(), 0);
    }

    #[test]
    fn the_source_is_what_decoding_found() {
        let v2 = b"\x12\x01a\x22\x03\x0a\x01m\x12\x02bc";
        let v1 = b"\x0a\x01o\x10\x06\x6a\x02cf\x72\x06router\x3a\x00";
        let cases = [(&v2[..], Version::V2), (&v1[..], Version::V1)];
        for (bytes, version) in cases {
            for rule in [SourceRule::DeploymentJob, SourceRule::Origin] {
                let Ok(checked) = envelope(bytes, version, rule) else {
                    continue;
                };
                let record = Record {
                    header: checked.header(UnixNanos(0)),
                    envelope: bytes,
                };
                assert_eq!(source(&record).hash(), checked.source.hash());
            }
        }
        let record = Record {
            header: envelope(v2, Version::V2, SourceRule::DeploymentJob)
                .unwrap()
                .header(UnixNanos(0)),
            envelope: v2,
        };
        assert!(source(&record).is(b"bc"));
    }
}
