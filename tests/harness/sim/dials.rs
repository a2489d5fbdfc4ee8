//! How rough the simulated world is.

use crate::random::{Rng, chance};

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Datagrams arrive.
    Train,
    /// A datagram arrives that is larger than a buffer.
    Truncated,
    /// A connection is accepted.
    Opened,
    /// A connection has bytes.
    Chunk,
    /// A connection is over.
    Closed,
    /// A connection could not be accepted.
    Refused,
    /// All buffers are in use.
    NoBuffers,
    /// The completion queue was full.
    CqOverflow,
    /// An operation failed.
    Failed,
    /// Somebody rang.
    Woken,
}

/// The probabilities of a run.
#[derive(Clone, Debug)]
pub struct Dials {
    /// How often a turn finds nothing.
    pub empty_turn_percent: u32,
    /// Completions that a turn finds at most; the shard's own limit applies too.
    pub completions_max: usize,
    /// How often an envelope is spoilt.
    pub malformed_percent: u32,
    /// Datagrams of a train at most.
    pub train_max: usize,
    /// How often a peer writes more before all that it wrote has arrived.
    pub refill_percent: u32,
    /// How often a peer announces a frame over the limit, per thousand frames.
    pub oversize_per_mille: u32,
    /// How often a frame is as large as the limit allows, or nearly, per thousand frames.
    pub huge_per_mille: u32,
    /// How often the clock is set.
    pub clock_jump_percent: u32,
    /// Happenings by weight.
    pub weights: Vec<(Happening, u32)>,
    /// Size of each lane.
    pub lane_bytes: usize,
    /// How often after a turn a lane's reader reads.
    pub read_percent: u32,
    /// How often before a turn a lane's reader wants something else.
    pub change_percent: u32,
}

impl Dials {
    /// Turned by chance, so that every seed is another kind of weather.
    pub fn turned(random: &mut Rng) -> Self {
        Self {
            empty_turn_percent: random.u32(0..40),
            completions_max: random.usize(1..=100),
            malformed_percent: random.u32(0..40),
            train_max: random.usize(1..=40),
            refill_percent: random.u32(0..60),
            oversize_per_mille: random.u32(0..30),
            huge_per_mille: random.u32(0..8),
            clock_jump_percent: random.u32(0..5),
            weights: weights(random),
            lane_bytes: 1 << random.u32(9..19),
            read_percent: random.u32(2..100),
            change_percent: random.u32(0..10),
        }
    }

    /// A lane that is never full, demands that stay, and mostly valid envelopes.
    pub fn calm(random: &mut Rng) -> Self {
        Self {
            lane_bytes: 1 << 24,
            malformed_percent: 10,
            change_percent: 0,
            huge_per_mille: 0,
            read_percent: 50,
            ..Self::turned(random)
        }
    }

    pub(super) fn happening(&self, random: &mut Rng) -> Happening {
        let sum: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut at = random.u32(0..sum);
        for (happening, weight) in &self.weights {
            if at < *weight {
                return *happening;
            }
            at -= weight;
        }
        Happening::Woken
    }

    pub(super) fn completions(&self, random: &mut Rng, max: usize, is_stopping: bool) -> usize {
        if is_stopping {
            max
        } else if chance(random, self.empty_turn_percent) {
            0
        } else {
            random.usize(0..=self.completions_max.min(max))
        }
    }
}

/// Traffic is never nothing; mishaps may be.
fn weights(random: &mut Rng) -> Vec<(Happening, u32)> {
    vec![
        (Happening::Train, random.u32(1..30)),
        (Happening::Chunk, random.u32(10..80)),
        (Happening::Opened, random.u32(2..10)),
        (Happening::Closed, random.u32(1..6)),
        (Happening::Truncated, random.u32(0..3)),
        (Happening::Refused, random.u32(0..3)),
        (Happening::NoBuffers, random.u32(0..3)),
        (Happening::CqOverflow, random.u32(0..3)),
        (Happening::Failed, random.u32(0..3)),
        (Happening::Woken, random.u32(0..3)),
    ]
}
