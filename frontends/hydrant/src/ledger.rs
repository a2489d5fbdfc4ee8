//! The ledger: where every frame went. It balances to one envelope at any moment of rest.

use crate::state::ServerState;
use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_feed::counters::{FeedCounter, SessionCounter, SessionCounters};
use hydrant_feed::routers::{RouterCounter, RouterState, Routers};
use std::fmt::{self, Write};

/// A snapshot of all counters that the ledger is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Frames that came in whole or were given up on.
    pub received: u64,
    /// Valid envelopes.
    pub decoded: u64,
    /// What was lost before the lanes, by name; zeros left out.
    pub malformed: Vec<(&'static str, u64)>,
    /// Socket buffers that the kernel dropped before we saw them. Outside the balance.
    pub kernel_dropped: u64,
    /// What came from each other host.
    pub routers: Vec<RouterLedger>,
    /// What each frontend worker got.
    pub frontends: Vec<FrontendLedger>,
}

/// What came from another host, in all subscriptions to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterLedger {
    /// Its zone and address.
    pub name: String,
    /// Envelopes that came.
    pub received: u64,
    /// Valid ones.
    pub decoded: u64,
    /// What was lost, by name; zeros left out.
    pub malformed: Vec<(&'static str, u64)>,
}

/// A frontend worker's part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendLedger {
    /// Its name.
    pub frontend: String,
    /// Published, unwanted, full: summed over its lanes; nothing if other hosts feed it.
    pub lanes: Option<[u64; 3]>,
    /// Records in its lanes, messages in its sessions that nobody can place: 0, or a defect.
    pub unplaced: i128,
    /// Read, extra, messages, no form, unselected.
    pub feed: Vec<(&'static str, u64)>,
    /// A line a session, and one for those that are over.
    pub sessions: Vec<SessionLedger>,
}

/// A session's part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLedger {
    /// What it takes and where it is.
    pub name: String,
    /// Selected, delivered, each loss; zeros left out.
    pub counts: Vec<(&'static str, u64)>,
    /// Messages selected and neither delivered nor lost.
    pub waiting: u64,
}

impl Ledger {
    /// Reads all counters. Balanced only if nothing moves meanwhile.
    pub fn of(state: &ServerState) -> Self {
        let sum = |counter| {
            state
                .shards
                .iter()
                .map(|shard| shard.counters.get(counter))
                .sum()
        };
        let lost = |loss| {
            state
                .shards
                .iter()
                .map(|shard| shard.counters.lost(loss))
                .sum()
        };
        let malformed = Loss::ALL.iter().map(|loss| (loss.name(), lost(*loss)));
        Self {
            received: sum(Counter::Received),
            decoded: sum(Counter::Decoded),
            malformed: malformed.filter(|(_, count)| *count > 0).collect(),
            kernel_dropped: state
                .shards
                .iter()
                .map(|shard| shard.counters.kernel_dropped())
                .sum(),
            routers: routers(state),
            frontends: (0..state.frontends.len())
                .map(|at| frontend(state, at))
                .collect(),
        }
    }

    /// What does not add up, in words; empty if all does. Messages that still wait are no fault.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let malformed: u64 = self.malformed.iter().map(|(_, count)| count).sum();
        if self.received != self.decoded + malformed {
            let Self {
                received, decoded, ..
            } = self;
            faults.push(format!(
                "received {received} ≠ decoded {decoded} + malformed {malformed}"
            ));
        }
        for router in &self.routers {
            let malformed: u64 = router.malformed.iter().map(|(_, count)| count).sum();
            if router.received != router.decoded + malformed {
                let RouterLedger {
                    name,
                    received,
                    decoded,
                    ..
                } = router;
                faults.push(format!(
                    "router {name}: received {received} ≠ decoded {decoded} + malformed {malformed}"
                ));
            }
        }
        for FrontendLedger {
            frontend,
            lanes,
            unplaced,
            ..
        } in &self.frontends
        {
            let placed = lanes.map_or(self.decoded, |lanes| lanes.iter().sum());
            if placed != self.decoded {
                let decoded = self.decoded;
                faults.push(format!(
                    "{frontend}: decoded {decoded} ≠ {placed} in its lanes"
                ));
            }
            if *unplaced != 0 {
                faults.push(format!(
                    "{frontend}: {unplaced} read and neither selected nor not"
                ));
            }
        }
        faults
    }

    /// Records and messages under way: in lanes or outboxes. 0 at rest.
    pub fn under_way(&self) -> u64 {
        let of_frontend = |frontend: &FrontendLedger| {
            let read = frontend.feed.first().map_or(0, |(_, count)| *count);
            let waiting: u64 = frontend
                .sessions
                .iter()
                .map(|session| session.waiting)
                .sum();
            let published = frontend.lanes.map_or(read, |[published, ..]| published);
            published.saturating_sub(read) + waiting
        };
        self.frontends.iter().map(of_frontend).sum()
    }
}

fn routers(state: &ServerState) -> Vec<RouterLedger> {
    let ledger = |router: &RouterState| {
        let malformed = Loss::ALL
            .iter()
            .map(|loss| (loss.name(), router.lost(*loss)));
        RouterLedger {
            name: format!("{} {}", router.zone(), router.address()),
            received: router.get(RouterCounter::Received),
            decoded: router.get(RouterCounter::Decoded),
            malformed: malformed.filter(|(_, count)| *count > 0).collect(),
        }
    };
    let routers = state.routers.iter().flat_map(Routers::states);
    routers.map(ledger).collect()
}

fn frontend(state: &ServerState, index: usize) -> FrontendLedger {
    let worker = &state.frontends[index];
    let lane = |counter| {
        let lanes = state
            .shards
            .iter()
            .filter_map(|shard| shard.lanes.get(index));
        lanes.map(|lane| lane.counters.get(counter)).sum()
    };
    let feed = FeedCounter::ALL
        .iter()
        .map(|counter| (counter.name(), worker.feed.get(*counter)));
    let open = worker.sessions();
    let open = open.iter().map(|session| {
        session_ledger(
            format!("{} {}", session.name, session.peer),
            &session.counters,
        )
    });
    let over = worker.over();
    let over = over
        .iter()
        .map(|(name, counters)| session_ledger(format!("{name}, over"), counters));
    FrontendLedger {
        frontend: worker.name(),
        lanes: (index < state.lane_count()).then(|| {
            [
                LaneCounter::Published,
                LaneCounter::Unwanted,
                LaneCounter::Full,
            ]
            .map(lane)
        }),
        unplaced: worker.feed.unbalanced(),
        feed: feed.collect(),
        sessions: open.chain(over).collect(),
    }
}

fn session_ledger(name: String, counters: &SessionCounters) -> SessionLedger {
    let counts = SessionCounter::ALL
        .iter()
        .map(|counter| (counter.name(), counters.get(*counter)));
    SessionLedger {
        name,
        counts: counts.filter(|(_, count)| *count > 0).collect(),
        waiting: counters.waiting(),
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            decoded,
            malformed,
            kernel_dropped,
            routers,
            frontends,
        } = self;
        writeln!(
            f,
            "received {received} = decoded {decoded}{}",
            sum(malformed)
        )?;
        if *kernel_dropped > 0 {
            writeln!(
                f,
                "dropped by the kernel before that: {kernel_dropped} socket buffers"
            )?;
        }
        for RouterLedger {
            name,
            received,
            decoded,
            malformed,
        } in routers
        {
            let malformed = sum(malformed);
            writeln!(
                f,
                "router {name}: received {received} = decoded {decoded}{malformed}"
            )?;
        }
        for FrontendLedger {
            frontend,
            lanes,
            feed,
            sessions,
            ..
        } in frontends
        {
            match lanes {
                Some([published, unwanted, full]) => {
                    let lanes =
                        format!("published {published} + unwanted {unwanted} + lane_full {full}");
                    writeln!(f, "{frontend}: decoded {decoded} = {lanes}")?;
                }
                None => writeln!(f, "{frontend}: from other hosts")?,
            }
            writeln!(f, "  feed:{}", list(feed))?;
            for SessionLedger {
                name,
                counts,
                waiting,
            } in sessions
            {
                writeln!(f, "  {name}:{} waiting {waiting}", list(counts))?;
            }
        }
        match self.faults().as_slice() {
            [] => write!(f, "the ledger balances; {} under way", self.under_way()),
            faults => write!(f, "the ledger does NOT balance: {}", faults.join("; ")),
        }
    }
}

fn sum(counts: &[(&str, u64)]) -> String {
    counts
        .iter()
        .fold(String::new(), |mut text, (name, count)| {
            // Writing to a String cannot fail.
            write!(text, " + {name} {count}").ok();
            text
        })
}

fn list(counts: &[(&str, u64)]) -> String {
    counts
        .iter()
        .fold(String::new(), |mut text, (name, count)| {
            // Writing to a String cannot fail.
            write!(text, " {name} {count}").ok();
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            received: 10,
            decoded: 9,
            malformed: vec![("malformed_wire", 1)],
            kernel_dropped: 0,
            routers: vec![],
            frontends: vec![FrontendLedger {
                frontend: "websocket".into(),
                lanes: Some([5, 3, 1]),
                unplaced: 0,
                feed: vec![("read", 5)],
                sessions: vec![SessionLedger {
                    name: "/firehose/a 1.2.3.4:5".into(),
                    counts: vec![("selected", 5), ("delivered", 3)],
                    waiting: 2,
                }],
            }],
        }
    }

    #[test]
    fn a_balanced_ledger_says_so() {
        let text = ledger().to_string();
        assert!(
            text.contains("received 10 = decoded 9 + malformed_wire 1"),
            "{text}"
        );
        assert!(text.ends_with("the ledger balances; 2 under way"), "{text}");
    }

    #[test]
    fn one_envelope_amiss_is_noticed_anywhere() {
        let faulty = |change: fn(&mut Ledger)| {
            let mut ledger = ledger();
            change(&mut ledger);
            assert_eq!(ledger.faults().len(), 1);
            assert!(ledger.to_string().contains("NOT"));
        };
        faulty(|ledger| ledger.received += 1);
        faulty(|ledger| ledger.malformed[0].1 -= 1);
        faulty(|ledger| ledger.frontends[0].lanes = Some([5, 3, 2]));
        faulty(|ledger| ledger.frontends[0].unplaced = -1);
    }
}
