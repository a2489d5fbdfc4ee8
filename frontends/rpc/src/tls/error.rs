//! What can be wrong with TLS files.

use std::path::PathBuf;

/// Why an end cannot be made of its files. Names the file; shows nothing of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It is missing, or its permissions do not let us read it.
    #[error("{}: cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is broken as PEM.
    #[error("{}: is not PEM: {source}", .file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// Where it broke.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no `CERTIFICATE` section.
    #[error("{}: no certificate in it", .file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// There is no section of an unencrypted key.
    #[error("{}: no private key in it: PKCS#8, PKCS#1 or SEC1, not encrypted", .file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The certificate cannot be used, such as one before X.509 version 3.
    #[error("{}: the certificate cannot be used: {source}", .file.display())]
    CertificateUnusable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key cannot be used, such as RSA of 1024 bits.
    #[error("{}: the private key cannot be used: {source}", .file.display())]
    KeyUnusable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key is another certificate's.
    #[error(
        "{}: the key does not fit the certificate of {}",
        .key_file.display(),
        .cert_file.display()
    )]
    KeyMismatch {
        /// The file of the certificate.
        cert_file: PathBuf,
        /// The file of the key.
        key_file: PathBuf,
    },
    /// Our own certificate is over.
    #[error("{}: the certificate has expired", .file.display())]
    Expired {
        /// The file.
        file: PathBuf,
    },
    /// Our own certificate has not begun.
    #[error("{}: the certificate is not valid yet", .file.display())]
    NotYetValid {
        /// The file.
        file: PathBuf,
    },
    /// None of the suites asked for is one of the profile's. The text is upstream's.
    #[error("no valid ciphers provided for TLS configuration")]
    NoSuites,
    /// The name under which the server is to be verified is no host name.
    #[error("server name {name:?} is neither a host name nor an address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The TLS library refuses the whole.
    #[error("TLS cannot be set up: {0}")]
    Refused(String),
}
