//! The conversion between v1 and v2 envelopes, as upstream's go-loggregator does it in its
//! package `conversion`, with preferred tags.
//!
//! Neither direction keeps everything. What v1 knows and v2 has no field for travels in tags,
//! and comes back out of them.

mod converge;
pub mod numbers;
mod tags;
mod to_v1;
mod to_v2;

pub use converge::{deprecate_tags, prefer_tags};
pub use to_v1::to_v1;
pub use to_v2::{SourceFallback, to_v2};

/// The tag that remembers an envelope's v1 type, by name.
const V1_TYPE: &str = "__v1_type";
/// The tag that is v1's only place for a source id.
const SOURCE_ID: &str = "source_id";
/// The tag that is the only place for an instance id in v1's metrics.
const INSTANCE_ID: &str = "instance_id";
