//! TLS to drains: whom we trust, which suites, and what we show, each drain for itself.
//!
//! In upstream's external profile (code.cloudfoundry.org/tlsconfig): TLS 1.2 and 1.3, ECDHE, AES-GCM
//! and ChaCha20. Unlike upstream's, a CA of a binding is trusted for that binding's drain alone.

use crate::config::{ConfigError, TlsConfig};
use hydrant_bindings::Credentials;
use hydrant_http::client::Unverified;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::cipher_suite as suites;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedCipherSuite};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};

/// Suites of TLS 1.2 by their names of IANA and of OpenSSL: those that rustls has.
const NAMED: [(&str, &str, SupportedCipherSuite); 6] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
        suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The suites of TLS 1.2 that Cloud Foundry has inside (`ssl-strict-internal`).
const INTERNAL: [CipherSuite; 2] = [
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// What the operator says of TLS to drains.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    roots: Arc<RootCertStore>,
    is_verified: bool,
    /// TLS 1.2 alone with these; none for the external profile.
    suites: Vec<SupportedCipherSuite>,
}

impl Terms {
    /// Reads the files that the config names, and the machine's CAs.
    ///
    /// # Errors
    /// Names the key that cannot be used.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        // Some of a system's CAs are of forms that nobody uses; those are left out.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &config.ca_file {
            let fail = |problem: String| {
                let problem = format!("{}: {problem}", file.display());
                ConfigError::new("syslog.tls.ca_file", problem)
            };
            let pem = std::fs::read(file).map_err(|error| fail(error.to_string()))?;
            add(&mut roots, &pem).map_err(|error| fail(error.to_string()))?;
        }
        Ok(Self {
            roots: Arc::new(roots),
            is_verified: !config.insecure_skip_verify,
            suites: suites_named(&config.cipher_suites)?,
        })
    }

    fn provider(&self, is_strict: bool) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        if is_strict {
            let is_12 = |suite: &SupportedCipherSuite| suite.tls13().is_none();
            let is_internal = |suite: &SupportedCipherSuite| INTERNAL.contains(&suite.suite());
            let all = &mut provider.cipher_suites;
            all.retain(|suite| !is_12(suite) || is_internal(suite));
        } else if !self.suites.is_empty() {
            provider.cipher_suites.clone_from(&self.suites);
        }
        provider
    }

    /// What TLS to a drain with these credentials goes by.
    fn client(&self, credentials: &Credentials, is_strict: bool) -> io::Result<ClientConfig> {
        let provider = Arc::new(self.provider(is_strict));
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = if is_strict || self.suites.is_empty() {
            builder.with_protocol_versions(&[&TLS13, &TLS12])
        } else {
            builder.with_protocol_versions(&[&TLS12])
        };
        let builder = builder.map_err(io::Error::other)?;
        let builder = if self.is_verified {
            builder.with_root_certificates(self.roots(credentials)?)
        } else {
            let anybody = Arc::new(Unverified::new(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(anybody)
        };
        if credentials.cert.is_empty() || credentials.key.is_empty() {
            return Ok(builder.with_no_client_auth());
        }
        let (chain, key) = identity(credentials)
            .or_else(|_| unusable("the binding's certificate or key is not PEM"))?;
        let built = builder.with_client_auth_cert(chain, key);
        let mut client = built
            .map_err(|error| io::Error::other(format!("the binding's certificate: {error}")))?;
        // One drain's alone: it would take memory for hundreds of servers' sessions.
        client.resumption = Resumption::disabled();
        Ok(client)
    }

    fn roots(&self, credentials: &Credentials) -> io::Result<Arc<RootCertStore>> {
        if credentials.ca.is_empty() {
            return Ok(self.roots.clone());
        }
        let mut roots = (*self.roots).clone();
        add(&mut roots, credentials.ca.reveal().as_bytes())?;
        Ok(Arc::new(roots))
    }
}

/// What a configuration depends on: credentials, and whether the profile is the strict one.
type Profile = (Credentials, bool);

/// The configurations that drains have in use, each made once for all that have the same.
#[derive(Debug)]
pub(crate) struct Trust {
    terms: Terms,
    clients: RefCell<HashMap<Profile, Weak<ClientConfig>>>,
}

impl Trust {
    /// By these terms.
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            clients: RefCell::default(),
        }
    }

    /// What TLS to a drain with these credentials goes by; it is kept as long as somebody keeps it.
    ///
    /// # Errors
    /// The credentials cannot be used. Says nothing of what is in them.
    pub(crate) fn client(
        &self,
        credentials: &Credentials,
        is_strict: bool,
    ) -> io::Result<Arc<ClientConfig>> {
        let key = (credentials.clone(), is_strict);
        let mut clients = self.clients.borrow_mut();
        if let Some(known) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(self.terms.client(credentials, is_strict)?);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }
}

fn suites_named(names: &[String]) -> Result<Vec<SupportedCipherSuite>, ConfigError> {
    let suite = |name: &String| {
        let mut named = NAMED.iter();
        let found = named.find(|(iana, openssl, _)| name == iana || name == openssl);
        found.map(|(_, _, suite)| *suite).ok_or_else(|| {
            let known = NAMED.map(|(_, openssl, _)| openssl).join(", ");
            let problem = format!("`{name}` is not one of {known}");
            ConfigError::new("syslog.tls.cipher_suites", problem)
        })
    };
    names.iter().map(suite).collect()
}

fn identity(
    credentials: &Credentials,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rustls::pki_types::pem::Error> {
    let cert = credentials.cert.reveal().as_bytes();
    let chain = CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(credentials.key.reveal().as_bytes())?;
    Ok((chain, key))
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> io::Result<()> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.or_else(|_| unusable("the CA is not PEM"))?;
        let added = roots.add(certificate);
        added.map_err(|error| io::Error::other(format!("the CA: {error}")))?;
        count += 1;
    }
    if count == 0 {
        return Err(io::Error::other("the CA has no certificate"));
    }
    Ok(())
}

/// What exactly is wrong stays unsaid: it is about what must not be shown.
fn unusable<T>(problem: &'static str) -> io::Result<T> {
    Err(io::Error::other(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(config: &TlsConfig) -> Result<Terms, String> {
        Terms::new(config).map_err(|error| error.to_string())
    }

    fn suites_of(terms: &Terms, is_strict: bool) -> (usize, usize) {
        let client = terms.client(&Credentials::default(), is_strict).unwrap();
        let suites = &client.crypto_provider().cipher_suites;
        let of_12 = suites.iter().filter(|suite| suite.tls13().is_none());
        (of_12.count(), suites.len())
    }

    #[test]
    fn suites_have_two_names_and_leave_only_tls_1_2() {
        let mut config = TlsConfig::default();
        let plain = terms(&config).unwrap();
        assert_eq!(suites_of(&plain, false), (6, 9));
        assert_eq!(suites_of(&plain, true), (2, 5));
        config.cipher_suites = vec![NAMED[0].0.to_owned(), NAMED[1].1.to_owned()];
        let named = terms(&config).unwrap();
        assert_eq!(suites_of(&named, false), (2, 2));
        assert_eq!(suites_of(&named, true), (2, 5));
        config.cipher_suites.push("RC4-SHA".to_owned());
        let error = terms(&config).unwrap_err();
        assert!(
            error.starts_with("syslog.tls.cipher_suites: `RC4-SHA` is not one of ECDHE-"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_what_is_in_it() {
        let trust = Trust::new(terms(&TlsConfig::default()).unwrap());
        let hush = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n";
        let wrong = [
            (hush, hush, ""),
            ("hush", "hush", ""),
            ("", "", "hush"),
            ("", "", hush),
        ];
        for (cert, key, ca) in wrong {
            let credentials = Credentials {
                cert: cert.into(),
                key: key.into(),
                ca: ca.into(),
            };
            let error = trust.client(&credentials, false).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hush"), "{shown}");
        }
        let half = Credentials {
            cert: "hush".into(),
            ..Default::default()
        };
        trust.client(&half, false).unwrap();
    }

    #[test]
    fn equal_credentials_share_and_forget() {
        let trust = Trust::new(terms(&TlsConfig::default()).unwrap());
        let none = Credentials::default();
        let first = trust.client(&none, false).unwrap();
        assert!(Arc::ptr_eq(&first, &trust.client(&none, false).unwrap()));
        assert!(!Arc::ptr_eq(&first, &trust.client(&none, true).unwrap()));
        drop(first);
        trust.client(&none, true).unwrap();
        assert_eq!(trust.clients.borrow().len(), 1);
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named() {
        let config = TlsConfig {
            ca_file: Some("no/such/file".into()),
            ..Default::default()
        };
        let error = terms(&config).unwrap_err();
        assert!(
            error.starts_with("syslog.tls.ca_file: no/such/file: "),
            "{error}"
        );
    }
}
