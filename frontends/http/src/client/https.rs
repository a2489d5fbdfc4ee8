//! TLS to Cloud Foundry's services, in the profile of upstream's tlsconfig: TLS 1.3, and of
//! TLS 1.2 the two AES-GCM suites over ECDHE and RSA. Speaks HTTP/1.1, so no ALPN.
//!
//! Files are read for each connection, so that new certificates need no more than to be there; what
//! cannot be read then leaves the old ones in place.

use super::{AskError, Unverified};
use hydrant_rpc::tls::TlsFiles;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedCipherSuite};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client's end of HTTPS.
#[derive(Debug)]
pub struct Https {
    files: ClientFiles,
    /// The name to verify; if there is none, the host of the URL.
    server_name: Option<String>,
    newest: Mutex<Arc<ClientConfig>>,
}

/// The PEM files of a client's end.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// CAs of servers' certificates. Default: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, if one is to be shown.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether servers' certificates are verified.
    pub is_verified: bool,
}

/// Why HTTPS cannot be made of the files.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// A file is not there or not PEM.
    #[error("{}: cannot be read as PEM: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// Certificates and key cannot be used.
    #[error("{}: cannot be used for TLS: {error}", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The TLS library refuses the profile.
    #[error("TLS cannot be set up: {0}")]
    Refused(rustls::Error),
}

impl Https {
    /// Reads the files. Servers are verified under `server_name`; without one, under the host of
    /// the URL.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn new(files: ClientFiles, server_name: Option<String>) -> Result<Self, HttpsError> {
        let newest = Mutex::new(Arc::new(files.read()?));
        Ok(Self {
            files,
            server_name,
            newest,
        })
    }

    /// TLS with `host`, with the newest certificates.
    pub(super) async fn connect(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, AskError> {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).or(Err(AskError::Url))?;
        let connector = TlsConnector::from(self.newest());
        let connected = connector.connect(name, tcp).await;
        connected.map_err(AskError::Tls)
    }

    fn newest(&self) -> Arc<ClientConfig> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(read) = self.files.read() {
            *newest = Arc::new(read);
        }
        newest.clone()
    }
}

impl From<&TlsFiles> for ClientFiles {
    /// Both ends show certificates. Suites are the profile's, whatever is named: as upstream, they
    /// are restricted where one listens and not where one connects.
    fn from(files: &TlsFiles) -> Self {
        Self {
            ca_file: Some(files.ca_file.clone()),
            identity: Some((files.cert_file.clone(), files.key_file.clone())),
            is_verified: true,
        }
    }
}

impl ClientFiles {
    fn read(&self) -> Result<ClientConfig, HttpsError> {
        let provider = Arc::new(provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(HttpsError::Refused)?;
        let builder = if self.is_verified {
            builder.with_root_certificates(self.authorities()?)
        } else {
            let verifier = Arc::new(Unverified::new(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        };
        let Some((cert_file, key_file)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(unreadable(key_file))?;
        builder
            .with_client_auth_cert(certificates(cert_file)?, key)
            .map_err(unusable(key_file))
    }

    fn authorities(&self) -> Result<RootCertStore, HttpsError> {
        let mut store = RootCertStore::empty();
        let Some(ca_file) = &self.ca_file else {
            // Those that cannot be read are as if they were not there.
            let of_machine = rustls_native_certs::load_native_certs().certs;
            store.add_parsable_certificates(of_machine);
            return Ok(store);
        };
        for certificate in certificates(ca_file)? {
            store.add(certificate).map_err(unusable(ca_file))?;
        }
        Ok(store)
    }
}

fn provider() -> CryptoProvider {
    let allowed: [CipherSuite; 2] = [
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.suite(),
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384.suite(),
    ];
    let is_in_profile =
        |suite: &SupportedCipherSuite| suite.tls13().is_some() || allowed.contains(&suite.suite());
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(is_in_profile);
    provider
}

/// The certificates of a file: at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, HttpsError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(unreadable(file))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(unreadable(file)(pem::Error::NoItemsFound)),
        read => read.map_err(unreadable(file)),
    }
}

fn unreadable(file: &Path) -> impl FnOnce(pem::Error) -> HttpsError {
    let file = file.to_owned();
    move |error| HttpsError::Unreadable { file, error }
}

fn unusable(file: &Path) -> impl FnOnce(rustls::Error) -> HttpsError {
    let file = file.to_owned();
    move |error| HttpsError::Unusable { file, error }
}
