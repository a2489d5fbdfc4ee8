//! What the operator is told while the server runs.

use crate::limits::TELL_PAUSE;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Where lines for the operator go, one a second at most: whoever sends nonsense does not fill a log.
#[derive(Clone)]
pub struct Report {
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    told: Arc<Mutex<Option<Instant>>>,
}

impl Report {
    /// Lines go to `tell`.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            tell: Arc::new(tell),
            told: Arc::default(),
        }
    }

    pub(crate) fn line(&self, line: impl Display) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.duration_since(told) < TELL_PAUSE) {
            return;
        }
        *told = Some(now);
        (self.tell)(&line.to_string());
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report(…)")
    }
}
