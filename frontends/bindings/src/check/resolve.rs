//! Names to addresses, by the system's resolver: many at a time but not all, and none for ever.

use crate::limits::{LOOKUP_DEADLINE, LOOKUPS_DEADLINE, LOOKUPS_MAX};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

type Lookup = dyn Fn(String) -> Looked + Send + Sync;
type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up.
pub(super) struct Resolver {
    lookup: Arc<Lookup>,
    /// A lookup keeps its place until the system is done with it, whether or not anybody waits.
    places: Arc<Semaphore>,
    /// What was found in the last round.
    known: HashMap<String, Vec<IpAddr>>,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its addresses: at least one.
    Found(Vec<IpAddr>),
    /// It has none, or nobody knew in time.
    Failed,
}

impl Resolver {
    /// As the system does it: hosts file, name servers.
    pub(super) fn of_system() -> Self {
        Self::new(|host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        })
    }

    pub(super) fn new(lookup: impl Fn(String) -> Looked + Send + Sync + 'static) -> Self {
        Self {
            lookup: Arc::new(lookup),
            places: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            known: HashMap::new(),
        }
    }

    /// Looks names up, those first that had addresses in the last round. A name whose turn does not
    /// come in time has the addresses of the last round, or is missing: those who bind many names
    /// that hang must not cost others theirs.
    pub(super) async fn resolve(&mut self, hosts: BTreeSet<String>) -> HashMap<String, Outcome> {
        let deadline = Instant::now() + LOOKUPS_DEADLINE;
        let mut outcomes = HashMap::new();
        let mut lookups = JoinSet::new();
        let is_known = |host: &String| self.known.contains_key(host);
        let (known, new): (Vec<_>, Vec<_>) = hosts.into_iter().partition(is_known);
        for host in known.into_iter().chain(new) {
            if let Ok(address) = host.parse() {
                outcomes.insert(host, Outcome::Found(vec![address]));
            } else {
                lookups.spawn(self.look(host, deadline));
            }
        }
        let mut found = HashMap::new();
        while let Some(looked) = lookups.join_next().await {
            // It does not panic, and nobody aborts it.
            let Ok((host, outcome)) = looked else {
                continue;
            };
            let last = || self.known.get(&host).cloned().map(Outcome::Found);
            let Some(outcome) = outcome.or_else(last) else {
                continue;
            };
            if let Outcome::Found(addresses) = &outcome {
                found.insert(host.clone(), addresses.clone());
            }
            outcomes.insert(host, outcome);
        }
        self.known = found;
        outcomes
    }

    /// Nothing if its turn did not come.
    fn look(
        &self,
        host: String,
        deadline: Instant,
    ) -> impl Future<Output = (String, Option<Outcome>)> + Send + use<> {
        let (lookup, places) = (self.lookup.clone(), self.places.clone());
        async move {
            let place = timeout_at(deadline, places.acquire_owned()).await;
            let Ok(Ok(place)) = place else {
                return (host, None);
            };
            let looking = lookup(host.clone());
            let looking = tokio::spawn(async move {
                let found = looking.await;
                drop(place);
                found
            });
            let outcome = match timeout(LOOKUP_DEADLINE, looking).await {
                Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Outcome::Found(addresses),
                _ => Outcome::Failed,
            };
            (host, Some(outcome))
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn names(names: impl IntoIterator<Item = impl Into<String>>) -> BTreeSet<String> {
        names.into_iter().map(Into::into).collect()
    }

    const ONE: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(1, 2, 3, 4))];

    /// Names that begin so never get an answer, unknown ones an error.
    fn resolver(under_way: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> Resolver {
        let (under_way, most) = (under_way.clone(), most.clone());
        Resolver::new(move |host| {
            let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            let under_way = under_way.clone();
            Box::pin(async move {
                if host.starts_with("hang") {
                    pending::<()>().await;
                }
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                match host.starts_with("good") {
                    true => Ok(ONE.to_vec()),
                    false => Err(io::ErrorKind::NotFound.into()),
                }
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_looked_up_in_parallel_and_not_all_at_once() {
        let [under_way, most] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let mut resolver = resolver(&under_way, &most);
        let hosts = (0..500).map(|number| format!("good-{number}"));
        let outcomes = resolver.resolve(names(hosts)).await;
        assert_eq!(outcomes.len(), 500);
        assert!(
            outcomes
                .values()
                .all(|it| *it == Outcome::Found(ONE.to_vec()))
        );
        assert_eq!(most.load(Ordering::SeqCst), LOOKUPS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_hang_cost_others_nothing_that_they_had() {
        let [under_way, most] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let mut resolver = resolver(&under_way, &most);
        let first = resolver.resolve(names(["good", "bad", "hang"])).await;
        assert_eq!(first["good"], Outcome::Found(ONE.to_vec()));
        assert_eq!(
            (&first["bad"], &first["hang"]),
            (&Outcome::Failed, &Outcome::Failed)
        );
        // All places are taken from here on: the system never answers.
        let hanging = (0..100).map(|number| format!("hang-{number}"));
        let all = hanging.chain(["good".to_owned()]);
        let second = resolver.resolve(names(all)).await;
        assert_eq!(second["good"], Outcome::Found(ONE.to_vec()));
        let third = resolver.resolve(names(["good", "good-new"])).await;
        assert_eq!(third["good"], Outcome::Found(ONE.to_vec()), "from memory");
        assert_eq!(third.get("good-new"), None, "its turn did not come");
        assert_eq!(most.load(Ordering::SeqCst), LOOKUPS_MAX);
    }

    #[tokio::test]
    async fn the_system_knows_loopback_and_addresses_are_not_asked_for() {
        let mut resolver = Resolver::of_system();
        let outcomes = resolver
            .resolve(names(["localhost", "::1", "1.2.3.4"]))
            .await;
        let Outcome::Found(loopback) = &outcomes["localhost"] else {
            panic!("{outcomes:?}");
        };
        assert!(loopback.iter().all(IpAddr::is_loopback));
        assert_eq!(outcomes["1.2.3.4"], Outcome::Found(ONE.to_vec()));
        assert_eq!(
            outcomes["::1"],
            Outcome::Found(vec!["::1".parse().unwrap()])
        );
    }
}
