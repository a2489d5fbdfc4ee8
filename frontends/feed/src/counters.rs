//! What frontends count. A message is what a session sends: a WebSocket frame, a syslog line.
//!
//! **The ledger**, at any moment of rest: for a worker `read + extra = messages + no_form +
//! unselected`, and for a session `selected = delivered + each loss + kept_on_disk + waiting`. Lines that
//! are kept on disk are `recovered` and `selected` again by the session that finds them.

use hydrant_engine::counters::Block;

hydrant_engine::counters! {
    /// What a worker counts of its feed.
    FeedCounter {
        Read = "read", "Records read from the lanes.";
        Extra = "extra", "Messages beyond the first that one record became (a v2 gauge of several metrics).";
        Messages = "messages", "Messages made of records.";
        NoForm = "no_form", "Records that the frontend's protocol has no form for (a v2 event in v1).";
        Unselected = "unselected", "Records that no session selected, and those meant for a session that has just left.";
    }
}

hydrant_engine::counters! {
    /// What a session counts.
    SessionCounter {
        Selected = "selected", "Messages meant for the session.";
        Delivered = "delivered", "Messages handed to the session's connection: to the kernel or, for gRPC, to HTTP/2. What lies there is lost, and not counted, if the connection breaks.";
        OutboxFull = "outbox_full", "Messages lost, oldest first, because the session's outbox was full.";
        Slow = "slow_consumer", "Messages that waited when the session was closed for taking nothing.";
        Gone = "session_gone", "Messages that waited when the session's peer was gone or we stopped.";
        Broken = "stream_broken", "Envelopes of a batch that was on its way when its stream broke: some of it had left, not all, and which of them arrived is not known. So with a batch that another node of Log Cache did not answer in time, as often as it was tried.";
        Refused = "refused", "Messages that the peer was asked to take for two minutes and refused each time (an HTTP drain's answer other than 2xx), and envelopes that another node of Log Cache refused.";
        NotTaken = "not_taken", "Envelopes of a batch that Log Cache refused, or did not take however often it was asked.";
        HostnameInvalid = "hostname_invalid", "Envelopes without a syslog line: the drain's hostname is not printable ASCII.";
        AppNameInvalid = "app_name_invalid", "Envelopes without a syslog line: the source id is not printable ASCII.";
        ProcIdInvalid = "proc_id_invalid", "Envelopes without a syslog line: the instance id is not printable ASCII.";
        ParamNameInvalid = "param_name_invalid", "Envelopes without a syslog line: the name of a tag cannot be a parameter's.";
        NoMessage = "no_message", "Envelopes without a syslog line: there is no message in them.";
        SpoolFull = "spool_full", "Lines lost from the disk spool, oldest first, because it was full.";
        SpoolCorrupt = "spool_corrupt", "Lines in the disk spool that are not as they were written, found by their checksum; at least one for each place where their number is not known.";
        SpoolFailed = "spool_failed", "Lines that could not be read from the disk spool, or not written to it at the end.";
        SpoolExpired = "spool_expired", "Lines in the disk spool of a drain that nobody wanted any more for as long as they are kept.";
        Recovered = "recovered", "Lines found in the disk spool when the session began; they are among those selected.";
        MaybeTwice = "maybe_twice", "Recovered lines that were on their way when we last ended: the drain may have had them before. Envelopes that another node of Log Cache was sent again although it may have had them.";
        Kept = "kept_on_disk", "Lines left in the disk spool when the session ended, for the drain's next one.";
    }
}

impl SessionCounter {
    /// The losses among them. An envelope that RFC 5424 cannot carry is one selected and one lost.
    pub const LOSSES: [Self; 15] = [
        Self::OutboxFull,
        Self::Slow,
        Self::Gone,
        Self::Broken,
        Self::Refused,
        Self::NotTaken,
        Self::HostnameInvalid,
        Self::AppNameInvalid,
        Self::ProcIdInvalid,
        Self::ParamNameInvalid,
        Self::NoMessage,
        Self::SpoolFull,
        Self::SpoolCorrupt,
        Self::SpoolFailed,
        Self::SpoolExpired,
    ];
}

/// Counters of one worker's feed. Only its thread adds.
#[derive(Debug, Default)]
pub struct FeedCounters(Block<{ FeedCounter::ALL.len() }>);

impl FeedCounters {
    /// Counts `count` more.
    pub fn add(&self, counter: FeedCounter, count: u64) {
        self.0.add(counter as usize, count);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: FeedCounter) -> u64 {
        self.0.get(counter as usize)
    }

    /// Records and messages that the ledger cannot place: 0, or we have a defect.
    pub fn unbalanced(&self) -> i128 {
        let get = |counter| i128::from(self.get(counter));
        get(FeedCounter::Read) + get(FeedCounter::Extra)
            - get(FeedCounter::Messages)
            - get(FeedCounter::NoForm)
            - get(FeedCounter::Unselected)
    }
}

/// Counters of one session. Only its worker's thread adds.
#[derive(Debug, Default)]
pub struct SessionCounters(Block<{ SessionCounter::ALL.len() }>);

impl SessionCounters {
    /// Counts `count` more.
    pub fn add(&self, counter: SessionCounter, count: u64) {
        self.0.add(counter as usize, count);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: SessionCounter) -> u64 {
        self.0.get(counter as usize)
    }

    /// Messages selected, and neither delivered nor lost nor left on disk so far.
    pub fn waiting(&self) -> u64 {
        let lost: u64 = SessionCounter::LOSSES
            .iter()
            .map(|loss| self.get(*loss))
            .sum();
        let settled = self.get(SessionCounter::Delivered) + self.get(SessionCounter::Kept) + lost;
        self.get(SessionCounter::Selected).saturating_sub(settled)
    }

    /// Adds what another session counted, when it is over.
    pub fn absorb(&self, other: &Self) {
        for counter in SessionCounter::ALL {
            self.add(*counter, other.get(*counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_delivered_nor_lost_waits() {
        let counters = SessionCounters::default();
        counters.add(SessionCounter::Selected, 26);
        counters.add(SessionCounter::Delivered, 3);
        counters.add(SessionCounter::Kept, 5);
        for loss in SessionCounter::LOSSES {
            counters.add(loss, 1);
        }
        assert_eq!(counters.waiting(), 3);
        let total = SessionCounters::default();
        total.absorb(&counters);
        total.absorb(&counters);
        assert_eq!(total.get(SessionCounter::Delivered), 6);
    }

    #[test]
    fn the_feeds_ledger_notices_what_is_missing() {
        let counters = FeedCounters::default();
        counters.add(FeedCounter::Read, 5);
        counters.add(FeedCounter::Extra, 2);
        counters.add(FeedCounter::Messages, 5);
        counters.add(FeedCounter::NoForm, 1);
        assert_eq!(counters.unbalanced(), 1);
        counters.add(FeedCounter::Unselected, 1);
        assert_eq!(counters.unbalanced(), 0);
    }
}
