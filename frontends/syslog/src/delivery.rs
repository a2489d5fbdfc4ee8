//! One drain's task: connects when there is a line, writes, and connects again when that fails. It
//! never gives up before the worker ends.

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::config::SyslogConfig;
use crate::connection::{Connection, no_answer};
use crate::limits::{CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_S, RETIRED_MS, STUCK_TIMEOUT_MS};
use crate::session::Session;
use hydrant_bindings::Drain;
use hydrant_feed::ending::Ending;
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For it to take anything.
    pub(crate) stuck: Duration,
    /// For another line, before the connection is closed.
    pub(crate) idle: Duration,
}

impl Patience {
    /// As much as the config has.
    pub(crate) fn of(config: &SyslogConfig) -> Self {
        Self {
            idle: Duration::from_secs(config.idle_timeout_s),
            ..Self::default()
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(CONNECT_TIMEOUT_MS),
            stuck: Duration::from_millis(STUCK_TIMEOUT_MS),
            idle: Duration::from_secs(IDLE_TIMEOUT_S),
        }
    }
}

/// Batches that went out whole, of all drains together.
#[derive(Debug, Default)]
pub(crate) struct Progress(Cell<u64>);

impl Progress {
    /// How many so far.
    pub(crate) fn batch_count(&self) -> u64 {
        self.0.get()
    }

    fn count(&self) {
        self.0.update(|count| count + 1);
    }
}

/// What all deliveries of a worker share.
#[derive(Debug)]
pub(crate) struct Service {
    /// How long peers are waited for.
    pub(crate) patience: Patience,
    /// How the worker comes to its end.
    pub(crate) ending: Ending,
    /// What went out.
    pub(crate) progress: Progress,
}

/// A drain's lines on their way out.
///
/// After a failure, a line that the kernel took whole counts as delivered, a line that was cut is
/// written again from its beginning, and no other is lost. What the peer had not read of the
/// delivered ones when it went cannot be known.
#[derive(Debug)]
pub(crate) struct Delivery {
    drain: Drain,
    session: Rc<Session>,
    service: Rc<Service>,
    backoff: Backoff,
    batch: Batch,
    retired_at: Cell<Option<Instant>>,
}

/// What a delivery that waits has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There are lines.
    Lines,
    /// There were none for a long time.
    Idle,
    /// There will be none, or no time for them, or the connection is broken.
    End,
}

impl Delivery {
    /// Delivers what is put into the outbox of `session`.
    pub(crate) fn new(drain: Drain, session: Rc<Session>, service: Rc<Service>) -> Self {
        session.note("not connected: no line yet");
        Self {
            drain,
            session,
            service,
            backoff: Backoff::default(),
            batch: Batch::default(),
            retired_at: Cell::default(),
        }
    }

    /// Runs until no more lines come and all are written, or the time is over.
    pub(crate) async fn run(mut self) {
        loop {
            match self.next(|| false).await {
                Next::Lines => match self.connect().await {
                    Ok(connection) => self.serve(connection).await,
                    Err(error) => self.failed(&error).await,
                },
                Next::Idle => {}
                Next::End => break,
            }
        }
        self.session.abandon(self.batch.line_count());
        self.session.note("stopped");
    }

    /// Waits for a line. Whoever makes `is_broken` true must wake the session.
    async fn next(&self, is_broken: impl Fn() -> bool) -> Next {
        loop {
            if self.is_over() || is_broken() {
                return Next::End;
            }
            if self.has_waiting() {
                return Next::Lines;
            }
            if self.session.is_retired() || self.service.ending.is_flushing() {
                return Next::End;
            }
            let idle = self.service.patience.idle;
            if timeout(idle, self.session.woken()).await.is_err() {
                return Next::Idle;
            }
        }
    }

    /// Whether there is no time any more: the worker ends, or the drain is retired for too long.
    fn is_over(&self) -> bool {
        if self.session.is_retired() && self.retired_at.get().is_none() {
            self.retired_at.set(Some(Instant::now()));
        }
        let retired = self.retired_at.get().map(|at| at.elapsed());
        let limit = Duration::from_millis(RETIRED_MS);
        self.service.ending.is_over() || retired.is_some_and(|time| time >= limit)
    }

    fn has_waiting(&self) -> bool {
        !self.batch.is_empty() || !self.session.is_empty()
    }

    async fn connect(&self) -> io::Result<Connection> {
        let session = self.session.clone();
        let (host, port) = (self.drain.host(), self.drain.port());
        let limit = self.service.patience.connect;
        let opening = Connection::open(host, port, limit, move || session.wake());
        let opened = self.service.ending.within(limit, opening).await;
        opened.unwrap_or_else(|| Err(no_answer()))
    }

    async fn serve(&mut self, connection: Connection) {
        self.session.note("connected");
        let since = Instant::now();
        let outcome = self.write_lines(&connection).await;
        self.backoff.stood(since.elapsed());
        match outcome {
            Ok(next) => {
                connection.finish(&self.service.ending).await;
                if next == Next::Idle {
                    self.session.note("idle: closed after a time without lines");
                }
            }
            Err(error) => {
                connection.close().await;
                self.failed(&error).await;
            }
        }
    }

    async fn write_lines(&mut self, connection: &Connection) -> io::Result<Next> {
        loop {
            let next = self.next(|| connection.is_broken()).await;
            if next != Next::Lines {
                return connection.take_broken().map_or(Ok(next), Err);
            }
            self.write_batch(connection).await?;
        }
    }

    async fn write_batch(&mut self, connection: &Connection) -> io::Result<()> {
        if self.batch.is_empty() {
            self.batch = self.session.pop().unwrap_or_default();
        }
        let stuck = self.service.patience.stuck;
        let bytes = self.batch.bytes();
        let written = connection.write(bytes, stuck, &self.service.ending).await;
        let settled = self.batch.settle(written.count, self.drain.framing());
        self.session.delivered(settled);
        written.outcome?;
        self.service.progress.count();
        Ok(())
    }

    async fn failed(&mut self, error: &io::Error) {
        let random = RandomState::new().build_hasher().finish();
        let pause = self.backoff.failed(random);
        self.session.failed(error.to_string());
        self.session.note(if self.has_waiting() {
            let pause_ms = pause.as_micros().div_ceil(1000);
            format!("connecting: {error}, retry in {pause_ms} ms")
        } else {
            format!("not connected: {error}")
        });
        self.service.ending.pause(pause).await;
    }
}
