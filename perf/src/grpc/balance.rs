//! Whether what was sent is what was received and what was lost, to one envelope.

use super::counts::Counts;
use super::reading::Wanted;
use super::server::Service;

/// A reader at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderTotal {
    /// What it asked for.
    pub wanted: Wanted,
    /// Envelopes sent that it asked for.
    pub expected: u64,
    /// Envelopes that it was sent.
    pub received: u64,
}

/// All accounts of a run, after everything has come to rest.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who served.
    pub service: Service,
    /// Envelopes sent.
    pub sent: u64,
    /// Each reader.
    pub readers: Vec<ReaderTotal>,
    /// The server's own.
    pub counts: Counts,
}

impl Accounts {
    /// Envelopes meant for readers.
    pub fn expected(&self) -> u64 {
        self.readers.iter().map(|reader| reader.expected).sum()
    }

    /// Envelopes that readers have.
    pub fn received(&self) -> u64 {
        self.readers.iter().map(|reader| reader.received).sum()
    }

    /// Envelopes that readers should have and have not.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received())
    }

    /// What does not add up, in words; empty if all does.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        match self.service {
            Service::Hydrant => self.check_server(&mut faults),
            Service::Bare => {}
        }
        if self.counts.losses().next().is_none() {
            for reader in &self.readers {
                let ReaderTotal {
                    wanted,
                    expected,
                    received,
                } = *reader;
                let what = format!("nothing is lost; {wanted:?}: expected and received");
                faults.unless_equal(&what, expected, received);
            }
        }
        faults.0
    }

    fn check_server(&self, faults: &mut Faults) {
        let get = |name| self.counts.get(name);
        faults.unless_equal("the ledger's faults, and none", get("faults"), 0);
        faults.unless_equal("still waiting, and nothing", get("waiting"), 0);
        faults.unless_equal("sent and received", self.sent, get("received"));
        faults.unless_equal("sent and decoded", self.sent, get("decoded"));
        let settled = get("delivered") + self.counts.session_losses();
        faults.unless_equal("selected and delivered or lost", get("selected"), settled);
        let received = self.received();
        faults.unless_equal("delivered and received", get("delivered"), received);
        self.check_lanes(faults);
    }

    /// A record that found the lane full is missed by every firehose, and by the reader of its app
    /// if there is one.
    fn check_lanes(&self, faults: &mut Faults) {
        let lane_full = self.counts.lane_full();
        let is_firehose = |reader: &&ReaderTotal| reader.wanted == Wanted::Firehose;
        let firehoses = self.readers.iter().filter(is_firehose).count();
        let least = lane_full * firehoses as u64;
        let has_apps = firehoses < self.readers.len();
        let most = least + if has_apps { lane_full } else { 0 };
        let (expected, selected) = (self.expected(), self.counts.get("selected"));
        let missing = i128::from(expected) - i128::from(selected);
        if !(i128::from(least)..=i128::from(most)).contains(&missing) {
            faults.0.push(format!(
                "expected {expected} ≠ selected {selected} + {least} to {most} of full lanes"
            ));
        }
    }
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless_equal(&mut self, what: &str, one: u64, other: u64) {
        if one != other {
            self.0.push(format!("{what}: {one} ≠ {other}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREHOSE: ReaderTotal = ReaderTotal {
        wanted: Wanted::Firehose,
        expected: 100,
        received: 90,
    };

    /// A hundred sent to a firehose and to the reader of an app; two found the lane full, eight the
    /// firehose's outbox.
    fn accounts() -> Accounts {
        let app = ReaderTotal {
            wanted: Wanted::App(3),
            expected: 10,
            received: 9,
        };
        let counts = "received=100 decoded=100 selected=107 delivered=99 lane.lane_full=2 \
                      session.outbox_full=8 waiting=0 faults=0";
        Accounts {
            service: Service::Hydrant,
            sent: 100,
            readers: vec![FIREHOSE, app],
            counts: counts.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_lost_by_name_is_accounted_for() {
        let accounts = accounts();
        assert_eq!(accounts.faults(), [""; 0]);
        let totals = (accounts.expected(), accounts.received(), accounts.lost());
        assert_eq!(totals, (110, 99, 11));
    }

    #[test]
    fn one_envelope_amiss_is_noticed_anywhere() {
        let faulty = |change: fn(&mut Accounts)| {
            let mut accounts = accounts();
            change(&mut accounts);
            assert_ne!(accounts.faults(), [""; 0]);
        };
        faulty(|accounts| accounts.sent += 1);
        faulty(|accounts| accounts.readers[1].received += 1);
        faulty(|accounts| accounts.readers[0].received -= 1);
        faulty(|accounts| accounts.readers[0].expected += 3);
        for name in [
            "received",
            "decoded",
            "selected",
            "delivered",
            "waiting",
            "faults",
        ] {
            let mut accounts = accounts();
            accounts.counts.add(name, 1);
            assert_ne!(accounts.faults(), [""; 0], "{name}");
        }
        faulty(|accounts| accounts.counts.add("session.session_gone", 1));
        faulty(|accounts| accounts.counts.add("lane.lane_full", 10));
    }

    #[test]
    fn if_nothing_is_lost_every_reader_has_all() {
        let mut accounts = Accounts {
            service: Service::Bare,
            sent: 100,
            readers: vec![FIREHOSE],
            counts: Counts::default(),
        };
        assert!(accounts.faults()[0].contains("100 ≠ 90"));
        accounts.readers[0].received = 100;
        assert_eq!(accounts.faults(), [""; 0]);
    }
}
