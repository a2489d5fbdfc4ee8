//! A session that has a spool.
//!
//! The order of lines is: those at hand, those on disk, those that the disk did not take, those in
//! the outbox. **Invariant: if those at hand are not on disk, nothing is.** So whoever moves lines
//! takes them from the front of one and puts them at the end of another, and holds `inner` while he
//! does.

use super::Session;
use crate::batch::Batch;
use crate::keeper::{Claim, Keeper};
use crate::limits::{SPOOL_AWAY_MS, SPOOL_LOOKS_MAX, SPOOL_REST_MS};
use crate::spool::{Found, Losses, Room, Store};
use hydrant_bindings::Framing;
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

mod stowing;

/// What the spools of a worker share.
#[derive(Debug)]
pub(crate) struct SpoolTerms {
    keeper: Arc<Keeper>,
    budget: Arc<Budget>,
    bytes_max: usize,
    looks: Semaphore,
}

/// A session's spool.
#[derive(Debug)]
pub(crate) struct Spooled {
    terms: Rc<SpoolTerms>,
    name: String,
    framing: Framing,
    /// Whose folder it was until now.
    before: RefCell<Option<Rc<Session>>>,
    inner: Mutex<Inner>,
    at_hand: RefCell<AtHand>,
    /// Lines on disk or on their way there; not those at hand.
    waiting: Cell<u64>,
    is_away: Cell<bool>,
    is_closed: Cell<bool>,
    must_give_way: Cell<bool>,
    rests_until: Cell<Option<Instant>>,
    /// Why nothing can be put on disk.
    problem: RefCell<Option<String>>,
    wake: Notify,
}

/// What is on disk, and what could not be put there.
#[derive(Debug, Default)]
struct Inner {
    store: Option<(Store, Claim)>,
    unwritten: Option<Batch>,
}

/// The lines that are being written to the peer.
#[derive(Debug, Default)]
struct AtHand {
    lines: Batch,
    is_on_disk: bool,
}

impl SpoolTerms {
    /// A drain may have `bytes_max`, as far as the budget allows.
    pub(crate) fn new(keeper: Arc<Keeper>, budget: Arc<Budget>, bytes_max: usize) -> Rc<Self> {
        Rc::new(Self {
            keeper,
            budget,
            bytes_max,
            looks: Semaphore::new(SPOOL_LOOKS_MAX),
        })
    }

    async fn claim(&self, name: &str) -> Claim {
        loop {
            if let Some(claim) = self.keeper.claim(name) {
                return claim;
            }
            // It is being removed, because nobody had it for long.
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn look(&self, claim: &Claim) -> io::Result<Found> {
        let _place = self.looks.acquire().await.map_err(io::Error::other)?;
        let folder = claim.folder();
        let looking = spawn_blocking(move || Found::look(&folder));
        looking.await.map_err(io::Error::other)?
    }
}

impl Spooled {
    /// A spool in the folder of this name, once the session that had it has ended.
    pub(crate) fn new(
        terms: Rc<SpoolTerms>,
        name: String,
        framing: Framing,
        before: Option<Rc<Session>>,
    ) -> Self {
        Self {
            terms,
            name,
            framing,
            before: RefCell::new(before),
            inner: Mutex::default(),
            at_hand: RefCell::default(),
            waiting: Cell::new(0),
            is_away: Cell::new(false),
            is_closed: Cell::new(false),
            must_give_way: Cell::new(false),
            rests_until: Cell::new(None),
            problem: RefCell::default(),
            wake: Notify::new(),
        }
    }

    /// Whether lines wait on disk, or are on their way there.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.get() == 0
    }

    /// There is something in the outbox: looks whether it is to go to disk.
    pub(super) fn pushed(&self, is_half_full: bool) {
        if is_half_full || self.is_away.get() || !self.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Why nothing can be put on disk.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.borrow().clone()
    }

    /// There are more who share the disk.
    pub(super) fn give_way(&self) {
        self.must_give_way.set(true);
        self.wake.notify_one();
    }

    fn has_unstored_at_hand(&self) -> bool {
        let at_hand = self.at_hand.borrow();
        !at_hand.is_on_disk && !at_hand.lines.is_empty()
    }

    fn rests(&self) -> bool {
        let until = self.rests_until.get();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        let rest = Duration::from_millis(SPOOL_REST_MS);
        self.rests_until.set(Some(Instant::now() + rest));
    }
}

impl Session {
    /// Finds what is on disk. To be called before anything is taken.
    pub(crate) async fn open_spool(&self) {
        let Some(spool) = &self.spool else { return };
        let before = spool.before.take();
        if let Some(before) = before {
            before.ended().await;
        }
        let mut inner = spool.inner.lock().await;
        let claim = spool.terms.claim(&spool.name).await;
        match spool.terms.look(&claim).await {
            Ok(found) => {
                let recovered = found.line_count + found.corrupt;
                self.count(SessionCounter::Recovered, recovered);
                self.count(SessionCounter::Selected, recovered);
                self.count(SessionCounter::SpoolCorrupt, found.corrupt);
                self.count(SessionCounter::MaybeTwice, found.maybe_twice);
                let room = Room::new(spool.terms.budget.clone(), spool.terms.bytes_max);
                let store = Store::new(claim.folder(), spool.framing, room, found);
                inner.store = Some((store, claim));
            }
            Err(error) => self.spool_failed(spool, &error),
        }
        self.account(spool, &mut inner);
    }

    /// The oldest lines that wait, in about so many bytes; empty if none do. They are at hand until
    /// they are settled.
    ///
    /// # Errors
    /// They are on disk and cannot be read now.
    pub(crate) async fn take(&self, bytes_max: usize) -> io::Result<Batch> {
        let Some(spool) = &self.spool else {
            return Ok(self.pop(bytes_max).unwrap_or_default());
        };
        let mut inner = spool.inner.lock().await;
        let read = match &mut inner.store {
            Some((store, _)) => store.read(bytes_max).await,
            None => Ok(None),
        };
        let taken = read.map(|read| AtHand {
            is_on_disk: read.is_some(),
            lines: read
                .or_else(|| inner.unwritten.take())
                .or_else(|| self.pop(bytes_max))
                .unwrap_or_default(),
        });
        self.account(spool, &mut inner);
        let taken = taken?;
        let lines = taken.lines.clone();
        spool.at_hand.replace(taken);
        Ok(lines)
    }

    /// The peer has so many of the lines at hand, or they are lost; these are left.
    pub(crate) async fn settle(&self, line_count: u64, left: &Batch) {
        let Some(spool) = &self.spool else { return };
        let mut inner = spool.inner.lock().await;
        let is_on_disk = spool.at_hand.borrow().is_on_disk;
        if is_on_disk && let Some((store, _)) = &mut inner.store {
            store.settle(line_count).await;
        }
        spool.at_hand.replace(AtHand {
            lines: left.clone(),
            is_on_disk,
        });
        self.account(spool, &mut inner);
    }

    /// Does what goes to the peer, and notices if that takes long.
    pub(crate) async fn noticing<T>(&self, work: impl Future<Output = T>) -> T {
        if self.spool.is_none() {
            return work.await;
        }
        let mut work = pin!(work);
        let away = Duration::from_millis(SPOOL_AWAY_MS);
        match timeout(away, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                self.set_away(true);
                work.await
            }
        }
    }

    /// Says whether the peer takes nothing, so that what waits is safer on disk.
    pub(crate) fn set_away(&self, is_away: bool) {
        if let Some(spool) = &self.spool {
            spool.is_away.set(is_away);
            if is_away {
                spool.wake.notify_one();
            }
        }
    }

    fn spool_failed(&self, spool: &Spooled, error: &io::Error) {
        let problem = format!("spool: {error}");
        self.state.set_error(problem.clone());
        spool.problem.replace(Some(problem));
    }

    /// Counts what was lost, and shows what waits.
    fn account(&self, spool: &Spooled, inner: &mut Inner) {
        let unwritten = inner.unwritten.as_ref();
        let mut waiting = unwritten.map_or(0, Batch::line_count);
        if let Some((store, _)) = &mut inner.store {
            waiting += store.unread();
            self.state
                .spool
                .set(store.line_count(), store.bytes() as u64);
            let Losses {
                full,
                corrupt,
                failed,
                error,
            } = store.take_losses();
            self.count(SessionCounter::SpoolFull, full);
            self.count(SessionCounter::SpoolCorrupt, corrupt);
            self.count(SessionCounter::SpoolFailed, failed);
            if let Some(error) = error {
                self.state.set_error(format!("spool: {error}"));
            }
        }
        spool.waiting.set(waiting);
    }
}
