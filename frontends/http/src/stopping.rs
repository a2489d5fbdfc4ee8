//! When it is time to stop, and how long what is under way may still take.

use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Says when it is time. Dropped, it is time now, and nothing is waited for.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Instant>>);

/// Knows when it is time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<Option<Instant>>);

/// Who says when it is time to stop, and who is told.
pub fn stopping() -> (Stopper, Stopping) {
    let (stopper, stopping) = watch::channel(None);
    (Stopper(stopper), Stopping(stopping))
}

impl Stopper {
    /// It is time; what is under way may take as long as `within`.
    pub fn stop(&self, within: Duration) {
        let now = Instant::now();
        self.0
            .send_replace(Some(now.checked_add(within).unwrap_or(now)));
    }
}

impl Stopping {
    /// Waits until it is time.
    pub async fn begun(&mut self) {
        self.0.wait_for(Option::is_some).await.ok();
    }

    /// Until when to wait for what is under way; now, if nobody said.
    pub fn deadline(&self) -> Instant {
        let deadline = *self.0.borrow();
        deadline.unwrap_or_else(Instant::now)
    }
}
