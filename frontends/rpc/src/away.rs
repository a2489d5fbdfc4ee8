//! How a node of Log Cache says whom it could not ask.

/// In the metadata of an answer of `logcache.v1.Egress`: the addresses of the nodes that could not be asked, with
/// commas between. What they keep is not in the answer. Upstream's clients do not look at it, and gateways give
/// it to clients of theirs with `Grpc-Metadata-` before its name.
pub const AWAY: &str = "hydrant-away";

/// The same as gateways name it.
pub const AWAY_OF_GATEWAY: &str = "grpc-metadata-hydrant-away";
