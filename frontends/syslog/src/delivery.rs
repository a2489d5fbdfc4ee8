//! One drain's task: connects when there is a line, writes, and connects again when that fails. It
//! never gives up before the worker ends.

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::config::SyslogConfig;
use crate::dial::no_answer;
use crate::limits::{
    CONNECT_TIMEOUT_MS, GATHER_MS, IDLE_TIMEOUT_S, POST_BYTES, REFUSED_MS, RETIRED_MS,
    STUCK_TIMEOUT_MS,
};
use crate::link::{Connector, Link, Place, SendError};
use crate::session::Session;
use futures_util::future::join;
use hydrant_bindings::Transport;
use hydrant_feed::batches::BATCH_BYTES;
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
    /// For it to take lines that it refuses, before they are lost.
    pub(crate) refused: Duration,
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
            refused: Duration::from_millis(REFUSED_MS),
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
    /// What connections are made with.
    pub(crate) connector: Connector,
}

/// A drain's lines on their way out.
///
/// After a failure, a line that the kernel took whole counts as delivered, a line that was cut is
/// written again from its beginning, and no other is lost. What the peer had not read of the
/// delivered ones when it went cannot be known.
#[derive(Debug)]
pub(crate) struct Delivery {
    place: Place,
    session: Rc<Session>,
    service: Rc<Service>,
    backoff: Backoff,
    batch: Batch,
    has_failed: bool,
    /// When the drain first refused the batch at hand.
    refused_at: Option<Instant>,
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
    pub(crate) fn new(place: Place, session: Rc<Session>, service: Rc<Service>) -> Self {
        session.note("not connected: no line yet");
        Self {
            place,
            session,
            service,
            backoff: Backoff::default(),
            batch: Batch::default(),
            has_failed: false,
            refused_at: None,
            retired_at: Cell::default(),
        }
    }

    /// Runs until no more lines come and all are written, or the time is over.
    pub(crate) async fn run(mut self) {
        let (session, service) = (self.session.clone(), self.service.clone());
        session.open_spool().await;
        // What goes to the disk does not wait for the peer, nor the other way round.
        let stowing = session.stow_all(|| service.progress.count());
        join(self.deliver(), stowing).await;
        let at_hand = self.batch.line_count();
        let in_flight = match self.place.drain.transport() {
            Transport::Tcp | Transport::Tls => 0, // What was cut is known.
            Transport::Https | Transport::HttpsBatch => at_hand,
        };
        session.end(in_flight, at_hand).await;
        session.note("stopped");
    }

    async fn deliver(&mut self) {
        loop {
            match self.next(|| false).await {
                Next::Lines => match self.connect().await {
                    Ok(link) => self.serve(link).await,
                    Err(error) => self.failed(&error).await,
                },
                Next::Idle => {}
                Next::End => break,
            }
        }
        self.session.close_spool();
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
        self.service.ending.is_over()
            || self.session.is_superseded()
            || retired.is_some_and(|time| time >= limit)
    }

    fn has_waiting(&self) -> bool {
        !self.batch.is_empty() || !self.session.is_empty()
    }

    async fn connect(&self) -> io::Result<Link> {
        let session = self.session.clone();
        let Service {
            patience,
            ending,
            connector,
            ..
        } = &*self.service;
        let when_broken = move || session.wake();
        let limit = patience.connect;
        let connecting = connector.connect(&self.place, self.has_failed, limit, when_broken);
        let connecting = self.session.noticing(connecting);
        // There is no limit to the wait for a place, which is not the drain's fault.
        let connected = ending.until_over(connecting).await;
        connected.unwrap_or_else(|| Err(no_answer("stopping")))
    }

    async fn serve(&mut self, mut link: Link) {
        self.session.note("connected");
        self.has_failed = false;
        let since = Instant::now();
        let outcome = self.write_lines(&mut link).await;
        self.backoff.stood(since.elapsed());
        match outcome {
            Ok(next) => {
                link.finish(self.service.patience.stuck, &self.service.ending)
                    .await;
                if next == Next::Idle {
                    self.session.note("idle: closed after a time without lines");
                }
            }
            Err(error) => {
                link.close().await;
                self.give_up_refused(&error).await;
                self.failed(&error).await;
            }
        }
    }

    async fn write_lines(&mut self, link: &mut Link) -> Result<Next, SendError> {
        loop {
            let next = self.next(|| link.is_broken()).await;
            if next != Next::Lines {
                let broken = link.take_broken();
                return broken.map_or(Ok(next), |error| Err(error.into()));
            }
            self.write_batch(link).await?;
        }
    }

    async fn write_batch(&mut self, link: &mut Link) -> Result<(), SendError> {
        if self.batch.is_empty() {
            self.batch = self.fill().await?;
        }
        if self.batch.is_empty() {
            return Ok(()); // What waited is lost.
        }
        let Service {
            patience, ending, ..
        } = &*self.service;
        let drain = &self.place.drain;
        let sent = link.send(&mut self.batch, drain, patience.stuck, ending);
        let sent = self.session.noticing(sent).await;
        self.session.delivered(sent.line_count);
        self.session.settle(sent.line_count, &self.batch).await;
        if sent.line_count > 0 {
            self.refused_at = None;
        }
        sent.outcome?;
        self.session.set_away(false);
        self.service.progress.count();
        Ok(())
    }

    /// As much as goes in one write; for a POST of many lines, what comes within a second.
    async fn fill(&self) -> io::Result<Batch> {
        if self.place.drain.transport() != Transport::HttpsBatch {
            return self.session.take(BATCH_BYTES).await;
        }
        let mut left = Duration::from_millis(GATHER_MS);
        let step = left / 20;
        while self.session.waiting_bytes() < POST_BYTES
            && !self.session.has_spooled()
            && !left.is_zero()
            && !self.service.ending.is_flushing()
        {
            self.service.ending.pause(step).await;
            left = left.saturating_sub(step);
        }
        self.session.take(POST_BYTES).await
    }

    /// Lines that the drain goes on to refuse would keep all others from it.
    async fn give_up_refused(&mut self, error: &SendError) {
        if !matches!(error, SendError::Refused(_)) {
            return;
        }
        let since = *self.refused_at.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.service.patience.refused {
            let first = self.batch.take_refused(self.place.drain.transport());
            self.session.refused(first);
            self.session.settle(first, &self.batch).await;
            self.refused_at = None;
        }
    }

    async fn failed(&mut self, error: &impl ToString) {
        self.has_failed = true;
        let random = RandomState::new().build_hasher().finish();
        let pause = self.backoff.failed(random);
        let error = error.to_string();
        let has_waiting = self.has_waiting();
        self.session.set_away(has_waiting);
        self.session.note(if has_waiting {
            let pause_ms = pause.as_micros().div_ceil(1000);
            format!("connecting: {error}, retry in {pause_ms} ms")
        } else {
            format!("not connected: {error}")
        });
        self.session.failed(error, has_waiting);
        self.service.ending.pause(pause).await;
    }
}
