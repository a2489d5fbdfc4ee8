//! WebSocket clients, each in a thread of its own.

use crate::process::PATIENCE;
use futures_util::StreamExt;
use hydrant_proto::v1;
use prost::Message as _;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, WebSocketStream};

/// A client that counts what it gets.
pub(crate) struct Client {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
}

impl Client {
    /// Connects. Returns once the server has accepted it.
    pub(crate) fn counting(server: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{server}{path}");
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (connected, is_connected) = mpsc::channel();
        let thread = thread::spawn({
            let (stop, count) = (stop.clone(), count.clone());
            move || read(&url, &connected, &stop, &count)
        });
        is_connected.recv_timeout(PATIENCE).unwrap();
        Self {
            thread,
            stop,
            count,
        }
    }

    /// Messages so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Goes away without a word.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap();
        self.count.load(Ordering::Acquire)
    }
}

fn read(url: &str, connected: &mpsc::Sender<()>, stop: &AtomicBool, count: &AtomicU64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut stream, _) = ClientBuilder::new()
            .uri(url)
            .unwrap()
            .connect()
            .await
            .unwrap();
        connected.send(()).unwrap();
        while !stop.load(Ordering::Acquire) {
            let soon = std::time::Duration::from_millis(50);
            let Ok(message) = tokio::time::timeout(soon, stream.next()).await else {
                continue;
            };
            let Some(Ok(message)) = message else { return };
            if message.is_binary() {
                count.fetch_add(1, Ordering::AcqRel);
            }
        }
    });
}

/// A client that takes down which numbered logs of whom it gets (see `grpc::numbered`).
pub(crate) struct Collector {
    runtime: tokio::runtime::Runtime,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    numbers: Numbers,
}

/// Numbers of logs, by source.
#[derive(Default)]
pub(crate) struct Numbers {
    seen: HashSet<(String, u64)>,
    twice: u64,
}

impl Collector {
    pub(crate) fn open(server: SocketAddr, path: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = format!("ws://{server}{path}");
        let connecting = ClientBuilder::new().uri(&url).unwrap();
        let (stream, _) = runtime.block_on(async { connecting.connect().await.unwrap() });
        Self {
            runtime,
            stream,
            numbers: Numbers::default(),
        }
    }

    /// Reads until there is all that is waited for. From a thread of its own, since tests wait for
    /// clients within a runtime.
    pub(crate) fn until(&mut self, mut is_all: impl FnMut(&Numbers) -> bool + Send) {
        let Self {
            runtime,
            stream,
            numbers,
        } = self;
        thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(async {
                    let reading = read_until(stream, numbers, &mut is_all);
                    tokio::time::timeout(PATIENCE, reading).await.unwrap();
                });
            });
        });
    }

    /// Messages that came more than once.
    pub(crate) const fn twice(&self) -> u64 {
        self.numbers.twice
    }

    /// Goes away without a word.
    pub(crate) fn leave(self) {
        drop(self);
    }
}

impl Numbers {
    pub(crate) fn has(&self, source: &str, numbers: &Range<u64>) -> bool {
        let mut numbers = numbers.clone();
        numbers.all(|number| self.seen.contains(&(source.to_owned(), number)))
    }

    fn see(&mut self, message: &[u8]) {
        let envelope = v1::Envelope::decode(message).unwrap();
        let app = envelope.log_message.unwrap().app_id.unwrap();
        let is_new = self.seen.insert((app, number(message)));
        self.twice += u64::from(!is_new);
    }
}

async fn read_until(
    stream: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    numbers: &mut Numbers,
    is_all: &mut impl FnMut(&Numbers) -> bool,
) {
    let mut since_looked = 0;
    while since_looked > 0 || !is_all(numbers) {
        let soon = std::time::Duration::from_millis(50);
        let Ok(message) = tokio::time::timeout(soon, stream.next()).await else {
            since_looked = 0;
            continue;
        };
        let message = message.unwrap().unwrap();
        assert!(!message.is_close(), "{message:?}");
        if message.is_binary() {
            numbers.see(message.as_payload());
            // To look for all after each would take longer than to read them.
            since_looked = (since_looked + 1) % 100;
        }
    }
}

/// The number of a log, which is its timestamp.
pub(crate) fn number(message: &[u8]) -> u64 {
    let envelope = v1::Envelope::decode(message).unwrap();
    envelope.timestamp().try_into().unwrap()
}

/// The parts of an answer of type multipart/x-protobuf, as noaa takes it apart.
pub(crate) fn parts(answer: &[u8]) -> Vec<Vec<u8>> {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|it| it == what);
    let end = find(answer, b"\r\n\r\n").unwrap();
    let (head, mut body) = (&answer[..end + 2], &answer[end + 4..]);
    let head = std::str::from_utf8(head).unwrap();
    let (_, boundary) = head.split_once("boundary=").unwrap();
    let boundary = boundary.split_once("\r\n").unwrap().0;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    body = &body[find(body, delimiter.as_bytes()).unwrap() + delimiter.len()..];
    while let Some(part) = body.strip_prefix(b"\r\n\r\n") {
        let end = find(part, format!("\r\n{delimiter}").as_bytes()).unwrap();
        parts.push(part[..end].to_vec());
        body = &part[end + 2 + delimiter.len()..];
    }
    assert_eq!(body, b"--\r\n");
    parts
}

/// Asks for a stream and then never reads: the handshake by hand, the rest left to the kernel.
pub(crate) fn never_reading(server: SocketAddr, path: &str) -> std::net::TcpStream {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    stream
}
