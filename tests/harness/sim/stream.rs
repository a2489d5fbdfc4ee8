//! One simulated TCP connection: what its peer has written, and how far it has arrived.

use super::dials::Dials;
use super::oracle::Oracle;
use super::ports::Port;
use super::traffic::{Fate, Traffic};
use crate::random::{Rng, chance, pick};
use crate::wire;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::Loss;
use hydrant_engine::limits::{FRAME_BYTES_MAX, FRAME_LENGTH_BYTES};
use std::collections::VecDeque;

/// As large as the default receive buffer.
const CHUNK_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    port: Port,
    /// Written and not yet arrived, behind `arrived` bytes that have.
    bytes: Vec<u8>,
    arrived: usize,
    /// Where in `bytes` each frame ends.
    frames: VecDeque<(usize, Written)>,
    /// Where the last frame that has arrived whole ended.
    last_end: usize,
    is_followed: bool,
    is_written: bool,
}

#[derive(Debug)]
enum Written {
    Frame {
        envelope: Vec<u8>,
        fate: Fate,
    },
    /// A length over the limit: the stream is over with its four bytes.
    Oversize,
}

impl Stream {
    pub(super) fn new(port: Port) -> Self {
        Self {
            port,
            bytes: Vec::new(),
            arrived: 0,
            frames: VecDeque::new(),
            last_end: 0,
            is_followed: true,
            is_written: false,
        }
    }

    /// Whether the shard must still want its bytes.
    pub(super) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// Whether all that was written has arrived.
    pub(super) fn is_spent(&self) -> bool {
        self.arrived == self.bytes.len()
    }

    /// Whether bytes are on their way that the shard wants.
    pub(super) fn has_more(&self) -> bool {
        self.is_followed && !self.is_spent()
    }

    /// Whether a frame has arrived in part.
    pub(super) fn is_inside(&self) -> bool {
        self.arrived > self.last_end
    }

    /// The peer writes some frames.
    pub(super) fn refill(&mut self, traffic: &mut Traffic, random: &mut Rng, dials: &Dials) {
        if self.is_written {
            return;
        }
        self.forget_arrived();
        for _ in 0..random.usize(1..10) {
            if random.u32(0..1000) < dials.oversize_per_mille {
                self.write_oversize(random);
                return;
            }
            self.write_frame(traffic, random, dials);
        }
    }

    fn forget_arrived(&mut self) {
        if self.is_spent() && !self.is_inside() {
            self.bytes.clear();
            (self.arrived, self.last_end) = (0, 0);
        }
    }

    fn write_frame(&mut self, traffic: &mut Traffic, random: &mut Rng, dials: &Dials) {
        let plan = if chance(random, 2) {
            traffic.short(self.port)
        } else {
            traffic.plan(self.port)
        };
        let is_huge = random.u32(0..1000) < dials.huge_per_mille;
        let pad = if is_huge {
            FRAME_BYTES_MAX - plan.envelope(0).len() - random.usize(0..3)
        } else {
            0
        };
        let envelope = plan.envelope(pad);
        wire::frame(&mut self.bytes, &envelope);
        let end = self.bytes.len();
        let fate = plan.fate;
        self.frames
            .push_back((end, Written::Frame { envelope, fate }));
    }

    fn write_oversize(&mut self, random: &mut Rng) {
        let least = u32::try_from(FRAME_BYTES_MAX + 1).unwrap_or(u32::MAX);
        let length = *pick(random, &[least, least + 77, 1 << 24, u32::MAX]);
        self.bytes.extend(length.to_le_bytes());
        self.frames.push_back((self.bytes.len(), Written::Oversize));
        self.is_written = true;
        // The peer goes on; nobody reads it.
        let noise = self.bytes.len() + random.usize(0..100);
        self.bytes.resize(noise, 0xaa);
    }

    /// How much arrives next: a byte, a few, up to about a frame's end, or all there is.
    pub(super) fn chunk_bytes(&self, random: &mut Rng) -> usize {
        let frame_rest = self.frames.front().map_or(1, |(end, _)| end - self.arrived);
        let wish = match random.u32(0..6) {
            0 => 1,
            1 => random.usize(1..=FRAME_LENGTH_BYTES + 1),
            2 => frame_rest,
            3 => frame_rest + random.usize(0..FRAME_LENGTH_BYTES + 1),
            _ => CHUNK_BYTES_MAX,
        };
        wish.clamp(1, (self.bytes.len() - self.arrived).min(CHUNK_BYTES_MAX))
    }

    /// The next bytes to arrive; tells the oracle which frames are whole with them.
    pub(super) fn take(&mut self, byte_count: usize, oracle: &mut Oracle, now: UnixNanos) -> &[u8] {
        let start = self.arrived;
        self.arrived += byte_count;
        while let Some((end, written)) = self.next_whole() {
            self.last_end = end;
            match written {
                Written::Frame { envelope, fate } => {
                    oracle.frame(&envelope, fate, self.port, now);
                }
                Written::Oversize => {
                    oracle.lost(Loss::FrameOversize);
                    self.is_followed = false;
                }
            }
        }
        &self.bytes[start..self.arrived]
    }

    fn next_whole(&mut self) -> Option<(usize, Written)> {
        let (end, _) = self.frames.front()?;
        if *end <= self.arrived {
            self.frames.pop_front()
        } else {
            None
        }
    }
}
