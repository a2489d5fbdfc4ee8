//! What a disk has of the parts, so that a restart loses nothing, or little.
//!
//! A *generation* is a file: first everything that there was when it was begun, then what has come
//! since. When the second is more than the first it is time for the next one; the file before it goes
//! once that is whole. A file is frames: bytes of the records, CRC-32C of those, the records
//! (`store::saved`); numbers are little-endian. What is behind a frame that is not whole, or not as it
//! was written, was not written to its end.

use crate::limits::{FRAME_BYTES, GENERATION_BYTES_MIN};
use crate::partitions::Partitions;
use crate::store::{Extent, Restored};
use crc::{CRC_32_ISCSI, Crc, Table};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const SUFFIX: &str = "hydrant-log-cache";
/// Held as long as the directory is in use.
const LOCK: &str = "lock";
/// What a file begins with: what it is, and by which rules.
const MAGIC: &[u8; 8] = b"HYDLC\0\0\x02";
/// Length and CRC.
const HEAD_BYTES: usize = 8;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused something.
    #[error("{path}: {error}")]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process has it.
    #[error("{0}: is in use by another process")]
    InUse(PathBuf),
    /// A file is of another version, or of something else.
    #[error("{0}: is not of this version of Hydrant: move it away to start without it")]
    Foreign(PathBuf),
}

/// A directory in use.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    /// The number of the file that is written, or was last found.
    generation: u64,
    /// Nothing before the first is begun, or after a failure.
    file: Option<File>,
    /// Bytes of the beginning of the file, and of what has come since.
    snapshot_bytes: u64,
    added_bytes: u64,
    _lock: File,
}

/// What a directory had.
#[derive(Debug, Default)]
pub(crate) struct Had {
    pub(crate) restored: Restored,
    /// Files whose end was missing or not as it was written.
    pub(crate) cut_off: u64,
}

impl Disk {
    /// Makes the directory if it is not there, and reads what it has.
    ///
    /// # Errors
    /// It cannot be used; what is in it is left as it is.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Had), DiskError> {
        let system = |path: &Path, error| DiskError::System {
            path: path.to_owned(),
            error,
        };
        fs::create_dir_all(directory).map_err(|error| system(directory, error))?;
        let lock = directory.join(LOCK);
        let file = File::create(&lock).map_err(|error| system(&lock, error))?;
        file.try_lock().map_err(|refused| match refused {
            TryLockError::WouldBlock => DiskError::InUse(directory.to_owned()),
            TryLockError::Error(error) => system(&lock, error),
        })?;
        let generations = generations(directory).map_err(|error| system(directory, error))?;
        let mut had = Had::default();
        for generation in &generations {
            let path = path(directory, *generation);
            match read(&path, &mut had.restored).map_err(|error| system(&path, error))? {
                End::Whole => {}
                End::CutOff => had.cut_off += 1,
                End::Foreign => return Err(DiskError::Foreign(path)),
            }
        }
        let disk = Self {
            directory: directory.to_owned(),
            generation: generations.last().copied().unwrap_or(0),
            file: None,
            snapshot_bytes: 0,
            added_bytes: 0,
            _lock: file,
        };
        Ok((disk, had))
    }

    /// Writes what has come since the last time, or everything if it is time for that.
    ///
    /// # Errors
    /// The system refused something: next time everything is written anew, and what there was before
    /// stays until then.
    pub(crate) fn write(&mut self, partitions: &Partitions) -> io::Result<()> {
        let is_due = self.added_bytes > self.snapshot_bytes.max(GENERATION_BYTES_MIN);
        let written = match &mut self.file {
            Some(file) if !is_due => {
                let added = append(file, partitions, Extent::New);
                added.map(|bytes| self.added_bytes += bytes)
            }
            _ => self.begin(partitions),
        };
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn begin(&mut self, partitions: &Partitions) -> io::Result<()> {
        self.generation += 1;
        let mut file = File::create(path(&self.directory, self.generation))?;
        file.write_all(MAGIC)?;
        self.snapshot_bytes = append(&mut file, partitions, Extent::All)?;
        self.added_bytes = 0;
        self.file = Some(file);
        // The name must be on the disk before those of older files go.
        File::open(&self.directory)?.sync_all()?;
        for older in generations(&self.directory)? {
            if older < self.generation {
                fs::remove_file(path(&self.directory, older))?;
            }
        }
        Ok(())
    }
}

fn path(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation:012}.{SUFFIX}"))
}

/// The numbers of the files that are there, the oldest first.
fn generations(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = Path::new(&name);
        let stem = name.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse::<u64>().ok());
        let is_ours = name.extension().is_some_and(|suffix| suffix == SUFFIX);
        numbers.extend(number.filter(|_| is_ours));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes frames to the disk, and waits until it has them. Gives how many bytes that were.
fn append(file: &mut File, partitions: &Partitions, extent: Extent) -> io::Result<u64> {
    let mut all = 0;
    for part in 0..partitions.count() {
        let mut next = Some(0);
        while let Some(from) = next {
            let mut frame = vec![0; HEAD_BYTES];
            next = partitions.save(part, from, extent, FRAME_BYTES, &mut frame);
            let records = &frame[HEAD_BYTES..];
            if records.is_empty() {
                continue;
            }
            let length = u32::try_from(records.len()).map_err(io::Error::other)?;
            let crc = CRC.checksum(records);
            frame[..4].copy_from_slice(&length.to_le_bytes());
            frame[4..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
            file.write_all(&frame)?;
            all += frame.len() as u64;
        }
    }
    if all > 0 {
        file.sync_data()?;
    }
    Ok(all)
}

enum End {
    Whole,
    CutOff,
    Foreign,
}

fn read(path: &Path, restored: &mut Restored) -> io::Result<End> {
    let file = File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    if left < magic.len() as u64 {
        return Ok(End::CutOff);
    }
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Ok(End::Foreign);
    }
    left -= magic.len() as u64;
    let mut records = Vec::new();
    while left > 0 {
        let Some(frame_left) = left.checked_sub(HEAD_BYTES as u64) else {
            return Ok(End::CutOff);
        };
        let (mut length, mut crc) = ([0; 4], [0; 4]);
        file.read_exact(&mut length)?;
        file.read_exact(&mut crc)?;
        let length = u64::from(u32::from_le_bytes(length));
        let Some(rest) = frame_left.checked_sub(length) else {
            return Ok(End::CutOff);
        };
        records.clear();
        (&mut file).take(length).read_to_end(&mut records)?;
        if CRC.checksum(&records) != u32::from_le_bytes(crc) || !restored.read(&records) {
            return Ok(End::CutOff);
        }
        left = rest;
    }
    Ok(End::Whole)
}

#[cfg(test)]
mod tests;
