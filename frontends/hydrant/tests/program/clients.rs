//! WebSocket clients, each in a thread of its own.

use crate::process::PATIENCE;
use futures_util::StreamExt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio_websockets::ClientBuilder;

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
