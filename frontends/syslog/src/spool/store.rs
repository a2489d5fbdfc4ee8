//! The lines of one drain that are on disk: appended at the end, read from the front.
//!
//! Of what can happen to the disk, nothing ends a drain: what is lost is counted, and what could not
//! be appended is given back as an error.

use super::found::Found;
use super::frame::frame;
use super::position::Position;
use super::{POSITION_FILE, Room, Segment};
use crate::batch::Batch;
use crate::disk::{self, DiskFile};
use crate::limits::SPOOL_FOLDER_MODE;
use bytes::Bytes;
use hydrant_bindings::Framing;
use std::collections::VecDeque;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use tokio::task::spawn_blocking;

mod reading;

use reading::Reader;

/// Lines of a drain on disk.
///
/// **Invariant: `settled ≤ read_next ≤ end`**, and of the lines on disk those below `settled` are
/// done with, `at_hand` are with whoever read them, and `unread` wait.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    framing: Framing,
    room: Room,
    segments: VecDeque<Segment>,
    /// Of the newest segment, unless it is closed.
    writer: Option<DiskFile>,
    reader: Option<Reader>,
    position: Option<DiskFile>,
    settled: u64,
    read_next: u64,
    end: u64,
    unread: u64,
    at_hand: u64,
    /// In a row.
    failed_reads: u32,
    losses: Losses,
}

/// Lines that were lost, and why.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Oldest first, for new ones.
    pub(crate) full: u64,
    /// They are not as they were written.
    pub(crate) corrupt: u64,
    /// They cannot be read.
    pub(crate) failed: u64,
    /// What the kernel last said of it.
    pub(crate) error: Option<io::Error>,
}

impl Store {
    /// The lines that were found in a folder.
    pub(crate) fn new(folder: PathBuf, framing: Framing, mut room: Room, found: Found) -> Self {
        room.take(found.segments.iter().map(|segment| segment.bytes).sum());
        let reader = found.segments.front().map(|segment| Reader {
            segment: segment.first,
            offset: found.offset,
            file: None,
        });
        Self {
            folder,
            framing,
            room,
            segments: found.segments,
            writer: None,
            reader,
            position: None,
            settled: found.next,
            read_next: found.next,
            end: found.end,
            unread: found.line_count,
            at_hand: 0,
            failed_reads: 0,
            losses: Losses::default(),
        }
    }

    /// Lines that wait to be read.
    pub(crate) const fn unread(&self) -> u64 {
        self.unread
    }

    /// Lines on disk that are not settled.
    pub(crate) const fn line_count(&self) -> u64 {
        self.unread + self.at_hand
    }

    /// Bytes on disk.
    pub(crate) const fn bytes(&self) -> usize {
        self.room.bytes()
    }

    /// What was lost since this was last asked.
    pub(crate) fn take_losses(&mut self) -> Losses {
        mem::take(&mut self.losses)
    }

    /// Adds whole lines at the end. If there is no room for them, the oldest are lost.
    ///
    /// # Errors
    /// What the kernel said; none of the lines is in the store then.
    pub(crate) async fn append(&mut self, lines: &[Bytes], line_count: u64) -> io::Result<()> {
        if line_count == 0 {
            return Ok(()); // A frame has lines.
        }
        let frame = frame(self.end, lines, line_count).ok_or(io::ErrorKind::FileTooLarge)?;
        let frame_bytes = frame.len();
        self.make_room(frame_bytes).await?;
        self.begin_segment(frame_bytes).await?;
        let (Some(segment), Some(writer)) = (self.segments.back_mut(), &self.writer) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = writer.write(frame, segment.bytes).await {
            self.give_up_newest().await;
            return Err(error);
        }
        segment.bytes += frame_bytes as u64;
        segment.end += line_count;
        self.end = segment.end;
        self.unread += line_count;
        self.room.take(frame_bytes as u64);
        Ok(())
    }

    /// As [`append`](Self::append), for lines that were taken before all others and are on their way
    /// to the peer already: they are as if they had been read. Only for an empty store.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn append_at_hand(&mut self, batch: &Batch) -> io::Result<()> {
        let line_count = batch.line_count();
        self.append(&[batch.bytes().clone()], line_count).await?;
        self.unread -= line_count;
        self.settled = self.end - line_count;
        self.read_next = self.end;
        self.at_hand = line_count;
        self.write_position(line_count).await;
        Ok(())
    }

    /// So many of the lines at hand are done with.
    pub(crate) async fn settle(&mut self, line_count: u64) {
        self.at_hand -= line_count;
        self.settled += line_count;
        if self.at_hand == 0 {
            self.settled = self.read_next;
        }
        self.write_position(self.at_hand).await;
        if self.at_hand == 0 {
            self.remove_settled().await;
        }
    }

    /// Drops the oldest as long as all drains together have too much and this one more than its share.
    pub(crate) async fn give_way(&mut self) {
        while self.room.is_over_share() && self.drop_oldest().await {}
    }

    /// Closes the store; gives how many lines are left in it, those at hand included, of which
    /// `in_flight` may have arrived. A store that is empty leaves nothing behind.
    pub(crate) async fn close(&mut self, in_flight: u64) -> u64 {
        let closed = self.close_segment().await;
        let left = self.segments.iter();
        let left: u64 = left
            .map(|segment| segment.end - segment.end.min(segment.first.max(self.settled)))
            .sum();
        // Those at hand whose segment was dropped meanwhile.
        self.losses.full += (self.at_hand + self.unread).saturating_sub(left);
        self.write_position(in_flight).await;
        let mut synced = Ok(());
        if let Some(position) = self.position.take() {
            synced = position.sync().await;
        }
        self.note(closed.and(synced));
        if left == 0 {
            self.settled = self.end;
            self.remove_settled().await;
            // They need not be there.
            disk::remove(&self.folder.join(POSITION_FILE)).await.ok();
            disk::remove_folder(&self.folder).await.ok();
        }
        left
    }

    async fn make_room(&mut self, more: usize) -> io::Result<()> {
        while !self.room.has(more) {
            if !self.drop_oldest().await {
                let problem = "the spool has no room: it is full of other drains' lines";
                return Err(io::Error::new(io::ErrorKind::StorageFull, problem));
            }
        }
        Ok(())
    }

    /// Whether there was one to drop.
    async fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.segments.front() else {
            return false;
        };
        let end = oldest.end;
        self.losses.full += self.skip(end);
        if self.at_hand == 0 {
            self.settled = self.read_next;
        }
        self.remove_oldest().await;
        true
    }

    /// Reads on behind `end`, in the same segment; gives how many lines that leaves out.
    fn skip(&mut self, end: u64) -> u64 {
        let first = self.segments.iter().find(|it| it.end > self.read_next);
        let from = self.read_next.max(first.map_or(0, |segment| segment.first));
        let skipped = end.saturating_sub(from);
        self.read_next = self.read_next.max(end);
        self.unread -= skipped;
        skipped
    }

    async fn begin_segment(&mut self, frame_bytes: usize) -> io::Result<()> {
        let has_room = |segment: &Segment| {
            let after = segment.bytes.saturating_add(frame_bytes as u64);
            segment.bytes == 0 || after <= self.room.segment_bytes() as u64
        };
        if self.writer.is_some() && self.segments.back().is_some_and(has_room) {
            return Ok(());
        }
        self.close_segment().await?;
        let path = self.folder.join(Segment::name(self.end));
        let created = match DiskFile::create(&path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_folder().await?;
                DiskFile::create(&path).await
            }
            created => created,
        };
        self.writer = Some(created?);
        self.segments.push_back(Segment {
            first: self.end,
            end: self.end,
            bytes: 0,
        });
        Ok(())
    }

    async fn create_folder(&self) -> io::Result<()> {
        let folder = self.folder.clone();
        let create = move || DirBuilder::new().mode(SPOOL_FOLDER_MODE).create(folder);
        let created = spawn_blocking(create).await.map_err(io::Error::other)?;
        created.or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
    }

    async fn close_segment(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.sync().await,
            None => Ok(()),
        }
    }

    /// Some of a frame may lie behind the newest segment's last: takes it off, so that it is not
    /// taken for lost lines some day.
    async fn give_up_newest(&mut self) {
        self.writer = None;
        let Some(segment) = self.segments.back().copied() else {
            return;
        };
        let path = self.folder.join(Segment::name(segment.first));
        if segment.first == segment.end {
            self.segments.pop_back();
            let removed = disk::remove(&path).await;
            return self.note(removed);
        }
        let cut = move || {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(segment.bytes)
        };
        let cut = spawn_blocking(cut).await.map_err(io::Error::other);
        self.note(cut.and_then(|cut| cut));
    }

    async fn remove_settled(&mut self) {
        while let Some(segment) = self.segments.front()
            && segment.end <= self.settled
        {
            self.remove_oldest().await;
        }
    }

    async fn remove_oldest(&mut self) {
        let Some(segment) = self.segments.pop_front() else {
            return;
        };
        if self.segments.is_empty() {
            self.writer = None;
            self.position = None;
        }
        self.reader
            .take_if(|reader| reader.segment == segment.first);
        let path = self.folder.join(Segment::name(segment.first));
        let removed = disk::remove(&path).await;
        self.note(removed);
        self.room.give_back(segment.bytes);
    }

    /// Notes that lines up to `settled` are done with, and so many after them on their way. If it
    /// fails, more are sent twice after a crash than could be.
    async fn write_position(&mut self, in_flight: u64) {
        let position = Position {
            next: self.settled,
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        };
        if self.position.is_none() && !self.segments.is_empty() {
            match DiskFile::rewrite(&self.folder.join(POSITION_FILE)).await {
                Ok(file) => self.position = Some(file),
                Err(error) => self.losses.error = Some(error),
            }
        }
        if let Some(file) = &self.position {
            let written = file.write(position.bytes(), 0).await;
            self.note(written);
        }
    }

    fn note(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            self.losses.error = Some(error);
        }
    }
}

#[cfg(test)]
mod tests;
