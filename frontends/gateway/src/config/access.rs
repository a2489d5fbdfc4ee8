//! Who may read: the `[gateway.access]` table.

use super::{is_loopback_name, problem};
use hydrant_engine::config::ConfigError;
use hydrant_rpc::tls::TlsFiles;
use hyper::Uri;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// The `[gateway.access]` table: where to ask who may read what.
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
}

/// The `[gateway.access.uaa]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UaaConfig {
    /// URL; its path does not count. Plain http for loopback only.
    pub address: String,
    /// The client that may check tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// CAs of its certificate, which must have the URL's host. Needed for https that is verified.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The `[gateway.access.capi]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapiConfig {
    /// URL that answers `/internal/v4/log_access/{id}`. Plain http for loopback only.
    pub address: String,
    /// URL that answers `/v3/service_instances/{id}`. Plain http for loopback only.
    pub external_address: String,
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
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl AccessConfig {
    pub(super) fn check(&self, is_insecure: bool) -> Result<(), ConfigError> {
        let uaa_is_https = is_https("gateway.access.uaa.address", &self.uaa.address, is_insecure)?;
        if uaa_is_https && self.uaa.ca_file.is_none() && !self.skip_cert_verify {
            let key = "gateway.access.uaa.ca_file";
            return problem(
                key,
                "is needed to verify the certificate of gateway.access.uaa.address",
            );
        }
        self.capi.check(is_insecure)
    }
}

impl CapiConfig {
    fn check(&self, is_insecure: bool) -> Result<(), ConfigError> {
        let keys = [
            ("gateway.access.capi.address", &self.address),
            (
                "gateway.access.capi.external_address",
                &self.external_address,
            ),
        ];
        for (key, address) in keys {
            if !is_https(key, address, is_insecure)? {
                continue;
            }
            if self.tls.is_none() {
                return problem("gateway.access.capi.tls", format!("is needed for {key}"));
            }
            if self.server_name.is_empty() {
                return problem(
                    "gateway.access.capi.server_name",
                    format!("is needed for {key}"),
                );
            }
        }
        Ok(())
    }
}

fn is_https(key: &'static str, address: &str, is_insecure: bool) -> Result<bool, ConfigError> {
    let Ok(uri) = address.parse::<Uri>() else {
        return problem(key, format!("{address:?} is not a URL"));
    };
    match (uri.scheme_str(), uri.host()) {
        (_, Some(_)) if uri.query().is_some() => {
            problem(key, format!("{address:?} has a query, which has no use"))
        }
        (Some("https"), Some(_)) => Ok(true),
        (Some("http"), Some(host)) if is_insecure || is_loopback_name(host) => Ok(false),
        (Some("http"), Some(_)) => {
            let needs = "would get tokens in plain text over the network; \
                         gateway.insecure = true allows it";
            problem(key, format!("{address} {needs}"))
        }
        _ => problem(key, format!("{address:?} is not an http or https URL")),
    }
}
