//! The thread that serves all drains: starting it, its loop, and its end.

use crate::config::{ConfigError, DrainConfig, SyslogConfig};
use crate::connection::{Runtime, runtime, turn};
use crate::delivery::{Delivery, Patience, Progress};
use crate::ending::{Ending, Phase};
use crate::limits::{CATCH_UP_BYTES_MIN, CATCH_UP_TURNS_MAX, JOIN_GRACE_MS};
use crate::pump::Pump;
use crate::selection::Selection;
use crate::session::Session;
use futures_util::future::{Either, join_all, select};
use hydrant_bindings::Drain;
use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::route::Demand;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::{FrontendState, SessionState};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until};

/// Whether lines carry the envelopes' tags if the drain's URL does not say; upstream's default.
const METADATA_DEFAULT: bool = true;

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The worker's thread or its core cannot be had.
    #[error("cannot start the syslog worker: {0}")]
    Thread(io::Error),
    /// There is no io_uring or no epoll for it.
    #[error("the syslog worker gets no io_uring: {0}")]
    Ring(io::Error),
}

/// The running worker. It ends by itself when every shard is gone and what was left is written;
/// until it is joined there is no limit to how long that may take. Dropped, it does not wait:
/// what cannot be written at once is lost then, and counted.
#[derive(Debug)]
pub struct Syslog {
    state: Arc<FrontendState>,
    deadline: watch::Sender<Option<Instant>>,
    outcome: mpsc::Receiver<io::Result<()>>,
}

/// Starts the worker on a thread named `syslog`, pinned to `core` if there is one, and publishes
/// what its drains want. The config's drains are the sessions of its state, in their order.
///
/// # Errors
/// `StartError`, naming the key or what the kernel said; nothing runs then.
pub fn start(
    config: &SyslogConfig,
    reader: LaneReader,
    core: Option<usize>,
) -> Result<Syslog, StartError> {
    start_with(config, reader, core, Patience::default())
}

impl Syslog {
    /// What anybody may see of it, also after its end.
    pub fn state(&self) -> Arc<FrontendState> {
        self.state.clone()
    }

    /// Waits until the worker has ended, which it does when every shard is gone. What is not
    /// written within `deadline` is lost as `session_gone`.
    ///
    /// # Errors
    /// The worker failed while it ran, or has not ended: then a shard is still there.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        self.deadline.send_replace(Some(Instant::now() + deadline));
        let grace = Duration::from_millis(JOIN_GRACE_MS);
        // Not the thread itself: a name that is being resolved would keep it, and us.
        match self.outcome.recv_timeout(deadline + grace) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the syslog worker has not ended",
            )),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("the syslog worker panicked"))
            }
        }
    }
}

/// A drain before it is served.
struct Plan {
    drain: Drain,
    selection: Selection,
    hostname: String,
    state: Arc<SessionState>,
}

impl Plan {
    fn new(drain: Drain, config: &DrainConfig) -> Self {
        let peer = match drain.host() {
            host if host.contains(':') => format!("[{host}]:{}", drain.port()),
            host => format!("{host}:{}", drain.port()),
        };
        let state = SessionState::new(drain.redacted().to_owned(), peer);
        Self {
            selection: Selection::new(drain.data(), config.app.as_deref()),
            hostname: config.hostname.clone(),
            state: Arc::new(state),
            drain,
        }
    }
}

/// What the worker's thread needs.
struct Parts {
    plans: Vec<Plan>,
    outbox_bytes: usize,
    patience: Patience,
    reader: LaneReader,
    state: Arc<FrontendState>,
    deadline: watch::Receiver<Option<Instant>>,
}

fn start_with(
    config: &SyslogConfig,
    reader: LaneReader,
    core: Option<usize>,
    patience: Patience,
) -> Result<Syslog, StartError> {
    let drains = config.check()?.into_iter().zip(&config.drains);
    let plans: Vec<_> = drains.map(|(drain, own)| Plan::new(drain, own)).collect();
    let state = Arc::new(FrontendState::new("syslog", core));
    for plan in &plans {
        state.open(plan.state.clone());
    }
    let selections = plans.iter().map(|plan| &plan.selection);
    let demand = selections.fold(Demand::none(), |demand, one| one.add_to(demand));
    let (deadline, receiver) = watch::channel(None);
    let parts = Parts {
        plans,
        outbox_bytes: usize::try_from(config.outbox_bytes.as_u64()).unwrap_or(usize::MAX),
        patience,
        reader,
        state: state.clone(),
        deadline: receiver,
    };
    let cell = parts.reader.demand();
    let outcome = spawn(parts, core)?;
    cell.publish(demand);
    Ok(Syslog {
        state,
        deadline,
        outcome,
    })
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
        }
        Err(error) => report.send(Err(error)).unwrap_or_default(),
    };
    let thread = thread::Builder::new().name("syslog".to_owned());
    thread.spawn(run).map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok(outcome),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Thread(io::Error::other("its thread died"))),
    }
}

/// What runs on the worker's thread.
struct Worker {
    lanes: Lanes,
    pump: Pump,
    deliveries: Vec<Delivery>,
    sessions: Vec<Rc<Session>>,
    progress: Rc<Progress>,
    phase: watch::Sender<Phase>,
    deadline: watch::Receiver<Option<Instant>>,
}

impl Parts {
    fn build(self, core: Option<usize>) -> Result<(Runtime, Worker), StartError> {
        core.map_or(Ok(()), pin_to).map_err(StartError::Thread)?;
        let runtime = runtime().map_err(StartError::Ring)?;
        let lanes = runtime.block_on(async { Lanes::new(self.reader) });
        let (phase, ending) = Ending::new();
        let mut worker = Worker {
            lanes: lanes.map_err(StartError::Ring)?,
            pump: Pump::new(self.state),
            deliveries: Vec::new(),
            sessions: Vec::new(),
            progress: Rc::default(),
            phase,
            deadline: self.deadline,
        };
        for plan in self.plans {
            let session = Rc::new(Session::new(plan.state.clone(), self.outbox_bytes));
            worker.add(plan, session, &ending, self.patience);
        }
        Ok((runtime, worker))
    }
}

impl Worker {
    fn add(&mut self, plan: Plan, session: Rc<Session>, ending: &Ending, patience: Patience) {
        let metadata = plan.drain.metadata(METADATA_DEFAULT);
        let form = (plan.hostname.as_str(), metadata);
        self.pump.add(plan.selection, form, session.clone());
        self.deliveries.push(Delivery::new(
            plan.drain,
            session.clone(),
            ending.clone(),
            patience,
            self.progress.clone(),
        ));
        self.sessions.push(session);
    }

    /// Everything that has arrived, then everything that must leave; until the shards are gone.
    async fn run(mut self) -> io::Result<()> {
        let deliveries = self.deliveries.drain(..);
        let tasks: Vec<_> = deliveries.map(|one| spawn_local(one.run())).collect();
        while self.lanes.wait().await {
            let mut bytes = 0;
            self.lanes.read(|_, record| {
                bytes += record.envelope.len();
                self.pump.take(&record);
            });
            turn().await;
            if bytes >= CATCH_UP_BYTES_MIN {
                self.catch_up().await;
            }
        }
        self.flush(tasks).await
    }

    /// Waits for the drains that take what they get. Reading is faster than writing: without this,
    /// outboxes would overflow while what is too much could still wait in the lanes.
    async fn catch_up(&self) {
        let mut seen = self.progress.batch_count();
        let mut idle_turns = 0;
        for _ in 0..CATCH_UP_TURNS_MAX {
            turn().await;
            let batch_count = self.progress.batch_count();
            idle_turns = if batch_count == seen {
                idle_turns + 1
            } else {
                0
            };
            seen = batch_count;
            // A write ends in the turn after the one in which it began.
            if idle_turns == 2 {
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
        let outcomes = outcomes.into_iter().collect::<Result<(), _>>();
        outcomes.map_err(io::Error::other)
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        for session in &self.sessions {
            session.wake();
        }
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

#[cfg(test)]
mod tests;
