//! Certificate authorities and handshakes for tests.

use crate::tls::{ClientTls, ServerTls, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::DuplexStream;
use tokio_rustls::{TlsConnector, client, server};

/// A directory of its own, removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// RSA, so that TLS 1.2 is possible too.
    pub(crate) fn leaf(&self, name: &str) -> Leaf {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        self.sign(&named(name), key)
    }

    pub(crate) fn sign(&self, params: &CertificateParams, key: KeyPair) -> Leaf {
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { certificate, key }
    }

    /// Files `NAME.crt`, `NAME.key`, `NAME-ca.crt` of a new certificate for `name`.
    pub(crate) fn files(&self, directory: &Directory, name: &str) -> TlsFiles {
        let leaf = self.leaf(name);
        TlsFiles {
            cert_file: directory.write(&format!("{name}.crt"), &leaf.certificate),
            key_file: directory.write(&format!("{name}.key"), &leaf.key.serialize_pem()),
            ca_file: directory.write(&format!("{name}-ca.crt"), &self.pem),
            suites: Vec::new(),
        }
    }
}

pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(super) type ServerEnd = io::Result<server::TlsStream<DuplexStream>>;
pub(super) type ClientEnd = io::Result<client::TlsStream<DuplexStream>>;

/// What each end makes of the other. Under TLS 1.3 a client is done before the server has looked at
/// its certificate.
pub(super) async fn handshake(server: &ServerTls, client: &ClientTls) -> (ServerEnd, ClientEnd) {
    let name = client.server_name().clone();
    shake(server, client.connector(), name).await
}

/// As [`handshake`], with any client.
pub(super) async fn handshake_with(
    server: &ServerTls,
    config: ClientConfig,
) -> (ServerEnd, ClientEnd) {
    let name = ServerName::try_from("doppler").unwrap();
    shake(server, Arc::new(config).into(), name).await
}

async fn shake(
    server: &ServerTls,
    connector: TlsConnector,
    name: ServerName<'static>,
) -> (ServerEnd, ClientEnd) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = server.acceptor();
    tokio::join!(acceptor.accept(far), connector.connect(name, near))
}

/// The certificate that the server showed.
pub(super) fn shown(stream: &client::TlsStream<DuplexStream>) -> CertificateDer<'static> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}
