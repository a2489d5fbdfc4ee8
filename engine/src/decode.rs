//! Frames into envelopes: a full structural check of the protobuf bytes, without allocation.
//!
//! **Invariant: an envelope that passes decodes without error in every official client**, so that
//! its bytes can be passed on as they are. Checked to the last nested field: varints, lengths, wire
//! types, groups, UTF-8 of every string; in v1 also required fields and closed enums. Fields that no
//! generation knows are skipped, as clients skip them. A known field with another wire type is
//! refused: some clients skip it, some do not.
//!
//! As in every client, a field that comes twice counts with its last value, and a message that comes
//! twice is merged.

mod fields;
mod memo;
mod origin;
mod scan;
mod text;
mod v1;
mod v2;

use crate::clock::UnixNanos;
use crate::counters::Loss;
use crate::record::{Header, Kind, SourceRule, Version, source_hash};
pub use fields::{Fields, fields, source, whole_fields};
pub use memo::SourceMemo;
pub(crate) use origin::{append_source, origin};
use xxhash_rust::xxh64::Xxh64;

/// A checked envelope, still in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'b> {
    /// The frame's bytes.
    pub bytes: &'b [u8],
    /// Which generation they are.
    pub version: Version,
    /// What it says.
    pub kind: Kind,
    /// Whom it is about.
    pub source: Source<'b>,
    /// How `source` was found.
    pub source_rule: SourceRule,
    /// When it was made, in nanoseconds since the Unix epoch by its maker's clock; 0 if not said.
    pub timestamp: i64,
    /// Whether the event that its type announces is there. A v1 envelope without it is readable and
    /// says nothing: agents refuse it, Dopplers do not. Always true in v2.
    pub has_event: bool,
}

impl Envelope<'_> {
    /// The fixed part of the envelope's record.
    pub fn header(&self, received: UnixNanos) -> Header {
        self.header_with(received, self.source.hash())
    }

    /// As [`header`](Self::header), the hash of the source being known.
    #[inline]
    pub fn header_with(&self, received: UnixNanos, source_hash: u64) -> Header {
        Header {
            version: self.version,
            kind: self.kind,
            source_rule: self.source_rule,
            source_hash,
            received,
        }
    }
}

/// The source id: in v2 a field, in v1 found by rule (see [`SourceRule`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'b> {
    /// It stands in the envelope. Valid UTF-8.
    Text(&'b [u8]),
    /// The app of an HttpStartStop, as the two words of its UUID; its text has 36 characters.
    Uuid([u64; 2]),
    /// `deployment/job`.
    DeploymentJob {
        /// Valid UTF-8, perhaps empty.
        deployment: &'b [u8],
        /// Valid UTF-8, perhaps empty.
        job: &'b [u8],
    },
}

impl Source<'_> {
    /// xxh64 of the id's text.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self {
            Self::Text(text) => source_hash(text),
            Self::Uuid(words) => source_hash(&v1::uuid_text(*words)),
            Self::DeploymentJob { deployment, job } => {
                let mut hash = Xxh64::new(0);
                hash.update(deployment);
                hash.update(b"/");
                hash.update(job);
                hash.digest()
            }
        }
    }

    /// Whether the id's text is `text`.
    pub fn is(&self, text: &[u8]) -> bool {
        match self {
            Self::Text(own) => *own == text,
            Self::Uuid(words) => v1::uuid_text(*words) == text,
            Self::DeploymentJob { deployment, job } => text
                .strip_prefix(*deployment)
                .and_then(|rest| rest.strip_prefix(b"/"))
                .is_some_and(|rest| rest == *job),
        }
    }
}

/// Checks a frame and finds what routing needs of it.
///
/// # Errors
/// The [`Loss`] by which the frame is to be counted.
#[inline]
pub fn envelope(
    bytes: &[u8],
    version: Version,
    source_rule: SourceRule,
) -> Result<Envelope<'_>, Loss> {
    match version {
        Version::V1 => v1::envelope(bytes, source_rule),
        Version::V2 => v2::envelope(bytes),
    }
}

/// Entry for the fuzzer: never panics, and what it gives points into its input.
#[cfg(any(test, fuzzing))]
pub fn fuzz_decode(bytes: &[u8]) {
    for version in [Version::V1, Version::V2] {
        for rule in [SourceRule::DeploymentJob, SourceRule::Origin] {
            if let Ok(envelope) = envelope(bytes, version, rule) {
                assert_eq!(envelope.bytes, bytes);
                assert_eq!(envelope.header(UnixNanos(1)).version, version);
                let (_, fields): (Vec<_>, Vec<_>) = whole_fields(bytes).unzip();
                assert_eq!(fields.concat(), bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_two_parts_hashes_as_its_text() {
        let source = Source::DeploymentJob {
            deployment: b"cf",
            job: b"router",
        };
        assert_eq!(source.hash(), source_hash(b"cf/router"));
        assert!(source.is(b"cf/router"));
        assert!(!source.is(b"cf/route"));
        assert!(!source.is(b"cf/routers"));
        assert!(!source.is(b"cfx/router"));
    }

    #[test]
    fn every_short_input_is_survived() {
        fuzz_decode(&[]);
        for first in 0..=255 {
            fuzz_decode(&[first]);
            for second in 0..=255 {
                fuzz_decode(&[first, second]);
                fuzz_decode(&[first, 2, second, 0x80]);
            }
        }
    }
}
