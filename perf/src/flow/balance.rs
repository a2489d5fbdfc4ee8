//! Whether what was sent is what was received and what was lost, to one envelope.

use super::counts::Counts;
use super::drains::Health;

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

/// What is to be known of drains beside what was read from the healthy ones, the only ones that
/// stand among the groups.
#[derive(Clone, Debug, Default)]
pub struct DrainAccounts {
    /// Envelopes sent for drains that nobody reads from.
    pub unread_expected: u64,
    /// Lines that black holes had taken, found in them after the server's end.
    pub found: u64,
    /// What the operator's endpoint said of them when everything that could had come to rest, as
    /// [`Drains::standing`](super::drains::Drains::standing) gives it.
    pub standing: Counts,
}

impl DrainAccounts {
    /// A count of the drains of this health.
    pub fn get(&self, health: Health, name: &str) -> u64 {
        self.standing.get(&format!("{}.{name}", health.name()))
    }

    /// What drains of this health lost, by name.
    pub fn losses(&self, health: Health) -> impl Iterator<Item = (&str, u64)> {
        let prefix = format!("{}.lost.", health.name());
        let all = self.standing.all();
        all.filter_map(move |(name, count)| Some((name.strip_prefix(&prefix)?, count)))
    }

    /// All that drains of this health lost.
    pub fn lost(&self, health: Health) -> u64 {
        self.losses(health).map(|(_, count)| count).sum()
    }
}

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
    /// Those of its drains, if it has any and keeps accounts.
    pub drains: Option<DrainAccounts>,
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
        let is_lossless = self.is_lossless();
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

    /// Whether readers lost nothing. What drains lose that nobody reads from is expected.
    fn is_lossless(&self) -> bool {
        match &self.drains {
            None => self.counts.losses().next().is_none(),
            Some(drains) => self.counts.lane_full() + drains.lost(Health::Healthy) == 0,
        }
    }

    fn check_server(&self, faults: &mut Faults) {
        let get = |name| self.counts.get(name);
        faults.unless_equal("the ledger's faults, and none", get("faults"), 0);
        faults.unless_equal("still waiting, and nothing", get("waiting"), 0);
        faults.unless_equal("sent and received", self.sent, get("received"));
        faults.unless_equal("sent and decoded", self.sent, get("decoded"));
        let settled = get("delivered") + self.counts.session_losses();
        faults.unless_equal("selected and delivered or lost", get("selected"), settled);
        let found = self.drains.as_ref().map_or(0, |drains| drains.found);
        let received = self.received() + found;
        faults.unless_equal("delivered and received", get("delivered"), received);
        self.check_lanes(faults);
        if let Some(drains) = &self.drains {
            self.check_drains(drains, faults);
        }
    }

    /// The operator's endpoint has said the same, and more of each.
    fn check_drains(&self, drains: &DrainAccounts, faults: &mut Faults) {
        for health in Health::ALL {
            let get = |name| drains.get(health, name);
            let settled = get("delivered") + drains.lost(health) + get("waiting");
            let what = format!(
                "{} drains, selected and delivered, lost or waiting",
                health.name()
            );
            faults.unless_equal(&what, get("selected"), settled);
        }
        let healthy = |name| drains.get(Health::Healthy, name);
        let received = self.received();
        faults.unless_equal(
            "delivered to healthy drains",
            healthy("delivered"),
            received,
        );
        faults.unless_equal("waiting for them, and nothing", healthy("waiting"), 0);
        let to_dead = drains.get(Health::Dead, "delivered");
        faults.unless_equal("delivered to the dead, and nothing", to_dead, 0);
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
        let unread = self.drains.as_ref().map_or(0, |one| one.unread_expected);
        let (expected, selected) = (self.expected() + unread, self.counts.get("selected"));
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
            drains: None,
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
            drains: None,
        };
        assert!(accounts.faults()[0].contains("100 ≠ 90"));
        accounts.groups[0].received[1] = 50;
        assert_eq!(accounts.faults(), [""; 0]);
    }

    /// Sixty sent for a healthy drain, twenty for a dead one and twenty for a black hole, which had
    /// taken seven, of which three only at the end.
    fn drain_accounts() -> Accounts {
        let standing = "healthy.selected=60 healthy.delivered=60 dead.selected=20 \
                        dead.lost.outbox_full=15 dead.waiting=5 black_hole.selected=20 \
                        black_hole.delivered=4 black_hole.waiting=16";
        let counts = "received=100 decoded=100 selected=100 delivered=67 session.outbox_full=15 \
                      session.session_gone=18 waiting=0 faults=0";
        Accounts {
            has_ledger: true,
            sent: 100,
            groups: vec![GroupTotal {
                wanted: Wanted::App(1),
                expected: 60,
                received: vec![60],
            }],
            counts: counts.parse().unwrap(),
            drains: Some(DrainAccounts {
                unread_expected: 40,
                found: 7,
                standing: standing.parse().unwrap(),
            }),
        }
    }

    #[test]
    fn drains_that_nobody_reads_from_are_accounted_for() {
        let accounts = drain_accounts();
        assert_eq!(accounts.faults(), [""; 0]);
        assert_eq!((accounts.expected(), accounts.lost()), (60, 0));
        let dead: Vec<_> = accounts
            .drains
            .iter()
            .flat_map(|one| one.losses(Health::Dead))
            .collect();
        assert_eq!(dead, [("outbox_full", 15)]);
    }

    #[test]
    fn one_line_amiss_of_drains_is_noticed() {
        let faulty = |change: fn(&mut Accounts, &mut DrainAccounts)| {
            let mut accounts = drain_accounts();
            let mut drains = accounts.drains.take().unwrap();
            change(&mut accounts, &mut drains);
            accounts.drains = Some(drains);
            assert_ne!(accounts.faults(), [""; 0]);
        };
        faulty(|_, drains| drains.found -= 1);
        faulty(|_, drains| drains.unread_expected += 1);
        faulty(|accounts, _| accounts.groups[0].expected += 1);
        for name in [
            "healthy.waiting",
            "healthy.lost.outbox_full",
            "dead.delivered",
        ] {
            let mut accounts = drain_accounts();
            let mut drains = accounts.drains.take().unwrap();
            drains.standing.add(name, 1);
            accounts.drains = Some(drains);
            assert_ne!(accounts.faults(), [""; 0], "{name}");
        }
        // One that was expected, selected, and lost by a healthy drain without a trace here.
        faulty(|accounts, drains| {
            accounts.groups[0].expected += 1;
            accounts.counts.add("selected", 1);
            accounts.counts.add("session.outbox_full", 1);
            drains.standing.add("dead.selected", 1);
            drains.standing.add("dead.lost.outbox_full", 1);
        });
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
            drains: None,
        };
        let faults = accounts.faults();
        assert!(faults[0].contains("starves: [900, 500, 100]"), "{faults:?}");
        accounts.groups[0].received = vec![700, 400, 400];
        assert_eq!(accounts.faults(), [""; 0]);
        assert_eq!(firehose(vec![1000]).shares(), None);
        assert_eq!(firehose(vec![99, 1]).shares(), None);
    }
}
