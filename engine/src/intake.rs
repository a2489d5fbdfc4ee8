//! Decode → route → publish, with the counting of what is lost on the way: the part of a shard that
//! does not know where frames come from. A thread that is driven by something else than io_uring
//! (gRPC) has an intake of its own and is a shard by that.

use crate::clock::UnixNanos;
use crate::counters::{Counter, Loss, ShardCounters};
use crate::decode::{self, Envelope, Source, SourceMemo};
use crate::ingest::Entry;
use crate::lanes::Lanes;
use crate::limits::MAPPED_BYTES_KEPT;
use crate::record::{SourceRule, Version};
use crate::route::Routes;
use std::mem;
use std::sync::Arc;

/// The writing end of a shard.
#[derive(Debug)]
pub struct Intake {
    sources: SourceMemo,
    routes: Routes,
    lanes: Lanes,
    counters: Arc<ShardCounters>,
    now: UnixNanos,
    /// An envelope with the source id that it lacked.
    mapped: Vec<u8>,
}

impl Intake {
    /// An intake that publishes into these lanes.
    pub fn new(routes: Routes, lanes: Lanes, counters: Arc<ShardCounters>) -> Self {
        Self {
            sources: SourceMemo::default(),
            routes,
            lanes,
            counters,
            now: UnixNanos::default(),
            mapped: Vec::with_capacity(MAPPED_BYTES_KEPT),
        }
    }

    /// Starts a turn: looks at the demand, and takes `now` as the time at which all came in.
    pub fn start_turn(&mut self, now: UnixNanos) {
        self.now = now;
        self.routes.refresh();
    }

    /// When the turn started.
    pub const fn now(&self) -> UnixNanos {
        self.now
    }

    /// The path of every frame; its losses are counted on one line.
    #[inline]
    pub fn frame(&mut self, entry: Entry, frame: &[u8]) {
        self.count(Counter::Received, 1);
        let published = decode::envelope(frame, entry.version, entry.source_rule)
            .and_then(|envelope| check_event(entry, envelope))
            .map(|envelope| {
                if lacks_source(entry, &envelope) {
                    self.publish_as_of_origin(&envelope);
                } else {
                    self.publish(&envelope);
                }
            });
        if let Err(loss) = published {
            self.counters.lose(loss);
        }
    }

    #[inline]
    fn publish(&mut self, envelope: &Envelope<'_>) {
        self.count(Counter::Decoded, 1);
        let source_hash = self.sources.hash(&envelope.source);
        let header = envelope.header_with(self.now, source_hash);
        self.lanes
            .publish(self.routes.of(&header), &header, envelope.bytes);
    }

    /// As upstream's agents do, the origin is written into the envelope: drains are found and lines are
    /// written by its source id.
    #[cold]
    fn publish_as_of_origin(&mut self, envelope: &Envelope<'_>) {
        let Some(origin) = decode::origin(envelope.bytes) else {
            return self.publish(envelope);
        };
        self.count(Counter::OriginMappings, 1);
        let mut mapped = mem::take(&mut self.mapped);
        mapped.clear();
        mapped.extend_from_slice(envelope.bytes);
        decode::append_source(&mut mapped, origin);
        self.publish(&Envelope {
            bytes: &mapped,
            source: Source::Text(origin),
            ..*envelope
        });
        mapped.shrink_to(MAPPED_BYTES_KEPT);
        self.mapped = mapped;
    }

    /// Ends a turn: shows the lanes' readers what was published.
    pub fn commit(&mut self) {
        self.lanes.commit();
    }

    /// Counts a frame that was lost before it could be read.
    pub fn lost(&self, loss: Loss) {
        self.count(Counter::Received, 1);
        self.counters.lose(loss);
    }

    /// Counts `count` more.
    #[inline]
    pub fn count(&self, counter: Counter, count: u64) {
        self.counters.add(counter, count);
    }

    /// What the shard counted.
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }
}

/// Whether an agent took a v2 envelope without a source id.
#[inline]
fn lacks_source(entry: Entry, envelope: &Envelope<'_>) -> bool {
    entry.source_rule == SourceRule::Origin
        && envelope.version == Version::V2
        && envelope.source == Source::Text(&[])
}

#[inline]
fn check_event(entry: Entry, envelope: Envelope<'_>) -> Result<Envelope<'_>, Loss> {
    if entry.needs_event && !envelope.has_event {
        Err(Loss::EventMissing)
    } else {
        Ok(envelope)
    }
}
