//! Lanes to outboxes: each record is read once, and brought once into each form that is asked for.

use crate::forms::Forms;
use crate::member::Member;
use crate::register::Register;
use crate::request::Selection;
use crate::table::{Group, Table, Takers};
use crate::turns::{ENVELOPES_MAX, Turns};
use hydrant_engine::lanes::Place;
use hydrant_engine::record::Record;
use hydrant_feed::convert::V1Form;
use hydrant_feed::counters::{FeedCounter, SessionCounter, SessionCounters};
use hydrant_feed::lanes::{BATCH_RECORDS_MAX, Lanes};
use hydrant_feed::select::Selector;
use hydrant_feed::select_v2::SelectorV2;
use std::mem;
use std::sync::Arc;
use tokio::task::yield_now;

/// Batches that are read before all others have their turn: at least as much as senders take in one
/// of theirs.
const BATCHES_MAX: usize = 2 * ENVELOPES_MAX / BATCH_RECORDS_MAX;

/// Moves records until every shard has stopped and all is read.
pub(crate) async fn run(mut lanes: Lanes, register: Arc<Register>, turns: Arc<Turns>) {
    let mut pump = Pump::new(register);
    loop {
        tokio::select! {
            has_more = lanes.wait() => {
                if !has_more {
                    break;
                }
            }
            () = turns.asked() => {}
            () = pump.register.due() => {}
        }
        let mut batches = 0..BATCHES_MAX;
        let is_read_up = batches.any(|_| pump.batch(&mut lanes) == 0);
        pump.wake();
        pump.register.settle(is_read_up);
        yield_now().await;
        turns.start();
    }
    turns.end();
}

struct Pump {
    register: Arc<Register>,
    forms: Forms,
    v1_form: V1Form,
    /// Groups that may take the record at hand.
    found: Vec<usize>,
    /// Members that were given something since they were woken.
    given: Vec<Arc<Member>>,
}

/// What became of one record.
#[derive(Default)]
struct Fate {
    /// Messages in the forms that somebody took.
    messages: u64,
    /// A group asked for v1, and there is none.
    has_no_v1: bool,
}

impl Pump {
    fn new(register: Arc<Register>) -> Self {
        Self {
            register,
            forms: Forms::default(),
            v1_form: V1Form::default(),
            found: Vec::new(),
            given: Vec::new(),
        }
    }

    /// Returns how many records it was.
    fn batch(&mut self, lanes: &mut Lanes) -> usize {
        let register = self.register.clone();
        let table = register.table();
        lanes.read(|place, record| self.record(&table, place, &record))
    }

    /// Lets sessions look at what they were given.
    fn wake(&mut self) {
        for member in self.given.drain(..) {
            member.wake();
        }
    }

    /// Counts every record in one way, as the feed's ledger wants it.
    #[inline]
    fn record(&mut self, table: &Table, place: Place, record: &Record<'_>) {
        let mut found = mem::take(&mut self.found);
        found.clear();
        table.find(record, &mut found);
        self.forms.start();
        let mut fate = Fate::default();
        let mut of_v1 = false;
        for group in found.iter().map(|index| table.group(*index)) {
            match group.selection() {
                Selection::V2(selector) => self.v2(group, selector, place, record, &mut fate),
                Selection::V1(_) => of_v1 = true,
            }
        }
        if of_v1 {
            self.v1(table, &found, place, record, &mut fate);
        }
        self.found = found;
        self.count(&fate);
    }

    #[inline]
    fn v2(
        &mut self,
        group: &Group,
        selector: &SelectorV2,
        place: Place,
        record: &Record<'_>,
        fate: &mut Fate,
    ) {
        let stored = self.forms.stored(record);
        if !stored.is_some_and(|envelope| selector.selects(record, envelope)) {
            return;
        }
        let members = match group.takers(place, record, stored) {
            Takers::Members(members) => members,
            Takers::Departed(losses) => {
                fate.messages = fate.messages.max(1);
                return lose(losses);
            }
        };
        for member in members {
            let Some(envelope) = self.forms.get(member.form, record) else {
                continue;
            };
            fate.messages = fate.messages.max(1);
            if member.give(envelope) {
                self.given.push(member.clone());
            }
        }
    }

    /// To all groups that ask for v1, so that the conversion is made once.
    fn v1(
        &mut self,
        table: &Table,
        found: &[usize],
        place: Place,
        record: &Record<'_>,
        fate: &mut Fate,
    ) {
        let (mut made, mut is_taken) = (0, false);
        let given = &mut self.given;
        self.v1_form.messages(record, |message| {
            made += 1;
            let groups = found.iter().map(|index| table.group(*index));
            for (group, selector) in groups.filter_map(v1_selector) {
                if !selector.selects(message) {
                    continue;
                }
                let members = match group.takers(place, record, None) {
                    Takers::Members(members) => members,
                    Takers::Departed(losses) => {
                        is_taken = true;
                        lose(losses);
                        continue;
                    }
                };
                for member in members {
                    is_taken = true;
                    if member.give(message) {
                        given.push(member.clone());
                    }
                }
            }
        });
        fate.has_no_v1 = made == 0;
        if is_taken {
            fate.messages += made;
        }
    }

    #[inline]
    fn count(&self, fate: &Fate) {
        let feed = &self.register.state.feed;
        feed.add(FeedCounter::Read, 1);
        if fate.messages > 0 {
            feed.add(FeedCounter::Messages, fate.messages);
            feed.add(FeedCounter::Extra, fate.messages - 1);
        } else if fate.has_no_v1 {
            feed.add(FeedCounter::NoForm, 1);
        } else {
            feed.add(FeedCounter::Unselected, 1);
        }
    }
}

/// Counts what was meant for a session that has gone.
fn lose(losses: &SessionCounters) {
    losses.add(SessionCounter::Selected, 1);
    losses.add(SessionCounter::Gone, 1);
}

fn v1_selector(group: &Group) -> Option<(&Group, &Selector)> {
    match group.selection() {
        Selection::V1(selector) => Some((group, selector)),
        Selection::V2(_) => None,
    }
}
