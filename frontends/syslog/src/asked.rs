//! Whether a server has asked for our certificate. With TLS 1.3 one that has may still refuse us when
//! we believe to be done; one that has not has nothing to refuse.

use rustls::ClientConfig;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the server of one connection has asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    resolver: Arc<dyn ResolvesClientCert>,
    is_asked: AtomicBool,
}

impl Asked {
    /// The same configuration for one connection, and who will know of its server.
    pub(crate) fn noting(client: &ClientConfig) -> (Arc<ClientConfig>, Arc<Self>) {
        let mut client = client.clone();
        let asked = Arc::new(Self {
            resolver: client.client_auth_cert_resolver.clone(),
            is_asked: AtomicBool::new(false),
        });
        client.client_auth_cert_resolver = asked.clone();
        // rustls resumes no session that began with another resolver: none is worth keeping.
        client.resumption = Resumption::disabled();
        (Arc::new(client), asked)
    }

    /// Whether the server has asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// What a refusal means: some servers close the connection and say nothing of it.
    pub(crate) fn explain(&self, error: io::Error) -> io::Error {
        if !self.is_asked() || self.resolver.has_certs() {
            return error;
        }
        let problem = format!("{error}: it asked for a certificate, and there is none for it");
        io::Error::new(error.kind(), problem)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.is_asked.store(true, Ordering::Relaxed);
        self.resolver.resolve(root_hint_subjects, sigschemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.resolver.has_certs()
    }
}
