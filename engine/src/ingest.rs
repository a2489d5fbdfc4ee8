//! Completions into frames: cuts trains into datagrams, checks signatures, follows TCP streams.

mod signature;

use crate::config::EngineConfig;
use crate::counters::Loss;
use crate::framing::{Framing, Oversize};
use crate::kernel::{ConnectionIndex, End, ListenerIndex};
use crate::limits::SIGNATURE_BYTES;
use crate::record::{SourceRule, Version};
use signature::Signature;

/// What a frame is and by which rules it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its bytes are.
    pub version: Version,
    /// How the source of an envelope that does not name one is found. v2 knows [`SourceRule::Origin`] only.
    pub source_rule: SourceRule,
    /// Whether a v1 envelope without the event that it announces is refused.
    pub needs_event: bool,
}

impl Entry {
    /// Over UDP we are the agent that emitters talk to; over gRPC too, by an agent's rules.
    pub const fn agent(version: Version) -> Self {
        Self {
            version,
            source_rule: SourceRule::Origin,
            needs_event: true,
        }
    }

    /// Over TCP and gRPC we are else the Doppler that agents talk to.
    pub const fn doppler(version: Version) -> Self {
        Self {
            version,
            source_rule: SourceRule::DeploymentJob,
            needs_event: false,
        }
    }
}

/// What a shard knows of its listeners and connections.
#[derive(Debug)]
pub struct Ingest {
    udp: Vec<(Entry, Option<Signature>)>,
    tcp: Vec<Entry>,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    entry: Entry,
    framing: Framing,
}

impl Ingest {
    /// Takes all memory that connections will need.
    pub fn new(config: &EngineConfig) -> Self {
        let udp = config.udp.iter().map(|listener| {
            let signature = listener.shared_secret.as_ref().map(Signature::new);
            (Entry::agent(listener.version), signature)
        });
        let connection = |_| Connection {
            entry: Entry::doppler(Version::V1),
            framing: Framing::default(),
        };
        Self {
            udp: udp.collect(),
            tcp: config
                .tcp
                .iter()
                .map(|listener| Entry::doppler(listener.version))
                .collect(),
            connections: (0..config.connections_max).map(connection).collect(),
        }
    }

    /// Gives each datagram of a train to `each`, stripped of its signature, or why it is lost.
    #[inline]
    pub fn datagrams(
        &self,
        listener: ListenerIndex,
        train: &[u8],
        segment_bytes: usize,
        mut each: impl FnMut(Entry, Result<&[u8], Loss>),
    ) {
        let (entry, signature) = &self.udp[listener.0];
        // An empty datagram is an empty train; it is a frame all the same.
        let first = &train[..train.len().min(segment_bytes)];
        for datagram in std::iter::once(first).chain(train[first.len()..].chunks(segment_bytes)) {
            let frame = match signature {
                None => Ok(datagram),
                Some(signature) => signed(signature, datagram),
            };
            each(*entry, frame);
        }
    }

    /// A connection begins.
    pub fn open(&mut self, connection: ConnectionIndex, listener: ListenerIndex) {
        let entry = self.tcp[listener.0];
        let connection = self.connection(connection);
        connection.entry = entry;
        connection.framing.reset();
    }

    /// Gives each frame that a chunk completes to `each`.
    ///
    /// # Errors
    /// [`Oversize`]: the stream cannot be followed any more.
    #[inline]
    pub fn chunk(
        &mut self,
        connection: ConnectionIndex,
        chunk: &[u8],
        mut each: impl FnMut(Entry, &[u8]),
    ) -> Result<(), Oversize> {
        let Connection { entry, framing } = self.connection(connection);
        framing.frames(chunk, |frame| each(*entry, frame))
    }

    /// A connection is over. What it lost by that, if anything.
    pub fn close(&mut self, connection: ConnectionIndex, end: End) -> Option<Loss> {
        let framing = &mut self.connection(connection).framing;
        let is_cut_short = framing.is_inside() && end != End::Cut;
        framing.reset();
        is_cut_short.then_some(Loss::FrameCut)
    }

    fn connection(&mut self, index: ConnectionIndex) -> &mut Connection {
        &mut self.connections[index.0 as usize]
    }
}

fn signed<'b>(signature: &Signature, datagram: &'b [u8]) -> Result<&'b [u8], Loss> {
    let (prefix, envelope) = datagram
        .split_at_checked(SIGNATURE_BYTES)
        .ok_or(Loss::Signature)?;
    if signature.is_of(prefix, envelope) {
        Ok(envelope)
    } else {
        Err(Loss::Signature)
    }
}
