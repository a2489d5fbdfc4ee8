//! What a stream has taken and the kernel has not, in order; and what the kernel has and the destination
//! has not said it has read.

use crate::limits::UNCONFIRMED_MAX;
use crate::session::{Parcel, Session};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The parcels of one stream.
#[derive(Debug, Default)]
pub(crate) struct Flight(Mutex<Parcels>);

#[derive(Debug, Default)]
struct Parcels {
    parcels: VecDeque<Parcel>,
    /// Bytes before the first of them.
    begin: u64,
    /// Messages taken in all.
    messages: u64,
    /// Of those that the kernel has: where they end, and how many envelopes.
    unconfirmed: VecDeque<(u64, u64)>,
}

impl Flight {
    /// The stream has taken one.
    pub(crate) fn add(&self, parcel: Parcel, messages: u64) {
        let mut parcels = self.parcels();
        parcels.messages += messages;
        parcels.parcels.push_back(parcel);
    }

    /// Messages that the stream has taken.
    pub(crate) fn messages(&self) -> u64 {
        self.parcels().messages
    }

    /// The kernel has `sent` bytes of the stream: what lies whole among them is delivered.
    pub(crate) fn settle(&self, sent: u64, session: &Session) {
        let mut parcels = self.parcels();
        let begin = parcels.begin;
        let mut envelopes = 0;
        while let Some(parcel) = parcels.parcels.front() {
            let end = parcels.begin + parcel.bytes.len() as u64;
            if end > sent {
                break;
            }
            let count = u64::from(parcel.envelopes);
            envelopes += count;
            parcels.begin = end;
            parcels.parcels.pop_front();
            parcels.await_confirmation(end, count);
        }
        let bytes = parcels.begin - begin;
        drop(parcels);
        if envelopes > 0 {
            session.delivered(envelopes, bytes);
        }
    }

    /// The destination has read so many bytes.
    pub(crate) fn confirm(&self, read: u64) {
        self.parcels().confirm(read);
    }

    /// Envelopes delivered of which the destination, which has read so many bytes, has not read all.
    pub(crate) fn unconfirmed(&self, read: u64) -> u64 {
        let mut parcels = self.parcels();
        parcels.confirm(read);
        parcels.unconfirmed.iter().map(|(_, count)| count).sum()
    }

    /// The stream is over: the kernel has `sent` bytes of it, and no more than `begun` may have left.
    /// Whether the kernel has all that the stream took.
    pub(crate) fn end(&self, sent: u64, begun: u64, session: &Session) -> bool {
        self.settle(sent, session);
        let mut parcels = self.parcels();
        let is_whole = parcels.parcels.is_empty();
        while parcels.begin < begun
            && let Some(broken) = parcels.parcels.pop_front()
        {
            parcels.begin += broken.bytes.len() as u64;
            session.broken(u64::from(broken.envelopes));
        }
        let rest = std::mem::take(&mut parcels.parcels);
        drop(parcels);
        if !rest.is_empty() {
            session.take_back(rest);
        }
        is_whole
    }

    fn parcels(&self) -> MutexGuard<'_, Parcels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parcels {
    fn await_confirmation(&mut self, end: u64, count: u64) {
        let is_full = self.unconfirmed.len() >= UNCONFIRMED_MAX;
        match self.unconfirmed.back_mut().filter(|_| is_full) {
            Some(last) => *last = (end, last.1 + count),
            None => self.unconfirmed.push_back((end, count)),
        }
    }

    fn confirm(&mut self, read: u64) {
        while self
            .unconfirmed
            .front()
            .is_some_and(|(end, _)| *end <= read)
        {
            self.unconfirmed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DestinationConfig;
    use crate::state::{DestinationCounter, ForwardState};
    use bytes::Bytes;
    use hydrant_feed::batches::Packing;
    use hydrant_feed::counters::SessionCounter;

    fn session() -> Session {
        let state = ForwardState::new(&[DestinationConfig::at("localhost:1")]);
        Session::new(state.destinations[0].clone(), Packing::Hundred, 1 << 20)
    }

    fn parcel(bytes: usize, envelopes: u32) -> Parcel {
        let bytes = Bytes::from(vec![0; bytes]);
        Parcel { bytes, envelopes }
    }

    fn counts(session: &Session) -> [u64; 3] {
        let counters = &session.state.session.counters;
        let retried = session.state.get(DestinationCounter::Retried);
        let [delivered, broken] =
            [SessionCounter::Delivered, SessionCounter::Broken].map(|it| counters.get(it));
        [delivered, broken, retried]
    }

    #[test]
    fn whole_parcels_are_delivered_a_begun_one_is_lost_others_are_given_back() {
        let session = session();
        let flight = Flight::default();
        for (bytes, envelopes) in [(100, 1), (200, 20), (300, 300), (400, 4000)] {
            flight.add(parcel(bytes, envelopes), 1);
        }
        flight.settle(99, &session);
        assert_eq!(counts(&session), [0, 0, 0]);
        flight.settle(299, &session);
        assert_eq!(counts(&session), [1, 0, 0]);
        assert!(!flight.end(299, 301, &session), "one was broken");
        assert_eq!(counts(&session), [1, 320, 4000]);
        assert!(!session.is_empty());
        session.abandon();
        let counters = &session.state.session.counters;
        assert_eq!(counters.get(SessionCounter::Gone), 4000);
        assert_eq!(session.state.get(DestinationCounter::Bytes), 100);
    }

    #[test]
    fn what_the_destination_has_not_read_is_known() {
        let session = session();
        let flight = Flight::default();
        for _ in 0..UNCONFIRMED_MAX + 10 {
            flight.add(parcel(10, 1), 1);
        }
        flight.settle(10 * UNCONFIRMED_MAX as u64 + 50, &session);
        let [all, last] = [UNCONFIRMED_MAX as u64 + 5, 6];
        assert_eq!(flight.unconfirmed(9), all);
        assert_eq!(flight.unconfirmed(29), all - 2);
        let end = 10 * all;
        assert_eq!(
            flight.unconfirmed(end - 1),
            last,
            "the last ones are as one"
        );
        assert_eq!(flight.unconfirmed(end), 0);
    }

    #[test]
    fn at_a_parcels_end_nothing_is_lost() {
        let session = session();
        let flight = Flight::default();
        flight.add(parcel(100, 1), 1);
        flight.add(parcel(100, 2), 1);
        assert!(!flight.end(100, 100, &session), "one is given back");
        assert_eq!(counts(&session), [1, 0, 2]);
        assert!(flight.end(100, 100, &session), "all that was left had left");
        assert_eq!(flight.messages(), 2);
    }
}
