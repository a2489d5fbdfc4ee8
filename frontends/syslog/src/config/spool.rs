//! The `[syslog.spool]` table.

use super::{ConfigError, in_range};
use crate::limits::{SPOOL_BYTES_MAX, SPOOL_BYTES_MIN, SPOOL_KEEP_S_MAX};
use bytesize::ByteSize;
use serde::Deserialize;
use std::path::PathBuf;

/// The `[syslog.spool]` table: lines of drains that are away or slow wait on disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// Where. It is made if it is not there, for us alone; no other process may have it.
    pub directory: PathBuf,
    /// What may wait for one drain; what is more is lost, oldest first. Default: 1 GiB.
    #[serde(default = "bytes_per_drain")]
    pub bytes_per_drain: ByteSize,
    /// What may wait for all together: each worker has an equal part, and half of that is shared out
    /// equally to the drains there are. Default: 16 GiB.
    #[serde(default = "spool_bytes")]
    pub bytes: ByteSize,
    /// Seconds for which the lines of a drain are kept that nobody wants any more: bindings come
    /// back when the Cloud Controller was ill. Default: 3600.
    #[serde(default = "keep_retired_s")]
    pub keep_retired_s: u64,
}

const fn bytes_per_drain() -> ByteSize {
    ByteSize::gib(1)
}

const fn spool_bytes() -> ByteSize {
    ByteSize::gib(16)
}

const fn keep_retired_s() -> u64 {
    3600
}

impl SpoolConfig {
    /// A spool there, with all else as it is by default.
    pub const fn of(directory: PathBuf) -> Self {
        Self {
            directory,
            bytes_per_drain: bytes_per_drain(),
            bytes: spool_bytes(),
            keep_retired_s: keep_retired_s(),
        }
    }

    /// Names the first key that cannot be used.
    pub(super) fn check(&self, workers: usize) -> Result<(), ConfigError> {
        if self.directory.as_os_str().is_empty() {
            let problem = "is empty: name a directory that is ours alone";
            return Err(ConfigError::new("syslog.spool.directory", problem));
        }
        let per_drain = self.bytes_per_drain.as_u64();
        let least = per_drain.saturating_mul(workers as u64);
        in_range(
            "syslog.spool.bytes_per_drain",
            per_drain,
            SPOOL_BYTES_MIN,
            SPOOL_BYTES_MAX,
        )?;
        // Each worker has its part, and a drain can have what it may.
        in_range(
            "syslog.spool.bytes",
            self.bytes.as_u64(),
            least,
            SPOOL_BYTES_MAX,
        )?;
        if !(1..=SPOOL_KEEP_S_MAX).contains(&self.keep_retired_s) {
            let problem = format!(
                "{} is not allowed: from 1 to {SPOOL_KEEP_S_MAX} seconds",
                self.keep_retired_s
            );
            return Err(ConfigError::new("syslog.spool.keep_retired_s", problem));
        }
        Ok(())
    }
}
