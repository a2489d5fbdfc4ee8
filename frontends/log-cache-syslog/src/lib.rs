//! Log Cache's syslog server: takes RFC 5424 lines of syslog agents, makes envelopes of them again, and
//! sends those to a Log Cache node by `logcache.v1.Ingress/Send`. One thread.
//!
//! A message is read by `framing` and `message`, which know no socket, and is an `envelope` as upstream's
//! syslog server makes it. `connection` does so with what a sender sends, `sending` takes it out of the
//! `outbox` to the node. The node is asked over gRPC also if it is in the same process: what a node
//! does with an envelope, such as giving it to another that keeps its source, is the node's to know. A
//! module uses only those above it in this list.
//!
//! `tests/server/upstream` has some 240 cases and what upstream's server makes of each. What differs on
//! purpose:
//!
//! * A message without TIMESTAMP ends upstream's process. Here it is refused. So is one with a time that
//!   64 bits of nanoseconds do not reach, which overflows there.
//! * HOSTNAME, APP-NAME, PROCID, MSGID, SD-IDs and names of parameters may be as long as the message.
//!   Upstream closes the connection at 256, 49, 129 and 33 bytes: a tag with a longer name does it.
//! * Of several metrics in a message the last one counts, and of tags with the same name; upstream takes
//!   them in random order.
//! * A gauge of -0 is 0: the writer of v2 leaves out what equals the default.
//! * A connection that ends without a message, or after a line feed, is none that failed; upstream counts
//!   it in `invalid_ingress`. A NUL between messages is wrong, and not the end of the stream.
//! * Lines without octet counts have the same limit of length as others, and become envelopes when they
//!   have come, not when the next one does.
//! * A batch leaves at once if none is under way, with up to 64 KiB; upstream's, with 512 envelopes or
//!   after half a second. Batches leave in order, one after the other.
//! * A batch that the node did not take is sent five times, and may then be there twice; upstream's is
//!   lost. Upstream's are lost uncounted when too many wait; here all losses have names.
//! * One line a second at most says what was refused, and nothing of what was in it.

pub mod limits;

mod number;

mod framing;

mod message;

mod envelope;

mod counters;

mod config;

mod told;

mod outbox;

mod sending;

mod connection;

mod server;

pub use config::{LogCacheSyslogConfig, SyslogTls};
pub use counters::{SyslogCounter, SyslogCounters};
pub use envelope::{Refused, envelope};
pub use framing::{Framer, Framing, FramingError, Step};
pub use message::{Element, Message, ParseError};
pub use server::{LOG_CACHE_SYSLOG, Server, StartError, start};
pub use told::Report;
