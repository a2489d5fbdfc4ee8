//! Who may talk to whom, and how.

use super::rig::{Authority, ClientEnd, Directory, ServerEnd, handshake, handshake_with};
use crate::tls::{ClientTls, ServerTls, TlsFiles};
use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, ProtocolVersion, RootCertStore, SupportedCipherSuite};
use rustls::{crypto::aws_lc_rs, version};
use std::fs;
use std::sync::Arc;

/// A CA, its Doppler, and one of its clients.
struct Town {
    directory: Directory,
    authority: Authority,
    server: TlsFiles,
    client: TlsFiles,
}

impl Town {
    fn new() -> Self {
        let directory = Directory::new();
        let authority = Authority::new("ca");
        Self {
            server: authority.files(&directory, "doppler"),
            client: authority.files(&directory, "reverselogproxy"),
            directory,
            authority,
        }
    }

    async fn handshake(&self) -> (ServerEnd, ClientEnd) {
        let server = ServerTls::load(&self.server).unwrap();
        let client = ClientTls::load(&self.client, "doppler").unwrap();
        handshake(&server, &client).await
    }

    /// A client of TLS 1.2 and this suite only, with a certificate or without.
    fn old_client(&self, suite: SupportedCipherSuite, shows_certificate: bool) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        let mut roots = RootCertStore::empty();
        let pem = self.authority.pem.as_bytes();
        roots
            .add(CertificateDer::from_pem_slice(pem).unwrap())
            .unwrap();
        let version = match suite {
            SupportedCipherSuite::Tls12(_) => &version::TLS12,
            SupportedCipherSuite::Tls13(_) => &version::TLS13,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        if !shows_certificate {
            return builder.with_no_client_auth();
        }
        let certificate = CertificateDer::from_pem_file(&self.client.cert_file).unwrap();
        let key = PrivateKeyDer::from_pem_file(&self.client.key_file).unwrap();
        builder
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    }
}

#[tokio::test]
async fn ends_of_one_ca_agree_on_the_best() {
    let (server, client) = Town::new().handshake().await;
    let (server, client) = (server.unwrap(), client.unwrap());
    let session = server.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(
        session.negotiated_cipher_suite().unwrap().suite(),
        CipherSuite::TLS13_AES_128_GCM_SHA256
    );
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert!(session.peer_certificates().is_some());
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let town = Town::new();
    let server = ServerTls::load(&town.server).unwrap();
    for suite in [
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
    ] {
        let (refused, _) = handshake_with(&server, town.old_client(suite, false)).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("no certificate"), "{error}");
        let (accepted, _) = handshake_with(&server, town.old_client(suite, true)).await;
        accepted.unwrap();
    }
}

#[tokio::test]
async fn a_client_of_another_ca_is_refused() {
    let mut town = Town::new();
    let other = Authority::new("other");
    let stranger = other.files(&town.directory, "stranger");
    town.client.cert_file = stranger.cert_file;
    town.client.key_file = stranger.key_file;
    let (server, client) = town.handshake().await;
    let error = server.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    client.unwrap(); // It will hear of it.
    // Unless both are in the file.
    let both = [&*town.authority.pem, &*other.pem].concat();
    fs::write(&town.server.ca_file, both).unwrap();
    let (server, client) = town.handshake().await;
    server.unwrap();
    client.unwrap();
}

#[tokio::test]
async fn a_server_of_another_ca_is_refused() {
    let mut town = Town::new();
    town.server = Authority::new("other").files(&town.directory, "doppler");
    fs::write(&town.server.ca_file, &town.authority.pem).unwrap();
    let (server, client) = town.handshake().await;
    let error = client.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    server.unwrap_err();
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let mut town = Town::new();
    town.server = town.authority.files(&town.directory, "metron");
    let (server, client) = town.handshake().await;
    let error = client.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    server.unwrap_err();
}

#[tokio::test]
async fn tls_1_2_has_two_suites() {
    let town = Town::new();
    let server = ServerTls::load(&town.server).unwrap();
    for suite in [
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ] {
        let (server, _) = handshake_with(&server, town.old_client(suite, true)).await;
        let chosen = server.unwrap().get_ref().1.negotiated_cipher_suite();
        assert_eq!(chosen, Some(suite));
    }
    let third = cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;
    let (server, client) = handshake_with(&server, town.old_client(third, true)).await;
    assert!(
        server
            .unwrap_err()
            .to_string()
            .contains("NoCipherSuitesInCommon")
    );
    client.unwrap_err();
}

#[tokio::test]
async fn suites_asked_for_by_name_are_the_only_ones_of_tls_1_2() {
    let mut town = Town::new();
    town.server.suites = vec!["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned()];
    let server = ServerTls::load(&town.server).unwrap();
    let outcomes = [
        (cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false),
        (cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, true),
        (cipher_suite::TLS13_AES_128_GCM_SHA256, true),
    ];
    for (suite, is_accepted) in outcomes {
        let (end, _) = handshake_with(&server, town.old_client(suite, true)).await;
        assert_eq!(end.is_ok(), is_accepted, "{suite:?}");
    }
}

#[tokio::test]
async fn https_is_for_everybody() {
    let town = Town::new();
    let (cert_file, key_file) = (&town.server.cert_file, &town.server.key_file);
    let server = ServerTls::load_without_client_auth(cert_file, key_file).unwrap();
    let mut config = town.old_client(cipher_suite::TLS13_AES_128_GCM_SHA256, false);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (server, _) = handshake_with(&server, config).await;
    let server = server.unwrap();
    assert_eq!(server.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}
