//! How long anything may take, in one place.

use crate::config::WebsocketConfig;
use std::time::Duration;

/// A ping must be answered within this (upstream).
const PONG_WITHIN: Duration = Duration::from_secs(30);
/// From a pong to the next ping (upstream).
const PING_PAUSE: Duration = Duration::from_secs(15);
/// What a peer gets to read our close frame and to answer it.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The times that a worker goes by; tests have shorter ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) head_within: Duration,
    pub(crate) pong_within: Duration,
    pub(crate) ping_pause: Duration,
    pub(crate) slow_after: Duration,
    pub(crate) close_within: Duration,
}

impl Timing {
    pub(crate) const fn new(config: &WebsocketConfig) -> Self {
        Self {
            head_within: hydrant_http::HEAD_TIMEOUT,
            pong_within: PONG_WITHIN,
            ping_pause: PING_PAUSE,
            slow_after: Duration::from_millis(config.slow_after_ms),
            close_within: CLOSE_WITHIN,
        }
    }
}
