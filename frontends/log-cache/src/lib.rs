//! What a foundation said of late, in memory: Log Cache.
//!
//! `store` keeps envelopes by source and finds them again; it knows no socket and no clock.
//! `partitions` are stores that together are one; `disk` has what they have, for a restart, and `keeper`
//! writes it; `node` is the thread that keeps in them what senders send and what comes by lanes, and
//! answers readers from them, by upstream's `logcache.v1`. Nodes that keep sources together are a
//! `cluster`, in which each knows by `routing` who keeps what; upstream's nodes may be among them. A
//! module uses only those above it in this list.

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
