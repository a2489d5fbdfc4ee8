//! Whether bindings can be served, by upstream's checks in upstream's order and words. A URL that
//! makes no sense, a host that does not resolve or an address that no drain may have rejects a
//! binding; a certificate or CA that cannot be used rejects these credentials.
//!
//! Not as upstream: names are looked up in parallel and with a deadline, each once a round; every
//! address of a host must be allowed, not only the first; IPv6 addresses can be drains; what the
//! syslog frontend could not read is rejected here (a missing port, unknown source types or framing).
//! URLs are shown without fragments too.

mod pem;
mod problem;
mod resolve;
mod target;

pub use problem::Problem;

use crate::binding::Credentials;
use crate::blacklist::Blacklist;
use crate::limits::FAILED_HOST_TTL;
use crate::secret::Secret;
use crate::wire::{DrainUrl, Grant};
use problem::Reason;
use resolve::Resolver;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use target::{Rejected, Target};
use tokio::time::Instant;

/// Checks rounds of bindings, one after the other, and remembers what helps the next one.
#[derive(Debug)]
pub struct Checker {
    blacklist: Blacklist,
    resolver: Resolver,
    /// Hosts, with ports, that did not resolve, and when.
    failed_hosts: HashMap<String, Instant>,
    /// What was found of the credentials of the last round, by their hash.
    verdicts: HashMap<u64, Option<Reason>>,
    hasher: RandomState,
}

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What can be served, in the order in which it came. Every URL is one that
    /// [`Drain::parse`](crate::Drain::parse) takes.
    pub valid: Vec<DrainUrl>,
    /// What is wrong with the rest, once for each app.
    pub problems: Vec<Problem>,
    /// Upstream's `invalid_drains`: bindings and credentials that were rejected, but those whose
    /// host had failed before.
    pub invalid_drains: usize,
    /// Upstream's `blacklisted_drains`: how many of these because of their address.
    pub blacklisted_drains: usize,
}

impl Checker {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(blacklist: Blacklist) -> Self {
        Self::with_resolver(blacklist, Resolver::of_system())
    }

    fn with_resolver(blacklist: Blacklist, resolver: Resolver) -> Self {
        Self {
            blacklist,
            resolver,
            failed_hosts: HashMap::new(),
            verdicts: HashMap::new(),
            hasher: RandomState::new(),
        }
    }

    /// Checks a round. It takes as long as names take, at most some 70 s.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and IO.
    pub async fn check(&mut self, list: Vec<DrainUrl>) -> Checked {
        let now = Instant::now();
        self.failed_hosts
            .retain(|_, failed| now.duration_since(*failed) < FAILED_HOST_TTL);
        let targets: Vec<_> = list
            .iter()
            .map(|url| target::read(url.url.reveal()))
            .collect();
        let hosts = self.hosts(&list, &targets);
        let addresses = self.resolver.resolve(hosts).await;
        let mut round = Round {
            addresses,
            checked: Checked::default(),
            verdicts: HashMap::new(),
        };
        for (url, target) in list.into_iter().zip(targets) {
            self.judge(url, target, &mut round);
        }
        self.verdicts = round.verdicts;
        round.checked
    }

    /// The names to look up.
    fn hosts(&self, list: &[DrainUrl], targets: &[Result<Target, Rejected>]) -> BTreeSet<String> {
        let bound = list.iter().zip(targets);
        let bound = bound.filter(|(url, _)| !url.credentials.is_empty());
        let targets = bound.filter_map(|(_, target)| target.as_ref().ok());
        let looked_up = targets.filter(|it| !self.failed_hosts.contains_key(&it.authority));
        looked_up.map(|target| target.host.clone()).collect()
    }

    fn judge(&mut self, url: DrainUrl, target: Result<Target, Rejected>, round: &mut Round) {
        if url.credentials.is_empty() {
            round.checked.problems.push(Problem::nobody());
            return;
        }
        let shown = match self.reachable(target, round) {
            Ok(shown) => shown,
            Err(Rejected { reason, shown }) => {
                return round.checked.reject(&reason, &shown, &url.credentials);
            }
        };
        let mut valid = Vec::with_capacity(url.credentials.len());
        for grant in url.credentials {
            match self.wrong_with(&grant.credentials, round) {
                Some(reason) => round.checked.reject(&reason, &shown, &[grant]),
                None => valid.push(grant),
            }
        }
        if !valid.is_empty() {
            round.checked.valid.push(DrainUrl {
                url: url.url,
                credentials: valid,
            });
        }
    }

    /// The URL to show of a drain whose addresses are known and allowed.
    fn reachable(
        &mut self,
        target: Result<Target, Rejected>,
        round: &Round,
    ) -> Result<String, Rejected> {
        let Target {
            authority,
            host,
            shown,
        } = target?;
        let reason = if self.failed_hosts.contains_key(&authority) {
            Reason::FailedBefore
        } else {
            match round.addresses.get(&host) {
                Some(resolve::Outcome::Found(found)) if self.allows(found) => return Ok(shown),
                Some(resolve::Outcome::Found(_)) => Reason::Blacklisted,
                Some(resolve::Outcome::Failed) => {
                    self.failed_hosts.insert(authority, Instant::now());
                    Reason::Unresolved
                }
                // Its turn did not come: that says nothing of the next round.
                None => Reason::Unresolved,
            }
        };
        Err(Rejected { reason, shown })
    }

    fn allows(&self, addresses: &[IpAddr]) -> bool {
        !addresses
            .iter()
            .any(|address| self.blacklist.contains(*address))
    }

    /// Looked at once, and again only when they were not there in a round.
    fn wrong_with(&self, credentials: &Credentials, round: &mut Round) -> Option<Reason> {
        let hash = self.hasher.hash_one(credentials);
        let known = self.verdicts.get(&hash).cloned();
        let verdict = round.verdicts.entry(hash);
        let look = || known.unwrap_or_else(|| pem::wrong_with(credentials));
        verdict.or_insert_with(look).clone()
    }
}

/// What is wrong with a drain's URL, if anything is; shows nothing secret of it.
pub(crate) fn wrong_url(url: &Secret) -> Option<String> {
    let Rejected { reason, shown } = target::read(url.reveal()).err()?;
    Some(reason.message(&shown))
}

/// A round that is under way.
struct Round {
    addresses: HashMap<String, resolve::Outcome>,
    checked: Checked,
    verdicts: HashMap<u64, Option<Reason>>,
}

impl Checked {
    fn reject(&mut self, reason: &Reason, shown: &str, grants: &[Grant]) {
        self.invalid_drains += usize::from(reason.is_invalid());
        self.blacklisted_drains += usize::from(reason.is_blacklisted());
        self.problems.extend(Problem::of(reason, shown, grants));
    }
}

#[cfg(test)]
mod tests;
