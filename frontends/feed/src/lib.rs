//! What all frontends share: where records come from, which of them a session gets, and what waits
//! for it.
//!
//! A frontend worker is one thread: it reads its lanes, selects, and puts messages into the
//! outboxes of its sessions, which write them out at their own pace.

pub mod counters;

pub mod session;

pub mod ending;

pub mod backoff;

pub mod lanes;

pub mod wire;

pub mod convert;

pub mod select;

pub mod select_v2;

pub mod group;

pub mod membership;

pub mod budget;

pub mod batches;

pub mod routers;
