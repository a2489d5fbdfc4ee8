//! The form of an envelope in a lane: a small fixed head and the envelope's bytes as they arrived.

use crate::clock::UnixNanos;

/// Which generation of the protocol an envelope's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// dropsonde `events.Envelope` (proto2).
    V1,
    /// `loggregator.v2.Envelope` (proto3).
    V2,
}

/// What an envelope says, in v2's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// v2 Log; v1 LogMessage.
    Log = 0,
    /// v2 Counter; v1 CounterEvent.
    Counter = 1,
    /// v2 Gauge; v1 ValueMetric and ContainerMetric.
    Gauge = 2,
    /// v2 Timer; v1 HttpStartStop.
    Timer = 3,
    /// v2 Event; v1 has none.
    Event = 4,
    /// v1 Error. In v2 it travels as a Log, so selectors of v2 logs take both.
    Error = 5,
    /// A v2 envelope without a message: legal, and selected by nobody but the whole firehose.
    Empty = 6,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::Log,
        Self::Counter,
        Self::Gauge,
        Self::Timer,
        Self::Event,
        Self::Error,
        Self::Empty,
    ];
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KindSet(u8);

impl KindSet {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(0x7f);

    /// The set of just these.
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < kinds.len() {
            bits |= 1 << kinds[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Kinds of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What becomes the source id of a v1 envelope that names neither an app nor a `source_id` tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceRule {
    /// `deployment/job`: what a Doppler's conversion to v2 does.
    DeploymentJob,
    /// The origin: what an agent does with what it takes, v2 included.
    Origin,
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Generation of the bytes.
    pub version: Version,
    /// What the envelope says.
    pub kind: Kind,
    /// How the source id was found; a conversion must follow the same rule.
    pub source_rule: SourceRule,
    /// xxh64 (seed 0) of the source id, as upstream's Log Cache routes by it.
    pub source_hash: u64,
    /// When the turn began in which the envelope came in.
    pub received: UnixNanos,
}

/// A record as its reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// The fixed part.
    pub header: Header,
    /// The envelope's protobuf bytes, checked by [`decode`](crate::decode).
    pub envelope: &'r [u8],
}

const V2_BIT: u64 = 1 << 8;
const ORIGIN_BIT: u64 = 1 << 9;

impl Header {
    /// The head words of a ring record.
    pub(crate) fn to_words(self) -> [u64; 3] {
        let version = if self.version == Version::V2 {
            V2_BIT
        } else {
            0
        };
        let rule = if self.source_rule == SourceRule::Origin {
            ORIGIN_BIT
        } else {
            0
        };
        [
            u64::from(self.kind as u8) | version | rule,
            self.source_hash,
            self.received.0,
        ]
    }

    /// The inverse of [`to_words`](Self::to_words).
    pub(crate) fn from_words([flags, source_hash, received]: [u64; 3]) -> Self {
        Self {
            version: if flags & V2_BIT == 0 {
                Version::V1
            } else {
                Version::V2
            },
            kind: Kind::ALL[usize::from(flags.to_le_bytes()[0])],
            source_rule: match flags & ORIGIN_BIT {
                0 => SourceRule::DeploymentJob,
                _ => SourceRule::Origin,
            },
            source_hash,
            received: UnixNanos(received),
        }
    }
}

/// The hash by which sources are routed: xxh64 with seed 0 of the source id.
pub fn source_hash(source_id: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(source_id, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_its_words() {
        for kind in Kind::ALL {
            for (version, source_rule) in [
                (Version::V1, SourceRule::Origin),
                (Version::V1, SourceRule::DeploymentJob),
                (Version::V2, SourceRule::DeploymentJob),
            ] {
                let header = Header {
                    version,
                    kind,
                    source_rule,
                    source_hash: 7,
                    received: UnixNanos(9),
                };
                assert_eq!(Header::from_words(header.to_words()), header);
            }
        }
    }

    #[test]
    fn kinds_are_numbered_in_order_and_all_in_all() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert!(KindSet::ALL.contains(kind));
            assert!(KindSet::of(&[kind]).contains(kind));
            assert!(!KindSet::NONE.contains(kind));
        }
    }
}
