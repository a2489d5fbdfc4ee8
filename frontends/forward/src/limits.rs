//! Every bound of the forwarding frontend, each with its reason.

use std::time::Duration;

/// How long the first envelope of a batch waits for others; upstream's batches have the same.
pub const FLUSH: Duration = Duration::from_millis(100);

/// Destinations of one worker: each has tasks, connections and an outbox.
pub const DESTINATIONS_MAX: usize = 1_000;

/// Connections to one destination. Upstream's agent has five to its Dopplers.
pub const CONNECTIONS_MAX: u16 = 100;

/// Tags that are added to each envelope: which of them it has is remembered in a bit each.
pub const TAGS_MAX: usize = 64;

/// The key or the value of a tag, in bytes: it is in every envelope.
pub const TAG_BYTES_MAX: usize = 4 * 1024;

/// The least that an outbox may hold: an envelope as large as gRPC takes one.
pub const OUTBOX_BYTES_MIN: u64 = 12 << 20;

/// The most that an outbox may hold.
pub const OUTBOX_BYTES_MAX: u64 = 1 << 36;

/// Counters whose totals are remembered: the least recently used half goes when there are more, some
/// 100 bytes each. Upstream has a tenth of it, and forgets all at once.
pub const TOTALS_MAX: usize = 100_000;

/// What HTTP/2 takes of a destination's outbox beyond the peer's window, for each connection; its own
/// bound.
pub const AHEAD_BYTES: u64 = 1 << 20;

/// After so many messages a connection ends and another begins, so that Dopplers that came later get
/// their part; upstream's.
pub const RECYCLE_MESSAGES: u64 = 100_000;

/// Up to so many more, at random, so that connections that began together do not end together.
pub const RECYCLE_SPREAD: u64 = 1_000;

/// Addresses of one name that are tried before the next name is: of a zone that is down each costs
/// [`CONNECT_TIMEOUT`], and what is sent waits meanwhile.
pub const ADDRESSES_TRIED_MAX: usize = 3;

/// How long one address may take, TLS included; a Doppler of our own zone takes milliseconds.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a name may take to be resolved.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause between two attempts; upstream tries every second.
pub const RETRY_MAX: Duration = Duration::from_secs(1);

/// A stream that lasted so long was a good one: the pauses start over. One that took something and broke
/// was not: each attempt may cost what it took.
pub const STABLE: Duration = Duration::from_secs(1);

/// How long a peer may take to answer the end of a stream, so that what it has not read yet is not
/// thrown away by its kernel.
pub const LINGER: Duration = Duration::from_secs(2);

/// Parcels that are remembered until the destination has read them. Beyond that, several are as one:
/// HTTP/2's window bounds their bytes, not how many they are.
pub const UNCONFIRMED_MAX: usize = 1024;

/// How much longer than the deadline a join waits for the worker to count and close.
pub const JOIN_GRACE: Duration = Duration::from_secs(2);

/// Over which mean sizes of envelopes are taken; upstream's.
pub const AVERAGE_PERIOD: Duration = Duration::from_secs(60);

/// Records read in one go, in bytes of envelopes, above which streams get a turn before more is read.
pub const CATCH_UP_BYTES_MIN: usize = 64 * 1024;

/// Turns of the runtime that streams get then at most: one that takes just enough to go on must not
/// have the lanes fill up for all.
pub const CATCH_UP_TURNS_MAX: usize = 64;
