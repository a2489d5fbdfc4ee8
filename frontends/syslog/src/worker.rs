//! A worker's thread: its loop from the lanes to the drains, and its end.

use crate::connection::{Runtime, runtime, turn};
use crate::delivery::{Patience, Progress, Service};
use crate::dial::Dialer;
use crate::drains::{Drains, Terms};
use crate::keeper::{Keeper, sweep};
use crate::limits::{CATCH_UP_BYTES_MIN, CATCH_UP_TURNS_MAX, PAUSE_MS, TELL_S};
use crate::link::Connector;
use crate::pump::Pump;
use crate::session::SpoolTerms;
use crate::telling::Tell;
use crate::trust::{self, Trust};
use crate::wish::worker_of;
use futures_util::future::{Either, join_all, select};
use hydrant_bindings::source::BindingSet;
use hydrant_bindings::{Binding, Blacklist};
use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::budget::Budget;
use hydrant_feed::ending::{Ending, Phase};
use hydrant_feed::lanes::{BATCH_RECORDS_MAX, Lanes};
use hydrant_feed::session::FrontendState;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

/// Bindings as they come and go.
pub type Changes = watch::Receiver<Arc<BindingSet>>;

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) reader: LaneReader,
    pub(crate) core: Option<usize>,
    pub(crate) state: Arc<FrontendState>,
    /// Which worker it is, and of how many.
    pub(crate) place: (usize, usize),
    /// Bindings that stay, and those that change.
    pub(crate) fixed: Arc<[Binding]>,
    pub(crate) changes: Option<Changes>,
    pub(crate) outbox_bytes: usize,
    pub(crate) outboxes_bytes: usize,
    pub(crate) metadata: bool,
    pub(crate) spool: Option<SpoolParts>,
    pub(crate) patience: Patience,
    pub(crate) tls: trust::Terms,
    pub(crate) blacklist: Blacklist,
    /// How apps are told of their drains.
    pub(crate) tell: Option<Tell>,
    pub(crate) deadline: watch::Receiver<Option<Instant>>,
}

/// A worker's part of the spool.
pub(crate) struct SpoolParts {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) bytes_per_drain: usize,
    pub(crate) bytes: usize,
}

/// What runs on the worker's thread.
pub(crate) struct Worker {
    lanes: Lanes,
    pump: Pump,
    drains: Drains,
    place: (usize, usize),
    fixed: Arc<[Binding]>,
    changes: Option<Changes>,
    tell: Option<Tell>,
    /// When apps are told next.
    tell_at: Instant,
    service: Rc<Service>,
    phase: watch::Sender<Phase>,
    deadline: watch::Receiver<Option<Instant>>,
}

/// What woke the worker.
enum Woken {
    Records,
    Bindings,
    Telling,
    End,
}

impl Parts {
    /// On the worker's own thread.
    ///
    /// # Errors
    /// What the kernel said when asked for the core, the ring or the bell.
    pub(crate) fn build(self) -> io::Result<(Runtime, Worker)> {
        self.core.map_or(Ok(()), pin_to)?;
        let runtime = runtime()?;
        let lanes = runtime.block_on(async { Lanes::new(self.reader) })?;
        let (phase, ending) = Ending::new();
        let service = Rc::new(Service {
            patience: self.patience,
            ending,
            progress: Progress::default(),
            connector: Connector {
                dialer: Dialer::new(self.blacklist),
                trust: Trust::new(self.tls),
            },
        });
        let spool = self
            .spool
            .map(|spool| spool.start(self.place.0, &runtime, &self.state));
        let terms = Terms {
            outbox_bytes: self.outbox_bytes,
            budget: Budget::new(self.outboxes_bytes),
            metadata: self.metadata,
            spool,
            service: service.clone(),
        };
        let mut worker = Worker {
            lanes,
            pump: Pump::new(self.state.clone()),
            drains: Drains::new(terms, self.state),
            place: self.place,
            fixed: self.fixed,
            changes: self.changes,
            tell: self.tell,
            tell_at: Instant::now() + Duration::from_secs(TELL_S),
            service,
            phase,
            deadline: self.deadline,
        };
        runtime.block_on(async { worker.follow_bindings() });
        Ok((runtime, worker))
    }
}

impl SpoolParts {
    /// The first worker looks after folders that are nobody's.
    fn start(self, worker: usize, runtime: &Runtime, state: &Arc<FrontendState>) -> Rc<SpoolTerms> {
        if worker == 0 {
            let sweeping = sweep(self.keeper.clone(), state.clone());
            runtime.block_on(async { drop(spawn_local(sweeping)) });
        }
        let budget = Budget::new(self.bytes);
        SpoolTerms::new(self.keeper, budget, self.bytes_per_drain)
    }
}

impl Worker {
    /// Everything that has arrived, then everything that must leave; until the shards are gone.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        loop {
            match self.woken().await {
                Woken::Records => self.read().await,
                Woken::Bindings => self.follow_bindings(),
                Woken::Telling => self.tell(),
                Woken::End => return self.flush().await,
            }
        }
    }

    /// What is rare goes first: there may be records at any time.
    async fn woken(&mut self) -> Woken {
        if self.changes.as_ref().is_some_and(has_changed) {
            return Woken::Bindings;
        }
        if self.tell.is_some() && Instant::now() >= self.tell_at {
            return Woken::Telling;
        }
        let records = pin!(self.lanes.wait());
        let bindings = pin!(changed(self.changes.as_mut()));
        let telling = pin!(passed_at(self.tell.as_ref().map(|_| self.tell_at)));
        match select(records, select(bindings, telling)).await {
            Either::Left((true, _)) => Woken::Records,
            Either::Left((false, _)) => Woken::End,
            Either::Right((Either::Left(_), _)) => Woken::Bindings,
            Either::Right((Either::Right(_), _)) => Woken::Telling,
        }
    }

    fn tell(&mut self) {
        if let Some(tell) = &self.tell {
            self.drains.tell(tell);
        }
        self.tell_at = Instant::now() + Duration::from_secs(TELL_S);
    }

    async fn read(&mut self) {
        let mut bytes = 0;
        let count = self.lanes.read(|_, record| {
            bytes += record.envelope.len();
            self.pump.take(&record);
        });
        turn().await;
        if bytes >= CATCH_UP_BYTES_MIN {
            self.catch_up().await;
        }
        // Lines that come one after the other go together: a wake-up costs more than many lines.
        if count < BATCH_RECORDS_MAX {
            sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }

    fn follow_bindings(&mut self) {
        let changing = self.changes.as_mut();
        let changing = changing.map(|changes| changes.borrow_and_update().clone());
        let changing = changing.iter().flat_map(|set| &set.bindings);
        let (own, count) = self.place;
        let ours = |binding: &&Binding| worker_of(binding, count) == own;
        let bindings = self.fixed.iter().chain(changing).filter(ours);
        self.drains.set(bindings.collect(), &mut self.pump);
        let demand = Drains::demand(&self.pump);
        self.lanes.demand().publish(demand);
    }

    /// Waits for the drains that take what they get. Reading is faster than writing: without this,
    /// outboxes would overflow while what is too much could still wait in the lanes.
    async fn catch_up(&self) {
        let progress = &self.service.progress;
        let mut seen = progress.batch_count();
        let mut idle_turns = 0;
        for _ in 0..CATCH_UP_TURNS_MAX {
            turn().await;
            let batch_count = progress.batch_count();
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

    async fn flush(mut self) -> io::Result<()> {
        self.enter(Phase::Flushing);
        let all = pin!(ended(self.drains.take_tasks()));
        match select(all, pin!(passed(self.deadline.clone()))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), all)) => {
                self.enter(Phase::Over);
                all.await
            }
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.drains.wake();
    }
}

async fn ended(tasks: Vec<JoinHandle<()>>) -> io::Result<()> {
    let outcomes = join_all(tasks).await;
    let outcomes = outcomes.into_iter().collect::<Result<(), _>>();
    outcomes.map_err(io::Error::other)
}

/// Whether there is a change that nobody has looked at.
fn has_changed(changes: &Changes) -> bool {
    changes.has_changed().unwrap_or(false)
}

/// Waits until then; for ever if there is no such time.
async fn passed_at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// Waits for a change; for ever if nobody is left to make one.
async fn changed(changes: Option<&mut Changes>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}

/// Waits until there is a deadline and it has passed. It has if nobody is left to set one.
async fn passed(mut deadline: watch::Receiver<Option<Instant>>) {
    let set = deadline.wait_for(Option::is_some).await;
    let instant = set.ok().and_then(|instant| *instant);
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}
