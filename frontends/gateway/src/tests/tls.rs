//! TLS on every side.

use super::certificates::Authority;
use super::client::{Client, dial, request};
use super::provider::Manner;
use super::rig::{Rig, log, logs_event};
use crate::GatewayCounter;
use hydrant_access::fakes::Peer;
use hydrant_access::{AccessConfig, CapiConfig, Secret, UaaConfig};
use hydrant_http::HttpsFiles;
use hydrant_rpc::tls::TlsFiles;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
};
use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const ADMIN: &str = r#"{"scope":["logs.admin"]}"#;
const GUID: &str = "deadbeef-dead-dead-dead-deaddeafbeef";

fn authorities(files: &TlsFiles) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&files.ca_file).unwrap() {
        store.add(certificate.unwrap()).unwrap();
    }
    Arc::new(store)
}

/// A client that trusts the authority and speaks what it is told to.
fn client_config(files: &TlsFiles, alpn: &[&str], suite: Option<CipherSuite>) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    let mut versions = rustls::ALL_VERSIONS.to_vec();
    if let Some(suite) = suite {
        provider
            .cipher_suites
            .retain(|known| known.suite() == suite);
        versions = vec![&rustls::version::TLS12];
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)
        .unwrap()
        .with_root_certificates(authorities(files))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

fn dial_tls(address: SocketAddr, config: ClientConfig) -> std::io::Result<Secured> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = dial(address);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Demands a certificate if `is_mutual`, and passes what it deciphers on to `behind`.
fn terminate(files: &TlsFiles, alpn: &str, is_mutual: bool, behind: SocketAddr) -> SocketAddr {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(authorities(files), provider.clone());
    let verifier = if is_mutual {
        verifier.build().unwrap()
    } else {
        WebPkiClientVerifier::no_client_auth()
    };
    let chain = CertificateDer::pem_file_iter(&files.cert_file).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key_file).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    relay(config, behind)
}

/// On a runtime, because both directions of TLS are one.
fn relay(config: ServerConfig, behind: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut near = acceptor.accept(near).await.ok()?;
                    let mut far = tokio::net::TcpStream::connect(behind).await.ok()?;
                    let both = tokio::io::copy_bidirectional(&mut near, &mut far);
                    both.await.ok()
                });
            }
        });
    });
    address
}

/// Passes connections on, each through `change`.
pub(super) fn pass_on(
    listener: &TcpListener,
    behind: SocketAddr,
    change: impl Fn(TcpStream) -> TcpStream,
) {
    for near in listener.incoming() {
        let near = change(near.unwrap());
        let far = TcpStream::connect(behind).unwrap();
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || {
                copy(&mut from, &mut to).ok();
                to.shutdown(Shutdown::Write).ok();
            });
        }
    }
}

/// A gateway that speaks HTTPS.
struct Secure {
    files: TlsFiles,
    rig: Rig,
    _authority: Authority,
}

impl Secure {
    fn new() -> Self {
        let authority = Authority::new();
        let files = authority.files("localhost");
        let https = HttpsFiles {
            cert_file: files.cert_file.clone(),
            key_file: files.key_file.clone(),
        };
        let rig = Rig::with(Manner::Prompt, |config| config.tls = Some(https));
        Self {
            files,
            rig,
            _authority: authority,
        }
    }
}

#[test]
fn https_needs_no_certificate_of_the_client() {
    let secure = Secure::new();
    for alpn in [&["http/1.1"][..], &["h3-unknown-here", "http/1.1"], &[]] {
        let config = client_config(&secure.files, alpn, None);
        let stream = dial_tls(secure.rig.address(), config).unwrap();
        let mut client = Client::new(stream, &request("GET", "/v2/read?log", ""));
        assert_eq!(client.head().0, 200);
        secure.rig.provider.call().send(&[log("a")]);
        assert_eq!(client.event().unwrap(), logs_event(&["YQ=="]));
        assert_eq!(client.event(), None);
    }
}

#[test]
fn only_the_profiles_suites_are_spoken_under_tls_1_2() {
    let secure = Secure::new();
    for (suite, is_spoken) in [
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true),
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, true),
        (
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            false,
        ),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false),
    ] {
        let config = client_config(&secure.files, &[], Some(suite));
        let outcome = dial_tls(secure.rig.address(), config);
        assert_eq!(outcome.is_ok(), is_spoken, "{suite:?}");
    }
    secure.rig.await_count(GatewayCounter::TlsFailed, 2);
}

#[test]
fn plain_http_is_told_that_it_is() {
    let secure = Secure::new();
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
        let request = request(method, "/v2/read?log", "");
        let mut client = Client::new(dial(secure.rig.address()), &request);
        let answer = String::from_utf8(client.rest()).unwrap();
        let expected = "HTTP/1.0 400 Bad Request\r\n\r\n\
                        Client sent an HTTP request to an HTTPS server.\n";
        assert_eq!(answer, expected);
    }
    let mut client = Client::new(dial(secure.rig.address()), "nonsense\r\n\r\n");
    assert!(client.rest().is_empty());
    secure.rig.await_count(GatewayCounter::PlainHttp, 6);
    assert_eq!(secure.rig.get(GatewayCounter::Requests), 0);
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for() {
    let secure = Secure::new();
    let mut silent = dial(secure.rig.address());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut halting = dial(secure.rig.address());
    halting.write_all(b"\x16\x03\x01").unwrap();
    assert_eq!(halting.read(&mut [0]).unwrap_or(0), 0);
    secure.rig.await_count(GatewayCounter::TlsFailed, 2);
}

#[test]
fn http2_is_spoken_to_who_prefers_it() {
    let secure = Secure::new();
    let (address, provider) = (secure.rig.address(), &secure.rig.provider);
    let config = client_config(&secure.files, &["h2", "http/1.1"], None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut answers, _connection) = http2(address, config).await;
        let uri = "https://localhost/v2/read?log";
        let request = hyper::Request::get(uri).body(String::new()).unwrap();
        let answer = answers.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(headers["content-type"], "text/event-stream");
        assert!(!headers.contains_key("connection"));
        let call = provider.call();
        let batch = bytes::Bytes::from_static(b"\x0a\x00");
        call.batches.send(Ok(batch)).await.unwrap();
        let mut body = answer.into_body();
        let frame = http_body_util::BodyExt::frame(&mut body).await;
        let event = frame.unwrap().unwrap().into_data().unwrap();
        assert!(event.starts_with(b"data: {\"batch\":[{\"timestamp\""));
        drop(body);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(call.is_over_within(Duration::from_secs(1)));
    });
}

type Http2 = hyper::client::conn::http2::SendRequest<String>;

async fn http2(address: SocketAddr, config: ClientConfig) -> (Http2, tokio::task::JoinHandle<()>) {
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(executor, io).await;
    let (answers, connection) = handshake.unwrap();
    let connection = tokio::spawn(async move {
        connection.await.ok();
    });
    (answers, connection)
}

#[test]
fn the_provider_is_verified_and_shown_a_certificate() {
    let authority = Authority::new();
    let ours = authority.files("rlpgateway");
    for (name, status) in [("reverselogproxy", 200), ("doppler", 503)] {
        let theirs = authority.files(name);
        let rig = Rig::new();
        let address = terminate(&theirs, "h2", true, rig.provider.address);
        let gateway = super::rig::gateway(|config| {
            config.provider.address = address.to_string();
            config.provider.tls = Some(ours.clone());
        });
        let request = request("GET", "/v2/read?log", "");
        let mut client = Client::new(dial(gateway.address()), &request);
        assert_eq!(client.head().0, status, "{name}");
    }
}

/// What a gateway says to a reader of one source, if UAA and the Cloud Controller are reached so.
fn status_with(access: AccessConfig) -> u16 {
    let rig = Rig::with(Manner::Prompt, |config| config.access = Some(access));
    let path = format!("/v2/read?log&source_id={GUID}");
    let request = request("GET", &path, "Authorization: bearer t\r\n");
    let mut client = Client::new(dial(rig.address()), &request);
    client.head().0
}

/// Peers behind TLS, with the certificates of an authority.
struct Peers {
    authority: Authority,
    uaa: SocketAddr,
    capi: SocketAddr,
    _peers: [Peer; 2],
}

impl Peers {
    fn new(uaa_says: &str) -> Self {
        let authority = Authority::new();
        let peers = [Peer::saying("200 OK", uaa_says), Peer::saying("200 OK", "")];
        let uaa = authority.files("localhost");
        let uaa = terminate(&uaa, "http/1.1", false, peers[0].address());
        let capi = authority.files("capi");
        let capi = terminate(&capi, "http/1.1", true, peers[1].address());
        Self {
            authority,
            uaa,
            capi,
            _peers: peers,
        }
    }

    fn access(&self) -> AccessConfig {
        let files = self.authority.files("rlpgateway");
        let capi = format!("https://localhost:{}", self.capi.port());
        AccessConfig {
            uaa: UaaConfig {
                address: format!("https://localhost:{}", self.uaa.port()),
                client_id: "c".to_owned(),
                client_secret: Secret::new("s"),
                ca_file: Some(files.ca_file.clone()),
            },
            capi: CapiConfig {
                address: capi.clone(),
                external_address: Some(capi),
                tls: Some(files),
                server_name: "capi".to_owned(),
            },
            skip_cert_verify: false,
            cache_ms: None,
        }
    }
}

#[test]
fn uaa_and_the_cloud_controller_are_verified() {
    let peers = Peers::new("{}");
    assert_eq!(status_with(peers.access()), 200);
    let mut access = peers.access();
    access.capi.server_name = "cloud-controller".to_owned();
    assert_eq!(status_with(access.clone()), 404);
    access.skip_cert_verify = true;
    assert_eq!(status_with(access), 200);
}

#[test]
fn an_administrators_uaa_is_verified() {
    let (peers, stranger) = (Peers::new(ADMIN), Authority::new());
    assert_eq!(status_with(peers.access()), 200);
    let mut access = peers.access();
    access.uaa.ca_file = Some(stranger.files("x").ca_file);
    assert_eq!(status_with(access.clone()), 404);
    access.skip_cert_verify = true;
    assert_eq!(status_with(access), 200);
    // Its name is the host of the URL.
    let mut access = peers.access();
    access.uaa.address = format!("https://127.0.0.1:{}", peers.uaa.port());
    assert_eq!(status_with(access), 404);
}

#[test]
fn certificates_are_read_for_each_connection() {
    let peers = Peers::new(ADMIN);
    let access = peers.access();
    let files = access.capi.tls.clone().unwrap();
    let rig = Rig::with(Manner::Prompt, |config| config.access = Some(access));
    let ask = || {
        let request = request("GET", "/v2/read?log", "Authorization: bearer t\r\n");
        Client::new(dial(rig.address()), &request).head().0
    };
    assert_eq!(ask(), 200);
    let good = std::fs::read(&files.ca_file).unwrap();
    // Half a file leaves what there was.
    std::fs::write(&files.ca_file, &good[..good.len() / 2]).unwrap();
    assert_eq!(ask(), 200);
    // Another authority's is taken.
    std::fs::write(&files.ca_file, other_authority()).unwrap();
    assert_eq!(ask(), 404);
    std::fs::write(&files.ca_file, good).unwrap();
    assert_eq!(ask(), 200);
}

fn other_authority() -> Vec<u8> {
    let authority = Authority::new();
    let files = authority.files("x");
    std::fs::read(&files.ca_file).unwrap()
}
