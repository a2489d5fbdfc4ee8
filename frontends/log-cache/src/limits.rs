//! Every bound of Log Cache, with its reason.

/// Bytes after which a segment is sealed. More is pressed better, and takes longer to read: this is
/// some hundred logs and a few tens of microseconds.
pub const SEGMENT_BYTES: usize = 32 * 1024;

/// What a source may have while others have more: its newest segment, and what it was before.
pub const FLOOR_BYTES: usize = 2 * SEGMENT_BYTES;

/// Envelopes that a read gives if it does not say how many (upstream's `local_store_reader.go`).
pub const READ_LIMIT_DEFAULT: usize = 100;

/// Envelopes that a read may ask for.
pub const READ_LIMIT_MAX: usize = 1000;

/// Envelopes that are kept of a source if nobody says how many (upstream's MAX_PER_SOURCE).
pub const COUNT_PER_SOURCE_DEFAULT: u64 = 100_000;

/// Memory below which a store could not keep a segment of its largest sources.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;

/// Largest message that is taken under TLS, in bytes (upstream's `cmd/log-cache/main.go`).
pub const TLS_MESSAGE_BYTES_MAX: usize = 50 << 20;

/// Largest message that is taken in plaintext, in bytes: gRPC's own default, as upstream has it.
pub const PLAIN_MESSAGE_BYTES_MAX: usize = 4 << 20;

/// What is kept of messages that have not come whole: two of the largest.
pub const UNFINISHED_BYTES: usize = 2 * TLS_MESSAGE_BYTES_MAX;

/// Bytes of envelopes that come by lanes and are kept together: what a core's own cache holds.
pub const LANE_BATCH_BYTES: usize = 256 * 1024;

/// How often what is too old is looked for, in seconds.
pub const EXPIRY_S: u64 = 5;

/// How long a query may take, in seconds (upstream's QUERY_TIMEOUT).
pub const QUERY_TIMEOUT_S: u64 = 10;

/// Queries that are answered at a time; others wait.
pub const QUERY_THREADS_MAX: usize = 4;

/// Records that are written at a time, with a part locked while they are collected.
pub const FRAME_BYTES: usize = 1 << 20;

/// What has to have come since everything was written before it is all written again: a disk takes so
/// much at once.
pub const GENERATION_BYTES_MIN: u64 = 64 << 20;

/// How often what has come is written, in seconds, if nobody says.
pub const WRITE_INTERVAL_S: u64 = 10;

/// Memory that a parcel of envelopes for another node takes: some tens of them, so that what is lost at
/// a time is little, and not an allocation each.
pub const PARCEL_BYTES: usize = 16 * 1024;

/// Bytes of envelopes that are sent to another node at a time, unless the first of them has more: far
/// below the 4 MiB that a node takes in plaintext.
pub const PEER_BATCH_BYTES_MAX: usize = 1 << 20;

/// Least memory for what waits for another node: some parcels.
pub const PEER_OUTBOX_BYTES_MIN: u64 = 1 << 20;

/// How long another node may take to keep a batch, in seconds (upstream's `batched_ingress_client.go`).
pub const PEER_SEND_S: u64 = 3;

/// How often a batch is sent before it is given up: with the pauses between, about two seconds, so that
/// a node may be started anew.
pub const PEER_TRIES_MAX: u32 = 6;

/// The longest pause between two of them, in milliseconds.
pub const PEER_PAUSE_MS_MAX: u64 = 1_000;

/// How long what waits for other nodes may take to leave once the node is to stop, in seconds.
pub const PEER_STOP_S: u64 = 5;

/// How long another node's answer to a read is waited for, in seconds, if the client does not say less.
pub const PEER_READ_S: u64 = 30;

/// How long another node's answer about its sources is waited for, in seconds; it is left out then.
pub const PEER_META_S: u64 = 3;

/// Bytes of another node's answer (upstream's `cmd/log-cache/main.go`).
pub const PEER_ANSWER_BYTES_MAX: usize = 50 << 20;

/// Calls of another node under way, each of which may hold an answer; the next wait.
pub const PEER_CALLS_MAX: usize = 64;

/// Nodes of a cluster: each asks each for what it knows.
pub const NODES_MAX: usize = 256;

/// Memory for what a query reads of one source of another node: what a node keeps of a source by default
/// takes some tens of MiB.
pub const PEER_SERIES_BYTES_MAX: usize = 128 << 20;

const _: () = assert!(PEER_BATCH_BYTES_MAX < PLAIN_MESSAGE_BYTES_MAX);
const _: () = assert!(PARCEL_BYTES < PEER_BATCH_BYTES_MAX);
