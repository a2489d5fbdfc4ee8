//! Loggregator's gRPC, without decoding its messages: services whose messages are bytes, and how
//! envelopes lie in them.

pub mod codec;

pub mod batch;

mod generated;

pub use generated::{doppler, doppler_ingestor, egress, ingress};
