//! A server on a thread, and its clients.

use crate::{HttpsFiles, Limits, Stopper, Watch, serve, stopping};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicUsize,
    pub(super) tls_failed: AtomicUsize,
    pub(super) plain_http: AtomicUsize,
    /// Requests for `/wait` that have come.
    pub(super) waiting: AtomicUsize,
}

impl Watch for Counts {
    fn connection(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    fn tls_failed(&self) {
        self.tls_failed.fetch_add(1, Ordering::SeqCst);
    }

    fn plain_http(&self) {
        self.plain_http.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) counts: Arc<Counts>,
    /// Lets those go on who asked for `/wait`.
    pub(super) go: Arc<Notify>,
    stopper: Stopper,
    thread: JoinHandle<()>,
}

impl Rig {
    pub(super) fn new(tls: Option<&HttpsFiles>, limits: Limits) -> Self {
        let tls = tls.map(|files| files.load().unwrap());
        let counts = Arc::<Counts>::default();
        let go = Arc::<Notify>::default();
        let (stopper, stopping) = stopping();
        let (address, found) = watch::channel(None);
        let (theirs, service) = (counts.clone(), service(counts.clone(), go.clone()));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                address.send_replace(Some(listener.local_addr().unwrap()));
                serve(listener, tls, limits, theirs, service, stopping).await;
            });
        });
        eventually(|| found.borrow().is_some());
        let address = found.borrow().unwrap();
        Self {
            address,
            counts,
            go,
            stopper,
            thread,
        }
    }

    pub(super) fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection with this on it.
    pub(super) fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.dial();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Stops; how long that took.
    pub(super) fn stop(self, within: Duration) -> Duration {
        let asked_at = Instant::now();
        self.stopper.stop(within);
        self.thread.join().unwrap();
        asked_at.elapsed()
    }
}

/// `/wait` waits, `/upgrade` becomes an echo of what is sent then, and all else is said hello to,
/// with the version of HTTP.
fn service(
    counts: Arc<Counts>,
    go: Arc<Notify>,
) -> impl Fn(Request<Incoming>, SocketAddr) -> Answering + Clone {
    move |request, peer| {
        let (counts, go) = (counts.clone(), go.clone());
        Box::pin(async move {
            assert!(peer.ip().is_loopback());
            match request.uri().path() {
                "/upgrade" => return upgrade(request),
                "/wait" => {
                    counts.waiting.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                }
                _ => {}
            }
            let version = format!("{:?}", request.version());
            request.into_body().collect().await.unwrap();
            Response::new(Full::from(version))
        })
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

fn upgrade(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = io.read(&mut bytes).await {
            io.write_all(&bytes[..count]).await.unwrap();
        }
    });
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("echo"));
    answer
}

pub(super) const UPGRADE_REQUEST: &str =
    "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Reads until this is the end of what has come.
pub(super) fn read_to(stream: &mut impl Read, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "ended after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    text
}

/// Reads until the other side has ended the connection, in whatever way.
pub(super) fn read_all(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(bytes).unwrap(),
    }
}

pub(super) fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never happened");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A certificate of `localhost` in a folder that is gone with it.
pub(super) struct Identity {
    folder: PathBuf,
    pub(super) files: HttpsFiles,
    pub(super) certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Identity {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-http-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let files = HttpsFiles {
            cert_file: folder.join("crt"),
            key_file: folder.join("key"),
        };
        fs::write(&files.cert_file, certificate.pem()).unwrap();
        fs::write(&files.key_file, key.serialize_pem()).unwrap();
        let certificate = certificate.der().clone();
        Self {
            folder,
            files,
            certificate,
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
