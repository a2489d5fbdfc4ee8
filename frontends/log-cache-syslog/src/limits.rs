//! Every bound of the syslog server, with its reason.

use std::time::Duration;

/// Bytes of a message if nobody says how many (upstream's SYSLOG_MAX_MESSAGE_LENGTH): a log has 64 KiB
/// at most, and its tags are beside it.
pub const MESSAGE_BYTES_DEFAULT: u64 = 65 * 1024;

/// What messages may be set to: larger than any envelope that a node takes in plaintext makes no sense.
pub const MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// How long a connection may be without a whole message if nobody says (upstream's SYSLOG_IDLE_TIMEOUT).
pub const IDLE_TIMEOUT_MS_DEFAULT: u64 = 2 * 60 * 1000;

/// A day: who means never says this.
pub const IDLE_TIMEOUT_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Connections at a time; the next wait in the kernel. Every agent of a foundation has one to each Log
/// Cache.
pub const CONNECTIONS_MAX_DEFAULT: usize = 4096;

/// What is read of a connection at a time.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// What is kept of a connection's buffer once it is empty: most messages fit.
pub(crate) const BUFFER_BYTES_KEPT: usize = 2 * READ_BYTES;

/// What waits for the node if nobody says, in bytes. Upstream keeps 100,000 envelopes.
pub const OUTBOX_BYTES_DEFAULT: u64 = 64 << 20;

/// Room for some batches of the largest messages.
pub const OUTBOX_BYTES_MIN: u64 = 16 << 20;

/// How long the node may take for a batch, as upstream.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a batch is sent before it is lost.
pub(crate) const SEND_TRIES_MAX: u32 = 5;

/// Between the first two of these; twice as long each time.
pub(crate) const SEND_PAUSE: Duration = Duration::from_millis(100);

/// Between two lines about messages that were refused; those in between are only counted.
pub(crate) const TELL_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(2 * MESSAGE_BYTES_MAX < OUTBOX_BYTES_MIN);
