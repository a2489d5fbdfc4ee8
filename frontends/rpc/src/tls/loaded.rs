//! A configuration and the files that it was made of.

use super::TlsError;
use arc_swap::ArcSwap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Make<C> = dyn Fn() -> Result<C, TlsError> + Send + Sync;

/// The newest configuration that could be made of some files.
pub(super) struct Loaded<C> {
    paths: Vec<PathBuf>,
    make: Box<Make<C>>,
    config: ArcSwap<C>,
    looks: Mutex<Looks>,
}

/// How the files looked just before they were read.
struct Looks {
    /// When they were good the last time.
    good: Stamps,
    /// When they were bad since, and what was said of them.
    bad: Option<(Stamps, String)>,
}

/// What can be read anew.
pub(super) trait Reload: fmt::Debug + Send + Sync {
    /// Whether the files look different from what is in use. They do for as long as they are bad,
    /// so that what fails for a passing reason (no descriptor left, dates that begin soon) is tried
    /// again.
    fn is_stale(&self) -> bool;

    /// Reads the files. If they are bad, what was made of the old ones stays.
    fn reload(&self) -> Result<(), Failure>;
}

/// Files are bad.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: TlsError,
    /// Whether files and error are other ones than when reading failed the last time.
    pub(super) is_new: bool,
}

/// For each file its time of change, length, inode and device; none if it is not there.
type Stamps = Vec<Option<[i128; 4]>>;

impl<C> Loaded<C> {
    /// Reads the files `paths` by `make`, now and whenever they are to be read anew.
    pub(super) fn new(
        paths: Vec<PathBuf>,
        make: impl Fn() -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        // Before reading, so that a change in between is noticed.
        let looks = Looks {
            good: stamps(&paths),
            bad: None,
        };
        let config = ArcSwap::from_pointee(make()?);
        Ok(Arc::new(Self {
            paths,
            make: Box::new(make),
            config,
            looks: Mutex::new(looks),
        }))
    }

    pub(super) fn newest(&self) -> Arc<C> {
        self.config.load_full()
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Send + Sync> Reload for Loaded<C> {
    fn is_stale(&self) -> bool {
        self.looks().good != stamps(&self.paths)
    }

    fn reload(&self) -> Result<(), Failure> {
        // Held throughout: of two reloads at once the later one is the last to store.
        let mut looks = self.looks();
        let stamps = stamps(&self.paths);
        let made = (self.make)().map_err(|error| looks.failed(stamps.clone(), error))?;
        self.config.store(Arc::new(made));
        *looks = Looks {
            good: stamps,
            bad: None,
        };
        Ok(())
    }
}

impl Looks {
    fn failed(&mut self, stamps: Stamps, error: TlsError) -> Failure {
        let bad = Some((stamps, error.to_string()));
        let is_new = self.bad != bad;
        self.bad = bad;
        Failure { error, is_new }
    }
}

impl<C> fmt::Debug for Loaded<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.paths).finish()
    }
}

fn stamps(paths: &[PathBuf]) -> Stamps {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<[i128; 4]> {
    let metadata = fs::metadata(path).ok()?;
    let changed_nanos =
        i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Some([
        changed_nanos,
        metadata.len().into(),
        metadata.ino().into(),
        metadata.dev().into(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::rig::Directory;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// One end whose file is as good as the number says: 0 is good, others fail, each in its way.
    fn end(path: &Path) -> (Arc<AtomicU32>, Arc<Loaded<u32>>) {
        let problem = Arc::new(AtomicU32::new(0));
        let made = problem.clone();
        let make = move || match made.load(Relaxed) {
            0 => Ok(0),
            problem => Err(TlsError::Refused(problem.to_string())),
        };
        let loaded = Loaded::new(vec![path.to_owned()], make).unwrap();
        (problem, loaded)
    }

    #[test]
    fn what_failed_is_tried_until_it_works_and_told_once() {
        let directory = Directory::new();
        let path = directory.write("file", "old");
        let (problem, end) = end(&path);
        assert!(!end.is_stale());
        directory.write("file", "newer");
        problem.store(1, Relaxed);
        let mut is_new = |number| {
            problem.store(number, Relaxed);
            assert!(end.is_stale());
            end.reload().map_err(|failure| failure.is_new)
        };
        assert_eq!(
            [1, 1, 2].map(&mut is_new),
            [Err(true), Err(false), Err(true)]
        );
        directory.write("file", "the newest");
        assert_eq!([2, 2].map(&mut is_new), [Err(true), Err(false)]);
        assert_eq!(is_new(0), Ok(()), "the file is the same");
        assert!(!end.is_stale());
    }
}
