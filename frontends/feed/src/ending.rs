//! How a worker that writes to peers comes to its end: nothing more comes for them, and then the time
//! for what waits is over.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::timeout;

/// Where a worker stands. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Messages come.
    Running,
    /// No more come; what waits is still written.
    Flushing,
    /// What waits now is lost.
    Over,
}

/// A view of the phase that can be waited with.
#[derive(Clone, Debug)]
pub struct Ending(watch::Receiver<Phase>);

impl Ending {
    /// A phase to set, and its view.
    pub fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (sender, Self(receiver))
    }

    /// Whether no more messages come.
    pub fn is_flushing(&self) -> bool {
        *self.0.borrow() >= Phase::Flushing
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        *self.0.borrow() >= Phase::Over
    }

    /// What `future` gives, unless `limit` passes or the time is over before.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let limited = pin!(timeout(limit, future));
        let over = pin!(self.reached(Phase::Over));
        match select(limited, over).await {
            Either::Left((output, _)) => output.ok(),
            Either::Right(_) => None,
        }
    }

    /// What `future` gives, unless the time is over before.
    pub async fn until_over<F: Future>(&self, future: F) -> Option<F::Output> {
        match select(pin!(future), pin!(self.reached(Phase::Over))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// What `future` gives, unless it is time to flush before.
    pub async fn until_flushing<F: Future>(&self, future: F) -> Option<F::Output> {
        match select(pin!(self.reached(Phase::Flushing)), pin!(future)).await {
            Either::Left(_) => None,
            Either::Right((output, _)) => Some(output),
        }
    }

    /// Waits for `delay`; the next phase ends it early.
    pub async fn pause(&self, delay: Duration) {
        let next = if self.is_flushing() {
            Phase::Over
        } else {
            Phase::Flushing
        };
        timeout(delay, self.reached(next)).await.ok();
    }

    async fn reached(&self, phase: Phase) {
        // A sender that is gone was the worker: it is over then.
        self.0.clone().wait_for(|now| *now >= phase).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join;
    use std::future::{pending, ready};

    const FOREVER: Duration = Duration::from_secs(3600);

    fn run(test: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn what_is_ready_comes_even_when_time_is_over() {
        run(async {
            let (phase, ending) = Ending::new();
            phase.send_replace(Phase::Over);
            assert_eq!(ending.within(FOREVER, ready(1)).await, Some(1));
            assert_eq!(ending.within(FOREVER, pending::<()>()).await, None);
        });
    }

    #[test]
    fn who_is_to_flush_waits_for_nothing_more() {
        run(async {
            let (phase, ending) = Ending::new();
            assert_eq!(ending.until_flushing(ready(1)).await, Some(1));
            phase.send_replace(Phase::Flushing);
            assert_eq!(ending.until_flushing(ready(1)).await, None);
        });
    }

    #[test]
    fn a_limit_ends_a_wait() {
        run(async {
            let (_phase, ending) = Ending::new();
            let limit = Duration::from_millis(1);
            assert_eq!(ending.within(limit, pending::<()>()).await, None);
        });
    }

    #[test]
    fn a_pause_ends_with_the_phase() {
        run(async {
            let (phase, ending) = Ending::new();
            let flush = async { phase.send_replace(Phase::Flushing) };
            join(ending.pause(FOREVER), flush).await;
            assert!(ending.is_flushing() && !ending.is_over());
            // While flushing a pause is a pause again, until the time is over.
            ending.pause(Duration::from_millis(1)).await;
            phase.send_replace(Phase::Over);
            ending.pause(FOREVER).await;
            assert!(ending.is_over());
        });
    }
}
