//! The syslog drains of a run: how many, where their lines go, and which of them are of no use.

use super::counts::Counts;
use crate::samples::app_guid;
use hydrant::drains::Drain;
use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::str::FromStr;

/// What becomes of a drain's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// They are read.
    Healthy,
    /// Nobody listens: connections are refused.
    Dead,
    /// The kernel lets connections in, and nobody reads.
    BlackHole,
}

impl Health {
    /// All, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Dead, Self::BlackHole];

    /// What stands before the names of its counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Dead => "dead",
            Self::BlackHole => "black_hole",
        }
    }
}

/// Which drains there are, and where. As text, [`FromStr`] reads it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drains {
    /// Where the lines of each health go, in the order of [`Health::ALL`].
    pub addresses: [SocketAddr; 3],
    /// Apps that have a drain each: the first so many. If 0, one drain has every source's lines.
    pub apps: usize,
    /// How many of them are not healthy, spread over all; half of these are dead.
    pub unhealthy: usize,
}

impl Drains {
    /// How it goes with the drain of this app.
    pub const fn health(&self, app: usize) -> Health {
        let unhealthy_before = app * self.unhealthy / self.apps;
        let unhealthy_with = (app + 1) * self.unhealthy / self.apps;
        if unhealthy_before == unhealthy_with {
            Health::Healthy
        } else if unhealthy_before.is_multiple_of(2) {
            Health::Dead
        } else {
            Health::BlackHole
        }
    }

    /// The apps whose drains are of this health.
    pub fn apps_of(&self, health: Health) -> impl Iterator<Item = usize> {
        (0..self.apps).filter(move |app| self.health(*app) == health)
    }

    /// Where the lines of this health go.
    pub const fn address(&self, health: Health) -> SocketAddr {
        self.addresses[health as usize]
    }

    /// The `[syslog]` table of the server's config.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        self.write_toml(&mut text).ok();
        text
    }

    fn write_toml(&self, text: &mut String) -> fmt::Result {
        if self.apps == 0 {
            let address = self.address(Health::Healthy);
            return writeln!(text, "[[drains]]\nurl = \"syslog://{address}\"");
        }
        (0..self.apps).try_for_each(|app| {
            let (address, guid) = (self.address(self.health(app)), app_guid(app));
            writeln!(
                text,
                "[[drains]]\nurl = \"syslog://{address}\"\napp = \"{guid}\""
            )
        })
    }

    /// How drains stand, summed up by their health: `dead.drains`, `dead.selected` and so on, losses
    /// as `dead.lost.<name>`.
    pub fn standing(&self, drains: &[Drain]) -> Counts {
        let mut counts = Counts::default();
        for health in Health::ALL {
            let peer = self.address(health).to_string();
            let mut add = |name: &str, count| {
                counts.add(&format!("{}.{name}", health.name()), count);
            };
            for drain in drains.iter().filter(|drain| drain.peer == peer) {
                add("drains", 1);
                add("selected", drain.selected);
                add("delivered", drain.delivered);
                add("waiting", drain.waiting);
                for (name, count) in &drain.lost {
                    add(&format!("lost.{name}"), *count);
                }
            }
        }
        counts
    }
}

impl fmt::Display for Drains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [healthy, dead, black_hole] = self.addresses;
        let (apps, unhealthy) = (self.apps, self.unhealthy);
        write!(f, "{healthy}/{dead}/{black_hole}/{apps}/{unhealthy}")
    }
}

impl FromStr for Drains {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let words: Vec<_> = text.split('/').collect();
            let [healthy, dead, black_hole, apps, unhealthy] = words[..] else {
                return None;
            };
            Some(Self {
                addresses: [
                    healthy.parse().ok()?,
                    dead.parse().ok()?,
                    black_hole.parse().ok()?,
                ],
                apps: apps.parse().ok()?,
                unhealthy: unhealthy.parse().ok()?,
            })
        };
        read().ok_or_else(|| format!("{text:?} are no drains"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant::config::Config;

    fn drains(apps: usize, unhealthy: usize) -> Drains {
        Drains {
            addresses: [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
            apps,
            unhealthy,
        }
    }

    #[test]
    fn the_unhealthy_are_spread_over_all_and_half_of_them_are_dead() {
        for (apps, unhealthy, expected) in [
            (1000, 10, [990, 5, 5]),
            (10_000, 5000, [5000, 2500, 2500]),
            (7, 0, [7, 0, 0]),
        ] {
            let drains = drains(apps, unhealthy);
            let counts = Health::ALL.map(|health| drains.apps_of(health).count());
            assert_eq!(counts, expected);
        }
        let drains = drains(1000, 10);
        let dead: Vec<_> = drains.apps_of(Health::Dead).collect();
        assert_eq!(dead, [99, 299, 499, 699, 899]);
    }

    #[test]
    fn they_survive_being_said() {
        let drains = drains(1000, 10);
        assert_eq!(drains.to_string().parse(), Ok(drains));
        let error = "127.0.0.1:1/2".parse::<Drains>().unwrap_err();
        assert!(error.contains("no drains"), "{error}");
    }

    #[test]
    fn the_server_takes_its_table() {
        for drains in [drains(0, 0), drains(1000, 500), drains(10_000, 100)] {
            let config = Config {
                syslog: toml::from_str(&drains.to_toml()).unwrap(),
                ..Config::default()
            };
            config.plan().unwrap();
            assert_eq!(config.syslog.drains.len(), drains.apps.max(1));
        }
        let config: Config = toml::from_str("").unwrap();
        assert!(config.syslog.drains.is_empty());
    }

    #[test]
    fn how_drains_stand_is_summed_up_by_health() {
        let drain = |port: u16, lost: u64| Drain {
            peer: format!("127.0.0.1:{port}"),
            selected: 10,
            delivered: 4,
            waiting: 6 - lost,
            lost: [("outbox_full".to_owned(), lost)].into(),
            ..Drain::default()
        };
        let standing = drains(4, 3).standing(&[drain(2, 1), drain(1, 0), drain(2, 2)]);
        let expected = "healthy.drains=1 healthy.selected=10 healthy.delivered=4 healthy.waiting=6 \
                        healthy.lost.outbox_full=0 dead.drains=2 dead.selected=20 \
                        dead.delivered=8 dead.waiting=9 dead.lost.outbox_full=3";
        assert_eq!(standing, expected.parse().unwrap());
    }
}
