//! One drain's task: connects when there is a line, writes, and connects again when that fails. It
//! never gives up before the worker ends.

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::connection::{Connection, no_answer};
use crate::ending::Ending;
use crate::limits::{CONNECT_TIMEOUT_MS, STUCK_TIMEOUT_MS};
use crate::session::Session;
use hydrant_bindings::Drain;
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For it to take anything.
    pub(crate) stuck: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(CONNECT_TIMEOUT_MS),
            stuck: Duration::from_millis(STUCK_TIMEOUT_MS),
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
    ending: Ending,
    patience: Patience,
    progress: Rc<Progress>,
    backoff: Backoff,
    batch: Batch,
}

impl Delivery {
    /// Delivers what is put into the outbox of `session`.
    pub(crate) fn new(
        drain: Drain,
        session: Rc<Session>,
        ending: Ending,
        patience: Patience,
        progress: Rc<Progress>,
    ) -> Self {
        session.note("not connected: no line yet");
        Self {
            drain,
            session,
            ending,
            patience,
            progress,
            backoff: Backoff::default(),
            batch: Batch::default(),
        }
    }

    /// Runs until no more lines come and all are written, or the time is over.
    pub(crate) async fn run(mut self) {
        while self.has_lines(|| false).await {
            match self.connect().await {
                Ok(connection) => self.serve(connection).await,
                Err(error) => self.failed(&error).await,
            }
        }
        self.session.abandon(self.batch.len());
        self.session.note("stopped");
    }

    /// Waits for a line. False if there is none and none will come, if the time is over, or if
    /// `is_broken`: whoever makes that so must wake the session.
    async fn has_lines(&self, is_broken: impl Fn() -> bool) -> bool {
        loop {
            if self.ending.is_over() || is_broken() {
                return false;
            }
            if self.has_waiting() {
                return true;
            }
            if self.ending.is_flushing() {
                return false;
            }
            self.session.woken().await;
        }
    }

    fn has_waiting(&self) -> bool {
        !self.batch.is_empty() || !self.session.is_empty()
    }

    async fn connect(&self) -> io::Result<Connection> {
        let session = self.session.clone();
        let (host, port) = (self.drain.host(), self.drain.port());
        let limit = self.patience.connect;
        let opening = Connection::open(host, port, limit, move || session.wake());
        let opened = self.ending.within(limit, opening).await;
        opened.unwrap_or_else(|| Err(no_answer()))
    }

    async fn serve(&mut self, connection: Connection) {
        self.session.note("connected");
        let since = Instant::now();
        let outcome = self.write_lines(&connection).await;
        self.backoff.stood(since.elapsed());
        match outcome {
            Ok(()) => connection.finish(&self.ending).await,
            Err(error) => {
                connection.close().await;
                self.failed(&error).await;
            }
        }
    }

    async fn write_lines(&mut self, connection: &Connection) -> io::Result<()> {
        while self.has_lines(|| connection.is_broken()).await {
            self.write_batch(connection).await?;
        }
        connection.take_broken().map_or(Ok(()), Err)
    }

    async fn write_batch(&mut self, connection: &Connection) -> io::Result<()> {
        self.batch.fill(|| self.session.pop());
        // Not a buffer to keep: thousands of drains that are silent would each have one.
        let bytes = self.batch.to_bytes();
        let stuck = self.patience.stuck;
        let written = connection.write(bytes, stuck, &self.ending).await;
        self.session.delivered(self.batch.settle(written.count));
        written.outcome?;
        self.progress.0.update(|count| count + 1);
        Ok(())
    }

    async fn failed(&mut self, error: &io::Error) {
        let pause = self
            .backoff
            .failed(RandomState::new().build_hasher().finish());
        self.session.failed(error.to_string());
        self.session.note(if self.has_waiting() {
            let pause_ms = pause.as_micros().div_ceil(1000);
            format!("connecting: {error}, retry in {pause_ms} ms")
        } else {
            format!("not connected: {error}")
        });
        self.ending.pause(pause).await;
    }
}
