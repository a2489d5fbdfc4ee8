//! What a foundation said of late, in memory: Log Cache.
//!
//! `store` keeps envelopes by source and finds them again; it belongs to one thread, knows no
//! socket and no clock. A module uses only those above it in this list.

pub mod limits;

mod whole;

mod names;

pub mod store;

pub use names::NameFilter;
