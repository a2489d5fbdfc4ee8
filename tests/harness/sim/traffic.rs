//! What peers send: valid envelopes from a pool, each with a number of its own, and spoilt ones of
//! which it is known by which name they must be counted.

mod spoil;

use super::ports::{Port, SECRET};
use crate::envelopes::Maker;
use crate::random::{Rng, chance, pick};
use crate::strict::{self, Refusal};
use crate::wire;
use hydrant_engine::counters::Loss;
use hydrant_engine::record::{Kind, SourceRule, Version};
use std::sync::LazyLock;

/// What must become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Valid {
        kind: Kind,
        source_id: &'static str,
        /// The source id is the origin of an envelope that has none, and is written into it.
        is_mapped: bool,
    },
    Lost(Loss),
}

/// A frame that can be made longer: an envelope, room for padding, and what spoils it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    base: Vec<u8>,
    tail: Vec<u8>,
    seal: Seal,
    pub(super) fate: Fate,
}

/// What stands in front of an envelope on a listener with a secret.
#[derive(Clone, Copy, Debug)]
enum Seal {
    None,
    Good,
    /// One bit is wrong.
    Wrong(usize),
    /// It is too short to be there at all.
    Cut(usize),
}

/// A valid v1 or v2 envelope and what a second reader makes of it.
struct Sample {
    bytes: Vec<u8>,
    kind: Kind,
    has_event: bool,
    source_agent: String,
    is_mapped_by_agent: bool,
    source_doppler: String,
}

struct Pool {
    v1: Vec<Sample>,
    v2: Vec<Sample>,
    eventless: Vec<Sample>,
    incomplete: Vec<Vec<u8>>,
}

static POOL: LazyLock<Pool> = LazyLock::new(Pool::new);

/// Makes plans from a seed.
#[derive(Debug)]
pub(super) struct Traffic {
    random: Rng,
    malformed_percent: u32,
    /// Goes into each envelope as its timestamp, so that no two are alike.
    serial: u64,
}

impl Traffic {
    pub(super) fn new(random: Rng, malformed_percent: u32) -> Self {
        Self {
            random,
            malformed_percent,
            serial: 0,
        }
    }

    pub(super) fn plans(&mut self, port: Port, count: usize) -> Vec<Plan> {
        (0..count).map(|_| self.plan(port)).collect()
    }

    /// What one peer sends in one frame.
    pub(super) fn plan(&mut self, port: Port) -> Plan {
        let mut plan = if chance(&mut self.random, self.malformed_percent) {
            self.spoilt(port.version)
        } else {
            self.valid(port)
        };
        if port.is_signed {
            plan.seal = Seal::Good;
            if chance(&mut self.random, self.malformed_percent / 2) {
                plan.seal = Seal::Wrong(self.random.usize(0..256));
                plan.fate = Fate::Lost(Loss::Signature);
            }
        }
        plan
    }

    /// A frame of no bytes, or of fewer than a signature has.
    pub(super) fn short(&mut self, port: Port) -> Plan {
        let fate = match (port.is_signed, port.version) {
            (true, _) => Fate::Lost(Loss::Signature),
            (false, Version::V1) => Fate::Lost(Loss::Required),
            (false, Version::V2) => Fate::Valid {
                kind: Kind::Empty,
                source_id: "",
                is_mapped: false,
            },
        };
        let seal = if port.is_signed {
            Seal::Cut(self.random.usize(0..32))
        } else {
            Seal::None
        };
        Plan::new(Vec::new(), seal, fate)
    }

    fn valid(&mut self, port: Port) -> Plan {
        let sample = self.sample(port.version);
        let fate = if port.needs_event() && !sample.has_event {
            Fate::Lost(Loss::EventMissing)
        } else {
            Fate::Valid {
                kind: sample.kind,
                source_id: sample.source(port.source_rule()),
                is_mapped: port.is_udp && sample.is_mapped_by_agent,
            }
        };
        let base = self.numbered(&sample.bytes, port.version);
        Plan::new(base, Seal::None, fate)
    }

    fn sample(&mut self, version: Version) -> &'static Sample {
        let pool = match version {
            Version::V1 if chance(&mut self.random, 5) => &POOL.eventless,
            Version::V1 => &POOL.v1,
            Version::V2 => &POOL.v2,
        };
        pick(&mut self.random, pool)
    }

    /// The envelope with its own number as timestamp: the last one counts.
    fn numbered(&mut self, envelope: &[u8], version: Version) -> Vec<u8> {
        self.serial += 1;
        let mut bytes = envelope.to_vec();
        let field = if version == Version::V1 { 6 } else { 1 };
        wire::number_field(&mut bytes, field, self.serial);
        bytes
    }

    /// A source that traffic will be about, sometimes.
    pub(super) fn some_source(random: &mut Rng) -> &'static str {
        let samples = *pick(random, &[&POOL.v1, &POOL.v2]);
        let rule = *pick(random, &[SourceRule::Origin, SourceRule::DeploymentJob]);
        pick(random, samples).source(rule)
    }
}

impl Plan {
    fn new(base: Vec<u8>, seal: Seal, fate: Fate) -> Self {
        Self {
            base,
            tail: Vec::new(),
            seal,
            fate,
        }
    }

    /// Whether it is no envelope that could be made longer.
    pub(super) fn is_short(&self) -> bool {
        self.base.is_empty()
    }

    /// The envelope, longer by `pad` bytes: 0, or from 5 on.
    pub(super) fn envelope(&self, pad: usize) -> Vec<u8> {
        let mut bytes = self.base.clone();
        if pad > 0 {
            wire::key(&mut bytes, 200, wire::LENGTH); // Two bytes; no message has a field 200.
            wire::varint_in(&mut bytes, pad as u64 - 5, 3);
            bytes.resize(bytes.len() + pad - 5, b'.');
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }

    /// The frame: the envelope with its seal, if the listener wants one.
    pub(super) fn bytes(&self, pad: usize) -> Vec<u8> {
        let envelope = self.envelope(pad);
        let mut seal = match self.seal {
            Seal::None => return envelope,
            Seal::Cut(byte_count) => return vec![7; byte_count],
            Seal::Good | Seal::Wrong(_) => wire::signature(SECRET, &envelope),
        };
        if let Seal::Wrong(bit) = self.seal {
            seal[bit / 8] ^= 1 << (bit % 8);
        }
        seal.extend(envelope);
        seal
    }
}

impl Sample {
    fn new(bytes: Vec<u8>, version: Version) -> Self {
        let read = |rule| {
            strict::read(&bytes, version, rule)
                .unwrap_or_else(|refusal| panic!("{bytes:02x?} was made valid: {refusal:?}"))
        };
        let agent = read(SourceRule::Origin);
        let doppler = read(SourceRule::DeploymentJob);
        let origin = match version {
            Version::V1 => None,
            Version::V2 => strict::origin_in_place_of_source(&bytes).expect("it was read above"),
        };
        Self {
            kind: agent.kind,
            has_event: agent.has_event,
            is_mapped_by_agent: origin.is_some(),
            source_agent: origin.unwrap_or(agent.source_id),
            source_doppler: doppler.source_id,
            bytes,
        }
    }

    /// By this rule; in v2 over UDP it is the agent's.
    fn source(&self, rule: SourceRule) -> &str {
        match rule {
            SourceRule::Origin => &self.source_agent,
            SourceRule::DeploymentJob => &self.source_doppler,
        }
    }
}

impl Pool {
    fn new() -> Self {
        let mut maker = Maker::new(Rng::with_seed(1), 25);
        let v1 = (0..400).map(|_| Sample::new(maker.valid(Version::V1), Version::V1));
        let v1 = v1.collect();
        let v2 = (0..400).map(|_| Sample::new(maker.valid(Version::V2), Version::V2));
        let v2 = v2.collect();
        let eventless = (0..100).map(|_| Sample::new(maker.eventless(), Version::V1));
        let eventless = eventless.collect();
        let incomplete = (0..200).map(|_| checked_incomplete(maker.incomplete()));
        Self {
            v1,
            v2,
            eventless,
            incomplete: incomplete.collect(),
        }
    }
}

fn checked_incomplete(bytes: Vec<u8>) -> Vec<u8> {
    let reading = strict::read(&bytes, Version::V1, SourceRule::Origin);
    assert!(
        matches!(reading, Err(Refusal::Required(_))),
        "{bytes:02x?} was made incomplete"
    );
    bytes
}
