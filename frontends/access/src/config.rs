//! Who may read: the table `access` of a frontend.

use hydrant_engine::config::ConfigError;
use hydrant_http::client::Reach;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The table `access`: where to ask who may read what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Who knows the administrators.
    pub uaa: UaaConfig,
    /// Who knows whose apps and service instances are whose.
    pub capi: CapiConfig,
    /// Whether the certificates of both go unverified. Default: false.
    #[serde(default)]
    pub skip_cert_verify: bool,
    /// How long it is remembered that somebody may read something, so that this is not asked again;
    /// 0: not at all. Default: as the frontend says.
    #[serde(default)]
    pub cache_ms: Option<u64>,
}

/// The table `access.uaa`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UaaConfig {
    /// URL. Plain http for loopback only. Its path counts for the Traffic Controller only, as
    /// upstream.
    pub address: String,
    /// The client that may check tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// CAs of its certificate, which must have the URL's host. Needed for https that is verified.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The table `access.capi`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapiConfig {
    /// URL that answers `/internal/v4/log_access/{id}`. Plain http for loopback only.
    pub address: String,
    /// URL that answers `/v3/service_instances/{id}`. Plain http for loopback only. Needed for the
    /// gateway only, since nobody else asks.
    #[serde(default)]
    pub external_address: Option<String>,
    /// What to show at both, and the CAs of their certificates. Needed for https.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The name that both certificates must have. Needed for https.
    #[serde(default)]
    pub server_name: String,
}

/// A secret, which no dump or log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Only for who sends it to whom it is meant for.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The keys of one frontend's table, for errors.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    uaa_address: &'static str,
    uaa_ca_file: &'static str,
    capi_address: &'static str,
    /// [`CapiConfig::external_address`], which one frontend needs and the other does not.
    pub capi_external_address: &'static str,
    capi_tls: &'static str,
    capi_server_name: &'static str,
    cache_ms: &'static str,
    insecure: &'static str,
}

macro_rules! keys {
    ($frontend:literal) => {
        Keys {
            uaa_address: concat!($frontend, ".access.uaa.address"),
            uaa_ca_file: concat!($frontend, ".access.uaa.ca_file"),
            capi_address: concat!($frontend, ".access.capi.address"),
            capi_external_address: concat!($frontend, ".access.capi.external_address"),
            capi_tls: concat!($frontend, ".access.capi.tls"),
            capi_server_name: concat!($frontend, ".access.capi.server_name"),
            cache_ms: concat!($frontend, ".access.cache_ms"),
            insecure: concat!($frontend, ".insecure"),
        }
    };
}

impl Keys {
    /// Of `[gateway.access]`.
    pub const GATEWAY: Self = keys!("gateway");
    /// Of `[websocket.access]`.
    pub const WEBSOCKET: Self = keys!("websocket");
}

/// Who loses a right is let in for no longer than this.
const CACHE_MS_MAX: u64 = 60_000;

impl AccessConfig {
    /// Checks the table. What is `is_insecure` may send tokens over the network in plain text.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self, keys: &Keys, is_insecure: bool) -> Result<(), ConfigError> {
        let uaa_is_https = is_https(keys, keys.uaa_address, &self.uaa.address, is_insecure)?;
        if uaa_is_https && self.uaa.ca_file.is_none() && !self.skip_cert_verify {
            let needs = format!(
                "is needed to verify the certificate of {}",
                keys.uaa_address
            );
            return problem(keys.uaa_ca_file, needs);
        }
        self.capi.check(keys, is_insecure)?;
        match self.cache_ms {
            Some(cache_ms) if cache_ms > CACHE_MS_MAX => {
                let range = format!("{cache_ms} is not between 0 and {CACHE_MS_MAX}");
                problem(keys.cache_ms, range)
            }
            _ => Ok(()),
        }
    }

    /// How long to remember, for a frontend whose default this is.
    pub(crate) fn cache(&self, default: Duration) -> Duration {
        self.cache_ms.map_or(default, Duration::from_millis)
    }
}

impl CapiConfig {
    fn check(&self, keys: &Keys, is_insecure: bool) -> Result<(), ConfigError> {
        let external = self.external_address.as_deref();
        let addresses = [
            (keys.capi_address, Some(self.address.as_str())),
            (keys.capi_external_address, external),
        ];
        for (key, address) in addresses {
            let Some(address) = address else { continue };
            if !is_https(keys, key, address, is_insecure)? {
                continue;
            }
            if self.tls.is_none() {
                return problem(keys.capi_tls, format!("is needed for {key}"));
            }
            if self.server_name.is_empty() {
                return problem(keys.capi_server_name, format!("is needed for {key}"));
            }
        }
        Ok(())
    }
}

fn is_https(
    keys: &Keys,
    key: &'static str,
    address: &str,
    is_insecure: bool,
) -> Result<bool, ConfigError> {
    match Reach::of(address) {
        Ok(Reach::Https) => Ok(true),
        Ok(Reach::Plain) if !is_insecure => {
            let needs = "would get tokens in plain text over the network";
            let insecure = keys.insecure;
            problem(
                key,
                format!("{address} {needs}; {insecure} = true allows it"),
            )
        }
        Ok(_) => Ok(false),
        Err(wrong) => problem(key, wrong),
    }
}

fn problem<T>(key: &'static str, problem: impl Into<String>) -> Result<T, ConfigError> {
    let problem = problem.into();
    Err(ConfigError { key, problem })
}

#[cfg(test)]
mod tests;
