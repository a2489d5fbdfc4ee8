//! What a server says at its end, in a line that another process reads.

use hydrant::ledger::{FrontendLedger, Ledger};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What stands before the name of a loss: where it happened.
const SHARD: &str = "shard.";
const LANE: &str = "lane.";
const SESSION: &str = "session.";

/// A server's counts by name. As text: `name=number` words, which [`FromStr`] reads back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Of a server that has come to rest.
    pub fn of(ledger: &Ledger) -> Self {
        let mut counts = Self::default();
        counts.add("received", ledger.received);
        counts.add("decoded", ledger.decoded);
        counts.add("faults", ledger.faults().len() as u64);
        for (name, count) in &ledger.malformed {
            counts.add(&format!("{SHARD}{name}"), *count);
        }
        for frontend in &ledger.frontends {
            counts.add_frontend(frontend);
        }
        counts
    }

    fn add_frontend(&mut self, frontend: &FrontendLedger) {
        if let Some([_published, _unwanted, full]) = frontend.lanes {
            self.add(&format!("{LANE}lane_full"), full);
        }
        for session in &frontend.sessions {
            self.add("waiting", session.waiting);
            for (name, count) in &session.counts {
                match *name {
                    "selected" | "delivered" => self.add(name, *count),
                    loss => self.add(&format!("{SESSION}{loss}"), *count),
                }
            }
        }
    }

    /// Adds to what is counted under a name.
    pub fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }

    /// What is counted under this name; 0 if nothing is.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Records that found a lane full: each is missed by all readers that wanted it.
    pub fn lane_full(&self) -> u64 {
        self.sum_of(LANE)
    }

    /// Messages that sessions lost, whatever the reason.
    pub fn session_losses(&self) -> u64 {
        self.sum_of(SESSION)
    }

    /// Every loss that has happened, by where and why.
    pub fn losses(&self) -> impl Iterator<Item = (&str, u64)> {
        self.all()
            .filter(|(name, count)| *count > 0 && is_loss(name))
    }

    /// All, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    fn sum_of(&self, stage: &str) -> u64 {
        let losses = self.losses().filter(|(name, _)| name.starts_with(stage));
        losses.map(|(_, count)| count).sum()
    }
}

fn is_loss(name: &str) -> bool {
    [SHARD, LANE, SESSION]
        .iter()
        .any(|stage| name.starts_with(stage))
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{name}={count}")?;
        }
        Ok(())
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        for word in text.split_whitespace() {
            let number = word.split_once('=');
            let number = number.and_then(|(name, number)| Some((name, number.parse().ok()?)));
            let (name, number) = number.ok_or_else(|| format!("the server says {word:?}"))?;
            counts.add(name, number);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant::ledger::SessionLedger;

    fn ledger() -> Ledger {
        let session = |counts| SessionLedger {
            name: "batched_receiver".to_owned(),
            counts,
            waiting: 0,
        };
        Ledger {
            received: 10,
            decoded: 9,
            malformed: vec![("malformed_wire", 1)],
            kernel_dropped: 0,
            routers: Vec::new(),
            frontends: vec![FrontendLedger {
                frontend: "grpc".to_owned(),
                lanes: Some([6, 1, 2]),
                unplaced: 0,
                feed: Vec::new(),
                sessions: vec![
                    session(vec![("selected", 6), ("delivered", 5), ("outbox_full", 1)]),
                    session(vec![("selected", 4), ("delivered", 4)]),
                ],
            }],
        }
    }

    #[test]
    fn a_ledger_is_summed_up_by_name() {
        let counts = Counts::of(&ledger());
        assert_eq!((counts.get("received"), counts.get("decoded")), (10, 9));
        assert_eq!((counts.get("selected"), counts.get("delivered")), (10, 9));
        assert_eq!((counts.lane_full(), counts.session_losses()), (2, 1));
        let losses: Vec<_> = counts.losses().collect();
        assert_eq!(
            losses,
            [
                ("lane.lane_full", 2),
                ("session.outbox_full", 1),
                ("shard.malformed_wire", 1)
            ]
        );
        assert_eq!(counts.get("faults"), 0);
    }

    #[test]
    fn they_survive_being_written() {
        let counts = Counts::of(&ledger());
        assert_eq!(counts.to_string().parse(), Ok(counts));
        assert!("a=b".parse::<Counts>().unwrap_err().contains("a=b"));
    }
}
