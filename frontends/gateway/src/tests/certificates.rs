//! Certificates in a directory of their own.

use hydrant_rpc::tls::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// An authority, with its files; they are gone with it.
pub(super) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-gateway-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let mut params = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        fs::write(directory.join("ca"), certificate).unwrap();
        let issuer = Issuer::new(params, key);
        Self { directory, issuer }
    }

    /// A new certificate for a name, and the authority's. RSA, so that TLS 1.2 is possible.
    pub(super) fn files(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = named(name).signed_by(&key, &self.issuer).unwrap();
        let [cert_file, key_file] =
            ["crt", "key"].map(|kind| self.directory.join(format!("{name}.{kind}")));
        fs::write(&cert_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        TlsFiles {
            cert_file,
            key_file,
            ca_file: self.directory.join("ca"),
            suites: Vec::new(),
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
