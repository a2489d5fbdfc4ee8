//! The end that connects.

use super::loaded::{Loaded, Reload};
use super::{H2, TlsError, TlsFiles, files, profile};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A client's end of TLS. Cheap to clone; clones share what a [`Reloader`](super::Reloader) reads.
#[derive(Clone, Debug)]
pub struct ClientTls {
    loaded: Arc<Loaded<ClientConfig>>,
    server_name: ServerName<'static>,
}

impl ClientTls {
    /// Shows our certificate; verifies that the server's is of a CA of the file and names
    /// `server_name` among its SANs, whatever address it was reached by. Offers HTTP/2.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, or the server name.
    pub fn load(files: &TlsFiles, server_name: &str) -> Result<Self, TlsError> {
        let Ok(server_name) = ServerName::try_from(server_name.to_owned()) else {
            let name = server_name.to_owned();
            return Err(TlsError::ServerName { name });
        };
        let sources = files.clone();
        let loaded = Loaded::new(files.paths(), move || config(&sources))?;
        Ok(Self {
            loaded,
            server_name,
        })
    }

    /// Connects with the newest certificates. To be asked for each connection.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.loaded.newest())
    }

    /// The name under which servers are verified.
    pub const fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    pub(super) fn reload(&self) -> Arc<dyn Reload> {
        Arc::<Loaded<ClientConfig>>::clone(&self.loaded)
    }
}

fn config(sources: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let provider = profile::provider(&sources.suites)?;
    let identity = files::identity(&sources.cert_file, &sources.key_file, &provider)?;
    let authorities = files::authorities(&sources.ca_file)?;
    let builder = ClientConfig::builder_with_provider(provider);
    let mut config = profile::versions(builder)?
        .with_root_certificates(authorities)
        .with_client_cert_resolver(identity);
    config.alpn_protocols = vec![H2.to_owned()];
    Ok(config)
}
