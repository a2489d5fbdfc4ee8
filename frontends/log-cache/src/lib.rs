//! What a foundation said of late, in memory: Log Cache.
//!
//! `store` keeps envelopes by source and finds them again; it knows no socket and no clock.
//! `partitions` are stores that together are one; `disk` has what they have, for a restart, and `keeper`
//! writes it; `node` is the thread that keeps in them what senders send and what comes by lanes, and
//! answers readers from them, by upstream's `logcache.v1`. Nodes that keep sources together are a
//! `cluster`, in which each knows by `routing` who keeps what; upstream's nodes may be among them.
//!
//! What differs from upstream on purpose (queries: `hydrant-promql`; recorded beside what does not, in
//! `frontends/hydrant/tests/program/roles/log_cache/recorded/`):
//!
//! * A limit neither separates envelopes of the same timestamp nor lets others in. Upstream's tree does
//!   both once timestamps are equal, and who pages by the last timestamp loses some; queries do.
//! * No timestamp has a greatest number of envelopes; upstream keeps 4001.
//! * Sources are listed as they are now; upstream's list is up to a second old.
//! * Name filters are read by the crate `regex`: it takes what RE2 refuses without need (`a**`,
//!   `a{1001}`), and neither `\Q` nor groups whose names are numbers or come twice.
//! * Numbers of unknown types of envelopes are the type of none, and a request without a batch sends
//!   nothing; upstream dies of both.
//! * What cannot be kept of a batch is refused and the rest is kept; upstream refuses all of it.
//! * -0 in the result of a query is 0: the library that writes messages leaves it out.
//!
//! A module uses only those above it in this list.

pub mod limits;

mod whole;

mod names;

pub mod store;

mod request;

mod routing;

mod config;

mod counters;

mod outbox;

mod peer;

mod answered;

mod cluster;

mod partitions;

mod disk;

mod keeper;

mod elsewhere;

mod querier;

mod calls;

mod feed;

mod node;

#[cfg(test)]
mod tests;

pub use config::{LogCacheConfig, MemoryTotal};
pub use counters::{NodeCounter, NodeCounters, QueryKind};
pub use disk::DiskError;
pub use names::NameFilter;
pub use node::{LOG_CACHE, Node, NodeState, StartError, start};
pub use partitions::{Partitions, Standing, Taken};
pub use request::{Refused, query};
pub use routing::node_of;
