//! The sessions of a worker: who may come, who is there, and what becomes of what was theirs.

use crate::config::GrpcConfig;
use crate::counters::{GrpcCounter, GrpcCounters};
use crate::member::Member;
use crate::request::Subscription;
use crate::table::{GroupKey, Table};
use bytesize::ByteSize;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::route::DemandCell;
use hydrant_feed::batches::Batches;
use hydrant_feed::membership::Memberships;
use hydrant_feed::outbox::Budget;
use hydrant_feed::session::{FrontendState, SessionState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
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
    session_count: AtomicUsize,
    is_stopping: AtomicBool,
    emptied: Notify,
}

/// A session's place in the register. Dropping it settles what is open.
#[derive(Debug)]
pub(crate) struct Registration {
    register: Arc<Register>,
    asks: Subscription,
    pub(crate) member: Arc<Member>,
    number: u64,
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
            table: Mutex::new(Table::new(memberships)),
            members: Mutex::default(),
            session_count: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            emptied: Notify::new(),
        })
    }

    /// Whether one more session may be opened.
    ///
    /// # Errors
    /// In the words of the Reverse Log Proxy.
    pub(crate) fn admit(&self) -> Result<(), Status> {
        if self.is_stopping.load(Relaxed) {
            return Err(Status::unavailable("the server is stopping"));
        }
        if self.session_count.load(Relaxed) < self.sessions_max {
            return Ok(());
        }
        self.counters.count(GrpcCounter::SessionsRejected);
        let max = self.sessions_max;
        Err(Status::resource_exhausted(format!(
            "unable to create stream, max egress streams reached: {max}"
        )))
    }

    /// Opens a session. When this returns, the shards can see that its records are wanted, and what
    /// they publish goes into its outbox.
    pub(crate) fn open(self: &Arc<Self>, asks: Subscription, peer: String) -> Registration {
        let state = Arc::new(SessionState::new(name(&asks), peer));
        let batches = Batches::within(self.budget.clone(), self.outbox_bytes, asks.call.packing());
        let number = self.table().number();
        let member = Arc::new(Member::new(state.clone(), number, asks.form, batches));
        self.counters.count(GrpcCounter::SessionsOpened);
        self.session_count.fetch_add(1, Relaxed);
        self.members().push(member.clone());
        let number = self.state.open(state);
        self.change(|table| table.join(&asks, &member, UnixNanos::now()));
        Registration {
            register: self.clone(),
            asks,
            member,
            number,
        }
    }

    /// Who takes what now.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing will be given to sessions any more, and no more will be opened: each takes what
    /// waits for it and ends.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
        self.members().iter().for_each(|member| member.stop());
    }

    /// Waits until the last session is over.
    pub(crate) async fn emptied(&self) {
        while self.session_count.load(Relaxed) > 0 {
            self.emptied.notified().await;
        }
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without lanes there is nothing to select here: other hosts do.
    fn change(&self, change: impl FnOnce(&mut Table)) {
        let Some(demand) = &self.demand else {
            return;
        };
        let mut table = self.table();
        change(&mut table);
        demand.publish(table.demand());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let register = &self.register;
        register.change(|table| table.leave(&self.asks, &self.member, UnixNanos::now()));
        self.member.lose_all();
        register
            .members()
            .retain(|member| !Arc::ptr_eq(member, &self.member));
        register.state.close(self.number, self.asks.call.name());
        register.session_count.fetch_sub(1, Relaxed);
        register.emptied.notify_one();
    }
}

/// As it stands in the register: the call, and whom it shares with.
fn name(asks: &Subscription) -> String {
    let (call, group) = (asks.call.name(), &asks.group);
    let count = asks.selections.len();
    format!("{call} shard_id={group:?} selectors={count}")
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
