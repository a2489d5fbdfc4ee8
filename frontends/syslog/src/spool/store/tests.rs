use super::*;
use crate::connection::runtime;
use crate::format::frames::first_frame_bytes;
use crate::limits::SPOOL_READS_MAX;
use crate::spool::test_folder;
use hydrant_feed::budget::Budget;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

mod model;

const ROOM_BYTES: usize = 1 << 20;

/// A store whose lines are numbers, and what we know of it.
struct Rig {
    folder: PathBuf,
    store: Store,
    bytes_max: usize,
    /// Lines that were appended, by their number.
    appended: u64,
    /// The least number that may come next.
    next: u64,
    at_hand: Vec<u64>,
    /// Of the store that is open: lines that came in, lines that left, and by which loss.
    selected: u64,
    settled: u64,
    full: u64,
    corrupt: u64,
    failed: u64,
    maybe_twice: u64,
    /// Whether lines may be missing.
    may_lose: bool,
}

fn open(folder: &Path, bytes_max: usize) -> (Store, u64, u64, u64) {
    let found = Found::look(folder).unwrap();
    let (lines, corrupt, twice) = (found.line_count, found.corrupt, found.maybe_twice);
    let room = Room::new(Budget::new(2 * bytes_max), bytes_max);
    let store = Store::new(folder.to_owned(), Framing::OctetCounting, room, found);
    (store, lines, corrupt, twice)
}

fn line(number: u64, bytes: usize) -> String {
    let text = format!("{number} {}\n", "x".repeat(bytes));
    format!("{} {text}", text.len())
}

fn numbers(batch: &Batch) -> Vec<u64> {
    let mut rest = &batch.bytes()[..];
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(first_frame_bytes(rest, Framing::OctetCounting));
        let mut words = str::from_utf8(frame).unwrap().split(' ');
        let number = words.nth(1).unwrap().parse().unwrap();
        let bytes = words.next().unwrap().trim_end().len();
        assert_eq!(frame, line(number, bytes).as_bytes());
        numbers.push(number);
        rest = after;
    }
    assert_eq!(numbers.len() as u64, batch.line_count());
    numbers
}

impl Rig {
    fn new(name: &str, bytes_max: usize) -> Self {
        let folder = test_folder(name).join("drain");
        let (store, ..) = open(&folder, bytes_max);
        Self {
            folder,
            store,
            bytes_max,
            appended: 0,
            next: 0,
            at_hand: Vec::new(),
            selected: 0,
            settled: 0,
            full: 0,
            corrupt: 0,
            failed: 0,
            maybe_twice: 0,
            may_lose: true,
        }
    }

    fn batch(&mut self, line_count: u64, line_bytes: usize) -> Batch {
        let lines = (self.appended..self.appended + line_count).map(|it| line(it, line_bytes));
        let lines: String = lines.collect();
        self.appended += line_count;
        self.selected += line_count;
        Batch::new(lines.into_bytes().into(), line_count)
    }

    async fn append(&mut self, line_count: u64, line_bytes: usize) {
        let batch = self.batch(line_count, line_bytes);
        let parts = [batch.bytes().clone()];
        self.store.append(&parts, line_count).await.unwrap();
    }

    async fn read(&mut self, bytes_max: usize) -> Vec<u64> {
        assert!(self.at_hand.is_empty());
        let batch = self.store.read(bytes_max).await.unwrap();
        self.at_hand = batch.as_ref().map_or_else(Vec::new, numbers);
        for (index, number) in self.at_hand.iter().enumerate() {
            assert!(*number >= self.next && *number < self.appended);
            assert!(self.may_lose || *number == self.next);
            assert_eq!(*number, self.at_hand[0] + index as u64, "no gap within");
            self.next = number + 1;
        }
        self.at_hand.clone()
    }

    async fn settle(&mut self, line_count: usize) {
        let line_count = line_count.min(self.at_hand.len());
        self.at_hand.drain(..line_count);
        self.settled += line_count as u64;
        self.store.settle(line_count as u64).await;
    }

    fn take_losses(&mut self) {
        let losses = self.store.take_losses();
        self.full += losses.full;
        self.corrupt += losses.corrupt;
        self.failed += losses.failed;
        assert!(losses.error.is_none(), "{losses:?}");
    }

    /// As after a kill, or if `is_graceful` after a stop; `harm` is done meanwhile.
    async fn reopen(&mut self, is_graceful: bool, harm: impl FnOnce(&Path)) {
        let waiting = self.at_hand.len() as u64 + self.store.unread();
        if is_graceful {
            let kept = self.store.close(0).await;
            self.take_losses();
            let lost = self.full + self.corrupt + self.failed;
            assert_eq!(self.selected, self.settled + lost + kept);
        } else {
            self.take_losses();
            let lost = self.full + self.corrupt + self.failed;
            assert_eq!(self.selected, self.settled + lost + waiting);
        }
        harm(&self.folder);
        let (store, lines, corrupt, twice) = open(&self.folder, self.bytes_max);
        self.store = store;
        self.maybe_twice = twice;
        self.next = self.at_hand.first().copied().unwrap_or(self.next);
        self.at_hand.clear();
        (self.selected, self.settled) = (lines + corrupt, 0);
        (self.full, self.corrupt, self.failed) = (0, corrupt, 0);
    }

    /// Reads the rest; gives the numbers.
    async fn drain(&mut self) -> Vec<u64> {
        let mut all = Vec::new();
        self.settle(usize::MAX).await;
        loop {
            let read = self.read(5000).await;
            if read.is_empty() {
                break;
            }
            all.extend(read);
            self.settle(usize::MAX).await;
        }
        self.take_losses();
        all
    }

    /// Ends; nothing is left behind, and every line is somewhere.
    async fn end(mut self) {
        self.drain().await;
        let lost = self.full + self.corrupt + self.failed;
        assert_eq!(self.selected, self.settled + lost);
        assert_eq!((self.store.unread(), self.store.bytes()), (0, 0));
        assert_eq!(self.store.close(0).await, 0);
        assert!(!self.folder.exists());
        fs::remove_dir(self.folder.parent().unwrap()).unwrap();
    }
}

fn run(test: impl Future<Output = ()>) {
    runtime().unwrap().block_on(test);
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|it| it.map(|entry| entry.unwrap().path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.retain(|path| path.to_str().unwrap().ends_with(super::super::SEGMENT_END));
    paths.sort();
    paths
}

fn harm_segment(folder: &Path, which: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let paths = segments(folder);
    if !paths.is_empty() {
        let path = &paths[which % paths.len()];
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

fn last_segment(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    harm_segment(folder, segments(folder).len().saturating_sub(1), change);
}

#[test]
fn lines_come_back_in_order_after_a_kill_and_those_on_their_way_are_known() {
    run(async {
        let mut rig = Rig::new("kill", ROOM_BYTES);
        for _ in 0..50 {
            rig.append(10, 100).await;
        }
        assert!(!rig.read(3000).await.is_empty());
        rig.settle(usize::MAX).await;
        let at_hand = rig.read(3000).await.len() as u64;
        rig.reopen(false, |_| ()).await;
        assert_eq!(rig.maybe_twice, at_hand);
        rig.append(10, 100).await;
        let all = rig.drain().await;
        assert_eq!(all.len() as u64, 510 - at_hand);
        rig.end().await;
    });
}

#[test]
fn a_batch_that_is_settled_in_part_goes_on_where_it_was() {
    run(async {
        let mut rig = Rig::new("part", ROOM_BYTES);
        rig.append(10, 10).await;
        rig.read(1000).await;
        rig.settle(3).await;
        rig.reopen(false, |_| ()).await;
        assert_eq!(rig.maybe_twice, 7);
        assert_eq!(rig.drain().await, (3..10).collect::<Vec<_>>());
        rig.end().await;
    });
}

#[test]
fn what_was_at_hand_before_it_came_to_disk_is_the_first() {
    run(async {
        let mut rig = Rig::new("at-hand", ROOM_BYTES);
        let batch = rig.batch(5, 10);
        rig.store.append_at_hand(&batch).await.unwrap();
        rig.at_hand = numbers(&batch);
        rig.next = 5;
        rig.append(5, 10).await;
        rig.settle(2).await;
        rig.reopen(true, |_| ()).await;
        assert_eq!(rig.maybe_twice, 0, "we know what was cut");
        assert_eq!(rig.drain().await, (2..10).collect::<Vec<_>>());
        rig.end().await;
    });
}

#[test]
fn the_oldest_are_dropped_and_counted_but_not_those_at_hand() {
    run(async {
        let mut rig = Rig::new("full", 400_000);
        rig.append(20, 1000).await;
        assert_eq!(rig.read(1).await.len(), 20);
        for _ in 0..100 {
            rig.append(20, 1000).await;
            assert!(rig.store.bytes() <= 400_000);
        }
        rig.settle(usize::MAX).await;
        let all = rig.drain().await;
        assert_eq!(all.len() as u64 + rig.full, 2000);
        assert!(all.len() > 200 && *all.last().unwrap() == 2019);
        rig.end().await;
    });
}

#[test]
fn only_we_may_read_what_is_written() {
    run(async {
        let mut rig = Rig::new("modes", ROOM_BYTES);
        rig.append(10, 10).await;
        rig.read(1).await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&rig.folder), 0o700);
        let files: Vec<_> = fs::read_dir(&rig.folder).unwrap().collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        rig.end().await;
    });
}

#[test]
fn a_full_disk_takes_nothing_and_spoils_nothing() {
    run(async {
        let mut rig = Rig::new("enospc", ROOM_BYTES);
        for has_lines in [false, true] {
            if has_lines {
                rig.append(10, 10).await;
            }
            rig.store.begin_segment(1).await.unwrap();
            let full = DiskFile::rewrite(Path::new("/dev/full")).await.unwrap();
            rig.store.writer = Some(full);
            let lines = [Bytes::from_static(b"2 x\n")];
            let error = rig.store.append(&lines, 1).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        rig.append(5, 10).await;
        rig.reopen(false, |_| ()).await;
        assert_eq!(rig.drain().await, (0..15).collect::<Vec<_>>());
        assert_eq!(rig.corrupt, 0);
        rig.end().await;
    });
}

#[test]
fn a_segment_that_cannot_be_read_is_given_up_in_the_end() {
    run(async {
        let mut rig = Rig::new("unreadable", ROOM_BYTES);
        rig.append(10, 10).await;
        let path = segments(&rig.folder).remove(0);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        for _ in 0..SPOOL_READS_MAX {
            rig.store.read(1).await.unwrap_err();
        }
        assert!(rig.store.read(1).await.unwrap().is_none());
        let losses = rig.store.take_losses();
        assert_eq!(losses.failed, 10);
        assert!(losses.error.is_some(), "it cannot be removed either");
        rig.failed = 10;
        fs::remove_dir(&path).unwrap();
        rig.end().await;
    });
}

#[test]
fn a_position_that_is_spoilt_costs_no_line() {
    run(async {
        let mut rig = Rig::new("position", ROOM_BYTES);
        rig.append(10, 10).await;
        rig.read(1).await;
        rig.settle(4).await;
        rig.reopen(false, |folder| {
            fs::write(folder.join(POSITION_FILE), "?").unwrap();
        })
        .await;
        rig.next = 0;
        assert_eq!(rig.maybe_twice, 10);
        assert_eq!(rig.drain().await, (0..10).collect::<Vec<_>>());
        rig.end().await;
    });
}

#[test]
fn torn_lines_are_counted_once() {
    run(async {
        let mut rig = Rig::new("torn", ROOM_BYTES);
        rig.append(3, 10).await;
        rig.append(0, 10).await;
        rig.append(4, 10).await;
        rig.reopen(false, |folder| {
            last_segment(folder, |bytes| bytes.truncate(bytes.len() - 1));
        })
        .await;
        assert_eq!((rig.corrupt, rig.selected), (4, 7));
        rig.reopen(false, |_| ()).await;
        assert_eq!((rig.corrupt, rig.selected), (0, 3));
        rig.append(2, 10).await;
        assert_eq!(rig.drain().await, [0, 1, 2, 7, 8]);
        rig.end().await;
    });
}
