//! The spool's directory: whose each of its folders is, and what becomes of those that are nobody's.

use crate::config::{ConfigError, SpoolConfig};
use crate::limits::{SPOOL_FOLDER_MODE, SPOOL_SWEEP_MS};
use crate::spool::Found;
use hydrant_bindings::Binding;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::{FrontendState, SessionState};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::mem;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// What drains that are gone are summed up under.
pub(crate) const RETIRED: &str = "retired";
/// Digits of a folder's name.
const NAME_DIGITS: usize = 32;
/// How long, and how often, a process that has the directory is waited for: one that is ending.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The directory, which no other process has.
#[derive(Debug)]
pub(crate) struct Keeper {
    directory: PathBuf,
    keep: Duration,
    bytes_max: u64,
    /// Names of folders that somebody has.
    claimed: Mutex<HashSet<String>>,
    /// Since when we know of folders that nobody has.
    unclaimed: Mutex<HashMap<String, Instant>>,
    /// Holds the lock on the directory.
    _lock: File,
}

/// A folder that nobody else has until this is dropped. It need not be there.
#[derive(Debug)]
pub(crate) struct Claim {
    keeper: Arc<Keeper>,
    name: String,
}

/// A folder that nobody has.
struct Orphan {
    name: String,
    since: Instant,
    bytes: u64,
}

/// The name of a binding's folder. It says nothing of the URL, and is the same when the binding's
/// certificate or hostname changes.
pub(crate) fn folder_name(binding: &Binding) -> String {
    let mut hash = Sha256::new();
    hash.update(binding.url.reveal().as_bytes());
    if let Some(app) = &binding.app {
        hash.update([0]); // In no URL.
        hash.update(app.as_bytes());
    }
    let digest = hash.finalize();
    let bytes = digest.iter().take(NAME_DIGITS / 2);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

impl Keeper {
    /// Makes the directory if it is not there, and takes it for this process.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn new(config: &SpoolConfig) -> Result<Arc<Self>, ConfigError> {
        let directory = config.directory.clone();
        let lock = own(&directory).map_err(|error| {
            let problem = format!("{}: {error}", directory.display());
            ConfigError::new("syslog.spool.directory", problem)
        })?;
        Ok(Arc::new(Self {
            directory,
            keep: Duration::from_secs(config.keep_retired_s),
            bytes_max: config.bytes.as_u64(),
            claimed: Mutex::default(),
            unclaimed: Mutex::default(),
            _lock: lock,
        }))
    }

    /// The folder of this name, unless somebody has it.
    pub(crate) fn claim(self: &Arc<Self>, name: &str) -> Option<Claim> {
        let is_new = lock(&self.claimed).insert(name.to_owned());
        is_new.then(|| Claim {
            keeper: self.clone(),
            name: name.to_owned(),
        })
    }

    /// Removes folders that nobody has had for long; or sooner, those without a drain for longest
    /// first, if all folders have more than all may have. Gives how many lines that cost.
    fn sweep(self: &Arc<Self>, now: Instant) -> io::Result<u64> {
        let (mut orphans, mut bytes) = self.orphans(now)?;
        orphans.sort_by_key(|orphan| orphan.since);
        let mut line_count = 0;
        for orphan in orphans {
            let is_old = now.duration_since(orphan.since) >= self.keep;
            if (is_old || bytes > self.bytes_max)
                && let Some(claim) = self.claim(&orphan.name)
            {
                let found = Found::look(&claim.folder())?;
                fs::remove_dir_all(claim.folder())?;
                line_count += found.line_count + found.corrupt;
                bytes -= orphan.bytes.min(bytes);
            }
        }
        Ok(line_count)
    }

    /// Folders that nobody has, and bytes of all folders.
    fn orphans(&self, now: Instant) -> io::Result<(Vec<Orphan>, u64)> {
        let mut unclaimed = lock(&self.unclaimed);
        let before = mem::take(&mut *unclaimed);
        let mut orphans = Vec::new();
        let mut all_bytes = 0;
        for entry in fs::read_dir(&self.directory)? {
            let Some(name) = entry?.file_name().to_str().and_then(as_folder_name) else {
                continue;
            };
            let bytes = folder_bytes(&self.directory.join(&name))?;
            all_bytes += bytes;
            if !lock(&self.claimed).contains(&name) {
                let since = before.get(&name).copied().unwrap_or(now);
                unclaimed.insert(name.clone(), since);
                orphans.push(Orphan { name, since, bytes });
            }
        }
        Ok((orphans, all_bytes))
    }
}

impl Claim {
    /// Where it is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.keeper.directory.join(&self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.keeper.claimed).remove(&self.name);
    }
}

/// Sweeps for ever, and counts what that costs. One worker does it for all.
pub(crate) async fn sweep(keeper: Arc<Keeper>, state: Arc<FrontendState>) {
    let pause = keeper.keep.min(Duration::from_millis(SPOOL_SWEEP_MS));
    loop {
        sleep(pause).await;
        let keeper = keeper.clone();
        let swept = spawn_blocking(move || keeper.sweep(Instant::now())).await;
        // What could not be removed is tried the next time.
        if let Ok(Ok(line_count)) = swept
            && line_count > 0
        {
            let gone = SessionState::new("drains that are gone".to_owned(), String::new());
            gone.counters.add(SessionCounter::Recovered, line_count);
            gone.counters.add(SessionCounter::Selected, line_count);
            gone.counters.add(SessionCounter::SpoolExpired, line_count);
            state.close(state.open(Arc::new(gone)), RETIRED);
        }
    }
}

fn own(directory: &Path) -> io::Result<File> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(SPOOL_FOLDER_MODE);
    builder.create(directory)?;
    let lock = File::open(directory)?;
    // Whether we may write is better known now than when a drain is away.
    let probe = directory.join("probe");
    DirBuilder::new()
        .create(&probe)
        .or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })?;
    fs::remove_dir(probe)?;
    for _ in 0..LOCK_TRIES {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("another process has it"))
}

fn as_folder_name(name: &str) -> Option<String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_name = name.len() == NAME_DIGITS && name.bytes().all(is_digit);
    is_name.then(|| name.to_owned())
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        // A file may be removed meanwhile.
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytesize::ByteSize;

    fn binding(url: &str, app: Option<&str>) -> Binding {
        Binding {
            url: url.into(),
            credentials: Default::default(),
            app: app.map(str::to_owned),
            hostname: String::new(),
        }
    }

    #[test]
    fn a_folder_is_told_by_url_and_app_and_names_neither() {
        let mut one = binding("syslog://u:hush@h:1", Some("a"));
        let name = folder_name(&one);
        assert_eq!(as_folder_name(&name), Some(name.clone()));
        one.hostname = "other".to_owned();
        one.credentials.cert = "other".into();
        assert_eq!(folder_name(&one), name);
        for (url, app) in [
            ("syslog://u:hush@h:1", None),
            ("syslog://u:hush@h:1", Some("b")),
            ("syslog://u:hush@h:2", Some("a")),
        ] {
            assert_ne!(folder_name(&binding(url, app)), name);
        }
        assert_eq!(as_folder_name("../../0123456789abcdef0123456789"), None);
    }

    #[test]
    fn what_nobody_has_goes_after_its_time_and_sooner_if_there_is_too_much() {
        let directory = crate::spool::test_folder("sweep");
        let config = SpoolConfig {
            keep_retired_s: 60,
            bytes: ByteSize::b(3000),
            ..SpoolConfig::of(directory.clone())
        };
        let keeper = Keeper::new(&config).unwrap();
        let names = ["a", "b", "c"].map(|app| folder_name(&binding("syslog://h:1", Some(app))));
        for name in &names {
            fs::create_dir(directory.join(name)).unwrap();
            fs::write(directory.join(name).join("x"), [0; 1000]).unwrap();
        }
        fs::create_dir(directory.join("not ours")).unwrap();
        let is_there = |index: usize| directory.join(&names[index]).exists();
        let start = Instant::now();
        let claim = keeper.claim(&names[0]).unwrap();
        assert!(keeper.claim(&names[0]).is_none());
        assert_eq!(keeper.sweep(start).unwrap(), 0);
        keeper.sweep(start + Duration::from_secs(59)).unwrap();
        assert!((0..3).all(is_there));
        // Now one is too much, and it is not the one that somebody has.
        fs::write(directory.join(&names[0]).join("y"), [0; 500]).unwrap();
        keeper.sweep(start + Duration::from_secs(59)).unwrap();
        assert!(is_there(0) && (is_there(1) != is_there(2)));
        keeper.sweep(start + Duration::from_secs(60)).unwrap();
        assert_eq!([0, 1, 2].map(is_there), [true, false, false]);
        drop(claim);
        keeper.sweep(start + Duration::from_secs(61)).unwrap();
        keeper.sweep(start + Duration::from_secs(120)).unwrap();
        assert!(is_there(0), "it was claimed until a minute ago");
        keeper.sweep(start + Duration::from_secs(121)).unwrap();
        assert!(!is_there(0) && directory.join("not ours").exists());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_directory_has_one_process_and_must_be_writable() {
        let directory = crate::spool::test_folder("own");
        let config = SpoolConfig::of(directory.clone());
        drop(Keeper::new(&config).unwrap());
        let held = Keeper::new(&config).unwrap();
        let again = Keeper::new(&config).unwrap_err();
        let expected = format!(
            "syslog.spool.directory: {}: another process has it",
            directory.display()
        );
        assert_eq!(again.to_string(), expected);
        drop(held);
        let file = directory.join("file");
        fs::write(&file, "").unwrap();
        let error = Keeper::new(&SpoolConfig::of(file)).unwrap_err();
        assert_eq!(error.key, "syslog.spool.directory");
        fs::remove_dir_all(directory).unwrap();
    }
}
