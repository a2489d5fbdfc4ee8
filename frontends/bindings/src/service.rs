//! A service that is asked for bindings over mutual TLS: the Cloud Controller, or a binding cache.

use crate::limits::TIME_MS_MAX;
use crate::wire::WireError;
use bytes::Bytes;
use http_body_util::Full;
use hydrant_engine::config::ConfigError;
use hydrant_http::client::{AskError, Asker, ClientFiles, Https, HttpsError, Reach};
use hydrant_rpc::tls::TlsFiles;
use hyper::Request;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// Where a service is, and how we and it prove who we are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Its URL. Plain http for loopback only: private keys are in the answers.
    pub url: String,
    /// What to show it, and the CAs of its certificate. Needed for https. The files are read for
    /// each connection; what cannot be read leaves the last good ones in use.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The name that its certificate must have. Needed for https.
    #[serde(default)]
    pub server_name: String,
}

/// The keys of one service's table, for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceKeys {
    pub(crate) url: &'static str,
    pub(crate) tls: &'static str,
    pub(crate) server_name: &'static str,
}

/// Why there is nothing from a service. Shows neither what was asked nor what came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// There was none in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It is not 200.
    #[error("unexpected response: {0}")]
    Status(u16),
    /// It is not what it should be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The next page is not after this one: there would be no end.
    #[error("after page {page} comes page {next}, which is not after it")]
    Circle {
        /// This page.
        page: i64,
        /// The next one.
        next: i64,
    },
    /// All pages together are longer than can be taken.
    #[error("the list is longer than {0} bytes")]
    TooLong(usize),
}

/// A service to ask.
#[derive(Debug)]
pub(crate) struct Service {
    asker: Asker,
    url: String,
    timeout: Duration,
}

impl ServiceConfig {
    /// Checks the table.
    pub(crate) fn check(&self, keys: &ServiceKeys) -> Result<(), ConfigError> {
        match Reach::of(&self.url) {
            Err(wrong) => problem(keys.url, wrong),
            Ok(Reach::Plain) => {
                let needs = "would send private keys in plain text over the network";
                problem(keys.url, format!("{} {needs}: use https", self.url))
            }
            Ok(Reach::Https) if self.tls.is_none() => {
                problem(keys.tls, format!("is needed for {}", keys.url))
            }
            Ok(Reach::Https) if self.server_name.is_empty() => {
                problem(keys.server_name, format!("is needed for {}", keys.url))
            }
            Ok(_) => Ok(()),
        }
    }
}

impl Service {
    /// Takes answers of up to `answer_bytes_max`, within `timeout`.
    pub(crate) fn new(
        config: &ServiceConfig,
        answer_bytes_max: usize,
        timeout: Duration,
    ) -> Result<Self, HttpsError> {
        let https = |files| Https::new(ClientFiles::from(files), Some(config.server_name.clone()));
        let https = config.tls.as_ref().map(https).transpose()?;
        Ok(Self {
            asker: Asker::new(https, answer_bytes_max),
            url: config.url.trim_end_matches('/').to_owned(),
            timeout,
        })
    }

    /// What stands at a path, with its query.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, FetchError> {
        let ask = Request::get(format!("{}/{path}", self.url)).body(Full::default());
        let ask = ask.or(Err(AskError::Url))?;
        let said = timeout(self.timeout, self.asker.ask(ask)).await;
        let said = said.or(Err(FetchError::Timeout(self.timeout)))??;
        match said.status.as_u16() {
            200 => Ok(said.body),
            status => Err(FetchError::Status(status)),
        }
    }
}

/// A time of a config, in milliseconds.
pub(crate) fn check_time(key: &'static str, time_ms: u64) -> Result<(), ConfigError> {
    if (1..=TIME_MS_MAX).contains(&time_ms) {
        return Ok(());
    }
    problem(key, format!("{time_ms} is not between 1 and {TIME_MS_MAX}"))
}

/// What is wrong with a key of a config.
pub(crate) fn problem<T>(key: &'static str, problem: impl Into<String>) -> Result<T, ConfigError> {
    let problem = problem.into();
    Err(ConfigError { key, problem })
}
