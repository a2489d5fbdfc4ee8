//! What the store holds, and what became of all that it was given.

hydrant_engine::counters! {
    /// What the store counts of logs and container metrics.
    ///
    /// **The ledger**: `taken = logs + metrics + replaced + evicted + expired`, where the first two
    /// are what is held now.
    RecentCounter {
        Taken = "taken", "Logs and container metrics taken in.";
        Replaced = "replaced", "Logs and container metrics that made way for newer ones of their app.";
        Evicted = "evicted", "Logs and container metrics given up when memory was full: logs of apps that had more than their share of it, container metrics of the quietest app.";
        Expired = "expired", "Container metrics too old to be shown, and all of apps that were idle too long.";
        NoApp = "no_app", "Logs and container metrics not taken in: nobody can ask for them, they name no app.";
        Late = "late", "Container metrics not taken in: a newer one of their instance is there.";
        Oversize = "oversize", "Logs and container metrics not taken in: their app has no room for them.";
    }
}

/// What the store holds and has counted at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentCounts {
    /// Apps of which something is held.
    pub apps: usize,
    /// Memory that all of it takes, in bytes.
    pub bytes: usize,
    /// Logs held; of some apps more than are shown.
    pub logs: usize,
    /// Container metrics held, each of another instance.
    pub metrics: usize,
    pub(super) counters: [u64; RecentCounter::ALL.len()],
}

impl RecentCounts {
    /// What a counter stands at.
    pub const fn get(&self, counter: RecentCounter) -> u64 {
        self.counters[counter as usize]
    }

    pub(super) fn add(&mut self, counter: RecentCounter, count: usize) {
        // No host has room for more things than that.
        self.counters[counter as usize] += u64::try_from(count).unwrap_or(u64::MAX);
    }
}
