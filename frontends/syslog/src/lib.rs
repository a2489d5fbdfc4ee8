//! RFC 5424 lines to syslog drains.
//!
//! `format` turns an envelope into octet-counted lines and `drain` reads what a drain's URL asks
//! for. Both are pure: bytes in, bytes out, no socket and no clock, so that a test needs neither.
//!
//! `worker` is the thread around them: `pump` reads the lanes and puts each record's lines into the
//! outboxes of the drains that want it, and each drain's `delivery` writes them to its `connection`
//! at its own pace. A module uses only those above it in this list.

pub mod limits;

mod drain;
mod format;

mod config;

mod backoff;

mod batch;

mod lines;

mod selection;

mod session;

mod pump;

mod connection;

mod delivery;

mod worker;

use hydrant_feed::ending;

pub use config::{ConfigError, DrainConfig, SyslogConfig};
pub use drain::{Drain, DrainData, DrainError};
pub use format::{Format, FormatLoss};
pub use worker::{StartError, Syslog, start};
