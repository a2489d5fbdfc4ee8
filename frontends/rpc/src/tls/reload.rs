//! Reads files anew: when told to, and when they have changed.

use super::loaded::Reload;
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
    ends: Mutex<Vec<Arc<dyn Reload>>>,
    report: Box<dyn Fn(&TlsError) + Send + Sync>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

impl Reloader {
    /// Starts the thread that looks at files once a second. `report` is called, by whoever reads,
    /// for each end whose new files are bad, once a change; the end goes on with what it has.
    ///
    /// # Errors
    /// The system's, if there can be no thread.
    pub fn start(report: impl Fn(&TlsError) + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            ends: Mutex::default(),
            report: Box::new(report),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let poller = Some(Poller::start(Arc::clone(&shared))?);
        Ok(Self { shared, poller })
    }

    /// Watches a server's files, from how they were when it read them.
    pub fn watch_server(&self, tls: &ServerTls) {
        self.shared.ends().push(tls.reload());
    }

    /// Watches a client's files, from how they were when it read them.
    pub fn watch_client(&self, tls: &ClientTls) {
        self.shared.ends().push(tls.reload());
    }

    /// Reads all files now, changed or not, before it returns.
    pub fn reload_all(&self) {
        self.shared.reload(|_| true);
    }

    /// Times that an end has taken over new files.
    pub fn reloads(&self) -> u64 {
        self.shared.reloads.load(Ordering::Relaxed)
    }

    /// Times that an end kept its old files because the new ones were bad.
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
            self.reload(|end| end.is_stale());
        }
    }

    fn reload(&self, is_due: impl Fn(&dyn Reload) -> bool) {
        // Not under the lock: what `report` does is not ours.
        let ends = self.ends().clone();
        for end in ends.iter().filter(|end| is_due(end.as_ref())) {
            match end.reload() {
                Ok(()) => self.reloads.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    (self.report)(&error);
                    self.failures.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    }

    fn ends(&self) -> MutexGuard<'_, Vec<Arc<dyn Reload>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("ends", &self.ends)
            .field("reloads", &self.reloads)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
