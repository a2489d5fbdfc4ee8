//! The thread that serves all destinations: starting it, its loop, and its end.

use crate::config::{ConfigError, DestinationConfig, ForwardConfig, Protocol};
use crate::delivery::Delivery;
use crate::limits::{AVERAGE_PERIOD, CATCH_UP_BYTES_MIN, CATCH_UP_TURNS_MAX, JOIN_GRACE};
use crate::place::Place;
use crate::pump::Pump;
use crate::session::Session;
use crate::state::{DestinationCounter, DestinationState, ForwardState};
use futures_util::future::{Either, join_all, select};
use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::route::Demand;
use hydrant_feed::batches::Packing;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::ending::{Ending, Phase};
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::FrontendState;
use hydrant_rpc::tls::{ClientTls, Reloader, TlsError};
use std::io;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, interval_at, sleep_until};

/// The frontend's name, and its worker's.
pub const FORWARD: &str = "forward";

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate for a destination cannot be used.
    #[error("forward.destinations[{index}].tls: {error}")]
    Tls {
        /// Which destination.
        index: usize,
        /// The file and what is wrong with it.
        error: TlsError,
    },
    /// The worker's thread or its runtime cannot be had.
    #[error("cannot start the forwarding worker: {0}")]
    Thread(io::Error),
}

/// The running worker. It ends by itself when every shard is gone and what was left is sent; until it
/// is joined there is no limit to how long that may take.
#[derive(Debug)]
pub struct Forward {
    worker: Arc<FrontendState>,
    state: Arc<ForwardState>,
    tls: Vec<ClientTls>,
    deadline: watch::Sender<Option<Instant>>,
    outcome: mpsc::Receiver<io::Result<()>>,
}

/// Starts the worker on a thread of its own, pinned to `core` if there is one, and publishes that it
/// wants everything. The config's destinations are the sessions of its state, in their order; each is
/// connected to from now on.
///
/// # Errors
/// `StartError`, naming the key or what the system said; nothing runs then.
pub fn start(
    config: &ForwardConfig,
    reader: LaneReader,
    core: Option<usize>,
) -> Result<Forward, StartError> {
    config.check()?;
    let certificates = certificates(config)?;
    let worker = Arc::new(FrontendState::new(FORWARD, core));
    let state = Arc::new(ForwardState::new(&config.destinations));
    for destination in &state.destinations {
        worker.open(destination.session.clone());
    }
    let (deadline, receiver) = watch::channel(None);
    let cell = reader.demand();
    let parts = Parts {
        config: config.clone(),
        certificates: certificates.clone(),
        reader,
        worker: worker.clone(),
        state: state.clone(),
        deadline: receiver,
    };
    let outcome = spawn(parts, core)?;
    cell.publish(Demand::all());
    Ok(Forward {
        worker,
        state,
        tls: certificates.into_iter().flatten().collect(),
        deadline,
        outcome,
    })
}

impl Forward {
    /// What anybody may see of its sessions, also after its end.
    pub fn worker(&self) -> Arc<FrontendState> {
        self.worker.clone()
    }

    /// What anybody may see of its destinations, likewise.
    pub fn state(&self) -> Arc<ForwardState> {
        self.state.clone()
    }

    /// Has certificates read anew when they change.
    pub fn watch(&self, reloader: &Reloader) {
        self.tls.iter().for_each(|tls| reloader.watch_client(tls));
    }

    /// Waits until the worker has ended, which it does when every shard is gone. What has not left
    /// within `deadline` is lost as `session_gone`.
    ///
    /// # Errors
    /// The worker failed while it ran, or has not ended: then a shard is still there.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        self.deadline.send_replace(Some(Instant::now() + deadline));
        // Not the thread itself: a name that is being resolved would keep it, and us.
        match self.outcome.recv_timeout(deadline + JOIN_GRACE) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the forwarding worker has not ended",
            )),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("the forwarding worker panicked"))
            }
        }
    }
}

fn certificates(config: &ForwardConfig) -> Result<Vec<Option<ClientTls>>, StartError> {
    let load = |(index, destination): (usize, &DestinationConfig)| {
        let load = |files| ClientTls::load(files, &destination.server_name);
        let loaded = destination.tls.as_ref().map(load).transpose();
        loaded.map_err(|error| StartError::Tls { index, error })
    };
    config.destinations.iter().enumerate().map(load).collect()
}

/// What the worker's thread needs.
struct Parts {
    config: ForwardConfig,
    certificates: Vec<Option<ClientTls>>,
    reader: LaneReader,
    worker: Arc<FrontendState>,
    state: Arc<ForwardState>,
    deadline: watch::Receiver<Option<Instant>>,
}

/// Starts the thread and waits until it stands. What comes back says how it ended.
fn spawn(parts: Parts, core: Option<usize>) -> Result<mpsc::Receiver<io::Result<()>>, StartError> {
    let (report, started) = mpsc::channel();
    let (ended, outcome) = mpsc::channel();
    let run = move || match parts.build(core) {
        Ok((runtime, worker)) => {
            report.send(Ok(())).ok();
            // Said before the runtime goes, which may have to wait for a name to be resolved.
            ended.send(runtime.block_on(worker.run())).ok();
            runtime.shutdown_background();
        }
        Err(error) => report.send(Err(error)).unwrap_or_default(),
    };
    let thread = thread::Builder::new().name(FORWARD.to_owned());
    thread.spawn(run).map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok(outcome),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::Error::other("its thread died"))),
    }
}

/// What runs on the worker's thread.
struct Worker {
    lanes: Lanes,
    pump: Pump,
    sessions: Vec<Arc<Session>>,
    deliveries: Vec<Delivery>,
    state: Arc<ForwardState>,
    phase: watch::Sender<Phase>,
    deadline: watch::Receiver<Option<Instant>>,
}

impl Parts {
    fn build(self, core: Option<usize>) -> io::Result<(Runtime, Worker)> {
        core.map_or(Ok(()), pin_to)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let lanes = runtime.block_on(async { Lanes::new(self.reader) })?;
        let outbox_bytes = self.config.outbox_bytes.as_u64();
        let outbox_bytes = usize::try_from(outbox_bytes).unwrap_or(usize::MAX);
        let session = |state: &Arc<DestinationState>| {
            let packing = match state.protocol {
                Protocol::V1 => Packing::One,
                Protocol::V2 => Packing::Hundred,
            };
            Arc::new(Session::new(state.clone(), packing, outbox_bytes))
        };
        let sessions: Vec<_> = self.state.destinations.iter().map(session).collect();
        let (phase, ending) = Ending::new();
        let mut deliveries = Vec::new();
        let certificates = self.certificates.into_iter();
        for ((config, tls), session) in self
            .config
            .destinations
            .iter()
            .zip(certificates)
            .zip(&sessions)
        {
            let delivery = Delivery {
                place: Arc::new(Place::new(config, tls)),
                session: session.clone(),
                ending: ending.clone(),
                recycle: config.recycle,
            };
            deliveries.extend((0..config.connections).map(|_| delivery.clone()));
        }
        let pump = Pump::new(&self.config, &sessions, self.worker, self.state.clone());
        let worker = Worker {
            lanes,
            pump,
            sessions,
            deliveries,
            state: self.state,
            phase,
            deadline: self.deadline,
        };
        Ok((runtime, worker))
    }
}

impl Worker {
    /// Everything that has arrived, then everything that must leave; until the shards are gone.
    async fn run(mut self) -> io::Result<()> {
        let deliveries = self.deliveries.drain(..);
        let tasks: Vec<_> = deliveries.map(|one| tokio::spawn(one.run())).collect();
        let averages = tokio::spawn(averages(self.state.clone()));
        while self.lanes.wait().await {
            let mut bytes = 0;
            self.lanes.read(|_, record| {
                bytes += record.envelope.len();
                self.pump.take(&record);
            });
            self.pump.tell();
            yield_now().await;
            if bytes >= CATCH_UP_BYTES_MIN {
                self.catch_up().await;
            }
        }
        averages.abort();
        self.flush(tasks).await
    }

    /// Waits for the destinations that take what they get: without this, outboxes would overflow while
    /// what is too much could still wait in the lanes.
    async fn catch_up(&self) {
        let delivered = || -> u64 {
            let sessions = self.sessions.iter();
            sessions
                .map(|one| one.state.session.counters.get(SessionCounter::Delivered))
                .sum()
        };
        let (mut seen, mut idle_turns) = (delivered(), 0);
        for _ in 0..CATCH_UP_TURNS_MAX {
            yield_now().await;
            let now = delivered();
            idle_turns = if now == seen { idle_turns + 1 } else { 0 };
            seen = now;
            // What one task gives to another is done in the turns that follow.
            if idle_turns == 4 {
                break;
            }
        }
    }

    async fn flush(self, tasks: Vec<JoinHandle<()>>) -> io::Result<()> {
        self.enter(Phase::Flushing);
        let all = pin!(join_all(tasks));
        let outcomes = match select(all, pin!(passed(self.deadline.clone()))).await {
            Either::Left((outcomes, _)) => outcomes,
            Either::Right(((), all)) => {
                self.enter(Phase::Over);
                all.await
            }
        };
        for session in &self.sessions {
            session.abandon();
            session.state.session.set_note("stopped");
        }
        let outcomes = outcomes.into_iter().collect::<Result<(), _>>();
        outcomes.map_err(io::Error::other)
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.sessions.iter().for_each(|session| session.wake_all());
    }
}

/// Waits until there is a deadline and it has passed. It has if nobody is left to set one.
async fn passed(mut deadline: watch::Receiver<Option<Instant>>) {
    let set = deadline.wait_for(Option::is_some).await;
    let instant = set.ok().and_then(|instant| *instant);
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}

/// Takes the mean size of envelopes of each minute.
async fn averages(state: Arc<ForwardState>) {
    let counts = |destination: &DestinationState| {
        let bytes = destination.get(DestinationCounter::Bytes);
        let counters = &destination.session.counters;
        (bytes, counters.get(SessionCounter::Delivered))
    };
    let mut before: Vec<_> = state.destinations.iter().map(|one| counts(one)).collect();
    let mut minutes = interval_at(Instant::now() + AVERAGE_PERIOD, AVERAGE_PERIOD);
    loop {
        minutes.tick().await;
        for (destination, before) in state.destinations.iter().zip(&mut before) {
            let now = counts(destination);
            destination.set_average_bytes(mean(now.0 - before.0, now.1 - before.1));
            *before = now;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn mean(bytes: u64, envelopes: u64) -> f64 {
    match envelopes {
        0 => 0.0,
        _ => bytes as f64 / envelopes as f64,
    }
}
