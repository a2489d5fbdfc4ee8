//! Bytes come in on a core, become envelopes, are copied once into the lane of each frontend that
//! wants them, and leave. Each module is a step; a module uses only those above it in this list.
//!
//! There is no async runtime here, no generated protobuf code and no knowledge of frontends.

pub mod limits;

pub mod clock;

pub mod record;

pub mod counters;

#[expect(
    unsafe_code,
    reason = "shares memory between two threads; loom checks how"
)]
pub mod ring;

pub mod config;

pub mod kernel;

#[expect(unsafe_code, reason = "shares memory with the kernel")]
pub mod uring;

pub mod framing;

pub mod ingest;

pub mod decode;

pub mod route;

pub mod lanes;

pub mod intake;

pub mod shard;

pub mod engine;
