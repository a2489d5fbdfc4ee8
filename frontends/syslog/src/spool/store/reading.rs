//! The front of a store: whole frames, each held against its checksums.

use super::super::Segment;
use super::super::frame::{HEADER_BYTES, Header};
use super::Store;
use crate::batch::Batch;
use crate::disk::DiskFile;
use crate::format::frames::first_frame_bytes;
use crate::limits::SPOOL_READS_MAX;
use hydrant_bindings::Framing;
use std::io;

/// Where the next frame begins.
#[derive(Debug)]
pub(super) struct Reader {
    /// The first line of the segment.
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) file: Option<DiskFile>,
}

/// Lines that are put together from frames.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    line_count: u64,
}

impl Store {
    /// The oldest lines that wait, in about so many bytes, or one frame if that has more. They are at
    /// hand from then on, and noted to be on their way, until they are settled. `None`: none wait.
    ///
    /// # Errors
    /// What the kernel said. Tried again and again in vain, the segment's lines are lost.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> io::Result<Option<Batch>> {
        while self.unread > 0
            && let Some(segment) = self.segments.iter().find(|it| it.end > self.read_next)
        {
            let segment = *segment;
            self.read_next = self.read_next.max(segment.first);
            let gathered = self.read_segment(segment, bytes_max).await;
            let Gathered { bytes, line_count } = self.outcome(gathered, segment)?;
            if line_count > 0 {
                self.settled = self.read_next - line_count;
                self.at_hand = line_count;
                self.write_position(line_count).await;
                return Ok(Some(Batch::new(bytes.into(), line_count)));
            }
        }
        self.settled = self.read_next;
        self.remove_settled().await;
        Ok(None)
    }

    fn outcome(&mut self, read: io::Result<Gathered>, segment: Segment) -> io::Result<Gathered> {
        if read.is_ok() {
            self.failed_reads = 0;
            return read;
        }
        self.failed_reads += 1;
        if self.failed_reads == SPOOL_READS_MAX {
            self.failed_reads = 0;
            self.losses.failed += self.skip(segment.end);
        }
        read
    }

    /// Whole frames from where the reader stands; none if what it found there was lost.
    async fn read_segment(&mut self, segment: Segment, bytes_max: usize) -> io::Result<Gathered> {
        let (bytes, offset) = self.read_frames(segment, bytes_max).await?;
        let mut gathered = Gathered::default();
        let mut at = 0;
        while self.read_next < segment.end {
            let rest = bytes.get(at..).unwrap_or_default();
            let fits = |it: &Header| it.first <= self.read_next && it.end() <= segment.end;
            let header = Header::read(rest).filter(fits);
            if at > 0 && header.is_none_or(|header| header.frame_bytes() > rest.len()) {
                break; // The next read begins with it.
            }
            let Some(header) = header else {
                // Where the frame ends is not known, and with it where others begin.
                self.losses.corrupt += self.skip(segment.end);
                break;
            };
            match header.body(rest) {
                Some(body) => {
                    let skipped = self.read_next.min(header.end()) - header.first;
                    gathered.add(body, u64::from(header.line_count), skipped, self.framing);
                    self.skip(header.end());
                }
                None if gathered.line_count > 0 => break,
                None => self.losses.corrupt += self.skip(header.end()),
            }
            at += header.frame_bytes();
        }
        if let Some(reader) = &mut self.reader {
            reader.offset = offset + at as u64;
        }
        Ok(gathered)
    }

    /// Bytes from where the reader stands, at least a whole frame if there is one, and where they
    /// begin.
    async fn read_frames(&mut self, segment: Segment, max: usize) -> io::Result<(Vec<u8>, u64)> {
        let reader = self.reader.take_if(|it| it.segment == segment.first);
        let mut reader = reader.unwrap_or(Reader {
            segment: segment.first,
            offset: 0,
            file: None,
        });
        let path = self.folder.join(Segment::name(segment.first));
        let file = match reader.file.take() {
            Some(file) => file,
            None => DiskFile::open(&path).await?,
        };
        let left = usize::try_from(segment.bytes - reader.offset.min(segment.bytes));
        let left = left.unwrap_or(usize::MAX);
        let mut bytes = file
            .read(left.min(max.max(HEADER_BYTES)), reader.offset)
            .await?;
        let first_bytes = Header::read(&bytes).map_or(0, |header| header.frame_bytes());
        if first_bytes > bytes.len() && first_bytes <= left {
            bytes = file.read(first_bytes, reader.offset).await?;
        }
        let offset = reader.offset;
        reader.file = Some(file);
        self.reader = Some(reader);
        Ok((bytes, offset))
    }
}

impl Gathered {
    /// Adds the so many lines of a frame, but for the first `skipped`.
    fn add(&mut self, lines: &[u8], line_count: u64, skipped: u64, framing: Framing) {
        let mut rest = lines;
        for _ in 0..skipped {
            rest = &rest[first_frame_bytes(rest, framing)..];
        }
        self.bytes.extend_from_slice(rest);
        self.line_count += line_count - skipped;
    }
}
