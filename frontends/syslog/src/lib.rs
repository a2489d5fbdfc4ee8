//! RFC 5424 lines to syslog drains.
//!
//! `format` turns an envelope into octet-counted lines and `drain` reads what a drain's URL asks
//! for. Both are pure: bytes in, bytes out, no socket and no clock, so that a test needs neither.

mod drain;
mod format;

pub use drain::{Drain, DrainData, DrainError};
pub use format::{Format, FormatLoss};
