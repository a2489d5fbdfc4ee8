//! From records to the outboxes of the destinations that take them.
//!
//! **The ledger**: each record is one `read`, and either one `unselected` (no destination takes it), one
//! `no_form` (none has a form for it), or `messages`: as many envelopes as it became, v1 and v2 apart,
//! counted once however many destinations get them; those beyond the first are `extra` too.

use crate::config::{ForwardConfig, Protocol, Takes};
use crate::session::Session;
use crate::state::ForwardState;
use crate::v1::Version1;
use crate::v2::Version2;
use hydrant_engine::record::{Kind, Record, Version};
use hydrant_feed::convert::{V1Form, v2_envelope};
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::session::FrontendState;
use prost::Message;
use std::sync::Arc;

/// Selects, changes, converts.
#[derive(Debug)]
pub(crate) struct Pump {
    outlets: Vec<(Takes, Arc<Session>)>,
    logs: bool,
    version1: Version1,
    version2: Version2,
    form: V1Form,
    buffers: [Vec<u8>; 2],
    worker: Arc<FrontendState>,
    state: Arc<ForwardState>,
}

/// The destinations of a record that speak a version.
struct Takers<'p> {
    outlets: &'p [(Takes, Arc<Session>)],
    came: Version,
    protocol: Protocol,
}

impl Takers<'_> {
    fn sessions(&self) -> impl Iterator<Item = &Session> {
        let takers = self.outlets.iter().filter(|(takes, session)| {
            takes.has(self.came) && session.state.protocol == self.protocol
        });
        takers.map(|(_, session)| &**session)
    }

    fn are_there(&self) -> bool {
        self.sessions().next().is_some()
    }

    fn push(&self, envelope: &[u8]) {
        self.sessions().for_each(|session| session.push(envelope));
    }
}

impl Pump {
    pub(crate) fn new(
        config: &ForwardConfig,
        sessions: &[Arc<Session>],
        worker: Arc<FrontendState>,
        state: Arc<ForwardState>,
    ) -> Self {
        let takes = config.destinations.iter().map(|one| one.takes);
        Self {
            outlets: takes.zip(sessions.iter().cloned()).collect(),
            logs: config.logs,
            version1: Version1::new(config),
            version2: Version2::new(config),
            form: V1Form::default(),
            buffers: Default::default(),
            worker,
            state,
        }
    }

    /// Gives the record to the destinations that take it.
    pub(crate) fn take(&mut self, record: &Record<'_>) {
        self.count(FeedCounter::Read, 1);
        let header = &record.header;
        let is_log = header.version == Version::V2 && header.kind == Kind::Log;
        let mut outlets = self.outlets.iter();
        let is_taken = outlets.any(|(takes, _)| takes.has(header.version));
        if !is_taken || is_log && !self.logs {
            return self.count(FeedCounter::Unselected, 1);
        }
        let envelopes = match header.version {
            Version::V1 => self.take_v1(record),
            Version::V2 => self.take_v2(record),
        };
        match envelopes {
            0 => self.count(FeedCounter::NoForm, 1),
            _ => {
                self.count(FeedCounter::Messages, envelopes);
                self.count(FeedCounter::Extra, envelopes - 1);
            }
        }
    }

    /// Says what it has counted itself.
    pub(crate) fn tell(&self) {
        let forgotten = self.version1.forgotten() + self.version2.forgotten();
        self.state.set(self.version2.origin_mappings(), forgotten);
    }

    /// Returns how many envelopes the record became.
    fn take_v1(&mut self, record: &Record<'_>) -> u64 {
        let header = record.header;
        let [one, other] = &mut self.buffers;
        let tagged = self
            .version1
            .tagged(header.source_rule, record.envelope, one);
        let mut count = 0;
        let takers = |protocol| Takers {
            outlets: &self.outlets,
            came: Version::V1,
            protocol,
        };
        let (v1, v2) = (takers(Protocol::V1), takers(Protocol::V2));
        if v1.are_there()
            && let Some(envelope) = self.version1.totalled(header.kind, tagged, other)
        {
            v1.push(envelope);
            count += 1;
        }
        let tagged = Record {
            header,
            envelope: tagged,
        };
        if v2.are_there()
            && let Some(mut envelope) = v2_envelope(&tagged)
        {
            self.version2.change(&mut envelope);
            other.clear();
            if envelope.encode(other).is_ok() {
                v2.push(other);
                count += 1;
            }
        }
        count
    }

    /// As [`take_v1`](Self::take_v1).
    fn take_v2(&mut self, record: &Record<'_>) -> u64 {
        let header = record.header;
        let [out, _] = &mut self.buffers;
        let changed = self.version2.of(header.kind, record.envelope, out);
        let Some(envelope) = changed else {
            return 0;
        };
        let mut count = 0;
        let takers = |protocol| Takers {
            outlets: &self.outlets,
            came: Version::V2,
            protocol,
        };
        let (v1, v2) = (takers(Protocol::V1), takers(Protocol::V2));
        if v2.are_there() {
            v2.push(envelope);
            count += 1;
        }
        if v1.are_there() {
            let record = Record { header, envelope };
            self.form.messages(&record, |envelope| {
                v1.push(envelope);
                count += 1;
            });
        }
        count
    }

    fn count(&self, counter: FeedCounter, count: u64) {
        self.worker.feed.add(counter, count);
    }
}
