//! The files of an end that serves HTTPS.

use hydrant_rpc::tls::{ServerTls, TlsError};
use serde::Deserialize;
use std::path::PathBuf;

/// What HTTPS is served with: a frontend's table `tls`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpsFiles {
    /// PEM file of the certificate, followed by those between it and the CA.
    pub cert_file: PathBuf,
    /// PEM file of its key.
    pub key_file: PathBuf,
}

impl HttpsFiles {
    /// An end that shows the certificate and asks the client for none.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(&self) -> Result<ServerTls, TlsError> {
        ServerTls::load_without_client_auth(&self.cert_file, &self.key_file)
    }
}
