//! RFC 5424 lines to syslog drains.
//!
//! `format` turns an envelope into octet-counted lines: bytes in, bytes out, no socket and no clock,
//! so that a test needs neither.
//!
//! `worker` is a thread around them: `pump` reads the lanes and puts each record's lines into the
//! outboxes of the `drains` that want it, and each drain's `delivery` writes them to its `connection`
//! at its own pace. What should not wait in memory goes to the drain's `spool` on disk if there is a
//! directory for it, whose `keeper` knows whose each folder is. Each drain is served by one of the `syslog` frontend's workers. A module uses
//! only those above it in this list.
//!
//! Beside upstream's agent, the same envelopes give the same lines. Upstream's defects that are not copied:
//!
//! * A log with an instance id and a source type of 126 characters or more kills its process. Here the type
//!   is cut to fit.
//! * An envelope that RFC 5424 cannot carry (white space in a source id, `=` in the name of a tag) holds a
//!   TCP drain up for two minutes and is then lost uncounted. Here it is a loss with a name, at once.
//! * An envelope that cannot be read, or with a text that is no UTF-8, loses its batch and ends the stream
//!   there. Here it is refused alone, counted, and the call goes on.
//! * A CA of one binding is trusted for all drains. Here for its own.
//! * Users and passwords of HTTPS drains are sent as the URL has them. Here without the percent-encoding.
//! * What an app is told when its drain cannot be reached has the whole URL, secrets included, at each
//!   attempt. Here neither, once a minute.
//! * Lines are lost uncounted when retries are over or a drain goes. Here every loss has a name.
//! * A gauge's lines come in a random order. Here in that of their names.
//!
//! What else differs:
//!
//! * A known field with another wire type is refused with its envelope, because clients disagree on it; Go's
//!   skips it. So is a number that v1's enums do not have, which Go's client lets pass.
//! * A value of -0 that came as v1 is `0` by way of the UDP forwarder: v2's writer leaves out what equals
//!   the default. One that came as v2 is `-0`.
//! * `include-source-types`, `exclude-source-types` and `framing` are parameters of ours: upstream's agent
//!   ignores them.
//! * `ingress{scope="all_drains"}` counts selected lines; upstream's counts envelopes, those too that the drain
//!   does not get. `active_drains` are connected ones. HTTPS drains see another `User-Agent`.

pub mod limits;

mod view;

mod format;

mod config;

mod backoff;

mod batch;

mod lines;

mod selection;

mod connection;

mod disk;

mod spool;

mod keeper;

mod session;

mod wish;

mod pump;

mod trust;

mod dial;

mod asked;

mod tls;

mod post;

mod link;

mod delivery;

mod telling;

mod drains;

mod worker;

mod syslog;

pub use config::{ConfigError, DrainConfig, SpoolConfig, SyslogConfig, TlsConfig};
pub use format::{Format, FormatLoss};
pub use syslog::{Hooks, StartError, Syslog, WorkerParts, start};
pub use telling::{Notice, Tell};
pub use view::Views;
pub use worker::Changes;
