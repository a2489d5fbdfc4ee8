//! Which drains there are.
//!
//! `drain` reads what a drain's URL asks for, and `binding` is one app's wish to have its envelopes
//! there. `wire` is the JSON in which bindings travel, `grouping` sorts it by app, and `check` says
//! what of it can be used. `source` asks a binding cache, for who sends to drains, and `cache` is one. A module uses only
//! those above it in this list.

mod limits;

mod secret;

mod source_types;

mod drain;

mod binding;

pub mod wire;

mod grouping;

mod blacklist;

pub mod check;

mod service;

mod capi;

mod cache_client;

pub mod source;

pub mod cache;

pub use binding::{Binding, Credentials};
pub use blacklist::{Blacklist, BlacklistError};
pub use drain::{Drain, DrainData, DrainError, Framing, Transport};
pub use grouping::{Grouped, by_app};
pub use secret::Secret;
pub use service::{FetchError, ServiceConfig};
pub use source_types::{SourceType, SourceTypes, SourceTypesError};

#[cfg(test)]
mod tests;
