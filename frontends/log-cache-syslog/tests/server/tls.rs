//! Senders over TLS, who prove who they are or do not have to.

use crate::rig::{Rig, counted, log};
use hydrant_log_cache_syslog::{SyslogCounter, SyslogTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// A CA, and what it signed for `localhost`.
struct Files {
    ca: String,
    cert: String,
    key: String,
}

impl Files {
    fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let cert = leaf.signed_by(&key, &issuer).unwrap().pem();
        let key = key.serialize_pem();
        Self { ca, cert, key }
    }

    fn tls(&self, name: &str, asks: bool) -> SyslogTls {
        let file = |kind: &str, text: &str| {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
            let path = folder.join(format!("{}-{name}.{kind}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            path
        };
        SyslogTls {
            cert_file: file("crt", &self.cert),
            key_file: file("key", &self.key),
            client_ca_file: asks.then(|| file("ca", &self.ca)),
        }
    }

    /// A client that offers a protocol that nobody has heard of.
    fn client(&self, shows: bool) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(certificate(&self.ca)).unwrap();
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            false => builder.with_no_client_auth(),
            true => {
                let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
                let chain = vec![certificate(&self.cert)];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"syslog".to_vec()];
        config
    }
}

fn send(rig: &Rig, client: ClientConfig, bytes: &[u8]) -> std::io::Result<()> {
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, rig.connect());
    stream.write_all(bytes)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[test]
fn messages_come_over_tls() {
    let files = Files::new();
    let rig = Rig::start(|config| config.tls = Some(files.tls("open", false)));
    send(&rig, files.client(false), &counted(log("app", "x"))).ok();
    assert_eq!(rig.node.wait_for(1).len(), 1);
    let mut plain = rig.send(&counted(log("app", "plain")));
    rig.wait_for(SyslogCounter::TlsFailed, 1);
    // It is told by TLS what is wrong, and the connection is over.
    plain.read_to_end(&mut Vec::new()).ok();
    assert_eq!(rig.stop(), 1);
}

#[test]
fn who_has_to_prove_who_it_is_does_or_is_refused() {
    let files = Files::new();
    let rig = Rig::start(|config| config.tls = Some(files.tls("mutual", true)));
    send(&rig, files.client(false), &counted(log("app", "nobody"))).unwrap_err();
    rig.wait_for(SyslogCounter::TlsFailed, 1);
    send(
        &rig,
        Files::new().client(true),
        &counted(log("app", "stranger")),
    )
    .unwrap_err();
    send(&rig, files.client(true), &counted(log("app", "known"))).ok();
    assert_eq!(rig.node.wait_for(1)[0].source_id, "app");
    assert_eq!(rig.stop(), 1);
}
