//! PEM files, read and checked.

use super::{TlsError, profile};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{CertificateError, InconsistentKeys, RootCertStore};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The PEM files of one end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Our certificate, followed by those between it and the CA.
    pub cert_file: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key_file: PathBuf,
    /// Certificates of the CAs that the other end is verified against, one or more.
    pub ca_file: PathBuf,
    /// Suites of TLS 1.2 to allow: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`,
    /// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`; other names are skipped. Default: both.
    #[serde(default)]
    pub suites: Vec<String>,
}

impl TlsFiles {
    /// Whether an end can be made of them today.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn check(&self) -> Result<(), TlsError> {
        let provider = profile::provider(&self.suites)?;
        identity(&self.cert_file, &self.key_file, &provider)?;
        check_authorities(&self.ca_file)
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        vec![
            self.cert_file.clone(),
            self.key_file.clone(),
            self.ca_file.clone(),
        ]
    }
}

/// Whether a file has certificates of CAs to verify others against.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn check_authorities(ca_file: &Path) -> Result<(), TlsError> {
    authorities(ca_file).map(drop)
}

/// Our certificate and its key, if they can be used today.
pub(super) fn identity(
    cert_file: &Path,
    key_file: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let chain = certificates(cert_file)?;
    let key = private_key(key_file, provider)?;
    check_today(cert_file, &chain[0], provider)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Unknown: the key's kind cannot tell its public half.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(Arc::new(SingleCertAndKey::from(certified)))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
        }),
        Err(error) => Err(certificate_unusable(cert_file)(error)),
    }
}

/// The CAs of a file.
pub(super) fn authorities(ca_file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(ca_file)? {
        store
            .add(certificate)
            .map_err(certificate_unusable(ca_file))?;
    }
    Ok(Arc::new(store))
}

/// The certificates of a file: at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(TlsError::NoCertificate {
            file: file.to_owned(),
        }),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(not_pem(file, error)),
    }
}

fn private_key(file: &Path, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey {
            file: file.to_owned(),
        },
        error => not_pem(file, error),
    })?;
    let loaded = provider.key_provider.load_private_key(key);
    loaded.map_err(|source| TlsError::KeyUnusable {
        file: file.to_owned(),
        source,
    })
}

/// Whether the certificate is valid now. The verifier looks at the dates before it looks for an
/// issuer; we give it none, so that it ends with `UnknownIssuer` when the dates are fine.
fn check_today(
    file: &Path,
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<(), TlsError> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(certificate_unusable(file))?;
    let verdict = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &RootCertStore::empty(),
        &[],
        UnixTime::now(),
        provider.signature_verification_algorithms.all,
    );
    let file = file.to_owned();
    match verdict {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Err(TlsError::Expired { file }),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Err(TlsError::NotYetValid { file }),
        _ => Ok(()),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|source| TlsError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

fn not_pem(file: &Path, source: pem::Error) -> TlsError {
    let file = file.to_owned();
    TlsError::NotPem { file, source }
}

fn certificate_unusable(file: &Path) -> impl FnOnce(rustls::Error) -> TlsError {
    let file = file.to_owned();
    move |source| TlsError::CertificateUnusable { file, source }
}
