//! The newest logs and container metrics of every app, for those who ask for what was: upstream's
//! Doppler kept them so until 2019, and clients still ask.
//!
//! One thread writes, many records at a time; any thread may read, for which it holds the writer up
//! for as long as it takes to copy what is held of one app. Logs are kept as they came and become v1
//! when somebody reads them; container metrics, which are few, become v1 at once, because only so is
//! it known which instance they are of.
//!
//! **Invariant: all memory is within `bytes`**, tables and what is not yet filled included. When it is
//! not enough, the oldest logs go of apps that have more than their share, and the container metrics
//! of the app that has been quiet longest.

mod apps;
mod config;
mod counts;
mod form;
mod logs;
mod metrics;
mod ring;
mod state;

pub use config::RecentConfig;
pub use counts::{RecentCounter, RecentCounts};

use crate::recent::form::{is_container_of, v1_log};
use crate::recent::state::{Bounds, State};
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::record::{Kind, KindSet, Record, source_hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The store.
#[derive(Debug)]
pub(crate) struct Recent {
    state: Mutex<State>,
}

/// The store while somebody writes; readers wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Writing<'r> {
    state: MutexGuard<'r, State>,
    now: UnixNanos,
}

impl Recent {
    /// Kinds of which something is kept.
    pub(crate) const KINDS: KindSet = KindSet::of(&[Kind::Log, Kind::Gauge]);

    /// An empty store. Whether one is wanted, its maker has looked up.
    pub(crate) fn new(config: &RecentConfig) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(Bounds::of(config))),
        })
    }

    /// Lets records in until the guard is dropped, and forgets apps that were idle too long: to call
    /// it and do nothing now and then, when there are no records, is enough for that.
    pub(crate) fn writing(&self, now: UnixNanos) -> Writing<'_> {
        let mut state = self.state();
        state.forget_idle(now);
        Writing { state, now }
    }

    /// The newest logs of an app, oldest first, each a v1 envelope with a LogMessage.
    pub(crate) fn logs(&self, app: &str) -> Vec<Bytes> {
        let hash = source_hash(app.as_bytes());
        let copied = self.state().logs(hash);
        let logs = copied.iter();
        logs.filter_map(|(version, envelope)| v1_log(version, envelope, app))
            .collect()
    }

    /// The newest container metric of each instance of an app, by instance, each a v1 envelope; none
    /// was measured longer ago than the time to live.
    pub(crate) fn container_metrics(&self, app: &str, now: UnixNanos) -> Vec<Bytes> {
        let hash = source_hash(app.as_bytes());
        let mut metrics = self.state().metrics(hash, now);
        metrics.retain(|envelope| is_container_of(envelope, app));
        metrics
    }

    /// What is held, and what has been counted.
    pub(crate) fn counts(&self) -> RecentCounts {
        self.state().counts()
    }

    /// Each change is made whole before anything that could panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing<'_> {
    /// Takes a log or a container metric. Other records are not looked at.
    #[inline]
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        match record.header.kind {
            Kind::Log => self.state.log(record),
            Kind::Gauge => self.state.gauge(record, self.now),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
