//! The sessions of a worker: who may come, who is there, and what becomes of what was theirs.

use crate::config::GrpcConfig;
use crate::counters::{GrpcCounter, GrpcCounters};
use crate::group_key::GroupKey;
use crate::limits::REQUESTS_MEMORY_BYTES_MAX;
use crate::member::Member;
use crate::request::{Call, Subscription};
use crate::table::Table;
use bytesize::ByteSize;
use hydrant_engine::route::DemandCell;
use hydrant_feed::batches::Batches;
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounters;
use hydrant_feed::membership::{Memberships, Moment};
use hydrant_feed::session::{FrontendState, SessionState};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;
use tonic::Status;

/// All sessions of a worker.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) state: Arc<FrontendState>,
    pub(crate) counters: Arc<GrpcCounters>,
    /// Where to say what is wanted; nowhere if the feed is other hosts.
    demand: Option<DemandCell>,
    outbox_bytes: usize,
    sessions_max: usize,
    /// What all outboxes may hold together.
    budget: Arc<Budget>,
    table: Mutex<Table>,
    members: Mutex<Vec<Arc<Member>>>,
    /// Sessions, and calls that will become one.
    session_count: AtomicUsize,
    /// What their requests take.
    requests_bytes: AtomicUsize,
    is_stopping: watch::Sender<bool>,
    emptied: Notify,
    /// The table is due at another time.
    is_due_changed: Notify,
}

/// A call's place among the sessions of a worker, from its beginning on. It is free again when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    register: Arc<Register>,
    request_bytes: usize,
}

/// A session's place in the register. Dropping it settles what is open.
#[derive(Debug)]
pub(crate) struct Registration {
    register: Arc<Register>,
    keys: Vec<GroupKey>,
    call: Call,
    pub(crate) member: Arc<Member>,
    number: u64,
    /// Free once all else is settled.
    _slot: Slot,
}

impl Register {
    pub(crate) fn new(
        config: &GrpcConfig,
        state: Arc<FrontendState>,
        counters: Arc<GrpcCounters>,
        demand: Option<DemandCell>,
        memberships: Arc<Memberships<GroupKey>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state,
            counters,
            demand,
            outbox_bytes: bytes(config.outbox_bytes),
            sessions_max: config.sessions_max,
            budget: Budget::new(bytes(config.outboxes_bytes)),
            table: Mutex::new(Table::new(memberships, Instant::now())),
            members: Mutex::default(),
            session_count: AtomicUsize::new(0),
            requests_bytes: AtomicUsize::new(0),
            is_stopping: watch::Sender::new(false),
            emptied: Notify::new(),
            is_due_changed: Notify::new(),
        })
    }

    /// A place for one more session, if there is one.
    ///
    /// # Errors
    /// In the words of the Reverse Log Proxy.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Slot, Status> {
        self.check_running()?;
        let max = self.sessions_max;
        if self.session_count.load(Relaxed) >= max {
            return Err(self.rejected(&format!("max egress streams reached: {max}")));
        }
        self.session_count.fetch_add(1, Relaxed);
        Ok(Slot {
            register: self.clone(),
            request_bytes: 0,
        })
    }

    /// Opens a session. When this returns, the shards can see that its records are wanted, and what
    /// they publish goes into its outbox.
    ///
    /// # Errors
    /// We stop.
    pub(crate) fn open(
        self: &Arc<Self>,
        slot: Slot,
        asks: Subscription,
        peer: String,
    ) -> Result<Registration, Status> {
        self.check_running()?;
        let state = Arc::new(SessionState::new(name(&asks), peer));
        let batches = Batches::within(self.budget.clone(), self.outbox_bytes, asks.call.packing());
        self.make_room();
        let number = self.table().number();
        let member = Arc::new(Member::new(state.clone(), number, asks.form, batches));
        self.counters.count(GrpcCounter::SessionsOpened);
        self.members().push(member.clone());
        let number = self.state.open(state);
        self.change(|table| table.join(&asks, &member, Moment::now()));
        Ok(Registration {
            register: self.clone(),
            keys: asks.keys,
            call: asks.call,
            member,
            number,
            _slot: slot,
        })
    }

    /// Waits until the table is due to be settled.
    pub(crate) async fn due(&self) {
        loop {
            let due = self.table().due();
            let changed = self.is_due_changed.notified();
            match due {
                None => changed.await,
                Some(due) => {
                    if timeout_at(due.into(), changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Settles the table if that is due. `is_read_up` says whether nothing waits in the lanes.
    pub(crate) fn settle(&self, is_read_up: bool) {
        let Some(due) = self.table().due() else {
            return;
        };
        let now = Instant::now();
        if now >= due {
            self.change(|table| table.settle(now, is_read_up));
        }
    }

    /// Who takes what now.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing will be given to sessions any more, and no more will be opened: each takes what
    /// waits for it and ends.
    pub(crate) fn stop(&self) {
        self.is_stopping.send_replace(true);
        self.members().iter().for_each(|member| member.stop());
    }

    /// Waits until [`stop`](Self::stop) is called.
    pub(crate) async fn stopped(&self) {
        let mut is_stopping = self.is_stopping.subscribe();
        is_stopping.wait_for(|is_stopping| *is_stopping).await.ok();
    }

    /// Waits until the last session is over, and every call is that might have become one.
    pub(crate) async fn emptied(&self) {
        while self.session_count.load(Relaxed) > 0 {
            self.emptied.notified().await;
        }
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_running(&self) -> Result<(), Status> {
        if *self.is_stopping.borrow() {
            return Err(stopping());
        }
        Ok(())
    }

    fn rejected(&self, problem: &str) -> Status {
        self.counters.count(GrpcCounter::SessionsRejected);
        Status::resource_exhausted(format!("unable to create stream, {problem}"))
    }

    /// For an outbox more: those that hold more than their share, which has become smaller, give it
    /// up.
    fn make_room(&self) {
        if self.budget.is_short() {
            self.members().iter().for_each(|member| member.give_way());
        }
    }

    /// Without lanes there is nothing to select here: other hosts do. `change` says whether the
    /// demand is another one after it.
    fn change(&self, change: impl FnOnce(&mut Table) -> bool) {
        let Some(demand) = &self.demand else {
            return;
        };
        let mut table = self.table();
        if change(&mut table) {
            demand.publish(table.demand().clone());
        }
        self.is_due_changed.notify_one();
    }

    /// Where the losses of sessions of this kind that are over are counted.
    fn losses(&self, call: Call) -> Arc<SessionCounters> {
        let mut over = self.state.over().into_iter();
        let of_call = over.find(|(name, _)| name == call.name());
        of_call.map_or_else(Arc::default, |(_, counters)| counters)
    }
}

impl Slot {
    /// Takes room for the session's request.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn hold(&mut self, request_bytes: usize) -> Result<(), Status> {
        let (held, max) = (&self.register.requests_bytes, REQUESTS_MEMORY_BYTES_MAX);
        if held.load(Relaxed) + request_bytes > max {
            let problem = format!("max bytes of all streams' requests reached: {max}");
            return Err(self.register.rejected(&problem));
        }
        held.fetch_add(request_bytes, Relaxed);
        self.request_bytes += request_bytes;
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let register = &self.register;
        register
            .requests_bytes
            .fetch_sub(self.request_bytes, Relaxed);
        register.session_count.fetch_sub(1, Relaxed);
        register.emptied.notify_one();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let register = &self.register;
        self.member.lose_all();
        register
            .members()
            .retain(|member| !Arc::ptr_eq(member, &self.member));
        register.state.close(self.number, self.call.name());
        let (keys, number) = (mem::take(&mut self.keys), self.member.number);
        register.change(|table| {
            let losses = register.losses(self.call);
            table.leave(keys, number, &losses, Moment::now());
            false
        });
    }
}

/// What calls are told that come too late.
pub(crate) fn stopping() -> Status {
    Status::unavailable("the server is stopping")
}

/// As it stands in the register: the call, and whom it shares with.
fn name(asks: &Subscription) -> String {
    let (call, group) = (asks.call.name(), asks.group.text());
    let count = asks.keys.len();
    format!("{call} shard_id={group:?} selectors={count}")
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
