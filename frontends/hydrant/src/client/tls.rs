//! Whom we trust: the system's CAs, those of a file, or anybody.

use hydrant_access::Unverified;
use hydrant_rpc::tls::TlsError;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Against what a server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The CAs of this machine; `SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are, if set.
    System,
    /// The CAs of this PEM file and no others.
    File(PathBuf),
    /// Nothing: whoever answers is believed.
    Anybody,
}

/// A provider of cryptography, given explicitly so that there can be no doubt about which.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client's end of TLS, for HTTP/1.1.
///
/// # Errors
/// Names the file and what is wrong with it, or says that there are no CAs.
pub(super) fn config(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Refused(error.to_string()))?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(of_system()?),
        Trust::File(file) => builder.with_root_certificates(of_file(file)?),
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified::new(provider))),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn of_system() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Some of a system's CAs are of forms that nobody uses; those are left out.
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(store);
    }
    let why = found
        .errors
        .first()
        .map_or_else(String::new, |error| format!(" ({error})"));
    Err(TlsError::Refused(format!(
        "this machine has no CA certificates{why}; name some by --ca-file"
    )))
}

fn of_file(file: &Path) -> Result<RootCertStore, TlsError> {
    let named = || file.to_owned();
    let bytes = std::fs::read(file).map_err(|source| TlsError::Unreadable {
        file: named(),
        source,
    })?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|source| TlsError::NotPem {
        file: named(),
        source,
    })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { file: named() });
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate);
        added.map_err(|source| TlsError::CertificateUnusable {
            file: named(),
            source,
        })?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_no_ca_is_named() {
        let missing = Trust::File("/nowhere/ca.crt".into());
        let said = config(&missing).unwrap_err().to_string();
        assert!(
            said.starts_with("/nowhere/ca.crt: cannot be read"),
            "{said}"
        );
        let source = Trust::File(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into());
        let said = config(&source).unwrap_err().to_string();
        assert!(said.ends_with("Cargo.toml: no certificate in it"), "{said}");
    }

    #[test]
    fn http_1_is_what_is_offered() {
        let config = config(&Trust::Anybody).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    }
}
