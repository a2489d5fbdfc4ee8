//! The end that is connected to.

use super::loaded::{Loaded, Reload};
use super::{H2, TlsError, TlsFiles, files, profile};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// ALPN's name of HTTP/1.1.
const HTTP_1: &[u8] = b"http/1.1";

/// A server's end of TLS. Cheap to clone; clones share what a [`Reloader`](super::Reloader) reads.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<Loaded<ServerConfig>>);

impl ServerTls {
    /// Shows our certificate, and demands one of the client that a CA of the file has signed; who
    /// the client is beyond that is not asked, as upstream does not. Offers HTTP/2.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let sources = files.clone();
        let make = move || mutual(&sources, H2);
        Loaded::new(files.paths(), make).map(Self)
    }

    /// As [`load`](Self::load), but offers HTTP/1.1.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load_for_http1(files: &TlsFiles) -> Result<Self, TlsError> {
        let sources = files.clone();
        let make = move || mutual(&sources, HTTP_1);
        Loaded::new(files.paths(), make).map(Self)
    }

    /// HTTPS for everybody: shows our certificate and asks for none. Offers HTTP/1.1.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load_without_client_auth(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let paths = vec![cert_file.to_owned(), key_file.to_owned()];
        let (cert_file, key_file) = (cert_file.to_owned(), key_file.to_owned());
        let make = move || open(&cert_file, &key_file);
        Loaded::new(paths, make).map(Self)
    }

    /// Accepts connections with the newest certificates. To be asked for each connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.newest())
    }

    /// As [`acceptor`](Self::acceptor), but offers these protocols: none is agreed on if there are none,
    /// whatever the client offers.
    pub fn acceptor_of(&self, protocols: Vec<Vec<u8>>) -> TlsAcceptor {
        let mut config = ServerConfig::clone(&self.0.newest());
        config.alpn_protocols = protocols;
        TlsAcceptor::from(Arc::new(config))
    }

    pub(super) fn reload(&self) -> Arc<dyn Reload> {
        Arc::<Loaded<ServerConfig>>::clone(&self.0)
    }
}

fn mutual(sources: &TlsFiles, protocol: &[u8]) -> Result<ServerConfig, TlsError> {
    let provider = profile::provider(&sources.suites)?;
    let authorities = files::authorities(&sources.ca_file)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| TlsError::Refused(error.to_string()))?;
    config(
        provider,
        verifier,
        &sources.cert_file,
        &sources.key_file,
        protocol,
    )
}

fn open(cert_file: &Path, key_file: &Path) -> Result<ServerConfig, TlsError> {
    let provider = profile::provider(&[])?;
    let nobody = WebPkiClientVerifier::no_client_auth();
    config(provider, nobody, cert_file, key_file, HTTP_1)
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    cert_file: &Path,
    key_file: &Path,
    protocol: &[u8],
) -> Result<ServerConfig, TlsError> {
    let identity = files::identity(cert_file, key_file, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = profile::versions(builder)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![protocol.to_owned()];
    config.ignore_client_order = true; // Ours has the cheapest suite first.
    Ok(config)
}
