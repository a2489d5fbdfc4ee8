//! The newest logs of every app, as they came.
//!
//! They lie in one ring, whoever's they are, so that to keep one costs a copy and one look into a
//! small table. What comes to the ring's end is written anew if it is one of its app's newest and
//! the app has little: so those that log little keep theirs, however much others log. What all of
//! these hold is half of the ring at most; no more than what is new is ever written anew, on
//! average.

use crate::recent::apps::{Apps, Keyed, is_long_ago};
use crate::recent::counts::{RecentCounter, RecentCounts};
use crate::recent::ring::{Head, Ring};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::record::Version;
use std::collections::HashMap;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBounds {
    /// Logs of an app that are shown.
    pub(super) count: usize,
    /// Memory for all logs.
    pub(super) bytes: usize,
    /// Memory for the table of apps.
    pub(super) table_bytes: usize,
    /// After what time without a log or a container metric an app's logs are not shown any more.
    pub(super) idle_nanos: u64,
}

/// The share of its memory that a single log may take.
const ENTRY_SHARE: usize = 8;

/// **Invariant: an app in the table has `count` entries in the ring, which take `bytes`; the last of
/// them is at `newest`, and the others are found from there.**
#[derive(Debug)]
pub(super) struct Logs {
    bounds: LogBounds,
    ring: Ring,
    apps: HashMap<u64, App, Keyed>,
    apps_max: usize,
    /// The largest entry so far: so much stays free, for one that is written anew.
    spare: usize,
    number: u64,
    now: UnixNanos,
}

#[derive(Debug, Default)]
struct App {
    newest: usize,
    bytes: usize,
    /// Entries with lower numbers do not count any more: newer ones have been given up, or the app
    /// was idle after them.
    oldest_number: u64,
    heard: UnixNanos,
    count: u32,
    /// Those that have been written anew.
    renewed: u32,
}

impl Logs {
    pub(super) fn new(bounds: LogBounds) -> Self {
        // A table has a power of two of places, of which it uses seven of eight; and it may take twice
        // as many as it needs, when much has been removed from it.
        let places = bounds.table_bytes / PLACE_BYTES;
        let places = (places + 1).next_power_of_two() / 2;
        Self {
            bounds,
            ring: Ring::new(bounds.bytes),
            apps: HashMap::default(),
            apps_max: places / 2 / 8 * 7,
            spare: 0,
            number: 0,
            now: UnixNanos::default(),
        }
    }

    /// Memory of all, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.ring.touched_bytes() + self.apps.capacity() * 8 / 7 * PLACE_BYTES
    }

    /// How many apps have logs.
    pub(super) fn app_count(&self) -> usize {
        self.apps.len()
    }

    /// Whether an app has logs.
    pub(super) fn has(&self, hash: u64) -> bool {
        self.apps.contains_key(&hash)
    }

    /// What time it is, which is when logs come that are added now. Gives up what is oldest as long
    /// as it is an idle app's.
    pub(super) fn set_now(&mut self, now: UnixNanos, others: &Apps, counts: &mut RecentCounts) {
        self.now = now;
        while let Some((head, size)) = self.ring.oldest()
            && self.is_idle(head.hash, others)
        {
            self.give_up(&head, size, RecentCounter::Expired, counts);
        }
    }

    /// Takes a log. Of `others`, some are heard of although they do not log.
    #[inline]
    pub(super) fn add(
        &mut self,
        hash: u64,
        (version, envelope): (Version, &[u8]),
        others: &Apps,
        counts: &mut RecentCounts,
    ) {
        let size = Ring::size(envelope.len());
        if size > self.ring.capacity() / ENTRY_SHARE {
            return counts.add(RecentCounter::Oversize, 1);
        }
        self.spare = self.spare.max(size);
        while !self.ring.has_room(size, self.spare) && self.make_room(others, counts) {}
        if self.apps.len() >= self.apps_max {
            self.make_room_for_app(hash, counts);
        }
        self.number += 1;
        let app = self.apps.entry(hash).or_default();
        if is_long_ago(app.heard, self.now, self.bounds.idle_nanos)
            && others.is_quiet(hash, self.now, self.bounds.idle_nanos)
        {
            app.oldest_number = self.number;
        }
        let head = Head {
            hash,
            number: self.number,
            before: app.newest,
            version,
            is_renewed: false,
        };
        app.newest = self.ring.push(head, envelope);
        app.heard = self.now;
        app.bytes += size;
        app.count += 1;
        counts.logs += 1;
        counts.add(RecentCounter::Taken, 1);
    }

    /// The newest logs of an app.
    pub(super) fn copy(&self, hash: u64, others: &Apps) -> CopiedLogs {
        let mut logs = Vec::new();
        let app = self.apps.get(&hash).filter(|_| !self.is_idle(hash, others));
        let mut place = app.map_or(0, |app| app.newest);
        let oldest_number = app.map_or(0, |app| app.oldest_number);
        let mut in_order = 0;
        while in_order < self.bounds.count
            && let Some((head, envelope)) = self.ring.get(place)
        {
            place = head.before;
            in_order += usize::from(!head.is_renewed);
            if head.number >= oldest_number {
                logs.push((head.number, head.version, envelope.to_vec()));
            }
        }
        logs.sort_unstable_by_key(|(number, ..)| *number);
        let surplus = logs.len().saturating_sub(self.bounds.count);
        logs.drain(..surplus);
        CopiedLogs(logs)
    }

    /// What an app has is shown no more if it is idle, although it will be heard of.
    pub(super) fn end_if_idle(&mut self, hash: u64, others: &Apps) {
        if self.is_idle(hash, others)
            && let Some(app) = self.apps.get_mut(&hash)
        {
            app.oldest_number = self.number + 1;
        }
    }

    fn is_idle(&self, hash: u64, others: &Apps) -> bool {
        let idle = self.bounds.idle_nanos;
        let app = self.apps.get(&hash);
        app.is_none_or(|app| is_long_ago(app.heard, self.now, idle))
            && others.is_quiet(hash, self.now, idle)
    }

    /// Writes the oldest entry anew, or gives it up. False: there is none.
    fn make_room(&mut self, others: &Apps, counts: &mut RecentCounts) -> bool {
        let Some((head, size)) = self.ring.oldest() else {
            return false;
        };
        let reason = self.reason_against(&head, others);
        match reason {
            Some(reason) => self.give_up(&head, size, reason, counts),
            None => self.renew(head, size, counts),
        }
        true
    }

    /// Why the oldest entry is not kept, if it is not.
    fn reason_against(&self, oldest: &Head, others: &Apps) -> Option<RecentCounter> {
        let app = self.apps.get(&oldest.hash)?;
        // Those that were not written anew are newer than this one.
        let newer = app.count - app.renewed - u32::from(!oldest.is_renewed);
        if oldest.number < app.oldest_number || newer as usize >= self.bounds.count {
            Some(RecentCounter::Replaced)
        } else if app.bytes.saturating_mul(2 * self.apps.len()) > self.ring.capacity() {
            Some(RecentCounter::Evicted)
        } else if self.is_idle(oldest.hash, others) {
            Some(RecentCounter::Expired)
        } else {
            None
        }
    }

    fn renew(&mut self, head: Head, size: usize, counts: &mut RecentCounts) {
        let Some(app) = self.apps.get_mut(&head.hash) else {
            return self.ring.give_up(size);
        };
        let before = app.newest;
        match self.ring.renew(Head { before, ..head }, size) {
            Some(place) => {
                app.newest = place;
                app.renewed += u32::from(!head.is_renewed);
            }
            None => self.forget(&head, size, RecentCounter::Evicted, counts),
        }
    }

    /// Gives the oldest entry up.
    fn give_up(
        &mut self,
        head: &Head,
        size: usize,
        reason: RecentCounter,
        counts: &mut RecentCounts,
    ) {
        self.ring.give_up(size);
        self.forget(head, size, reason, counts);
    }

    /// Counts an entry that is gone.
    fn forget(
        &mut self,
        head: &Head,
        size: usize,
        reason: RecentCounter,
        counts: &mut RecentCounts,
    ) {
        counts.logs -= 1;
        counts.add(reason, 1);
        let Some(app) = self.apps.get_mut(&head.hash) else {
            return;
        };
        app.count -= 1;
        app.renewed -= u32::from(head.is_renewed);
        app.bytes -= size;
        // What is older is not shown without it.
        app.oldest_number = app.oldest_number.max(head.number + 1);
        if app.count == 0 {
            self.apps.remove(&head.hash);
        }
    }

    #[cold]
    fn make_room_for_app(&mut self, hash: u64, counts: &mut RecentCounts) {
        while self.apps.len() >= self.apps_max
            && !self.has(hash)
            && let Some((head, size)) = self.ring.oldest()
        {
            self.give_up(&head, size, RecentCounter::Evicted, counts);
        }
    }

    /// Adds everything up anew; returns how many logs there are.
    #[cfg(test)]
    pub(super) fn checked_count(&self) -> usize {
        for app in self.apps.values() {
            let (mut count, mut renewed, mut bytes, mut place) = (0, 0, 0, app.newest);
            while let Some((head, envelope)) = self.ring.get(place) {
                assert!(head.before < place);
                place = head.before;
                count += 1;
                renewed += u32::from(head.is_renewed);
                bytes += Ring::size(envelope.len());
            }
            assert_eq!((count, renewed, bytes), (app.count, app.renewed, app.bytes));
        }
        let counts = self.apps.values().map(|app| app.count as usize);
        counts.sum()
    }
}

/// What an app takes in the table, in bytes: its place, and a byte beside it.
const PLACE_BYTES: usize = size_of::<(u64, App)>() + 1;

/// A copy of an app's logs that lasts while the app goes on: number, version, envelope.
#[derive(Debug, Default)]
pub(super) struct CopiedLogs(Vec<(u64, Version, Vec<u8>)>);

impl CopiedLogs {
    /// Each log, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Version, &[u8])> {
        self.0
            .iter()
            .map(|(_, version, envelope)| (*version, &envelope[..]))
    }
}
