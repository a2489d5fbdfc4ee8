//! Reads files anew: when told to, and when they have changed.

use super::loaded::{Failure, Reload};
use super::{ClientTls, ServerTls, TlsError};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often files are looked at. Looking is one system call a file, so that nothing is saved by
/// being told of changes, which does not work on every file system.
const POLL: Duration = Duration::from_secs(1);

/// Watches over the files of ends of TLS until it is dropped.
#[derive(Debug)]
pub struct Reloader {
    shared: Arc<Shared>,
    poller: Option<Poller>,
}

#[derive(Debug)]
struct Poller {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

struct Shared {
    watched: Mutex<Vec<Arc<dyn Reload>>>,
    report: Box<dyn Fn(&TlsError) + Send + Sync>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

impl Reloader {
    /// Starts the thread that looks at files once a second. `report` is called, by whoever reads,
    /// for each end whose new files are bad; the end goes on with what it has. The thread tries
    /// them again until they work, and reports once a change of them or of what is wrong.
    ///
    /// # Errors
    /// The system's, if there can be no thread.
    pub fn start(report: impl Fn(&TlsError) + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            watched: Mutex::default(),
            report: Box::new(report),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let poller = Some(Poller::start(Arc::clone(&shared))?);
        Ok(Self { shared, poller })
    }

    /// Watches a server's files, from how they were when it read them.
    pub fn watch_server(&self, tls: &ServerTls) {
        self.shared.watched().push(tls.reload());
    }

    /// Watches a client's files, from how they were when it read them.
    pub fn watch_client(&self, tls: &ClientTls) {
        self.shared.watched().push(tls.reload());
    }

    /// Reads all files now, changed or not, before it returns.
    pub fn reload_all(&self) {
        for end in self.shared.ends() {
            self.shared.settle(end.reload());
        }
    }

    /// Times that an end has taken over new files.
    pub fn reloads(&self) -> u64 {
        self.shared.reloads.load(Ordering::Relaxed)
    }

    /// Times that an end kept its old files because the new ones were bad: one for each report.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        if let Some(Poller { stop, thread }) = self.poller.take() {
            drop(stop);
            // It can only have panicked in `report`, and has said so then.
            drop(thread.join());
        }
    }
}

impl Poller {
    fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("tls-reload".to_owned())
            .spawn(move || shared.poll(&stopped))?;
        Ok(Self { stop, thread })
    }
}

impl Shared {
    fn poll(&self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            for end in self.ends().iter().filter(|end| end.is_stale()) {
                match end.reload() {
                    Err(Failure { is_new: false, .. }) => {} // It has been told.
                    outcome => self.settle(outcome),
                }
            }
        }
    }

    fn settle(&self, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => self.reloads.fetch_add(1, Ordering::Relaxed),
            Err(failure) => {
                (self.report)(&failure.error);
                self.failures.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    /// A copy: what `report` does is not ours, and not under the lock.
    fn ends(&self) -> Vec<Arc<dyn Reload>> {
        self.watched().clone()
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Arc<dyn Reload>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("watched", &self.watched)
            .field("reloads", &self.reloads)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
