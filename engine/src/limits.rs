//! Every bound of the engine, each with its reason. What an operator may change is in
//! [`config`](crate::config); the bounds here hold for every configuration.

/// Largest envelope that a frame may carry, in bytes. Diego's largest log line is 60 KiB and a UDP
/// datagram ends below 64 KiB; tags and platform metrics fit beside either.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Bytes of the length that precedes an envelope on TCP (little-endian, as Metron wrote it).
pub const FRAME_LENGTH_BYTES: usize = 4;

/// Bytes of the HMAC-SHA256 that precedes an envelope in shared-secret mode (dropsonde).
pub const SIGNATURE_BYTES: usize = 32;

/// Largest UDP payload over IPv4, in bytes; with UDP_GRO also the largest train of datagrams.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Memory that is kept for an envelope and the source id that it lacked, in bytes: twice the largest
/// datagram, of which the source id is a part. Only gRPC brings larger ones.
pub const MAPPED_BYTES_KEPT: usize = 2 * DATAGRAM_BYTES_MAX + 16;

/// Lanes of one shard: a lane set is the bits of one word.
pub const LANES_MAX: usize = 64;

/// Shards of one engine; far above the cores of any host that Loggregator runs on.
pub const SHARDS_MAX: usize = 256;

/// Completions handled between two commits. Bounds the time for which a lane's reader waits while
/// input never ends; large enough that the commit and the system call vanish in the batch.
pub const COMPLETIONS_PER_TURN_MAX: usize = 64;

/// Nested groups (deprecated wire types 3 and 4) that the structural check follows; the limit that
/// prost applies to a whole message.
pub const GROUP_DEPTH_MAX: u32 = 100;

/// How long an idle shard waits in the kernel before it looks at its sockets' own drop counters.
pub const IDLE_WAIT_MS: u64 = 500;

/// Once told to stop, a shard goes on until its sockets are empty, but no longer than this.
pub const DRAIN_TIMEOUT_MS: u64 = 2_000;

const _: () = assert!(
    FRAME_BYTES_MAX > DATAGRAM_BYTES_MAX,
    "a datagram is a frame"
);
const _: () = assert!(LANES_MAX <= u64::BITS as usize, "a lane set is one word");
