//! Lines of one drain on disk, in a folder of their own: segments that are appended to and removed
//! whole, and a small file that says how far they are read.
//!
//! What is written with a completed write survives the end of our process, however it ends; what is
//! in a segment that is closed, and all of it after a graceful stop, survives the machine's too.

mod found;
mod frame;
mod position;
mod room;
mod store;

pub(crate) use found::Found;
pub(crate) use room::Room;
pub(crate) use store::{Losses, Store};

/// Where the reader's position is.
const POSITION_FILE: &str = "position";
/// What a segment's name ends with; names the version of what is in it.
const SEGMENT_END: &str = ".lines-1";

/// A file of frames.
///
/// **Invariant: its frames have the lines from `first` up to `end`, without a gap.**
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    first: u64,
    /// The number behind that of its last line.
    end: u64,
    bytes: u64,
}

impl Segment {
    /// The name of the file that begins with this line. In order of names they are in order.
    fn name(first: u64) -> String {
        format!("{first:020}{SEGMENT_END}")
    }

    /// The first line of the file of this name.
    fn number(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(SEGMENT_END)?;
        let is_number = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    }
}

/// A folder of its own for a test, made anew.
#[cfg(test)]
pub(crate) fn test_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("hydrant-spool-{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir(&folder).unwrap();
    folder
}
