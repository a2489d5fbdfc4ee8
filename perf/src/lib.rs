//! What Hydrant is measured with: load, the bare kernel's ceilings, the engine beside them in the
//! same run, gRPC in and gRPC, WebSocket or syslog out, Log Cache's node, and instruction counts. Each module uses only those
//! above it in this list.
//!
//! Absolute figures drift on shared machines, so the figures to quote are ratios of one run, CPU
//! time per envelope, and instructions per envelope.

pub mod samples;

pub mod mixes;

pub mod pool;

pub mod load;

pub mod threads;

pub mod consumer;

pub mod ceiling;

pub mod receiver;

pub mod scenario;

pub mod comparison;

pub mod report;

pub mod flow;

pub mod grpc;

pub mod websocket;

pub mod syslog;

pub mod logcache;

pub mod icount;
