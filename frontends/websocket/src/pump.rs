//! Lanes to outboxes: each record is read once, converted once if anybody wants it, and its
//! messages are shared by all who get them.

use crate::member::Member;
use crate::register::Register;
use crate::table::Table;
use bytes::{Bytes, BytesMut};
use hydrant_engine::lanes::Place;
use hydrant_engine::record::Record;
use hydrant_feed::convert::v1_messages;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::lanes::Lanes;
use std::mem;
use std::rc::Rc;
use tokio::task::yield_now;

/// Moves records until every shard has stopped and all is read. Between two batches the sessions
/// have their turn.
pub(crate) async fn run(mut lanes: Lanes, register: Rc<Register>) {
    let mut pump = Pump::new(register);
    while lanes.wait().await {
        pump.batch(&mut lanes);
        yield_now().await;
    }
}

struct Pump {
    register: Rc<Register>,
    arena: Arena,
    /// Groups that may take the record at hand.
    found: Vec<usize>,
    /// Members that the batch gave something to.
    given: Vec<Rc<Member>>,
}

impl Pump {
    fn new(register: Rc<Register>) -> Self {
        Self {
            register,
            arena: Arena::new(),
            found: Vec::new(),
            given: Vec::new(),
        }
    }

    fn batch(&mut self, lanes: &mut Lanes) {
        let register = self.register.clone();
        let table = register.table();
        lanes.read(|place, record| self.record(&table, place, &record));
        for member in self.given.drain(..) {
            member.wake();
        }
    }

    /// Counts every record in one way, as the feed's ledger wants it.
    fn record(&mut self, table: &Table, place: Place, record: &Record<'_>) {
        let mut found = mem::take(&mut self.found);
        found.clear();
        table.find(record, &mut found);
        let mut made = 0;
        let mut is_taken = false;
        if !found.is_empty() {
            v1_messages(record, |message| {
                made += 1;
                is_taken |= self.message(table, &found, place, message);
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

    /// Gives a message to all who take it. False: nobody did.
    fn message(&mut self, table: &Table, found: &[usize], place: Place, message: &[u8]) -> bool {
        let mut shared = None;
        for group in found.iter().map(|index| table.group(*index)) {
            if !group.selects(message) {
                continue;
            }
            let bytes = shared.get_or_insert_with(|| match group.is_firehose() {
                true => self.arena.share(message),
                // An app's messages lie far apart; they would hold on to chunks of others'.
                false => Bytes::copy_from_slice(message),
            });
            for member in group.takers(place) {
                if member.give(bytes.clone()) {
                    self.given.push(member.clone());
                }
            }
        }
        shared.is_some()
    }

    fn count(&self, counter: FeedCounter, count: u64) {
        self.register.state.feed.add(counter, count);
    }
}

/// Bytes of a chunk. It lives as long as one of its messages, so it is small beside an outbox.
const CHUNK_BYTES: usize = 32 * 1024;

/// Memory for messages, taken a chunk at a time and used again once its messages are gone.
struct Arena(BytesMut);

impl Arena {
    fn new() -> Self {
        Self(BytesMut::with_capacity(CHUNK_BYTES))
    }

    fn share(&mut self, message: &[u8]) -> Bytes {
        self.0.extend_from_slice(message);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lie_side_by_side_in_a_chunk() {
        let mut arena = Arena::new();
        let (first, second) = (arena.share(b"first"), arena.share(b"second"));
        assert_eq!(first.as_ptr().wrapping_add(first.len()), second.as_ptr());
        assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
        let large = vec![7; CHUNK_BYTES + 1];
        assert_eq!(arena.share(&large), large);
    }

    #[test]
    fn a_chunk_whose_messages_are_gone_is_used_again() {
        let mut arena = Arena::new();
        let start = arena.share(&[1; 1000]).as_ptr();
        let reused = (0..1000).any(|_| arena.share(&[2; 1000]).as_ptr() == start);
        assert!(reused);
    }
}
