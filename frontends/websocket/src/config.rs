//! What an operator may set of the WebSocket frontend.

use crate::recent::RecentConfig;
use bytesize::ByteSize;
use hydrant_access::{AccessConfig, Keys};
use hydrant_engine::config::ConfigError;
use hydrant_engine::limits::FRAME_BYTES_MAX;
use hydrant_http::HttpsFiles;
use serde::Deserialize;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The `[websocket]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebsocketConfig {
    /// Whether it runs. Default: true.
    pub enabled: bool,
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8081.
    pub address: SocketAddr,
    /// Messages that may wait for one session, in bytes; beyond that its oldest are lost. A message
    /// keeps alive the 32 KiB of memory that it shares with those read beside it, so an outbox
    /// whose neighbours were all delivered can hold on to more. Default: 64 MiB.
    pub outbox_bytes: ByteSize,
    /// Messages that may wait for all sessions together, in bytes: each may fall far behind, not
    /// all of them. Default: 512 MiB.
    pub outboxes_bytes: ByteSize,
    /// A session that does not take a write (64 KiB, or one larger message) within this time is
    /// closed. Default: 5000, as upstream.
    pub slow_after_ms: u64,
    /// Sessions at a time; who comes after that is answered 503. Default: 2000, as upstream.
    pub sessions_max: usize,
    /// Allows an address that is not loopback without TLS or access control there, and plain http
    /// over the network to those who are asked. Default: false.
    pub insecure: bool,
    /// Certificate and key to show: https and wss then. Default: none, plain HTTP.
    pub tls: Option<HttpsFiles>,
    /// Who may read. Default: everybody.
    pub access: Option<AccessConfig>,
    /// File to which a line in CEF is appended for each request. Default: none.
    pub security_event_log: Option<PathBuf>,
    /// What these lines call us. Default: the listener's address.
    pub security_event_host: Option<String>,
    /// The foundation's domain: cookies are for `doppler.` and this. Default: localhost.
    pub system_domain: String,
    /// Whether `/` and `/v2/info` say where logs are, as a Cloud Controller does. Default: true.
    pub discovery: bool,
    /// What is kept for `recentlogs` and `containermetrics`.
    pub recent: RecentConfig,
}

impl Default for WebsocketConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            outbox_bytes: ByteSize::mib(64),
            outboxes_bytes: ByteSize::mib(512),
            slow_after_ms: 5_000,
            sessions_max: 2_000,
            insecure: false,
            tls: None,
            access: None,
            security_event_log: None,
            security_event_host: None,
            system_domain: "localhost".to_owned(),
            discovery: true,
            recent: RecentConfig::default(),
        }
    }
}

/// The largest envelope waits beside another, however small the outbox.
const OUTBOX_BYTES: RangeInclusive<u64> = 2 * FRAME_BYTES_MAX as u64..=1 << 32;
const OUTBOXES_BYTES: RangeInclusive<u64> = 2 * FRAME_BYTES_MAX as u64..=1 << 40;
const SLOW_AFTER_MS: RangeInclusive<u64> = 1..=600_000;
const SESSIONS: RangeInclusive<usize> = 1..=100_000;

impl WebsocketConfig {
    /// Checks what a single setting may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_address()?;
        let outbox_bytes = self.outbox_bytes.as_u64();
        in_range("websocket.outbox_bytes", &outbox_bytes, &OUTBOX_BYTES)?;
        let outboxes_bytes = self.outboxes_bytes.as_u64();
        in_range("websocket.outboxes_bytes", &outboxes_bytes, &OUTBOXES_BYTES)?;
        in_range(
            "websocket.slow_after_ms",
            &self.slow_after_ms,
            &SLOW_AFTER_MS,
        )?;
        in_range("websocket.sessions_max", &self.sessions_max, &SESSIONS)?;
        if let Some(access) = &self.access {
            access.check(&Keys::WEBSOCKET, self.insecure)?;
        }
        self.recent.check()
    }

    fn check_address(&self) -> Result<(), ConfigError> {
        let is_guarded = self.tls.is_some() || self.access.is_some() || self.insecure;
        if is_guarded || self.address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback, and there is neither TLS nor access control: give websocket.tls \
             or websocket.access, or allow it with websocket.insecure = true",
            self.address
        );
        Err(ConfigError {
            key: KEY_ADDRESS,
            problem,
        })
    }
}

/// The key of the address, for errors.
pub(crate) const KEY_ADDRESS: &str = "websocket.address";

fn in_range<T: PartialOrd + Display>(
    key: &'static str,
    value: &T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    let problem = format!(
        "{value} is not between {} and {}",
        range.start(),
        range.end()
    );
    Err(ConfigError { key, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut WebsocketConfig)) -> String {
        let mut config = WebsocketConfig::default();
        change(&mut config);
        config
            .check()
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn reads_its_table_and_nothing_else() {
        let text = "address = \"127.0.0.1:0\"\noutbox_bytes = \"1 MiB\"\nsessions_max = 3";
        let config: WebsocketConfig = toml::from_str(text).unwrap();
        assert_eq!(config.outbox_bytes, ByteSize::mib(1));
        assert_eq!((config.sessions_max, config.slow_after_ms), (3, 5_000));
        let error = toml::from_str::<WebsocketConfig>("adress = 1").unwrap_err();
        assert!(error.to_string().contains("adress"), "{error}");
    }

    #[test]
    fn only_loopback_goes_without_saying() {
        assert_eq!(problem(|_| ()), "");
        for address in ["[::1]:1", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
            let address = address.parse().unwrap();
            assert_eq!(problem(|config| config.address = address), "");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
            let address = address.parse().unwrap();
            let error = problem(|config| config.address = address);
            assert!(error.starts_with("websocket.address: "), "{error}");
            assert!(error.contains("websocket.insecure"), "{error}");
            let allowed = |config: &mut WebsocketConfig| {
                config.address = address;
                config.insecure = true;
            };
            assert_eq!(problem(allowed), "");
        }
    }

    #[test]
    fn what_is_out_of_range_names_its_key() {
        let error = problem(|config| config.outbox_bytes = ByteSize::kib(1));
        assert!(error.starts_with("websocket.outbox_bytes: "), "{error}");
        let error = problem(|config| config.outboxes_bytes = ByteSize::kib(1));
        assert!(error.starts_with("websocket.outboxes_bytes: "), "{error}");
        let error = problem(|config| config.slow_after_ms = 0);
        assert!(error.starts_with("websocket.slow_after_ms: "), "{error}");
        let error = problem(|config| config.sessions_max = 0);
        assert!(error.starts_with("websocket.sessions_max: "), "{error}");
    }
}
