//! Starts and stops the shards.

use crate::config::{ConfigError, EngineConfig, MemoryPlan};
use crate::counters::ShardCounters;
use crate::ingest::Ingest;
use crate::intake::Intake;
use crate::lanes::{LaneReader, LaneState, connect};
use crate::limits::DRAIN_TIMEOUT_MS;
use crate::ring::{EventFd, Wake};
use crate::route::{DemandCell, Routes};
use crate::shard::Shard;
use crate::uring::{RingError, Sockets, Uring, probe};
use bytesize::ByteSize;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no io_uring for us.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// An address cannot be used.
    #[error("{key}: cannot listen on {address}: {error}")]
    Listen {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// A thread or eventfd cannot be had.
    #[error("cannot start a shard: {0}")]
    Thread(io::Error),
}

/// What anybody may see of a shard.
#[derive(Clone, Debug)]
pub struct ShardState {
    /// The core that it is pinned to, if it is.
    pub core: Option<usize>,
    /// What it counted.
    pub counters: Arc<ShardCounters>,
    /// Its lanes, in the order of the frontend workers.
    pub lanes: Vec<LaneState>,
    is_running: Arc<AtomicBool>,
}

impl ShardState {
    /// Whether its thread goes on: false once it was stopped or failed.
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }
}

/// The running shards.
#[derive(Debug)]
pub struct Engine {
    threads: Vec<Running>,
    states: Vec<ShardState>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<io::Result<()>>,
    stop: Arc<AtomicBool>,
    bell: Arc<EventFd>,
}

/// The intake of a shard that somebody else drives, see [`Engine::add_intake`].
#[derive(Debug)]
pub struct DrivenIntake {
    intake: Intake,
    is_running: Arc<AtomicBool>,
}

impl Deref for DrivenIntake {
    type Target = Intake;

    fn deref(&self) -> &Intake {
        &self.intake
    }
}

impl DerefMut for DrivenIntake {
    fn deref_mut(&mut self) -> &mut Intake {
        &mut self.intake
    }
}

impl Drop for DrivenIntake {
    fn drop(&mut self) {
        self.is_running.store(false, Ordering::Release);
    }
}

/// What a shard's thread needs to build its shard.
struct Parts {
    core: usize,
    config: EngineConfig,
    sockets: Sockets,
    routes: Vec<DemandCell>,
    lanes: crate::lanes::Lanes,
    counters: Arc<ShardCounters>,
    is_running: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    bell: Arc<EventFd>,
}

impl Engine {
    /// Opens the listeners, connects every shard to every reader and starts the shards.
    ///
    /// # Errors
    /// Says which setting, address or kernel feature stands in the way; nothing runs then.
    pub fn start(config: &EngineConfig, readers: &mut [LaneReader]) -> Result<Self, StartError> {
        config.check(readers.len(), 0)?;
        if config.has_listeners() {
            probe()?;
        }
        let mut config = config.clone();
        resolve_addresses(&mut config)?;
        let mut engine = Self {
            threads: Vec::new(),
            states: Vec::new(),
            udp: config.udp.iter().map(|listener| listener.address).collect(),
            tcp: config.tcp.iter().map(|listener| listener.address).collect(),
        };
        for core in config.shard_cores()? {
            let parts = Parts::new(core, &config, readers)?;
            engine.states.push(parts.state());
            engine.threads.push(parts.spawn()?);
        }
        Ok(engine)
    }

    /// Adds a shard that the caller drives, from a thread of its own choice. It counts as running
    /// until its intake is dropped; readers finish only after that.
    pub fn add_intake(
        &mut self,
        core: Option<usize>,
        lane_bytes: ByteSize,
        readers: &mut [LaneReader],
    ) -> DrivenIntake {
        let cells: Vec<_> = readers.iter().map(LaneReader::demand).collect();
        let lanes = connect(readers, bytes(lane_bytes));
        let counters = Arc::<ShardCounters>::default();
        let is_running = Arc::new(AtomicBool::new(true));
        self.states.push(ShardState {
            core,
            counters: counters.clone(),
            lanes: lanes.states(),
            is_running: is_running.clone(),
        });
        DrivenIntake {
            intake: Intake::new(Routes::new(&cells), lanes, counters),
            is_running,
        }
    }

    /// Every shard: those of the config's cores in their order, then those that were added.
    pub fn shards(&self) -> &[ShardState] {
        &self.states
    }

    /// Where UDP is received: the config's addresses, port 0 replaced by what the kernel chose.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where TCP is received; as for UDP.
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Lets the shards take what has arrived, then ends them. Readers finish once they have read
    /// their lanes.
    ///
    /// # Errors
    /// The first shard's that failed while running.
    pub fn stop(self) -> io::Result<()> {
        for running in &self.threads {
            running.stop.store(true, Ordering::Release);
            running.bell.wake();
        }
        let join = |running: Running| match running.thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("a shard panicked")),
        };
        let outcomes: Vec<_> = self.threads.into_iter().map(join).collect();
        outcomes.into_iter().collect()
    }
}

/// The memory plan that [`Engine::start`] will hold to, for this many frontend workers and driven
/// intakes.
///
/// # Errors
/// As [`EngineConfig::check`].
pub fn memory_plan(
    config: &EngineConfig,
    lane_count: usize,
    intake_count: usize,
) -> Result<MemoryPlan, ConfigError> {
    config.check(lane_count, intake_count)
}

/// Pins the calling thread to a core.
///
/// # Errors
/// What the kernel said.
pub fn pin_to(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

impl Parts {
    fn new(
        core: usize,
        config: &EngineConfig,
        readers: &mut [LaneReader],
    ) -> Result<Self, StartError> {
        Ok(Self {
            core,
            config: config.clone(),
            sockets: open_sockets(config)?,
            routes: readers.iter().map(LaneReader::demand).collect(),
            lanes: connect(readers, bytes(config.lane_bytes)),
            counters: Arc::default(),
            is_running: Arc::new(AtomicBool::new(true)),
            stop: Arc::default(),
            bell: Arc::new(EventFd::new().map_err(StartError::Thread)?),
        })
    }

    fn state(&self) -> ShardState {
        ShardState {
            core: Some(self.core),
            counters: self.counters.clone(),
            lanes: self.lanes.states(),
            is_running: self.is_running.clone(),
        }
    }

    /// Starts the thread and waits until its ring stands.
    fn spawn(self) -> Result<Running, StartError> {
        let (stop, bell) = (self.stop.clone(), self.bell.clone());
        let (report, outcome) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("shard-{}", self.core))
            .spawn(move || self.run(&report))
            .map_err(StartError::Thread)?;
        match outcome.recv() {
            Ok(Ok(())) => Ok(Running { thread, stop, bell }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Thread(io::Error::other("its thread died"))),
        }
    }

    fn run(self, report: &mpsc::Sender<Result<(), StartError>>) -> io::Result<()> {
        let (stop, is_running) = (self.stop.clone(), self.is_running.clone());
        let shard = self.build();
        let (outcome, shard) = match shard {
            Ok(shard) => (Ok(()), Some(shard)),
            Err(error) => (Err(error), None),
        };
        // Whoever started us waits for this word.
        report.send(outcome).map_err(io::Error::other)?;
        let served = shard.map_or(Ok(()), |shard| serve(shard, &stop));
        is_running.store(false, Ordering::Release);
        served
    }

    /// On the shard's own thread and core, so that its memory is near.
    fn build(self) -> Result<Shard<Uring>, StartError> {
        pin_to(self.core).map_err(StartError::Thread)?;
        let ring = Uring::new(&self.config, self.sockets, self.bell)?;
        let ingest = Ingest::new(&self.config);
        Ok(Shard::new(
            ring,
            ingest,
            Intake::new(Routes::new(&self.routes), self.lanes, self.counters),
        ))
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

fn serve(mut shard: Shard<Uring>, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Acquire) {
        shard.turn()?;
    }
    shard.drain(Duration::from_millis(DRAIN_TIMEOUT_MS))
}

/// Looks whether every address is free, and fixes the ports that the kernel is to choose, so that
/// all shards share them.
fn resolve_addresses(config: &mut EngineConfig) -> Result<(), StartError> {
    let mut taken = Sockets::default();
    for udp in &mut config.udp {
        let address = udp.address;
        let listen = |error| StartError::Listen {
            key: "engine.udp",
            address,
            error,
        };
        Sockets::check_free(address, socket2::Type::DGRAM).map_err(listen)?;
        udp.address = taken.open_udp(address, 4096).map_err(listen)?;
    }
    for tcp in &mut config.tcp {
        let address = tcp.address;
        let listen = |error| StartError::Listen {
            key: "engine.tcp",
            address,
            error,
        };
        Sockets::check_free(address, socket2::Type::STREAM).map_err(listen)?;
        tcp.address = taken.open_tcp(address).map_err(listen)?;
    }
    Ok(())
}

fn open_sockets(config: &EngineConfig) -> Result<Sockets, StartError> {
    let mut sockets = Sockets::default();
    let receive_bytes = bytes(config.udp_receive_bytes);
    for udp in &config.udp {
        let address = udp.address;
        let listen = |error| StartError::Listen {
            key: "engine.udp",
            address,
            error,
        };
        sockets.open_udp(address, receive_bytes).map_err(listen)?;
    }
    for tcp in &config.tcp {
        let address = tcp.address;
        let listen = |error| StartError::Listen {
            key: "engine.tcp",
            address,
            error,
        };
        sockets.open_tcp(address).map_err(listen)?;
    }
    Ok(sockets)
}
