//! The drains that a worker serves, as they come and go.

use crate::delivery::{Delivery, Service};
use crate::keeper::{RETIRED, folder_name};
use crate::link::Place;
use crate::pump::Pump;
use crate::session::{Session, SpoolTerms, Spooled};
use crate::telling::{Tell, Told};
use crate::wish::Wish;
use hydrant_bindings::Binding;
use hydrant_engine::route::Demand;
use hydrant_feed::budget::Budget;
use hydrant_feed::session::{FrontendState, SessionState};
use std::collections::HashMap;
use std::mem;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_local};

/// What is the same for all drains of a worker.
#[derive(Debug)]
pub(crate) struct Terms {
    /// What may wait for one drain, in bytes.
    pub(crate) outbox_bytes: usize,
    /// What may wait for all.
    pub(crate) budget: Arc<Budget>,
    /// Whether lines have tags if the drain's URL does not say.
    pub(crate) metadata: bool,
    /// Where lines go that should not wait in memory, if there is such a place.
    pub(crate) spool: Option<Rc<SpoolTerms>>,
    /// How they are delivered.
    pub(crate) service: Rc<Service>,
}

/// The drains of a worker, each a session with a delivery of its own.
#[derive(Debug)]
pub(crate) struct Drains {
    served: HashMap<Binding, Served>,
    /// Whose each folder of the spool is, by its name.
    spools: HashMap<String, Weak<Session>>,
    tasks: Vec<JoinHandle<()>>,
    terms: Terms,
    state: Arc<FrontendState>,
}

#[derive(Debug)]
struct Served {
    session: Rc<Session>,
    pump_key: usize,
    /// What its app knows; nobody is told of drains of every source.
    told: Option<Told>,
}

impl Drains {
    /// None yet.
    pub(crate) fn new(terms: Terms, state: Arc<FrontendState>) -> Self {
        Self {
            served: HashMap::new(),
            spools: HashMap::new(),
            tasks: Vec::new(),
            terms,
            state,
        }
    }

    /// From now on these are served and no others. What stays is not disturbed; a binding that is
    /// there twice is one, and one whose URL is not a drain's is none. Call within the runtime.
    pub(crate) fn set(&mut self, bindings: Vec<&Binding>, pump: &mut Pump) {
        let mut before = mem::take(&mut self.served);
        let mut new = Vec::new();
        for binding in bindings {
            match before.remove_entry(binding) {
                Some((binding, served)) => drop(self.served.insert(binding, served)),
                None => new.push(binding),
            }
        }
        for served in before.into_values() {
            pump.remove(served.pump_key);
            served.session.retire();
        }
        self.tasks.retain(|task| !task.is_finished());
        self.spools.retain(|_, session| session.strong_count() > 0);
        for binding in new {
            if !self.served.contains_key(binding)
                && let Ok(wish) = Wish::new(binding.clone())
            {
                self.add(wish, pump);
            }
        }
        self.give_way();
    }

    fn add(&mut self, wish: Wish, pump: &mut Pump) {
        let shown = SessionState::new(wish.drain.redacted().to_owned(), wish.peer());
        let shown = Arc::new(shown.of_app(wish.binding.app.is_some()));
        let session = self.session(shown.clone(), &wish);
        let terms = &self.terms;
        let format = wish.format(terms.metadata);
        let pump_key = pump.add(wish.selection(), format, session.clone());
        // Drains of every source are the operator's, as upstream has it.
        let is_checked = wish.binding.app.is_some();
        let place = Place::new(wish.drain, wish.binding.credentials.clone(), is_checked);
        let delivery = Delivery::new(place, session.clone(), terms.service.clone());
        let number = self.state.open(shown);
        let app = wish.binding.app.clone();
        let served = Served {
            told: app.map(|app| Told::new(app, session.clone())),
            session,
            pump_key,
        };
        self.tasks.push(spawn_local(serve(
            delivery,
            served.session.clone(),
            (self.state.clone(), number),
        )));
        self.served.insert(wish.binding, served);
    }

    /// One with a spool, unless another binding that is wanted differs only in its hostname or its
    /// certificate and has it. From one that nobody wants any more it is taken over.
    fn session(&mut self, shown: Arc<SessionState>, wish: &Wish) -> Rc<Session> {
        let terms = &self.terms;
        let session = Session::new(shown, terms.outbox_bytes, terms.budget.clone());
        let Some(terms) = &terms.spool else {
            return Rc::new(session);
        };
        let name = folder_name(&wish.binding);
        let before = self.spools.get(&name).and_then(Weak::upgrade);
        if let Some(before) = &before {
            if !before.is_retired() {
                return Rc::new(session);
            }
            before.supersede();
        }
        let spool = Spooled::new(terms.clone(), name.clone(), wish.drain.framing(), before);
        let session = Rc::new(session.with_spool(spool));
        self.spools.insert(name, Rc::downgrade(&session));
        session
    }

    /// What shards have to give us for them.
    pub(crate) fn demand(pump: &Pump) -> Demand {
        let none = Demand::none();
        pump.selections()
            .fold(none, |demand, one| one.add_to(demand))
    }

    /// Tells apps what happened to their drains since they were told last.
    pub(crate) fn tell(&self, tell: &Tell) {
        let told = self.served.values().filter_map(|one| one.told.as_ref());
        told.for_each(|told| told.tell(tell));
    }

    /// Has all look again: the phase has changed.
    pub(crate) fn wake(&self) {
        for served in self.served.values() {
            served.session.wake();
        }
    }

    /// The deliveries that have not ended, those of drains that are gone included.
    pub(crate) fn take_tasks(&mut self) -> Vec<JoinHandle<()>> {
        mem::take(&mut self.tasks)
    }

    /// Shares have become smaller with what was added.
    fn give_way(&self) {
        for served in self.served.values() {
            served.session.give_way();
        }
    }
}

/// Delivers to the end, and takes the session out of the register if nobody wants it any more. At
/// the worker's end the others stay, to be looked at.
async fn serve(delivery: Delivery, session: Rc<Session>, place: (Arc<FrontendState>, u64)) {
    delivery.run().await;
    if session.is_retired() {
        let (state, number) = place;
        state.close(number, RETIRED);
    }
}
