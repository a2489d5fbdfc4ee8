//! Certificates of a run: a CA of its own, and what the two ends of mutual TLS show.

use hydrant_rpc::tls::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name that servers' certificates are for.
pub const SERVER_NAME: &str = "doppler";

const CLIENT_NAME: &str = "load";
const CA_FILE: &str = "ca.crt";

/// A directory of PEM files, removed when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes new ones, valid for servers named [`SERVER_NAME`].
    ///
    /// # Errors
    /// No key, or no file, can be made.
    pub fn new() -> io::Result<Self> {
        let name = format!("hydrant-bench-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory)?;
        let certificates = Self { directory };
        certificates.write()?;
        Ok(certificates)
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn write(&self) -> io::Result<()> {
        let mut authority = named("hydrant-bench").map_err(io::Error::other)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = authority.self_signed(&key).map_err(io::Error::other)?;
        fs::write(self.directory.join(CA_FILE), certificate.pem())?;
        let issuer = Issuer::new(authority, key);
        for name in [SERVER_NAME, CLIENT_NAME] {
            let (certificate, key) = leaf(name, &issuer).map_err(io::Error::other)?;
            fs::write(self.directory.join(format!("{name}.crt")), certificate)?;
            fs::write(self.directory.join(format!("{name}.key")), key)?;
        }
        Ok(())
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What stays behind is in the directory for what may.
        fs::remove_dir_all(&self.directory).ok();
    }
}

/// The server's files in a directory of [`Certificates`].
pub fn server_files(directory: &Path) -> TlsFiles {
    files(directory, SERVER_NAME)
}

/// The client's.
pub fn client_files(directory: &Path) -> TlsFiles {
    files(directory, CLIENT_NAME)
}

fn files(directory: &Path, name: &str) -> TlsFiles {
    TlsFiles {
        cert_file: directory.join(format!("{name}.crt")),
        key_file: directory.join(format!("{name}.key")),
        ca_file: directory.join(CA_FILE),
        suites: Vec::new(),
    }
}

/// A certificate and its key, as PEM.
fn leaf(name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = named(name)?.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn named(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_rpc::tls::{ClientTls, ServerTls};

    #[test]
    fn both_ends_can_use_them_until_they_are_removed() {
        let certificates = Certificates::new().unwrap();
        let directory = certificates.directory().to_owned();
        ServerTls::load(&server_files(&directory)).unwrap();
        ClientTls::load(&client_files(&directory), SERVER_NAME).unwrap();
        drop(certificates);
        assert!(!directory.exists());
    }
}
