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
