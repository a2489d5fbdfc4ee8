//! RFC 5424 lines to syslog drains.
//!
//! `format` turns an envelope into octet-counted lines: bytes in, bytes out, no socket and no clock,
//! so that a test needs neither.
//!
//! `worker` is the thread around them: `pump` reads the lanes and puts each record's lines into the
//! outboxes of the drains that want it, and each drain's `delivery` writes them to its `connection`
//! at its own pace. A module uses only those above it in this list.

pub mod limits;

mod format;

mod config;

mod ending;

mod backoff;

mod batch;

mod lines;

mod selection;

mod session;

mod pump;

mod connection;

mod delivery;

mod worker;

pub use config::{ConfigError, DrainConfig, SyslogConfig};
pub use format::{Format, FormatLoss};
pub use worker::{StartError, Syslog, start};
