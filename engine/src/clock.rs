//! Time as a value. It is read once a turn, behind the kernel seam, and passed in.

use std::time::{Duration, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, as in Loggregator's envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixNanos(pub u64);

impl UnixNanos {
    /// The wall clock now. The one place in the engine that reads it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the reading that the turn passes on"
    )]
    pub fn now() -> Self {
        // A clock before 1970 reads as 1970: no envelope is lost for it.
        let since_epoch = std::time::SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds from `earlier` to here; 0 when the clock was set back in between.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
