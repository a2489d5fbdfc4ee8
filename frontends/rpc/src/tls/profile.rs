//! Versions, suites and the provider of their arithmetic.

use super::TlsError;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::{ConfigBuilder, ConfigSide, SupportedCipherSuite, SupportedProtocolVersion};
use rustls::{WantsVerifier, WantsVersions, version};
use std::sync::Arc;

const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Suites of TLS 1.3, which nobody restricts. The cheapest one first.
const SUITES_13: [SupportedCipherSuite; 3] = [
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
];

/// Suites of TLS 1.2 under the names by which `ROUTER_CIPHER_SUITES` knows them.
const SUITES_12: [(&str, SupportedCipherSuite); 2] = [
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
];

/// The provider, its suites of TLS 1.2 restricted to those named; no name means both. As upstream,
/// names that are not known are skipped as long as one is.
pub(super) fn provider(names: &[String]) -> Result<Arc<CryptoProvider>, TlsError> {
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let wanted = SUITES_12.iter().filter(|(name, _)| is_wanted(name));
    let mut cipher_suites = SUITES_13.to_vec();
    cipher_suites.extend(wanted.map(|(_, suite)| suite));
    if cipher_suites.len() == SUITES_13.len() {
        return Err(TlsError::NoSuites);
    }
    Ok(Arc::new(CryptoProvider {
        cipher_suites,
        ..aws_lc_rs::default_provider()
    }))
}

/// A configuration begun in this profile.
pub(super) fn versions<S: ConfigSide>(
    builder: ConfigBuilder<S, WantsVersions>,
) -> Result<ConfigBuilder<S, WantsVerifier>, TlsError> {
    let versions = builder.with_protocol_versions(VERSIONS);
    versions.map_err(|error| TlsError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite_count(names: &[&str]) -> Result<usize, String> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let provider = provider(&names).map_err(|error| error.to_string())?;
        Ok(provider.cipher_suites.len())
    }

    #[test]
    fn names_restrict_only_tls_1_2() {
        assert_eq!(suite_count(&[]), Ok(5));
        let [(first, _), (second, _)] = SUITES_12;
        assert_eq!(suite_count(&[second]), Ok(4));
        assert_eq!(suite_count(&[second, first, first]), Ok(5));
    }

    #[test]
    fn unknown_names_are_skipped_unless_all_are() {
        let known = SUITES_12[0].0;
        assert_eq!(suite_count(&["TLS_RSA_WITH_RC4_128_SHA", known]), Ok(4));
        let none = "no valid ciphers provided for TLS configuration";
        assert_eq!(
            suite_count(&["TLS_RSA_WITH_RC4_128_SHA"]),
            Err(none.to_owned())
        );
        assert_eq!(suite_count(&[""]), Err(none.to_owned()));
    }
}
