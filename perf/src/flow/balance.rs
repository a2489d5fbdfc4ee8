//! Whether what was sent is what was received and what was lost, to one envelope.

use super::counts::Counts;

/// What a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All apps.
    Firehose,
    /// The app with this number.
    App(usize),
}

/// A group of readers at its end: they share what they asked for, each envelope for one of them.
/// Most groups have one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTotal {
    /// What it asked for.
    pub wanted: Wanted,
    /// Envelopes sent that it asked for.
    pub expected: u64,
    /// Envelopes that each member was sent; never empty.
    pub received: Vec<u64>,
}

impl GroupTotal {
    /// Envelopes that all members were sent.
    pub fn received(&self) -> u64 {
        self.received.iter().sum()
    }

    /// What the member with the least got and the one with the most, as parts of an equal share;
    /// nothing if there is nobody to share with, or little to be shared.
    pub fn shares(&self) -> Option<[f64; 2]> {
        let equal = self.received() as f64 / self.received.len() as f64;
        let least = self.received.iter().min()?;
        let most = self.received.iter().max()?;
        let is_shared = self.received.len() > 1 && equal >= SHARE_MIN;
        is_shared.then(|| [least, most].map(|count| *count as f64 / equal))
    }
}

/// Fewer envelopes than this for each member say nothing of how they are shared.
const SHARE_MIN: f64 = 100.0;
/// Members with less than this part of an equal share starve. Chance alone makes far smaller
/// differences.
const STARVING: f64 = 0.5;

/// All accounts of a run, after everything has come to rest.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Whether the server keeps accounts; a bare one does not.
    pub has_ledger: bool,
    /// Envelopes sent.
    pub sent: u64,
    /// Each group of readers.
    pub groups: Vec<GroupTotal>,
    /// The server's own.
    pub counts: Counts,
}

impl Accounts {
    /// Envelopes meant for readers.
    pub fn expected(&self) -> u64 {
        self.groups.iter().map(|group| group.expected).sum()
    }

    /// Envelopes that readers have.
    pub fn received(&self) -> u64 {
        self.groups.iter().map(GroupTotal::received).sum()
    }

    /// Envelopes that readers should have and have not.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received())
    }

    /// What does not add up, in words; empty if all does.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        if self.has_ledger {
            self.check_server(&mut faults);
        }
        let is_lossless = self.counts.losses().next().is_none();
        for group in &self.groups {
            let GroupTotal {
                wanted, expected, ..
            } = *group;
            if is_lossless {
                let what = format!("nothing is lost; {wanted:?}: expected and received");
                faults.unless_equal(&what, expected, group.received());
            }
            if group.shares().is_some_and(|[least, _]| least < STARVING) {
                let problem = format!("{wanted:?}: a member starves: {:?}", group.received);
                faults.0.push(problem);
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
        let is_firehose = |group: &&GroupTotal| group.wanted == Wanted::Firehose;
        let firehoses = self.groups.iter().filter(is_firehose).count();
        let least = lane_full * firehoses as u64;
        let has_apps = firehoses < self.groups.len();
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

    fn firehose(received: Vec<u64>) -> GroupTotal {
        GroupTotal {
            wanted: Wanted::Firehose,
            expected: 100,
            received,
        }
    }

    /// A hundred sent to a firehose of two and to the reader of an app; two found the lane full,
    /// eight an outbox of the firehose.
    fn accounts() -> Accounts {
        let app = GroupTotal {
            wanted: Wanted::App(3),
            expected: 10,
            received: vec![9],
        };
        let counts = "received=100 decoded=100 selected=107 delivered=99 lane.lane_full=2 \
                      session.outbox_full=8 waiting=0 faults=0";
        Accounts {
            has_ledger: true,
            sent: 100,
            groups: vec![firehose(vec![50, 40]), app],
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
        faulty(|accounts| accounts.groups[1].received[0] += 1);
        faulty(|accounts| accounts.groups[0].received[1] -= 1);
        faulty(|accounts| accounts.groups[0].expected += 3);
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
    fn if_nothing_is_lost_every_group_has_all() {
        let mut accounts = Accounts {
            has_ledger: false,
            sent: 100,
            groups: vec![firehose(vec![50, 40])],
            counts: Counts::default(),
        };
        assert!(accounts.faults()[0].contains("100 ≠ 90"));
        accounts.groups[0].received[1] = 50;
        assert_eq!(accounts.faults(), [""; 0]);
    }

    #[test]
    fn nobody_starves_in_a_group() {
        let mut group = firehose(vec![900, 500, 100]);
        group.expected = 1500;
        assert_eq!(group.shares(), Some([0.2, 1.8]));
        let mut accounts = Accounts {
            has_ledger: false,
            sent: 1500,
            groups: vec![group],
            counts: Counts::default(),
        };
        let faults = accounts.faults();
        assert!(faults[0].contains("starves: [900, 500, 100]"), "{faults:?}");
        accounts.groups[0].received = vec![700, 400, 400];
        assert_eq!(accounts.faults(), [""; 0]);
        assert_eq!(firehose(vec![1000]).shares(), None);
        assert_eq!(firehose(vec![99, 1]).shares(), None);
    }
}
