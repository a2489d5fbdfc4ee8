//! How long things may take. Tests are in a hurry.

use crate::config::GatewayConfig;
use crate::provider::OPEN_TIMEOUT;
use hydrant_access::Allowance;
use hydrant_http::HEAD_TIMEOUT;
use std::time::Duration;

/// All periods of the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Without an event, until a heartbeat.
    pub(crate) heartbeat: Duration,
    /// From a stream's first moment to its closing event.
    pub(crate) stream_timeout: Option<Duration>,
    /// For UAA or the Cloud Controller to answer.
    pub(crate) answer_timeout: Duration,
    /// For the provider to be reached.
    pub(crate) open_timeout: Duration,
    /// For a client to shake hands, and to send the head of a request.
    pub(crate) head_timeout: Duration,
}

impl Timing {
    pub(crate) fn of(config: &GatewayConfig) -> Self {
        let stream_timeout_ms = config.stream_timeout_ms;
        let is_limited = stream_timeout_ms > 0;
        Self {
            heartbeat: Duration::from_millis(config.heartbeat_ms),
            stream_timeout: is_limited.then(|| Duration::from_millis(stream_timeout_ms)),
            answer_timeout: Allowance::default().answer_timeout,
            open_timeout: OPEN_TIMEOUT,
            head_timeout: HEAD_TIMEOUT,
        }
    }
}
