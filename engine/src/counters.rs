//! What happened, counted by name. Each shard writes its own counters; anybody may read them.
//!
//! **The ledger**, at any moment of rest:
//! `received = decoded + each malformed`, and for every lane
//! `decoded = published + unwanted + full`.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// Declares an enum of counters: a line is a counter, its name on /metrics and what it means.
#[macro_export]
macro_rules! counters {
    ($(#[$doc:meta])* $set:ident { $($(#[$at:meta])* $variant:ident = $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $set {
            $(#[doc = $help] $(#[$at])* $variant,)*
        }

        impl $set {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as on /metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

counters! {
    /// What a shard counts, losses apart.
    Counter {
        Received = "received", "Frames taken in whole or given up on: what the ledger starts from.";
        Decoded = "decoded", "Frames that were valid envelopes.";
        OriginMappings = "origin_mappings", "v2 envelopes to an agent without a source id, for which their origin was taken.";
        BytesReceived = "bytes_received", "Payload bytes handed over by the kernel.";
        Datagrams = "datagrams", "UDP datagrams received, each counted also within a GRO train.";
        ConnectionsOpened = "connections_opened", "TCP connections accepted.";
        ConnectionsEnded = "connections_ended", "TCP connections that the peer ended in order.";
        ConnectionsReset = "connections_reset", "TCP connections that broke.";
        ConnectionsCut = "connections_cut", "TCP connections that we closed after a frame over the limit.";
        ConnectionsRefused = "connections_refused", "TCP connections closed at once: the table was full or accepting failed.";
        NoBuffers = "no_buffers", "Times a receive stopped because all its buffers were in use.";
        CqOverflow = "cq_overflow", "Completions that found the kernel's completion queue full (kept by the kernel, not lost).";
        KernelErrors = "kernel_errors", "Operations that the kernel failed for a reason of its own; they are armed again.";
        Turns = "turns", "Turns of the shard's loop.";
        TurnNanos = "turn_nanos", "Nanoseconds spent in turns, waiting apart.";
    }
}

counters! {
    /// Why something that came in was lost before the lanes.
    Loss {
        Wire = "malformed_wire", "Not well-formed protobuf: a varint, length, wire type or group.";
        Utf8 = "malformed_utf8", "A string field that is not UTF-8.";
        Required = "malformed_required", "A required field of the v1 envelope is missing.";
        Enum = "malformed_enum", "An enum value of the v1 envelope that its readers do not know.";
        EventMissing = "malformed_event_missing", "A v1 envelope over UDP without the event that its type announces.";
        Signature = "signature_mismatch", "Shared-secret mode: the HMAC is missing or wrong.";
        DatagramTruncated = "datagram_truncated", "A datagram larger than a receive buffer.";
        FrameOversize = "frame_oversize", "A TCP frame whose length is over the limit; its connection is closed.";
        MessageOversize = "message_oversize", "A gRPC message over 10 MiB; its stream is ended.";
        Batch = "malformed_batch", "A gRPC message that is no batch of envelopes; the envelopes before the fault were taken.";
        FrameCut = "frame_cut", "A TCP connection that ended in the middle of a frame, or a gRPC stream within a message; and each envelope that was left of a message when its stream was reset.";
    }
}

counters! {
    /// What a lane counts.
    LaneCounter {
        Published = "published", "Records copied into the lane.";
        Unwanted = "unwanted", "Records that the lane's reader did not ask for.";
        Full = "lane_full", "Records lost because the lane was full, or because they take more than half of it.";
    }
}

impl Loss {
    /// Those of messages that hold several envelopes: a shard on io_uring takes no such messages.
    pub const OF_MESSAGES: [Self; 2] = [Self::MessageOversize, Self::Batch];
}

/// A block of counters with one writer.
#[derive(Debug)]
pub struct Block<const N: usize>(CachePadded<[AtomicU64; N]>);

impl<const N: usize> Default for Block<N> {
    fn default() -> Self {
        Self(CachePadded::new([const { AtomicU64::new(0) }; N]))
    }
}

impl<const N: usize> Block<N> {
    /// Adds on behalf of the block's one writer: no read-modify-write is needed.
    ///
    /// # Panics
    /// If there is no counter with this index.
    #[inline]
    pub fn add(&self, index: usize, count: u64) {
        let counter = &self.0[index];
        counter.store(
            counter.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    fn set(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed);
    }

    /// What a counter stands at; any thread may look.
    ///
    /// # Panics
    /// If there is no counter with this index.
    pub fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }
}

/// Counters of one shard. Only its thread adds.
#[derive(Debug, Default)]
pub struct ShardCounters {
    counts: Block<{ Counter::ALL.len() }>,
    losses: Block<{ Loss::ALL.len() }>,
    kernel_dropped: Block<1>,
    turn_lengths: Block<{ TURN_BOUNDS_NANOS.len() + 1 }>,
}

/// Upper bounds of the buckets of the turn length histogram, in nanoseconds; one more is open.
pub const TURN_BOUNDS_NANOS: [u64; 12] = [
    1_000,
    4_000,
    16_000,
    64_000,
    128_000,
    256_000,
    512_000,
    1_024_000,
    4_096_000,
    16_384_000,
    65_536_000,
    262_144_000,
];

impl ShardCounters {
    /// Counts `count` more.
    #[inline]
    pub fn add(&self, counter: Counter, count: u64) {
        self.counts.add(counter as usize, count);
    }

    /// Counts one thing lost.
    #[inline]
    pub fn lose(&self, loss: Loss) {
        self.losses.add(loss as usize, 1);
    }

    /// Counts a turn that took `nanos`.
    pub fn turn(&self, nanos: u64) {
        self.add(Counter::Turns, 1);
        self.add(Counter::TurnNanos, nanos);
        let bucket = TURN_BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        self.turn_lengths.add(bucket, 1);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counts.get(counter as usize)
    }

    /// What was lost for this reason.
    pub fn lost(&self, loss: Loss) -> u64 {
        self.losses.get(loss as usize)
    }

    /// Notes the kernel's own count of what it dropped at this shard's UDP sockets.
    pub fn set_kernel_dropped(&self, count: u64) {
        self.kernel_dropped.set(0, count);
    }

    /// Socket buffers that the kernel dropped before the shard saw them (`SO_RXQ_OVFL`). With
    /// UDP_GRO one socket buffer may hold a whole train of datagrams. Outside the ledger, which
    /// starts where the kernel hands over.
    pub fn kernel_dropped(&self) -> u64 {
        self.kernel_dropped.get(0)
    }

    /// Turns by length: a count for each of [`TURN_BOUNDS_NANOS`] and one for longer ones.
    pub fn turn_lengths(&self) -> impl Iterator<Item = u64> {
        (0..=TURN_BOUNDS_NANOS.len()).map(|bucket| self.turn_lengths.get(bucket))
    }

    /// All that came in and is no envelope in a lane.
    pub fn malformed(&self) -> u64 {
        Loss::ALL.iter().map(|loss| self.lost(*loss)).sum()
    }
}

/// Counters of one lane. Only its shard's thread adds.
#[derive(Debug, Default)]
pub struct LaneCounters(Block<{ LaneCounter::ALL.len() }>);

impl LaneCounters {
    /// Counts one record.
    #[inline]
    pub fn count(&self, counter: LaneCounter) {
        self.0.add(counter as usize, 1);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: LaneCounter) -> u64 {
        self.0.get(counter as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        names.extend(Loss::ALL.iter().map(|loss| loss.name()));
        names.extend(LaneCounter::ALL.iter().map(|counter| counter.name()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_turn_is_counted_in_its_bucket() {
        let counters = ShardCounters::default();
        counters.turn(1_000);
        counters.turn(1_001);
        counters.turn(u64::MAX);
        let lengths: Vec<_> = counters.turn_lengths().collect();
        assert_eq!(
            (lengths[0], lengths[1], *lengths.last().unwrap()),
            (1, 1, 1)
        );
        assert_eq!(counters.get(Counter::Turns), 3);
    }

    #[test]
    fn malformed_is_the_sum_of_all_losses() {
        let counters = ShardCounters::default();
        Loss::ALL.iter().for_each(|loss| counters.lose(*loss));
        assert_eq!(counters.malformed(), Loss::ALL.len() as u64);
    }
}
