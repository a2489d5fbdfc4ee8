//! Loggregator's gRPC, without decoding its messages: services whose messages are bytes, and how
//! envelopes lie in them; and connections under Loggregator's mutual TLS.

pub mod address;

pub mod away;

pub mod codec;

pub mod batch;

pub mod server;

pub mod tls;

pub mod listen;

pub mod channel;

pub mod sender;

mod generated;

pub use generated::{doppler, doppler_ingestor, egress, ingress, logcache};
