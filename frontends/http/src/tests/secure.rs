//! HTTPS: which HTTP is agreed on, and handshakes that are not.

use super::rig::{Identity, PATIENCE, Rig, UPGRADE_REQUEST, eventually, get, read_all, read_to};
use crate::Limits;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

fn client(identity: &Identity, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut authorities = RootCertStore::empty();
    authorities.add(identity.certificate.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

fn dial(rig: &Rig, identity: &Identity, alpn: &[&str]) -> StreamOwned<ClientConnection, TcpStream> {
    let connection = ClientConnection::new(client(identity, alpn), localhost()).unwrap();
    StreamOwned::new(connection, rig.dial())
}

#[test]
fn who_does_not_offer_http2_can_upgrade() {
    let identity = Identity::new();
    let rig = Rig::new(Some(&identity.files), Limits::new(1));
    let mut upgraded = Vec::new();
    for alpn in [&[][..], &["http/1.1"], &["unknown", "http/1.1"]] {
        let mut stream = dial(&rig, &identity, alpn);
        stream.write_all(UPGRADE_REQUEST.as_bytes()).unwrap();
        let answer = read_to(&mut stream, "\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        stream.write_all(b"echo").unwrap();
        assert_eq!(read_to(&mut stream, "echo"), "echo");
        upgraded.push(stream);
    }
}

type Http2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// A connection of HTTP/2, and what becomes of it.
async fn dial_http2(rig: &Rig, identity: &Identity) -> (Http2, JoinHandle<hyper::Result<()>>) {
    let tcp = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let connector = TlsConnector::from(client(identity, &["h2", "http/1.1"]));
    let stream = connector.connect(localhost(), tcp).await.unwrap();
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (answers, connection) = handshake.unwrap();
    (answers, tokio::spawn(connection))
}

/// The body that is at a path.
async fn ask(answers: &mut Http2, path: &str) -> Bytes {
    let request = Request::get(format!("https://localhost{path}"));
    let request = request.body(Full::default()).unwrap();
    let answer = answers.send_request(request).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "8");
    answer.into_body().collect().await.unwrap().to_bytes()
}

fn run<T>(doing: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .unwrap()
        .block_on(async { timeout(PATIENCE, doing).await });
    done.unwrap()
}

#[test]
fn who_offers_http2_gets_it() {
    let identity = Identity::new();
    let rig = Rig::new(Some(&identity.files), Limits::new(10));
    run(async {
        let (mut answers, _connection) = dial_http2(&rig, &identity).await;
        for _ in 0..3 {
            assert_eq!(ask(&mut answers, "/").await, "HTTP/2.0");
        }
    });
    assert_eq!(rig.counts.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn http2_idles_no_longer_than_a_head_may_take() {
    let identity = Identity::new();
    let mut limits = Limits::new(10);
    limits.head_timeout = Duration::from_millis(300);
    let rig = Rig::new(Some(&identity.files), limits);
    run(async {
        let (mut answers, connection) = dial_http2(&rig, &identity).await;
        let go = rig.go.clone();
        let going = tokio::spawn(async move {
            // An answer may take longer.
            sleep(Duration::from_millis(700)).await;
            go.notify_one();
        });
        assert_eq!(ask(&mut answers, "/wait").await, "HTTP/2.0");
        assert!(!connection.is_finished());
        going.await.unwrap();
        connection.await.unwrap().unwrap();
    });
    // And who agrees on it, and does not begin it, is not waited for.
    let mut silent = dial(&rig, &identity, &["h2"]);
    silent.conn.complete_io(&mut silent.sock).unwrap();
    let mut rest = Vec::new();
    silent.sock.read_to_end(&mut rest).ok();
}

#[test]
fn a_stop_ends_http2_after_its_answers() {
    let identity = Identity::new();
    let rig = Rig::new(Some(&identity.files), Limits::new(10));
    let (go, counts) = (rig.go.clone(), rig.counts.clone());
    let took = run(async {
        let (mut answers, connection) = dial_http2(&rig, &identity).await;
        let asking = tokio::spawn(async move { ask(&mut answers, "/wait").await });
        while counts.waiting.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(2)).await;
        }
        let stopping = spawn_blocking(move || rig.stop(6 * PATIENCE));
        go.notify_one();
        assert_eq!(asking.await.unwrap(), "HTTP/2.0");
        connection.await.unwrap().unwrap();
        stopping.await.unwrap()
    });
    assert!(took < PATIENCE, "{took:?}");
}

#[test]
fn plain_http_is_told_that_it_is() {
    let identity = Identity::new();
    let rig = Rig::new(Some(&identity.files), Limits::new(10));
    let answer = read_all(&mut rig.send(&get("/firehose/a")));
    let expected =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    assert_eq!(answer, expected);
    assert_eq!(read_all(&mut rig.send("nonsense")), "");
    eventually(|| rig.counts.plain_http.load(Ordering::SeqCst) == 2);
    assert_eq!(rig.counts.tls_failed.load(Ordering::SeqCst), 0);
}

#[test]
fn handshakes_are_bounded_and_given_up() {
    let identity = Identity::new();
    let mut limits = Limits::new(10);
    limits.handshakes_max = 1;
    limits.head_timeout = Duration::from_millis(500);
    let rig = Rig::new(Some(&identity.files), limits);
    // Two that begin a handshake and leave it at that, and one that does not even begin.
    let mut halting = rig.send("\x16\x03\x01");
    let mut waiting = rig.send("\x16\x03\x01");
    let mut silent = rig.dial();
    for stream in [&mut halting, &mut waiting, &mut silent] {
        assert_eq!(read_all(stream), "");
    }
    eventually(|| rig.counts.tls_failed.load(Ordering::SeqCst) == 3);
    // Their place is free again.
    let mut stream = dial(&rig, &identity, &[]);
    stream.write_all(get("/").as_bytes()).unwrap();
    read_to(&mut stream, "HTTP/1.1");
}
