//! Who is served: a register that metrics and dumps look at.

use crate::counters::{FeedCounters, SessionCounter, SessionCounters};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most characters of a session's name and of its peer.
const SHOWN_CHARS_MAX: usize = 200;

/// What waits on disk for a session; nothing for those that have no spool.
#[derive(Debug, Default)]
pub struct SpoolGauge {
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl SpoolGauge {
    /// Says how much it is, in messages and in bytes of files.
    pub fn set(&self, lines: u64, bytes: u64) {
        self.lines.store(lines, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Messages that wait there, or are on their way and still there.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What anybody may see of a session.
#[derive(Debug)]
pub struct SessionState {
    /// What it takes: the path of a WebSocket, the URL of a drain without its secrets. Readers
    /// choose much of it, and metrics repeat it, so it is cut to 200 characters.
    pub name: String,
    /// Where it is, as `address:port`. Cut to 200 characters too.
    pub peer: String,
    /// Whether it takes one app's alone.
    pub is_of_app: bool,
    /// What it counted.
    pub counters: SessionCounters,
    /// What of it waits on disk.
    pub spool: SpoolGauge,
    note: Mutex<String>,
    error: Mutex<String>,
}

impl SessionState {
    /// A session that has counted nothing.
    pub fn new(name: String, peer: String) -> Self {
        Self {
            name: cut(name),
            peer: cut(peer),
            is_of_app: false,
            counters: SessionCounters::default(),
            spool: SpoolGauge::default(),
            note: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// The same, taking one app's alone or not.
    #[must_use]
    pub fn of_app(mut self, is_of_app: bool) -> Self {
        self.is_of_app = is_of_app;
        self
    }

    /// Says how it stands, in a few words: `connected`, the last error.
    pub fn set_note(&self, note: impl Into<String>) {
        *lock(&self.note) = note.into();
    }

    /// What was last said.
    pub fn note(&self) -> String {
        lock(&self.note).clone()
    }

    /// Says what went wrong, which stays until something else does.
    pub fn set_error(&self, error: impl Into<String>) {
        *lock(&self.error) = error.into();
    }

    /// What last went wrong; empty if nothing ever did.
    pub fn error(&self) -> String {
        lock(&self.error).clone()
    }
}

/// The state of one frontend worker, shared with whoever watches.
#[derive(Debug)]
pub struct FrontendState {
    /// `websocket`, `syslog`, …
    pub frontend: &'static str,
    /// Which of the frontend's workers, from 0.
    pub worker: usize,
    /// The core that the worker is pinned to, if it is.
    pub core: Option<usize>,
    /// What it counted of its feed.
    pub feed: FeedCounters,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    next: u64,
    open: BTreeMap<u64, Arc<SessionState>>,
    /// Sums over the sessions that are over, by name of what they took.
    over: BTreeMap<String, Arc<SessionCounters>>,
    /// How many of them were closed for taking nothing while something waited.
    slow: u64,
}

impl FrontendState {
    /// A worker without sessions.
    pub fn new(frontend: &'static str, core: Option<usize>) -> Self {
        Self::of_worker(frontend, 0, core)
    }

    /// One of several workers.
    pub fn of_worker(frontend: &'static str, worker: usize, core: Option<usize>) -> Self {
        let feed = FeedCounters::default();
        Self {
            frontend,
            worker,
            core,
            feed,
            sessions: Mutex::default(),
        }
    }

    /// The worker's name: the frontend's, with a number from the second worker on.
    pub fn name(&self) -> String {
        match self.worker {
            0 => self.frontend.to_owned(),
            worker => format!("{}-{worker}", self.frontend),
        }
    }

    /// Registers a session; gives the number under which to [`close`](Self::close) it.
    pub fn open(&self, session: Arc<SessionState>) -> u64 {
        let mut sessions = lock(&self.sessions);
        let number = sessions.next;
        sessions.next += 1;
        sessions.open.insert(number, session);
        number
    }

    /// Takes a session out of the register; its counts go into the sums. `endpoint` is the name
    /// under which they are summed up: a kind of session, so that the sums stay few.
    pub fn close(&self, number: u64, endpoint: &str) {
        let mut sessions = lock(&self.sessions);
        if let Some(session) = sessions.open.remove(&number) {
            let is_slow = session.counters.get(SessionCounter::Slow) > 0;
            sessions.slow += u64::from(is_slow);
            sessions
                .over
                .entry(endpoint.to_owned())
                .or_default()
                .absorb(&session.counters);
        }
    }

    /// How many sessions are open.
    pub fn session_count(&self) -> usize {
        lock(&self.sessions).open.len()
    }

    /// The sessions that are open, in the order in which they came.
    pub fn sessions(&self) -> Vec<Arc<SessionState>> {
        lock(&self.sessions).open.values().cloned().collect()
    }

    /// How many sessions were closed for taking nothing while something waited for them.
    pub fn slow_sessions(&self) -> u64 {
        lock(&self.sessions).slow
    }

    /// Sums over the sessions that are over.
    pub fn over(&self) -> Vec<(String, Arc<SessionCounters>)> {
        let sessions = lock(&self.sessions);
        sessions
            .over
            .iter()
            .map(|(name, counters)| (name.clone(), counters.clone()))
            .collect()
    }
}

/// An ellipsis is in the place of what is too much.
fn cut(mut text: String) -> String {
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        let kept: usize = text
            .chars()
            .take(SHOWN_CHARS_MAX - 1)
            .map(char::len_utf8)
            .sum();
        text.truncate(kept);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// Nothing is left half-done under these locks, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_over_leaves_its_counts() {
        let state = FrontendState::new("websocket", None);
        let session = Arc::new(SessionState::new("/firehose/a".into(), "1.2.3.4:5".into()));
        let number = state.open(session.clone());
        session.counters.add(SessionCounter::Selected, 4);
        session.set_note("connected");
        assert_eq!(state.sessions()[0].note(), "connected");
        state.close(number, "firehose");
        state.close(number, "firehose");
        assert!(state.sessions().is_empty());
        let over = state.over();
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].0, "firehose");
        assert_eq!(over[0].1.get(SessionCounter::Selected), 4);
    }

    #[test]
    fn slow_sessions_are_counted_apart_from_what_they_lost() {
        let state = FrontendState::new("websocket", None);
        for lost in [0, 1, 100] {
            let session = Arc::new(SessionState::new("/firehose/a".into(), "1.2.3.4:5".into()));
            session.counters.add(SessionCounter::Slow, lost);
            session.counters.add(SessionCounter::Gone, 1);
            let number = state.open(session);
            state.close(number, "firehose");
            state.close(number, "firehose");
        }
        assert_eq!(state.slow_sessions(), 2);
    }

    #[test]
    fn what_is_shown_of_a_session_is_bounded() {
        let shown = |text: String| {
            let session = SessionState::new(text.clone(), text);
            assert_eq!(session.name, session.peer);
            session.name
        };
        let whole = "é".repeat(200);
        assert_eq!(shown(whole.clone()), whole);
        assert_eq!(shown(whole + "é"), "é".repeat(199) + "…");
        let long = shown(format!("a{}", "\u{10ffff}".repeat(60_000)));
        assert_eq!((long.chars().count(), long.len()), (200, 1 + 198 * 4 + 3));
    }
}
