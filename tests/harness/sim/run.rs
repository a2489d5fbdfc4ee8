//! A shard over a simulated kernel, with lanes and their readers: a whole ingest in one thread.

use super::SimKernel;
use super::dials::Dials;
use super::oracle::{Lie, Oracle, Wish};
use super::ports;
use crate::random::{Rng, chance};
use hydrant_engine::counters::{LaneCounter, ShardCounters};
use hydrant_engine::ingest::Ingest;
use hydrant_engine::intake::Intake;
use hydrant_engine::lanes::{LaneReader, LaneState, connect};
use hydrant_engine::route::Routes;
use hydrant_engine::shard::Shard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::time::Duration;

const LANE_COUNT: usize = 5;

/// One run from one seed.
#[derive(Debug)]
pub struct Run {
    random: Rng,
    dials: Dials,
    shard: Shard<SimKernel>,
    counters: Arc<ShardCounters>,
    states: Vec<LaneState>,
    readers: Vec<LaneReader>,
    asleep: [bool; LANE_COUNT],
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What the shard counted.
    pub counters: Arc<ShardCounters>,
    /// Its lanes.
    pub lanes: Vec<LaneState>,
}

impl Outcome {
    /// Over all lanes.
    pub fn lane_count(&self, counter: LaneCounter) -> u64 {
        self.lanes
            .iter()
            .map(|lane| lane.counters.get(counter))
            .sum()
    }
}

impl Run {
    /// A run that follows from `seed`, with dials turned by it.
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let dials = Dials::turned(&mut random);
        Self::with_dials(random, dials)
    }

    /// The first lane wants everything; the others what chance says.
    ///
    /// # Panics
    /// If the system has no eventfd left.
    pub fn with_dials(mut random: Rng, dials: Dials) -> Self {
        let reader = |_| LaneReader::new().expect("an eventfd can be had");
        let mut readers: Vec<_> = (0..LANE_COUNT).map(reader).collect();
        let cells: Vec<_> = readers.iter().map(LaneReader::demand).collect();
        let lanes = connect(&mut readers, dials.lane_bytes);
        let counters = Arc::new(ShardCounters::default());
        let mut run = Self {
            states: lanes.states(),
            shard: Shard::new(
                SimKernel::new(random.fork(), dials.clone(), LANE_COUNT),
                Ingest::new(&ports::config()),
                Intake::new(Routes::new(&cells), lanes, counters.clone()),
            ),
            counters,
            readers,
            asleep: [false; LANE_COUNT],
            random,
            dials,
        };
        run.wish(0, Wish::All);
        (1..LANE_COUNT).for_each(|lane| run.change_wish(lane));
        run
    }

    /// One turn of the shard, and what readers do after it.
    ///
    /// # Errors
    /// Says what is not as the oracle expects.
    pub fn turn(&mut self) -> Result<(), String> {
        for lane in 1..LANE_COUNT {
            if chance(&mut self.random, self.dials.change_percent) {
                self.change_wish(lane);
            }
        }
        self.shard.turn().map_err(|error| error.to_string())?;
        self.check()?;
        (0..LANE_COUNT).try_for_each(|lane| self.attend(lane))
    }

    /// Stops the shard in order, reads every lane to its end and balances the books.
    ///
    /// # Errors
    /// Says what is not as the oracle expects.
    pub fn finish(mut self) -> Result<Outcome, String> {
        let drained = self.shard.drain(Duration::from_secs(3600));
        drained.map_err(|error| error.to_string())?;
        if !self.shard.kernel_mut().is_drained() {
            return Err("the drain ended before the connections".to_owned());
        }
        self.check()?;
        let mut oracle = std::mem::replace(self.shard.kernel_mut().oracle_mut(), Oracle::new(0));
        drop(self.shard);
        for (lane, reader) in self.readers.iter_mut().enumerate() {
            while !reader.is_finished() {
                read(&mut oracle, lane, reader, 64)?;
            }
            oracle.check_read_up(lane, &self.states[lane])?;
        }
        oracle.check(&self.counters, &self.states)?;
        Ok(Outcome {
            counters: self.counters,
            lanes: self.states,
        })
    }

    /// Makes the oracle wrong. False if there is nothing yet to be wrong about.
    pub fn lie(&mut self, lie: Lie) -> bool {
        self.shard.kernel_mut().oracle_mut().lie(lie)
    }

    fn check(&mut self) -> Result<(), String> {
        let oracle = self.shard.kernel_mut().oracle_mut();
        oracle.check(&self.counters, &self.states)
    }

    fn change_wish(&mut self, lane: usize) {
        let wish = Wish::random(&mut self.random);
        self.wish(lane, wish);
    }

    fn wish(&mut self, lane: usize, wish: Wish) {
        self.readers[lane].publish_demand(wish.demand());
        self.shard.kernel_mut().oracle_mut().set_wish(lane, wish);
    }

    /// A reader wakes if it is rung, reads at moments of its own, and then perhaps goes to sleep.
    fn attend(&mut self, lane: usize) -> Result<(), String> {
        let is_idle = self.states[lane].gauge.depth_bytes() == 0;
        if self.asleep[lane] && is_rung(&self.readers[lane]) == is_idle {
            return Err(format!("lane {lane}: idle is {is_idle} and so is the bell"));
        }
        if !chance(&mut self.random, self.dials.read_percent) {
            return Ok(());
        }
        if self.asleep[lane] {
            self.readers[lane].awake();
        }
        let count_max = self.random.usize(1..100);
        let oracle = self.shard.kernel_mut().oracle_mut();
        let count = read(oracle, lane, &mut self.readers[lane], count_max)?;
        if count < count_max {
            oracle.check_read_up(lane, &self.states[lane])?;
        }
        self.asleep[lane] = self.readers[lane].sleep();
        Ok(())
    }
}

fn read(
    oracle: &mut Oracle,
    lane: usize,
    reader: &mut LaneReader,
    count_max: usize,
) -> Result<usize, String> {
    let mut outcome = Ok(());
    let count = reader.read(count_max, |place, record| {
        if outcome.is_ok() {
            outcome = oracle.read(lane, place, &record);
        }
    });
    outcome.map(|()| count)
}

fn is_rung(reader: &LaneReader) -> bool {
    let mut bell = [PollFd::new(reader, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut bell, Some(&now)).is_ok_and(|count| count > 0)
}
