//! The frontend as others see it: starting its workers, looking at them, and waiting for their end.

use crate::config::{ConfigError, SyslogConfig};
use crate::delivery::Patience;
use crate::keeper::Keeper;
use crate::limits::{JOIN_GRACE_MS, SPOOL_JOIN_GRACE_MS};
use crate::telling::Tell;
use crate::trust;
use crate::worker::{Changes, Parts, SpoolParts};
use bytesize::ByteSize;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::session::FrontendState;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Why the workers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A worker's thread cannot be had.
    #[error("cannot start a syslog worker: {0}")]
    Thread(io::Error),
    /// There is no core, no io_uring or no epoll for one.
    #[error("a syslog worker gets no core or no io_uring: {0}")]
    Ring(io::Error),
}

/// What a worker reads, and the core that it is pinned to if there is one.
pub type WorkerParts = (LaneReader, Option<usize>);

/// The running workers. They end by themselves when every shard is gone and what was left is
/// written; until they are joined there is no limit to how long that may take. Dropped, they do not
/// wait: what cannot be written at once is lost then, and counted.
#[derive(Debug)]
pub struct Syslog {
    workers: Vec<Handle>,
    /// How much longer than the deadline they may take.
    grace: Duration,
    deadline: watch::Sender<Option<Instant>>,
}

/// What workers have to do with others.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Bindings as they come and go. Default: none.
    pub bindings: Option<Changes>,
    /// How apps are told of their drains. Default: not at all.
    pub tell: Option<Tell>,
}

#[derive(Debug)]
struct Handle {
    state: Arc<FrontendState>,
    outcome: mpsc::Receiver<io::Result<()>>,
}

/// Starts a worker for each of `workers`, and publishes what their drains want: those of the config,
/// and those of bindings as they come and go. A drain is served by one worker.
///
/// # Errors
/// `StartError`, naming the key or what the kernel said. Workers that have started end by themselves.
pub fn start(
    config: &SyslogConfig,
    workers: Vec<WorkerParts>,
    hooks: &Hooks,
) -> Result<Syslog, StartError> {
    start_with(config, workers, hooks, Patience::of(config))
}

pub(crate) fn start_with(
    config: &SyslogConfig,
    workers: Vec<WorkerParts>,
    hooks: &Hooks,
    patience: Patience,
) -> Result<Syslog, StartError> {
    config.check()?;
    let fixed: Arc<[_]> = config.bindings()?.into();
    let tls = trust::Terms::new(&config.tls)?;
    let spool = config.spool.as_ref();
    let spool = spool.map(|spool| Ok::<_, ConfigError>((spool, Keeper::new(spool)?)));
    let spool = spool.transpose()?;
    let grace = JOIN_GRACE_MS + spool.as_ref().map_or(0, |_| SPOOL_JOIN_GRACE_MS);
    let (deadline, receiver) = watch::channel(None);
    let worker_count = workers.len();
    let start = |(index, (reader, core)): (usize, WorkerParts)| {
        let state = Arc::new(FrontendState::of_worker("syslog", index, core));
        let outcome = spawn(Parts {
            reader,
            core,
            state: state.clone(),
            place: (index, worker_count),
            fixed: fixed.clone(),
            changes: hooks.bindings.clone(),
            tell: hooks.tell.clone(),
            outbox_bytes: in_memory(config.outbox_bytes),
            outboxes_bytes: in_memory(config.outboxes_bytes) / worker_count,
            metadata: config.metadata,
            spool: spool.as_ref().map(|(spool, keeper)| SpoolParts {
                keeper: keeper.clone(),
                bytes_per_drain: in_memory(spool.bytes_per_drain),
                bytes: in_memory(spool.bytes) / worker_count,
            }),
            patience,
            tls: tls.clone(),
            blacklist: config.blacklist(),
            deadline: receiver.clone(),
        })?;
        Ok(Handle { state, outcome })
    };
    let workers = workers.into_iter().enumerate().map(start);
    let workers = workers.collect::<Result<_, StartError>>()?;
    Ok(Syslog {
        workers,
        grace: Duration::from_millis(grace),
        deadline,
    })
}

impl Syslog {
    /// What anybody may see of the workers, also after their end.
    pub fn states(&self) -> Vec<Arc<FrontendState>> {
        let workers = self.workers.iter();
        workers.map(|worker| worker.state.clone()).collect()
    }

    /// Waits until the workers have ended, which they do when every shard is gone. What is not
    /// written within `deadline` is lost as `session_gone`, or if there is a spool is put there.
    ///
    /// # Errors
    /// A worker failed while it ran, or has not ended: then a shard is still there.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        let until = Instant::now() + deadline + self.grace;
        self.deadline.send_replace(Some(Instant::now() + deadline));
        let ended = self.workers.iter().map(|worker| worker.ended(until));
        ended.fold(Ok(()), io::Result::and)
    }
}

impl Handle {
    fn ended(&self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        // Not the thread itself: a name that is being resolved would keep it, and us.
        match self.outcome.recv_timeout(left) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "a syslog worker has not ended",
            )),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("a syslog worker panicked"))
            }
        }
    }
}

fn in_memory(bytes: ByteSize) -> usize {
    usize::try_from(bytes.as_u64()).unwrap_or(usize::MAX)
}

/// Starts a worker's thread and waits until it stands. What comes back says how it ended.
fn spawn(parts: Parts) -> Result<mpsc::Receiver<io::Result<()>>, StartError> {
    let (report, started) = mpsc::channel();
    let (ended, outcome) = mpsc::channel();
    let name = parts.state.name();
    let run = move || match parts.build() {
        Ok((runtime, worker)) => {
            report.send(Ok(())).ok();
            // Said before the runtime goes, which may have to wait for a name to be resolved.
            ended.send(runtime.block_on(worker.run())).ok();
        }
        Err(error) => report.send(Err(error)).unwrap_or_default(),
    };
    let thread = thread::Builder::new().name(name);
    thread.spawn(run).map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok(outcome),
        Ok(Err(error)) => Err(StartError::Ring(error)),
        Err(_) => Err(StartError::Thread(io::Error::other("its thread died"))),
    }
}

#[cfg(test)]
mod tests;
