//! How long a router is away: asked for, and not one stream open.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when, and how long in all.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<Spells>);

#[derive(Debug, Default)]
struct Spells {
    since: Option<Instant>,
    over: Duration,
}

impl Away {
    /// It is away from now on, if it was not.
    pub(super) fn begin(&self) {
        self.spells().since.get_or_insert_with(Instant::now);
    }

    /// It is there, or nobody asks for it.
    pub(super) fn end(&self) {
        let mut spells = self.spells();
        if let Some(since) = spells.since.take() {
            spells.over += since.elapsed();
        }
    }

    /// How long it has been away; nothing if it is there.
    pub(super) fn now(&self) -> Option<Duration> {
        self.spells().since.map(|since| since.elapsed())
    }

    /// How long it was away in all, up to now.
    pub(super) fn in_all(&self) -> Duration {
        let spells = self.spells();
        spells.over + spells.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Nothing is left half-done under this lock.
    fn spells(&self) -> MutexGuard<'_, Spells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_add_up() {
        let away = Away::default();
        assert_eq!((away.now(), away.in_all()), (None, Duration::ZERO));
        away.begin();
        let first = away.now().unwrap();
        away.begin();
        assert!(away.now().unwrap() >= first, "it goes on");
        away.end();
        let so_far = away.in_all();
        assert!(away.now().is_none() && so_far >= first);
        away.end();
        assert_eq!(away.in_all(), so_far);
    }
}
