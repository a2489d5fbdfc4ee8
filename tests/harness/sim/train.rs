//! Datagrams of one sender, as UDP_GRO hands them over.

use super::ports::Port;
use super::traffic::{Fate, Plan, Traffic};
use crate::random::{Rng, chance};
use hydrant_engine::limits::DATAGRAM_BYTES_MAX;

/// The least by which a plan can grow.
const PAD_BYTES_MIN: usize = 5;

/// A train: all datagrams are of one size but the last, which may be shorter.
pub(super) struct Train {
    pub(super) bytes: Vec<u8>,
    pub(super) segment_bytes: usize,
    /// The envelope in each, and what must become of it.
    pub(super) datagrams: Vec<(Vec<u8>, Fate)>,
}

impl Train {
    pub(super) fn new(
        traffic: &mut Traffic,
        random: &mut Rng,
        port: Port,
        count_max: usize,
    ) -> Self {
        let count = random.usize(1..=count_max);
        let mut plans = traffic.plans(port, count);
        let longest = plans.iter().map(|plan| plan.bytes(0).len()).max();
        let segment_bytes = longest.unwrap_or(0) + PAD_BYTES_MIN;
        plans.truncate((DATAGRAM_BYTES_MAX / segment_bytes).max(1));
        if chance(random, 5) {
            end_short(&mut plans, traffic.short(port));
        }
        let is_even = random.bool();
        Self::of(&plans, segment_bytes, is_even)
    }

    fn of(plans: &[Plan], segment_bytes: usize, is_even: bool) -> Self {
        let mut train = Self {
            bytes: Vec::new(),
            segment_bytes,
            datagrams: Vec::new(),
        };
        for (index, plan) in plans.iter().enumerate() {
            let is_padded = index + 1 < plans.len() || is_even && !plan.is_short();
            let pad = if is_padded {
                segment_bytes - plan.bytes(0).len()
            } else {
                0
            };
            train.bytes.extend(plan.bytes(pad));
            train.datagrams.push((plan.envelope(pad), plan.fate));
        }
        if plans.len() == 1 {
            // Its own size, as the kernel seam says of a lone datagram.
            train.segment_bytes = train.bytes.len().max(1);
        }
        train
    }
}

/// A datagram without a byte leaves no trace behind others.
fn end_short(plans: &mut Vec<Plan>, short: Plan) {
    if short.bytes(0).is_empty() {
        plans.clear();
    }
    plans.push(short);
}
