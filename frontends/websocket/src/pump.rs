//! Lanes to outboxes: each record is read once, converted once if anybody wants it, and its
//! messages are copied to the frames of all who get them.

use crate::member::Member;
use crate::recent::Recent;
use crate::register::Register;
use crate::routes::Form;
use crate::table::Table;
use crate::v0;
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::lanes::Place;
use hydrant_engine::record::Record;
use hydrant_feed::convert::V1Form;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::lanes::{BATCH_RECORDS_MAX, Lanes};
use std::cell::OnceCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

/// After a batch that left nothing, the next one waits so long: what comes meanwhile leaves together,
/// with one wake-up and one write for all of it.
const PAUSE: Duration = Duration::from_millis(1);

/// Moves records until every shard has stopped and all is read. Between two batches the sessions
/// have their turn.
pub(crate) async fn run(mut lanes: Lanes, register: Rc<Register>, recent: Option<Arc<Recent>>) {
    let mut pump = Pump::new(register, recent);
    while lanes.wait().await {
        let count = pump.batch(&mut lanes);
        if count < BATCH_RECORDS_MAX {
            sleep(PAUSE).await;
        } else {
            yield_now().await;
        }
    }
}

struct Pump {
    register: Rc<Register>,
    recent: Option<Arc<Recent>>,
    v1_form: V1Form,
    giving: Giving,
    /// Groups that may take the record at hand.
    found: Vec<usize>,
}

impl Pump {
    fn new(register: Rc<Register>, recent: Option<Arc<Recent>>) -> Self {
        Self {
            register,
            recent,
            v1_form: V1Form::default(),
            giving: Giving { given: Vec::new() },
            found: Vec::new(),
        }
    }

    /// Returns how many records it was.
    fn batch(&mut self, lanes: &mut Lanes) -> usize {
        let register = self.register.clone();
        let table = register.table();
        let recent = self.recent.clone();
        let mut keeping = recent
            .as_ref()
            .map(|recent| recent.writing(UnixNanos::now()));
        let count = lanes.read(|place, record| {
            if let Some(keeping) = &mut keeping {
                keeping.add(&record);
            }
            self.record(&table, place, &record);
        });
        for member in self.giving.given.drain(..) {
            member.wake();
        }
        count
    }

    /// Counts every record in one way, as the feed's ledger wants it.
    fn record(&mut self, table: &Table, place: Place, record: &Record<'_>) {
        let mut found = mem::take(&mut self.found);
        found.clear();
        table.find(record, &mut found);
        let mut made = 0;
        let mut is_taken = false;
        if !found.is_empty() {
            let giving = &mut self.giving;
            self.v1_form.messages(record, |message| {
                made += 1;
                is_taken |= giving.message(table, &found, place, message);
            });
        }
        self.count(FeedCounter::Read, 1);
        if is_taken {
            self.count(FeedCounter::Messages, made);
            self.count(FeedCounter::Extra, made - 1);
        } else if made == 0 && !found.is_empty() {
            self.count(FeedCounter::NoForm, 1);
        } else {
            self.count(FeedCounter::Unselected, 1);
        }
        self.found = found;
    }

    fn count(&self, counter: FeedCounter, count: u64) {
        self.register.state.feed.add(counter, count);
    }
}

/// How messages get to members.
struct Giving {
    /// Members that the batch gave something to.
    given: Vec<Arc<Member>>,
}

impl Giving {
    /// Gives a message to all who take it. False: nobody did.
    fn message(&mut self, table: &Table, found: &[usize], place: Place, message: &[u8]) -> bool {
        let forms = Forms::new(message);
        let mut is_taken = false;
        for group in found.iter().map(|index| table.group(*index)) {
            if !group.selects(message) {
                continue;
            }
            let Some(bytes) = forms.of(group.form()) else {
                continue;
            };
            for member in group.takers(place) {
                is_taken = true;
                if member.give(bytes) {
                    self.given.push(member.clone());
                }
            }
        }
        is_taken
    }
}

/// A message in the forms that are asked for, each made once.
struct Forms<'m> {
    envelope: &'m [u8],
    log_message: OnceCell<Option<Bytes>>,
}

impl<'m> Forms<'m> {
    const fn new(envelope: &'m [u8]) -> Self {
        Self {
            envelope,
            log_message: OnceCell::new(),
        }
    }

    /// Nothing if there is no such form of it.
    fn of(&self, form: Form) -> Option<&[u8]> {
        match form {
            Form::Envelope => Some(self.envelope),
            Form::LogMessage => self
                .log_message
                .get_or_init(|| v0::log_message(self.envelope))
                .as_deref(),
        }
    }
}
