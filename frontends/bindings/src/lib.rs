//! Which drains there are.
//!
//! `drain` reads what a drain's URL asks for, and `binding` is one app's wish to have its envelopes
//! there. A module uses only those above it in this list.

mod limits;

mod secret;

mod source_types;

mod drain;

mod binding;

pub mod wire;

mod grouping;

mod blacklist;

pub mod check;

pub use binding::{Binding, BindingSet, Credentials};
pub use blacklist::{Blacklist, BlacklistError};
pub use drain::{Drain, DrainData, DrainError, Framing, Transport};
pub use grouping::{Grouped, by_app};
pub use secret::Secret;
pub use source_types::{SourceType, SourceTypes, SourceTypesError};
