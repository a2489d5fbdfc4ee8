//! How syslog drains stand: what the operator's endpoint answers at /drains, and `hydrant drains`
//! shows.

use crate::state::ServerState;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The frontend whose sessions are drains.
const FRONTEND: &str = "syslog";

/// A drain at one moment, without anything secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Its place among the open drains, in the order in which they were opened.
    pub number: usize,
    /// Its URL without user, password and query.
    pub url: String,
    /// Where it is, as `host:port`.
    pub peer: String,
    /// How it stands, in a few words.
    pub state: String,
    /// What last went wrong; empty if nothing ever did.
    pub last_error: String,
    /// Lines that were meant for it.
    pub selected: u64,
    /// Lines handed to the kernel.
    pub delivered: u64,
    /// Lines that wait, or are being written.
    pub waiting: u64,
    /// Lines among them that are on disk.
    #[serde(default)]
    pub spooled: u64,
    /// Bytes of its files there.
    #[serde(default)]
    pub spool_bytes: u64,
    /// Lines lost, by the name of the loss; those that never happened are left out.
    pub lost: BTreeMap<String, u64>,
}

impl Drain {
    /// All drains of a server, in the order in which they were opened.
    pub fn all(state: &ServerState) -> Vec<Self> {
        let workers = state.frontends.iter();
        workers
            .filter(|worker| worker.frontend == FRONTEND)
            .flat_map(|worker| worker.sessions())
            .enumerate()
            .map(|(number, session)| Self::of(number, &session))
            .collect()
    }

    /// How many lines it lost in all.
    pub fn lost_in_all(&self) -> u64 {
        self.lost.values().sum()
    }

    fn of(number: usize, session: &SessionState) -> Self {
        let counters = &session.counters;
        let lost = SessionCounter::LOSSES.map(|loss| (loss.name().to_owned(), counters.get(loss)));
        Self {
            number,
            url: session.name.clone(),
            peer: session.peer.clone(),
            state: session.note(),
            last_error: session.error(),
            selected: counters.get(SessionCounter::Selected),
            delivered: counters.get(SessionCounter::Delivered),
            waiting: counters.waiting(),
            spooled: session.spool.lines(),
            spool_bytes: session.spool.bytes(),
            lost: lost.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::session::FrontendState;
    use std::sync::Arc;

    #[test]
    fn shows_the_drains_and_no_other_sessions() {
        let session = |name: &str| {
            let state = SessionState::new(name.to_owned(), "h:1".to_owned());
            Arc::new(state)
        };
        let (syslog, websocket) = (
            Arc::new(FrontendState::new("syslog", None)),
            Arc::new(FrontendState::new("websocket", None)),
        );
        let drain = session("syslog://h:1");
        syslog.open(session("syslog://first:1"));
        syslog.open(drain.clone());
        websocket.open(session("/firehose/a"));
        drain.set_note("connected");
        drain.set_error("connection refused");
        drain.counters.add(SessionCounter::Selected, 10);
        drain.counters.add(SessionCounter::Delivered, 6);
        drain.counters.add(SessionCounter::OutboxFull, 3);
        drain.spool.set(1, 60);
        let state = ServerState {
            frontends: vec![websocket, syslog],
            ..ServerState::default()
        };
        let drains = Drain::all(&state);
        let urls: Vec<_> = drains.iter().map(|drain| drain.url.as_str()).collect();
        assert_eq!(urls, ["syslog://first:1", "syslog://h:1"]);
        let expected = Drain {
            number: 1,
            url: "syslog://h:1".to_owned(),
            peer: "h:1".to_owned(),
            state: "connected".to_owned(),
            last_error: "connection refused".to_owned(),
            selected: 10,
            delivered: 6,
            waiting: 1,
            spooled: 1,
            spool_bytes: 60,
            lost: [("outbox_full".to_owned(), 3)].into(),
        };
        assert_eq!(drains[1], expected);
        assert_eq!(drains[1].lost_in_all(), 3);
        assert_eq!(drains[0].lost, BTreeMap::new());
    }
}
