//! A configuration and the files that it was made of.

use super::TlsError;
use arc_swap::ArcSwap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

type Make<C> = dyn Fn() -> Result<C, TlsError> + Send + Sync;

/// The newest configuration that could be made of some files.
pub(super) struct Loaded<C> {
    paths: Vec<PathBuf>,
    make: Box<Make<C>>,
    config: ArcSwap<C>,
    /// How the files looked just before they were read last, whether or not they were any good.
    stamps: Mutex<Stamps>,
}

/// What can be read anew.
pub(super) trait Reload: fmt::Debug + Send + Sync {
    /// Whether the files look different from when they were read last.
    fn is_stale(&self) -> bool;

    /// Reads the files. If they are bad, what was made of the old ones stays.
    fn reload(&self) -> Result<(), TlsError>;
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
        let stamps = Mutex::new(stamps(&paths));
        let config = ArcSwap::from_pointee(make()?);
        Ok(Arc::new(Self {
            paths,
            make: Box::new(make),
            config,
            stamps,
        }))
    }

    pub(super) fn newest(&self) -> Arc<C> {
        self.config.load_full()
    }
}

impl<C: Send + Sync> Reload for Loaded<C> {
    fn is_stale(&self) -> bool {
        let last = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        *last != stamps(&self.paths)
    }

    fn reload(&self) -> Result<(), TlsError> {
        // Held throughout: of two reloads at once the later one is the last to store.
        let mut last = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        *last = stamps(&self.paths);
        self.config.store(Arc::new((self.make)()?));
        Ok(())
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
