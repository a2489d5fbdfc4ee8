//! The sessions of a worker: who may come, who is there, and what becomes of what was theirs.

use crate::config::WebsocketConfig;
use crate::member::Member;
use crate::routed;
use crate::routes::Target;
use crate::table::Table;
use bytesize::ByteSize;
use hydrant_engine::record::KindSet;
use hydrant_engine::route::DemandCell;
use hydrant_feed::batches::{Batches, Packing};
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::routers::{Routers, Subscription};
use hydrant_feed::session::{FrontendState, SessionState};
use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// All sessions of a worker.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) state: Arc<FrontendState>,
    source: Source,
    /// What is wanted although no session may want it.
    kept: KindSet,
    limits: Limits,
    /// What all outboxes may hold together.
    budget: Arc<Budget>,
    table: RefCell<Table>,
    /// What sessions that other hosts feed get it by.
    subscriptions: RefCell<BTreeMap<u64, Subscription>>,
    session_count: Cell<usize>,
    is_stopping: Cell<bool>,
    emptied: Notify,
}

/// Where sessions' records come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// This host's shards, which look here for what is wanted.
    Lanes(DemandCell),
    /// Other hosts: every session is a subscription to each of them, who select and share for us.
    Routers(Routers),
}

/// Bounds of a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions_max: usize,
    pub(crate) outbox_bytes: usize,
    pub(crate) outboxes_bytes: usize,
}

/// A session's place in the register. Dropping it, however the session ends, settles what is open.
#[derive(Debug)]
pub(crate) struct Registration {
    register: Rc<Register>,
    target: Target,
    pub(crate) member: Arc<Member>,
    number: u64,
    is_settled: Cell<bool>,
}

impl Limits {
    pub(crate) fn of(config: &WebsocketConfig) -> Self {
        Self {
            sessions_max: config.sessions_max,
            outbox_bytes: bytes(config.outbox_bytes),
            outboxes_bytes: bytes(config.outboxes_bytes),
        }
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

impl Register {
    pub(crate) fn new(
        state: Arc<FrontendState>,
        source: Source,
        kept: KindSet,
        limits: Limits,
    ) -> Rc<Self> {
        let register = Rc::new(Self {
            state,
            source,
            kept,
            limits,
            budget: Budget::new(limits.outboxes_bytes),
            table: RefCell::default(),
            subscriptions: RefCell::default(),
            session_count: Cell::new(0),
            is_stopping: Cell::new(false),
            emptied: Notify::new(),
        });
        register.change(|_| ());
        register
    }

    /// Whether no session can be opened now.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_stopping.get() || self.session_count.get() >= self.limits.sessions_max
    }

    /// Opens a session. When this returns, the shards can see that its records are wanted, and what
    /// they publish goes into its outbox; or the routers are being asked. Nothing if the register
    /// [is full](Self::is_full).
    pub(crate) fn open(
        self: &Rc<Self>,
        target: Target,
        name: String,
        peer: SocketAddr,
    ) -> Option<Registration> {
        if self.is_full() {
            return None;
        }
        let state = Arc::new(SessionState::new(name, peer.to_string()));
        let (budget, bytes_max) = (self.budget.clone(), self.limits.outbox_bytes);
        let outbox = Batches::within(budget, bytes_max, Packing::Frames);
        let member = Arc::new(Member::new(state.clone(), outbox));
        self.session_count.update(|count| count + 1);
        let number = self.state.open(state);
        self.change(|table| table.join(&target, member.clone()));
        self.make_room();
        self.subscribe(number, &target, &member);
        Some(Registration {
            register: self.clone(),
            target,
            member,
            number,
            is_settled: Cell::new(false),
        })
    }

    /// Who takes what now.
    pub(crate) fn table(&self) -> Ref<'_, Table> {
        self.table.borrow()
    }

    /// Nothing will be given to sessions any more, and no more will be opened: each writes what
    /// waits for it and ends.
    pub(crate) fn stop(&self) {
        self.is_stopping.set(true);
        self.subscriptions.take();
        self.table().members().for_each(|member| member.stop());
    }

    /// Waits until the last session is over.
    pub(crate) async fn emptied(&self) {
        while self.session_count.get() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Every outbox has its share: who holds more gives it up if memory is short, now that shares are
    /// smaller.
    fn make_room(&self) {
        if self.budget.is_short() {
            self.table().members().for_each(|member| member.give_way());
        }
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        let mut table = self.table.borrow_mut();
        change(&mut table);
        if let Source::Lanes(demand) = &self.source {
            demand.publish(table.demand().with_kinds(self.kept));
        }
    }

    fn subscribe(&self, number: u64, target: &Target, member: &Arc<Member>) {
        if let Source::Routers(routers) = &self.source {
            let (member, state) = (member.clone(), self.state.clone());
            let subscription = routed::subscribe(routers, target, member, state);
            self.subscriptions.borrow_mut().insert(number, subscription);
        }
    }

    fn unsubscribe(&self, number: u64) {
        let subscription = self.subscriptions.borrow_mut().remove(&number);
        drop(subscription); // Nothing is borrowed meanwhile.
    }
}

impl Registration {
    /// Ends what the session is given, and counts what still waited for it as this loss.
    pub(crate) fn settle(&self, loss: SessionCounter) {
        if self.is_settled.replace(true) {
            return;
        }
        self.register.unsubscribe(self.number);
        self.register
            .change(|table| table.leave(&self.target, &self.member));
        self.member.lose_all(loss);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.settle(SessionCounter::Gone);
        self.register
            .state
            .close(self.number, self.target.endpoint());
        self.register.session_count.update(|count| count - 1);
        self.register.emptied.notify_one();
    }
}
