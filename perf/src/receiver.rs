//! The two sides of a comparison, behind one face: the bare ceiling, and the engine with a lane
//! that somebody reads.

use crate::ceiling::{self, Ceiling};
use crate::consumer::{self, Read};
use crate::scenario::Scenario;
use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_engine::engine::{Engine, ShardState, StartError};
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::limits::FRAME_LENGTH_BYTES;
use hydrant_engine::route::Demand;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Receive and forget.
    Ceiling,
    /// Receive, decode, route, publish; a consumer reads.
    Engine,
}

/// Which cores do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The shard's or the ceiling's, alone.
    pub receiver_core: usize,
    /// The sender's and the lane consumer's.
    pub load_core: usize,
}

/// A receiver that runs.
#[derive(Debug)]
pub enum Receiver {
    /// The ceiling, and how many bytes an envelope takes on a stream.
    Ceiling {
        /// Its loop.
        ceiling: Ceiling,
        /// Bytes of a frame over TCP; nothing over UDP, where datagrams are counted.
        frame_bytes: Option<u64>,
        /// Its core.
        core: usize,
    },
    /// The engine and its consumer.
    Engine {
        /// One shard.
        engine: Engine,
        /// The lane's reader.
        consumer: JoinHandle<io::Result<Read>>,
    },
}

/// What a receiver stands at, or ended with.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Envelopes taken in: for the ceiling all, for the engine those that decode found valid.
    pub envelopes: u64,
    /// Records copied into the lane; nothing at the ceiling.
    pub published: u64,
    /// Turns of the receiving loop in which something had completed.
    pub turns: u64,
    /// Each loss that has happened, by name.
    pub losses: Vec<(&'static str, u64)>,
    /// Other things worth knowing, by name.
    pub notes: Vec<(&'static str, u64)>,
}

impl Side {
    /// Both, the ceiling first.
    pub const BOTH: [Self; 2] = [Self::Ceiling, Self::Engine];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::Engine => "engine",
        }
    }

    /// Starts a receiver for envelopes of `bytes`.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn start(
        self,
        scenario: Scenario,
        bytes: usize,
        placement: Placement,
    ) -> Result<Receiver, StartError> {
        let core = placement.receiver_core;
        let config = scenario.engine_config(core);
        if self == Self::Ceiling {
            let frame_bytes = (bytes + FRAME_LENGTH_BYTES) as u64;
            return Ok(Receiver::Ceiling {
                ceiling: Ceiling::start(&config, core).map_err(StartError::Thread)?,
                frame_bytes: (scenario == Scenario::Tcp).then_some(frame_bytes),
                core,
            });
        }
        let mut readers = [LaneReader::new().map_err(StartError::Thread)?];
        readers[0].publish_demand(Demand::all());
        let engine = Engine::start(&config, &mut readers)?;
        let [reader] = readers;
        Ok(Receiver::Engine {
            engine,
            consumer: consumer::start(reader, placement.load_core).map_err(StartError::Thread)?,
        })
    }
}

impl Receiver {
    /// Where to send to.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Ceiling { ceiling, .. } => ceiling.address(),
            Self::Engine { engine, .. } => {
                let mut addresses = engine.udp_addresses().iter().chain(engine.tcp_addresses());
                *addresses
                    .next()
                    .unwrap_or_else(|| unreachable!("a scenario has a listener"))
            }
        }
    }

    /// The name of the thread that receives.
    pub fn thread_name(&self) -> String {
        match self {
            Self::Ceiling { core, .. } => ceiling::thread_name(*core),
            Self::Engine { engine, .. } => {
                format!("shard-{}", shard(engine).core.unwrap_or_default())
            }
        }
    }

    /// Envelopes taken in so far, lost ones included.
    pub fn taken(&self) -> u64 {
        match self {
            Self::Ceiling { .. } => self.outcome().envelopes,
            Self::Engine { engine, .. } => shard(engine).counters.get(Counter::Received),
        }
    }

    /// Stops it. The consumer reads its lane empty first.
    ///
    /// # Errors
    /// What failed while it ran, or a ledger that does not balance.
    pub fn stop(self) -> io::Result<Outcome> {
        let outcome = self.outcome();
        match self {
            Self::Ceiling { ceiling, .. } => {
                ceiling.stop()?;
                Ok(outcome)
            }
            Self::Engine { engine, consumer } => stop_engine(engine, consumer),
        }
    }

    fn outcome(&self) -> Outcome {
        let (ceiling, frame_bytes) = match self {
            Self::Engine { engine, .. } => return engine_outcome(shard(engine)),
            Self::Ceiling {
                ceiling,
                frame_bytes,
                ..
            } => (ceiling, frame_bytes),
        };
        let counts = ceiling.counts();
        let bytes = counts.bytes.load(Ordering::Relaxed);
        let datagrams = counts.datagrams.load(Ordering::Relaxed);
        Outcome {
            envelopes: frame_bytes.map_or(datagrams, |frame| bytes / frame),
            published: 0,
            turns: counts.turns.load(Ordering::Relaxed),
            losses: vec![(
                "kernel_dropped",
                counts.kernel_dropped.load(Ordering::Relaxed),
            )],
            notes: vec![
                ("no_buffers", counts.no_buffers.load(Ordering::Relaxed)),
                ("completions", counts.completions.load(Ordering::Relaxed)),
            ],
        }
    }
}

fn shard(engine: &Engine) -> &ShardState {
    &engine.shards()[0]
}

fn engine_outcome(shard: &ShardState) -> Outcome {
    let lane = &shard.lanes[0].counters;
    let counters = &shard.counters;
    let mut losses = vec![
        ("kernel_dropped", counters.kernel_dropped()),
        (LaneCounter::Full.name(), lane.get(LaneCounter::Full)),
    ];
    losses.extend(
        Loss::ALL
            .iter()
            .map(|loss| (loss.name(), counters.lost(*loss))),
    );
    let notes = [Counter::NoBuffers, Counter::CqOverflow];
    Outcome {
        envelopes: counters.get(Counter::Decoded),
        published: lane.get(LaneCounter::Published),
        turns: counters.get(Counter::Turns),
        losses,
        notes: notes.map(|note| (note.name(), counters.get(note))).to_vec(),
    }
}

fn stop_engine(engine: Engine, consumer: JoinHandle<io::Result<Read>>) -> io::Result<Outcome> {
    let state = shard(&engine).clone();
    engine.stop()?;
    let read = match consumer.join() {
        Ok(outcome) => outcome?,
        Err(_) => return Err(io::Error::other("the consumer panicked")),
    };
    balance(&state, &read).map_err(io::Error::other)?;
    let mut outcome = engine_outcome(&state);
    outcome.notes.push(("consumer_sleeps", read.sleeps));
    Ok(outcome)
}

/// The ledger at rest, to one envelope.
fn balance(shard: &ShardState, read: &Read) -> Result<(), String> {
    let counters = &shard.counters;
    let lane = &shard.lanes[0].counters;
    let [received, decoded] = [Counter::Received, Counter::Decoded].map(|one| counters.get(one));
    let [published, unwanted, full] = [
        LaneCounter::Published,
        LaneCounter::Unwanted,
        LaneCounter::Full,
    ]
    .map(|one| lane.get(one));
    let malformed = counters.malformed();
    if received == decoded + malformed
        && decoded == published + unwanted + full
        && published == read.records
    {
        return Ok(());
    }
    Err(format!(
        "the ledger does not balance: received {received} = decoded {decoded} + malformed \
         {malformed}; decoded = published {published} + unwanted {unwanted} + full {full}; \
         published = read {}",
        read.records
    ))
}
