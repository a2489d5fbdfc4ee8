//! What a folder has in it when it is opened: everything after a stop, and after a crash everything
//! but what was being written.

use super::frame::{HEADER_BYTES, Header};
use super::position::Position;
use super::{POSITION_FILE, Segment};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Memory in which headers are looked for: many when frames are small, one when they are large.
const LOOK_BYTES: usize = 4096;

/// A folder's content.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Segments with lines that are not settled, oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// Where in the first of them the frame of the first such line begins.
    pub(super) offset: u64,
    /// The first line that is not settled.
    pub(super) next: u64,
    /// The number that the next line gets.
    pub(super) end: u64,
    /// Lines that can be read, as far as their headers say.
    pub(crate) line_count: u64,
    /// Lines that can not, because a header or the end of a frame is amiss. At least one for each
    /// place where it is not known how many there were.
    pub(crate) corrupt: u64,
    /// Lines among `line_count` that were on their way to the peer.
    pub(crate) maybe_twice: u64,
}

/// A segment as far as its headers can be followed.
struct Walked {
    segment: Segment,
    /// Where the frame of the line that was asked for begins.
    offset: u64,
    /// Bytes that have whole frames, and lines behind them that the next header speaks of.
    whole_bytes: u64,
    torn_lines: u64,
}

impl Found {
    /// Looks into a folder, which need not be there. What is settled is removed, and what is torn is
    /// cut off, so that it is not counted another time.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn look(folder: &Path) -> io::Result<Self> {
        let mut names = segment_numbers(folder)?;
        names.sort_unstable();
        let written = fs::read(folder.join(POSITION_FILE));
        let position = written.ok().map(|bytes| Position::read(&bytes));
        let next = position.flatten().unwrap_or_default().next;
        let mut found = Self {
            next,
            ..Self::default()
        };
        for (index, first) in names.iter().enumerate() {
            let following = names.get(index + 1).copied();
            found.take(&folder.join(Segment::name(*first)), *first, following)?;
        }
        found.count(position);
        Ok(found)
    }

    fn take(&mut self, path: &Path, first: u64, following: Option<u64>) -> io::Result<()> {
        let walked = walk(path, first, self.next)?;
        let Segment { end, bytes, .. } = walked.segment;
        let is_torn = bytes > walked.whole_bytes;
        if is_torn {
            self.corrupt += match following {
                Some(following) => following.saturating_sub(end.max(self.next)),
                None => walked.torn_lines.max(1),
            };
        }
        self.end = self.end.max(end);
        if end <= self.next || end == first {
            return fs::remove_file(path);
        }
        let mut segment = walked.segment;
        if is_torn {
            OpenOptions::new()
                .write(true)
                .open(path)?
                .set_len(walked.whole_bytes)?;
            segment.bytes = walked.whole_bytes;
        }
        if self.segments.is_empty() {
            self.offset = walked.offset;
        }
        self.segments.push_back(segment);
        Ok(())
    }

    /// `position` is `None` if there is none, and `Some(None)` if it cannot be read: then all that
    /// was not yet removed with its segment may have been sent.
    fn count(&mut self, position: Option<Option<Position>>) {
        let in_flight_end = match position {
            None => 0,
            Some(Some(position)) => position.next.saturating_add(position.in_flight.into()),
            Some(None) => self.segments.front().map_or(0, |segment| segment.end),
        };
        self.end = self.end.max(self.next).max(in_flight_end);
        let first = self.segments.front().map(|segment| segment.first);
        self.next = self.next.max(first.unwrap_or_default());
        let from = self.next;
        let count = |segments: &VecDeque<Segment>, until: u64| -> u64 {
            let lines = segments.iter().map(|segment| {
                until
                    .min(segment.end)
                    .saturating_sub(segment.first.max(from))
            });
            lines.sum()
        };
        self.line_count = count(&self.segments, u64::MAX);
        self.maybe_twice = count(&self.segments, in_flight_end);
    }
}

/// The numbers of the segments in a folder.
fn segment_numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(Segment::number));
    }
    Ok(numbers)
}

/// Follows a segment's headers; notes where the frame of line `wanted` begins.
fn walk(path: &Path, first: u64, wanted: u64) -> io::Result<Walked> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut walked = Walked {
        segment: Segment {
            first,
            end: first,
            bytes,
        },
        offset: 0,
        whole_bytes: 0,
        torn_lines: 0,
    };
    let mut reader = BufReader::with_capacity(LOOK_BYTES, file);
    let mut head = [0; HEADER_BYTES];
    while bytes - walked.whole_bytes >= HEADER_BYTES as u64 {
        reader.read_exact(&mut head)?;
        let expected = walked.segment.end;
        let Some(header) = Header::read(&head).filter(|header| header.first == expected) else {
            break;
        };
        if header.frame_bytes() as u64 > bytes - walked.whole_bytes {
            walked.torn_lines = u64::from(header.line_count);
            break;
        }
        if header.end() <= wanted {
            walked.offset = walked.whole_bytes + header.frame_bytes() as u64;
        }
        walked.whole_bytes += header.frame_bytes() as u64;
        walked.segment.end = header.end();
        reader.seek_relative(i64::from(header.body_bytes))?;
    }
    Ok(walked)
}
