//! Envelopes on to other components over gRPC, as Loggregator's agents send them: to Dopplers, to other
//! agents, v1 or v2.
//!
//! `pump` reads the lanes, changes each record as an agent does (`v1`, `v2`: tags, source ids, totals of
//! counters; on the bytes, unless it is a counter or has deprecated tags) and puts it into the outboxes of the
//! destinations that take it. `session` is such an outbox, of which each `delivery` takes what HTTP/2
//! has room for; `flight` remembers what the kernel does not have yet. A module uses only those above it
//! in this list.
//!
//! What upstream's agents do otherwise, and why we do not:
//!
//! * A batch whose stream breaks is lost there, in the forwarder without being counted. Here it is given
//!   to another stream if nothing of it had left, and else counted (`stream_broken`).
//! * What a v1 stream does not take is not counted there; a full ring of 10,000 envelopes is emptied at
//!   once. Here the oldest batches go, counted as `outbox_full`.
//! * At its end nothing is flushed there. Here all that can leave within the deadline leaves, and the rest
//!   is counted as `session_gone`.
//! * All totals are forgotten there when there are over 10,000 counters, and those of v1 never. Here the
//!   least recently used half goes when there are 100,000. Totals are of an instance here; there, instances of a
//!   source that send deltas under equal tags share one.
//! * An envelope with a text that is no UTF-8 loses its batch there. Here the engine has refused it alone.
//! * Another zone is tried there only when the own one's name has no address; here also when none of its
//!   addresses can be connected to.
//! * Fields that no generation of the protocol knows stay in what is spliced through; they are dropped from
//!   counters and from envelopes with deprecated tags, which are made anew.
//! * A v1 value of -0 becomes 0 in v2: the writer leaves out what equals the default.

pub mod limits;

mod config;

mod state;

mod totals;

mod wire;

mod v1;

mod v2;

mod session;

mod flight;

mod place;

mod pump;

mod delivery;

mod worker;

pub use config::{ConfigError, DestinationConfig, ForwardConfig, Protocol, Takes, V1Tags};
pub use state::{DestinationCounter, DestinationState, ForwardState};
pub use worker::{FORWARD, Forward, StartError, start};

#[cfg(test)]
mod tests;
