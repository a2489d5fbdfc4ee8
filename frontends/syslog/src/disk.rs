//! Files on the ring of [`connection`](crate::connection): a slow disk keeps no other task waiting.
//!
//! A sibling of that module, and beside it the only one that knows tokio-uring; what is said there of
//! operations that cannot be taken back holds here: await each to its end.

use crate::limits::SPOOL_FILE_MODE;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::{File, OpenOptions};

/// An open file.
pub(crate) struct DiskFile(File);

impl DiskFile {
    /// A new file, for reading and writing by us alone.
    ///
    /// # Errors
    /// What the kernel said; also if there is one.
    pub(crate) async fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(SPOOL_FILE_MODE);
        options.open(path).await.map(Self)
    }

    /// A file to be written in place, made if there is none.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) async fn rewrite(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(SPOOL_FILE_MODE);
        options.open(path).await.map(Self)
    }

    /// A file to read.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) async fn open(path: &Path) -> io::Result<Self> {
        File::open(path).await.map(Self)
    }

    /// Writes all of it from byte `at` on.
    ///
    /// # Errors
    /// What the kernel said; some of it may be written then.
    pub(crate) async fn write(&self, bytes: Vec<u8>, at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at).await.0
    }

    /// Reads `count` bytes from byte `at` on, or as many as there are.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) async fn read(&self, count: usize, at: u64) -> io::Result<Vec<u8>> {
        let mut buffer = Vec::with_capacity(count);
        let mut place = at;
        while buffer.len() < count {
            let start = buffer.len();
            let (read, slice) = self.0.read_at(buffer.slice(start..count), place).await;
            buffer = slice.into_inner();
            match read? {
                0 => break,
                more => place += more as u64,
            }
        }
        Ok(buffer)
    }

    /// Waits until what was written is on the disk itself.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        self.0.sync_data().await
    }
}

impl std::fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskFile")
    }
}

/// Removes a file.
///
/// # Errors
/// What the kernel said.
pub(crate) async fn remove(path: &Path) -> io::Result<()> {
    tokio_uring::fs::remove_file(path).await
}

/// Removes a folder that is empty.
///
/// # Errors
/// What the kernel said.
pub(crate) async fn remove_folder(path: &Path) -> io::Result<()> {
    tokio_uring::fs::remove_dir(path).await
}
