//! Every bound of the syslog frontend, each with its reason.

use hydrant_feed::batches::BATCH_BYTES;

/// Envelopes read in one go, in bytes, above which one write a drain may not keep up; a line is
/// hardly ever twice its envelope.
pub const CATCH_UP_BYTES_MIN: usize = BATCH_BYTES / 2;

/// Turns given to the drains before more is read; each may write a batch a turn. A bound, because a
/// drain that takes just enough to go on would have the lanes fill up for all.
pub const CATCH_UP_TURNS_MAX: usize = 128;

/// How long a worker that has read everything waits before it looks again.
pub const PAUSE_MS: u64 = 1;

/// How long a connection may take, name resolution included; upstream's dial timeout.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// How long a peer may take nothing at all before its connection counts as broken; upstream's
/// write deadline.
pub const STUCK_TIMEOUT_MS: u64 = 10_000;

/// Silence before the kernel asks whether the peer is still there, and between two such questions;
/// upstream's keepalive.
pub const KEEPALIVE_MS: u64 = 10_000;

/// The pause after the first failure; it doubles with each further one.
pub const RETRY_MS_MIN: u64 = 1;

/// The longest pause between two attempts; upstream's.
pub const RETRY_MS_MAX: u64 = 15_000;

/// A connection that lasted this long was a good one: the pauses start over. A peer that accepts
/// and closes at once does not get a connection, and with it a batch, every millisecond.
pub const STABLE_MS: u64 = 1_000;

/// How long a peer that has got everything may take to end its side of the connection.
pub const LINGER_MS: u64 = 1_000;

/// How long a drain may have no line before its connection is closed; upstream's.
pub const IDLE_TIMEOUT_S: u64 = 600;

/// How long what waits for a drain that nobody wants any more is still tried.
pub const RETIRED_MS: u64 = 30_000;

/// The most that all outboxes of all workers may hold together.
pub const OUTBOXES_BYTES_MAX: u64 = 1 << 38;

/// Workers: a drain has one thread, and there are not more cores than this.
pub const WORKERS_MAX: usize = 64;

/// Drains of the config file: a list that somebody writes. Those of bindings are not bounded by it.
pub const DRAINS_MAX: usize = 10_000;

/// The least that an outbox may hold: some batches, each with what it takes beside its bytes.
pub const OUTBOX_BYTES_MIN: u64 = 256 * 1024;

/// The most that an outbox may hold.
pub const OUTBOX_BYTES_MAX: u64 = 1 << 36;

/// Submissions that the ring takes before it has to be told: the writes of thousands of drains.
pub const RING_ENTRIES: u32 = 4096;

/// What a peer's words are read into: a drain has little to say.
pub const PEER_BUFFER_BYTES: usize = 512;

/// Connections of a worker that are being made at a time, of drains that have not failed of late and
/// as many of others: what thousands of dead drains take of descriptors and of the network.
pub const DIALS_MAX: usize = 256;

/// Names of a worker that are being resolved at a time, each on a thread.
pub const NAMES_MAX: usize = 32;

/// How long a peer that has asked for our certificate may take to refuse it, or that there is none,
/// when hands are shaken: with TLS 1.3 it does so when we believe to be done. Most say something at once, and are not waited for.
pub const VERDICT_MS: u64 = 500;

/// How long a drain may take to answer a POST; upstream's for writing and reading together.
pub const ANSWER_TIMEOUT_MS: u64 = 40_000;

/// The most of an answer's body that is read to use the connection again.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a POST of many lines has at least, unless a second passes; upstream's.
pub const POST_BYTES: usize = 512 * 1024;

/// How often an app may be told of a drain of its own.
pub const TELL_S: u64 = 60;

/// How long lines are gathered for a POST; upstream's.
pub const GATHER_MS: u64 = 1_000;

/// How long a drain may refuse the same lines before they are lost: upstream's 22 attempts.
pub const REFUSED_MS: u64 = 121_000;

/// How much longer than the deadline a join waits for the worker to count and close.
pub const JOIN_GRACE_MS: u64 = 2_000;

/// How much longer a join waits with a spool: what waited in memory is on its way to the disk.
pub const SPOOL_JOIN_GRACE_MS: u64 = 15_000;

/// The spool's files: they are logs of users.
pub const SPOOL_FILE_MODE: u32 = 0o600;

/// The spool's folders.
pub const SPOOL_FOLDER_MODE: u32 = 0o700;

/// The size at which a segment is closed, and what is lost in one go if a spool is full.
pub const SPOOL_SEGMENT_BYTES: usize = 4 << 20;

/// The least of that, where thousands of drains share the disk.
pub const SPOOL_SEGMENT_BYTES_MIN: usize = 64 * 1024;

/// The least that a drain's spool may have: some segments.
pub const SPOOL_BYTES_MIN: u64 = 1 << 20;

/// The most that all spools together may have.
pub const SPOOL_BYTES_MAX: u64 = 1 << 44;

/// The longest that a spool without a drain may be kept: four weeks.
pub const SPOOL_KEEP_S_MAX: u64 = 28 * 24 * 3600;

/// How long a connection or a write may take before the drain counts as away. Most take much less,
/// and touch no disk.
pub const SPOOL_AWAY_MS: u64 = 1_000;

/// How long a disk that took no lines is left alone.
pub const SPOOL_REST_MS: u64 = 10_000;

/// Failures in a row after which a segment's lines are given up; with the pauses between them that
/// is a second.
pub const SPOOL_READS_MAX: u32 = 10;

/// Folders of a worker that are looked into at a time, each on a thread.
pub const SPOOL_LOOKS_MAX: usize = 16;

/// How often spools without drains are looked for.
pub const SPOOL_SWEEP_MS: u64 = 60_000;

const _: () = assert!(
    SPOOL_BYTES_MIN >= 4 * SPOOL_SEGMENT_BYTES_MIN as u64,
    "what is dropped is the smaller part"
);
const _: () = assert!(
    OUTBOX_BYTES_MIN >= 2 * BATCH_BYTES as u64,
    "an outbox can fill a write"
);
const _: () = assert!(RETRY_MS_MIN > 0, "a pause that doubles cannot start at 0");
