//! Certificates made for a test, as PEM files.

use crate::process::file;
use hydrant_rpc::tls::{ClientTls, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;

/// The name that routers' certificates have.
pub(crate) const DOPPLER: &str = "doppler";

/// An authority, and the files that it signs.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// New files of a new certificate for `name`.
    pub(crate) fn files(&self, name: &str) -> TlsFiles {
        let (certificate, key) = self.sign(name);
        TlsFiles {
            cert_file: file("leaf.crt", &certificate),
            key_file: file("leaf.key", &key),
            ca_file: file("ca.crt", &self.pem),
            suites: Vec::new(),
        }
    }

    /// A client of routers.
    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::load(&self.files("client"), DOPPLER).unwrap()
    }

    /// Puts a new certificate into existing files; `between` is done when the certificate is there
    /// and its key is not.
    pub(crate) fn replace(&self, files: &TlsFiles, name: &str, between: impl FnOnce()) {
        let (certificate, key) = self.sign(name);
        fs::write(&files.ca_file, &self.pem).unwrap();
        fs::write(&files.cert_file, certificate).unwrap();
        between();
        fs::write(&files.key_file, key).unwrap();
    }

    /// Certificate and key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = named(name).signed_by(&key, &self.issuer).unwrap();
        (leaf.pem(), key.serialize_pem())
    }
}

/// With a name of its own: to OpenSSL who has its issuer's name has signed itself.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A table of the config.
pub(crate) fn table(name: &str, files: &TlsFiles) -> String {
    let TlsFiles {
        cert_file,
        key_file,
        ca_file,
        ..
    } = files;
    format!(
        "\n[{name}]\ncert_file = {cert_file:?}\nkey_file = {key_file:?}\nca_file = {ca_file:?}\n"
    )
}
