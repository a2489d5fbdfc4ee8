//! Lanes: the rings between one shard and each frontend worker.

use crate::counters::{LaneCounter, LaneCounters};
use crate::record::{Header, Record};
use crate::ring::{Consumer, Doorbell, EventFd, Gauge, Producer, ring};
use crate::route::{Demand, DemandCell, LaneSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The writing ends of a shard's lanes, in the order of the frontend workers.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// Envelopes published before.
    sequence: u64,
}

#[derive(Debug)]
struct Lane {
    producer: Producer,
    bell: Arc<Doorbell<EventFd>>,
    counters: Arc<LaneCounters>,
}

/// The header leaves the upper bits of its first word free. A shard that takes in ten million
/// envelopes a second comes round after 325 days.
const SEQUENCE_SHIFT: u32 = 16;

/// What anybody may see of a lane.
#[derive(Clone, Debug)]
pub struct LaneState {
    /// What went into it and what did not.
    pub counters: Arc<LaneCounters>,
    /// How full it is.
    pub gauge: Gauge,
}

impl Lanes {
    /// Copies the envelope into each lane of the set, and counts it in every lane.
    #[inline]
    pub fn publish(&mut self, wanted_by: LaneSet, header: &Header, envelope: &[u8]) {
        let mut head = header.to_words();
        head[0] |= self.sequence << SEQUENCE_SHIFT;
        self.sequence = self.sequence.wrapping_add(1);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.counters.count(if !wanted_by.contains(index) {
                LaneCounter::Unwanted
            } else if lane.producer.push(head, envelope).is_ok() {
                LaneCounter::Published
            } else {
                LaneCounter::Full
            });
        }
    }

    /// Shows the readers what was published, and wakes those that sleep.
    pub fn commit(&mut self) {
        for lane in &mut self.lanes {
            if lane.producer.commit() {
                lane.bell.ring();
            }
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for Lane { producer, bell, .. } in self.lanes.drain(..) {
            drop(producer);
            bell.ring(); // A sleeping reader learns that this was all.
        }
    }
}

/// The reading ends of one frontend worker's lanes, one from each shard.
#[derive(Debug)]
pub struct LaneReader {
    lanes: Vec<Consumer>,
    bell: Arc<Doorbell<EventFd>>,
    demand: DemandCell,
}

/// Where a record stood: the same for every frontend worker that gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard that took it in.
    pub shard: usize,
    /// How many envelopes of the shard came before it.
    pub sequence: u64,
}

impl LaneReader {
    /// A reader without lanes; [`connect`] adds them.
    ///
    /// # Errors
    /// What the kernel said when asked for an eventfd.
    pub fn new() -> io::Result<Self> {
        let bell = Arc::new(Doorbell::new(EventFd::new()?));
        Ok(Self {
            lanes: Vec::new(),
            bell,
            demand: DemandCell::default(),
        })
    }

    /// Reads at most `record_count_max` records of each lane, in place; gives their room back.
    /// Returns how many it was.
    pub fn read(
        &mut self,
        record_count_max: usize,
        mut each: impl FnMut(Place, Record<'_>),
    ) -> usize {
        let mut count = 0;
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            for _ in 0..record_count_max {
                let Some((head, envelope)) = lane.read() else {
                    break;
                };
                let place = Place {
                    shard,
                    sequence: head[0] >> SEQUENCE_SHIFT,
                };
                each(
                    place,
                    Record {
                        header: Header::from_words(head),
                        envelope,
                    },
                );
                count += 1;
            }
            lane.release();
        }
        count
    }

    /// Before sleeping: true if there is nothing to read and commits ring from now on. Then wait for
    /// the descriptor to be readable and call [`awake`](Self::awake).
    pub fn sleep(&mut self) -> bool {
        self.bell.arm();
        let is_empty = self.lanes.iter_mut().all(|lane| lane.is_read_up());
        let is_empty = is_empty && !self.is_finished();
        if !is_empty {
            self.bell.disarm();
        }
        is_empty
    }

    /// After sleeping: commits need not ring any more.
    pub fn awake(&self) {
        self.bell.disarm();
        self.bell.waker().clear();
    }

    /// Whether every shard is gone and everything has been read.
    pub fn is_finished(&mut self) -> bool {
        self.lanes.iter_mut().all(|lane| lane.is_finished())
    }

    /// Tells the shards what is wanted from now on.
    pub fn publish_demand(&self, demand: Demand) {
        self.demand.publish(demand);
    }

    /// Where the demand can be published without the reader.
    pub fn demand(&self) -> DemandCell {
        self.demand.clone()
    }
}

impl AsFd for LaneReader {
    /// Readable when a shard rang.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.waker().as_fd()
    }
}

/// Makes one shard's lanes, of `lane_bytes` each, to all readers.
pub fn connect(readers: &mut [LaneReader], lane_bytes: usize) -> Lanes {
    let lane = |reader: &mut LaneReader| {
        let (producer, consumer) = ring(lane_bytes);
        reader.lanes.push(consumer);
        Lane {
            producer,
            bell: reader.bell.clone(),
            counters: Arc::default(),
        }
    };
    Lanes {
        lanes: readers.iter_mut().map(lane).collect(),
        sequence: 0,
    }
}

impl Lanes {
    /// What anybody may see of each lane.
    pub fn states(&self) -> Vec<LaneState> {
        let state = |lane: &Lane| LaneState {
            counters: lane.counters.clone(),
            gauge: lane.producer.gauge(),
        };
        self.lanes.iter().map(state).collect()
    }
}
