//! A whole shard over any kernel, with one lane that wants everything.

use hydrant_engine::config::EngineConfig;
use hydrant_engine::counters::ShardCounters;
use hydrant_engine::ingest::Ingest;
use hydrant_engine::intake::Intake;
use hydrant_engine::kernel::Kernel;
use hydrant_engine::lanes::{LaneReader, LaneState, connect};
use hydrant_engine::route::{Demand, Routes};
use hydrant_engine::shard::Shard;
use std::sync::Arc;

/// A shard and what can be seen of it.
#[derive(Debug)]
pub struct Rig<K> {
    /// The shard.
    pub shard: Shard<K>,
    /// What it counts.
    pub counters: Arc<ShardCounters>,
    /// The reading end of its lane.
    pub reader: LaneReader,
    /// The lane.
    pub lane: LaneState,
}

impl<K: Kernel> Rig<K> {
    /// A shard of this config with a lane of `lane_bytes`.
    ///
    /// # Panics
    /// If the system has no eventfd left.
    pub fn new(kernel: K, config: &EngineConfig, lane_bytes: usize) -> Self {
        let reader = LaneReader::new().expect("an eventfd can be had");
        let mut readers = [reader];
        readers[0].publish_demand(Demand::all());
        let routes = Routes::new(&[readers[0].demand()]);
        let lanes = connect(&mut readers, lane_bytes);
        let counters = Arc::new(ShardCounters::default());
        let lane = lanes.states().remove(0);
        let ingest = Ingest::new(config);
        let [reader] = readers;
        Self {
            shard: Shard::new(kernel, ingest, Intake::new(routes, lanes, counters.clone())),
            counters,
            reader,
            lane,
        }
    }

    /// Turns until a turn finds nothing, and gives the envelopes that arrive in the lane.
    ///
    /// # Panics
    /// If a turn fails.
    pub fn run(&mut self) -> Vec<Vec<u8>> {
        let mut envelopes = Vec::new();
        loop {
            let count = self.shard.turn().expect("the kernel works");
            self.reader.read(usize::MAX, |_, record| {
                envelopes.push(record.envelope.to_vec());
            });
            if count == 0 {
                return envelopes;
            }
        }
    }
}
