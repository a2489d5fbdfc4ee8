//! What an operator may set of the recent logs.

use bytesize::ByteSize;
use hydrant_engine::config::ConfigError;
use hydrant_engine::limits::FRAME_BYTES_MAX;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The `[websocket.recent]` table. Defaults of numbers are upstream's (a Doppler of 2017).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecentConfig {
    /// Whether recent logs and container metrics are kept, which takes every log and gauge there
    /// is. Default: true.
    pub enabled: bool,
    /// How many logs are kept of an app. Default: 100.
    pub logs_per_app: usize,
    /// How much memory all of it may take: five eighths for logs, one for the table of their apps, two
    /// for container metrics, of which an app's get half at most. Default: 128 MiB.
    pub bytes: ByteSize,
    /// How old a container metric may be and still be shown. Default: 120000.
    pub metric_ttl_ms: u64,
    /// After how long without a log or a container metric an app is forgotten. Default: 3600000.
    pub idle_ms: u64,
}

impl Default for RecentConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            logs_per_app: 100,
            bytes: ByteSize::mib(128),
            metric_ttl_ms: 120_000,
            idle_ms: 3_600_000,
        }
    }
}

const LOGS_PER_APP: RangeInclusive<u64> = 1..=10_000;
/// In an eighth of what logs get of the least, the largest envelope of a frame has room.
const BYTES: RangeInclusive<u64> = 16 * FRAME_BYTES_MAX as u64..=1 << 36;
const METRIC_TTL_MS: RangeInclusive<u64> = 1..=86_400_000;
const IDLE_MS: RangeInclusive<u64> = 1_000..=86_400_000;

impl RecentConfig {
    /// Checks what a single setting may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let logs_per_app = u64::try_from(self.logs_per_app).unwrap_or(u64::MAX);
        let settings = [
            ("websocket.recent.logs_per_app", logs_per_app, LOGS_PER_APP),
            ("websocket.recent.bytes", self.bytes.as_u64(), BYTES),
            (
                "websocket.recent.metric_ttl_ms",
                self.metric_ttl_ms,
                METRIC_TTL_MS,
            ),
            ("websocket.recent.idle_ms", self.idle_ms, IDLE_MS),
        ];
        let wrong = |(_, value, range): &(_, u64, RangeInclusive<u64>)| !range.contains(value);
        let Some((key, value, range)) = settings.into_iter().find(wrong) else {
            return Ok(());
        };
        let (least, most) = (range.start(), range.end());
        let problem = format!("{value} is not between {least} and {most}");
        Err(ConfigError { key, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut RecentConfig)) -> String {
        let mut config = RecentConfig::default();
        change(&mut config);
        let error = config.check().err();
        error.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn reads_its_table_and_nothing_else() {
        let config: RecentConfig = toml::from_str("bytes = \"4 MiB\"\nlogs_per_app = 7").unwrap();
        assert_eq!((config.bytes, config.logs_per_app), (ByteSize::mib(4), 7));
        assert!(config.enabled);
        let error = toml::from_str::<RecentConfig>("log_per_app = 1").unwrap_err();
        assert!(error.to_string().contains("log_per_app"), "{error}");
    }

    #[test]
    fn what_is_out_of_range_names_its_key() {
        assert_eq!(problem(|_| ()), "");
        let error = problem(|config| config.logs_per_app = 10_001);
        assert!(error.contains("websocket.recent.logs_per_app"), "{error}");
        let error = problem(|config| config.bytes = ByteSize::mib(1));
        assert!(error.contains("websocket.recent.bytes"), "{error}");
        let error = problem(|config| config.metric_ttl_ms = 0);
        assert!(error.contains("websocket.recent.metric_ttl_ms"), "{error}");
        let error = problem(|config| config.idle_ms = 999);
        assert!(error.contains("websocket.recent.idle_ms"), "{error}");
    }
}
