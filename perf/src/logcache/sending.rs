//! Who writes: some calls at a time, as fast as they are answered or at the beat of a schedule.

use super::batches::Batches;
use super::call::{SEND, call};
use crate::flow::error::FlowError;
use crate::flow::schedule::Schedule;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;
use tonic::transport::Channel;

/// Tokio's timers are no better than this.
const TIMER: Duration = Duration::from_millis(2);

/// What senders share.
#[derive(Debug)]
pub(super) struct Load {
    batches: Arc<Batches>,
    schedule: Schedule,
    next: AtomicUsize,
    answered: AtomicU64,
    is_stopping: AtomicBool,
}

impl Load {
    /// The clock runs from now on.
    pub(super) fn new(batches: Arc<Batches>, rate: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            schedule: Schedule::new(batches.size(), 1, rate),
            batches,
            next: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// Envelopes of calls that were answered.
    pub(super) fn sent(&self) -> u64 {
        self.answered.load(Relaxed) * self.batches.size() as u64
    }

    /// Lets calls that are under way be the last.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Waits until it is time for a request. Its number, or nothing at the end.
    async fn due(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Relaxed);
        let due_ns = self.schedule.due_ns(0, number as u64);
        while !self.is_stopping.load(Relaxed) {
            let wait = Duration::from_nanos(due_ns.saturating_sub(self.schedule.now_ns()));
            if wait.is_zero() {
                return Some(number);
            } else if wait > TIMER {
                sleep(wait.min(Duration::from_millis(100)) - TIMER).await;
            } else {
                yield_now().await;
            }
        }
        None
    }
}

/// Sends one call after the other until the load is stopped.
///
/// # Errors
/// The node refuses one.
pub(super) async fn send(channel: Channel, load: Arc<Load>) -> Result<(), FlowError> {
    while let Some(number) = load.due().await {
        call(&channel, SEND, load.batches.get(number)).await?;
        load.answered.fetch_add(1, Relaxed);
    }
    Ok(())
}
