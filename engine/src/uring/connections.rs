//! Where each direct descriptor stands, and which connections have long said nothing.

use crate::clock::UnixNanos;

/// How often some connections are looked at.
const LOOK_NANOS: u64 = 500_000_000;
/// Looks until every connection has been looked at once.
const LOOKS: usize = 8;

/// Where a direct descriptor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Open,
    /// Open, and has said nothing since the last look.
    Quiet,
    /// The handler wants no more of it; its receive is about to end.
    Cut,
    /// Its close is submitted.
    Closing,
}

/// The states of all direct descriptors.
pub(super) struct Connections {
    states: Vec<State>,
    next: usize,
    looked: UnixNanos,
}

impl Connections {
    pub(super) fn new(count: u32) -> Self {
        Self {
            states: vec![State::Free; count as usize],
            next: 0,
            looked: UnixNanos::default(),
        }
    }

    #[inline]
    pub(super) fn state(&self, slot: u32) -> State {
        self.states[slot as usize]
    }

    #[inline]
    pub(super) fn set(&mut self, slot: u32, state: State) {
        self.states[slot as usize] = state;
    }

    /// Whether its bytes are wanted; it has just said some.
    #[inline]
    pub(super) fn heard(&mut self, slot: u32) -> bool {
        let state = &mut self.states[slot as usize];
        if *state == State::Quiet {
            *state = State::Open;
        }
        *state == State::Open
    }

    /// If it is time for a look: what it looks at, to be given to [`look`](Self::look).
    pub(super) fn due(&mut self, now: UnixNanos) -> std::ops::Range<u32> {
        // A clock that was set back counts as one that went on.
        if now.0.abs_diff(self.looked.0) < LOOK_NANOS {
            return 0..0;
        }
        self.looked = now;
        let start = self.next;
        let end = (start + self.states.len().div_ceil(LOOKS)).min(self.states.len());
        self.next = if end == self.states.len() { 0 } else { end };
        let slot = |index| u32::try_from(index).unwrap_or(u32::MAX);
        slot(start)..slot(end)
    }

    /// Whether it was quiet at the last look too.
    pub(super) fn look(&mut self, slot: u32) -> bool {
        let state = &mut self.states[slot as usize];
        if *state == State::Open {
            *state = State::Quiet;
            return false;
        }
        *state == State::Quiet
    }

    pub(super) fn open_count(&self) -> usize {
        let is_open = |state: &&State| matches!(state, State::Open | State::Quiet);
        self.states.iter().filter(is_open).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 24;

    /// One look at every connection; which of them were quiet.
    fn look_at_all(connections: &mut Connections, now: &mut u64) -> Vec<u32> {
        let mut quiet = Vec::new();
        for _ in 0..LOOKS {
            *now += LOOK_NANOS;
            let due = connections.due(UnixNanos(*now));
            quiet.extend(due.filter(|slot| connections.look(*slot)));
        }
        quiet
    }

    #[test]
    fn who_says_nothing_between_two_looks_is_quiet() {
        let mut connections = Connections::new(SLOTS);
        let mut now = 0;
        for slot in [0, 7, 19] {
            connections.set(slot, State::Open);
        }
        connections.set(3, State::Cut);
        connections.set(4, State::Closing);
        assert_eq!(look_at_all(&mut connections, &mut now), []);
        assert!(connections.heard(7));
        assert!(!connections.heard(3));
        assert_eq!(look_at_all(&mut connections, &mut now), [0, 19]);
        assert_eq!(look_at_all(&mut connections, &mut now), [0, 7, 19]);
        assert_eq!(connections.open_count(), 3);
    }

    #[test]
    fn looks_are_not_taken_early() {
        let mut connections = Connections::new(SLOTS);
        assert_eq!(connections.due(UnixNanos(LOOK_NANOS)).len(), 3);
        assert_eq!(connections.due(UnixNanos(LOOK_NANOS * 2 - 1)).len(), 0);
        assert_eq!(connections.due(UnixNanos(LOOK_NANOS * 2)), 3..6);
        assert_eq!(
            connections.due(UnixNanos(0)),
            6..9,
            "the clock was set back"
        );
    }
}
