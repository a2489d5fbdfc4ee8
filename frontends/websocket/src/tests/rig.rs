//! A frontend with a lane to feed, and clients to read from it.

use crate::timing::Timing;
use crate::{Feed, Parts, RecentConfig, Websocket, WebsocketConfig, start_with};
use bytesize::ByteSize;
use futures_util::{SinkExt, StreamExt};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::lanes::{LaneReader, Lanes, connect};
use hydrant_engine::record::{SourceRule, Version};
use hydrant_engine::route::Routes;
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_feed::session::{FrontendState, SessionState};
use hyper::header::{self, HeaderValue};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_websockets::{ClientBuilder, CloseCode, Message, WebSocketStream};

/// Long enough for anything on a busy machine; reached only if a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const LANE_BYTES: usize = 8 << 20;

/// A running frontend and the shard that feeds it.
pub(super) struct Rig {
    pub(super) websocket: Websocket,
    shard: Shard,
}

struct Shard {
    lanes: Lanes,
    routes: Routes,
    published: u64,
}

/// Loopback, a port of the kernel's choice.
pub(super) fn config() -> WebsocketConfig {
    WebsocketConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..WebsocketConfig::default()
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&config(), |_| ())
    }

    pub(super) fn with(config: &WebsocketConfig, change: impl FnOnce(&mut Timing)) -> Self {
        let mut timing = Timing::new(config);
        change(&mut timing);
        let mut readers = [LaneReader::new().unwrap()];
        let lanes = connect(&mut readers, LANE_BYTES);
        let [reader] = readers;
        let shard = Shard {
            lanes,
            routes: Routes::new(&[reader.demand()]),
            published: 0,
        };
        let parts = Parts {
            feed: Feed::Lanes(reader),
            core: None,
            log_stream: None,
            on_slow: None,
        };
        let websocket = start_with(config, timing, parts).unwrap();
        Self { websocket, shard }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.websocket.address()
    }

    pub(super) fn state(&self) -> Arc<FrontendState> {
        self.websocket.state()
    }

    /// Publishes as an idle shard does.
    pub(super) fn publish(&mut self, version: Version, envelope: &[u8]) {
        self.shard.routes.refresh();
        self.publish_late(version, envelope);
    }

    /// Publishes as a shard that has not looked at the demand again.
    pub(super) fn publish_late(&mut self, version: Version, envelope: &[u8]) {
        let shard = &mut self.shard;
        let rule = SourceRule::DeploymentJob;
        let checked = decode::envelope(envelope, version, rule).unwrap();
        let header = checked.header(UnixNanos(0));
        let wanted_by = shard.routes.of(&header);
        shard.published += u64::from(wanted_by.contains(0));
        shard.lanes.publish(wanted_by, &header, envelope);
        shard.lanes.commit();
    }

    /// Waits until all that was published has been read.
    pub(super) fn wait_until_read(&self) {
        let state = self.state();
        eventually(|| state.feed.get(FeedCounter::Read) == self.shard.published);
    }

    /// Stops shard and frontend; looks whether the books balance.
    pub(super) fn stop(self) -> Arc<FrontendState> {
        self.stop_within(PATIENCE)
    }

    pub(super) fn stop_within(self, deadline: Duration) -> Arc<FrontendState> {
        let state = self.state();
        let published = self.shard.published;
        drop(self.shard);
        self.websocket.join(deadline).unwrap();
        assert_eq!(state.feed.get(FeedCounter::Read), published);
        assert_eq!(state.feed.unbalanced(), 0);
        assert!(state.sessions().is_empty());
        for (endpoint, counters) in state.over() {
            assert_eq!(counters.waiting(), 0, "{endpoint}");
        }
        state
    }
}

/// What all sessions of an endpoint that are over counted.
pub(super) fn over(state: &FrontendState, endpoint: &str, counter: SessionCounter) -> u64 {
    let sums = state.over();
    sums.iter()
        .find(|(name, _)| name == endpoint)
        .map_or(0, |(_, counters)| counters.get(counter))
}

/// The open session with this name.
pub(super) fn session(state: &FrontendState, name: &str) -> Arc<SessionState> {
    let sessions = state.sessions();
    let found = sessions.iter().find(|session| session.name == name);
    found.unwrap().clone()
}

/// Waits for something that is about to be so.
pub(super) fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came to be");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a test's clients.
pub(super) fn block_on<T>(clients: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, clients).await.unwrap() })
}

/// A client as noaa is one: it reads, and answers pings while it reads.
pub(super) struct Client(WebSocketStream<tokio::net::TcpStream>);

impl Client {
    /// Connects; when this returns, the client has seen its 101.
    pub(super) async fn connect(address: SocketAddr, path: &str) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        Self::connect_on(stream, address, path).await
    }

    /// As [`connect`](Self::connect), with room for little in the kernel.
    pub(super) async fn connect_small(address: SocketAddr, path: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::connect_on(socket.connect(address).await.unwrap(), address, path).await
    }

    /// As [`connect`](Self::connect), with a token.
    pub(super) async fn connect_with(address: SocketAddr, path: &str, token: &str) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let uri = format!("ws://{address}{path}");
        let token = HeaderValue::try_from(token).unwrap();
        let builder = ClientBuilder::new().uri(&uri).unwrap();
        let builder = builder.add_header(header::AUTHORIZATION, token).unwrap();
        Self(builder.connect_on(stream).await.unwrap().0)
    }

    async fn connect_on(stream: tokio::net::TcpStream, address: SocketAddr, path: &str) -> Self {
        let uri = format!("ws://{address}{path}");
        let builder = ClientBuilder::new().uri(&uri).unwrap();
        Self(builder.connect_on(stream).await.unwrap().0)
    }

    /// The next envelope.
    pub(super) async fn message(&mut self) -> Vec<u8> {
        loop {
            let message = self.0.next().await.unwrap().unwrap();
            if !message.is_ping() {
                assert!(message.is_binary(), "{message:?}");
                return message.as_payload().to_vec();
            }
        }
    }

    /// The next so many envelopes.
    pub(super) async fn messages(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.message().await);
        }
        messages
    }

    /// Waits for so many pings.
    pub(super) async fn pings(&mut self, mut count: usize) {
        while count > 0 {
            count -= usize::from(self.0.next().await.unwrap().unwrap().is_ping());
        }
    }

    /// All envelopes up to the close, and what the close says.
    pub(super) async fn rest(mut self) -> (Vec<Vec<u8>>, (CloseCode, String)) {
        let mut messages = Vec::new();
        loop {
            let message = self.0.next().await.unwrap().unwrap();
            if let Some((code, reason)) = message.as_close() {
                let reason = (code, reason.to_owned());
                assert!(self.0.next().await.is_none(), "nothing comes after a close");
                return (messages, reason);
            }
            if message.is_binary() {
                messages.push(message.as_payload().to_vec());
            }
        }
    }

    pub(super) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }
}

/// A connection that speaks bytes.
pub(super) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads until the other side ends or breaks off.
pub(super) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = dial(address);
    stream.write_all(bytes).unwrap();
    read_to_end(&mut stream)
}

/// What comes until the other side ends or breaks off.
pub(super) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no end came"),
    }
    answer
}

/// The bytes of a good request to open a WebSocket.
pub(super) fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nOrigin: http://elsewhere\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The answer's status line, its headers without the date, and its body.
pub(super) fn ask(address: SocketAddr, request: &str) -> (String, Vec<String>, String) {
    let request = request.replacen("Connection: Upgrade", "Connection: close, Upgrade", 1);
    let answer = String::from_utf8(exchange(address, request.as_bytes())).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n").map(str::to_ascii_lowercase);
    let status = lines.next().unwrap();
    let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("date:")).collect();
    headers.sort_unstable();
    (status, headers, body.to_owned())
}

/// Nothing is kept of apps, so that only sessions want anything.
pub(super) fn without_recent() -> WebsocketConfig {
    WebsocketConfig {
        recent: RecentConfig {
            enabled: false,
            ..RecentConfig::default()
        },
        ..config()
    }
}

/// Opens a WebSocket by hand and reads up to the end of the 101.
pub(super) fn open(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = dial(address);
    stream.write_all(upgrade(path).as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
    stream
}

/// Small outboxes, so that a client that does not read soon loses something.
pub(super) fn small_outboxes() -> WebsocketConfig {
    WebsocketConfig {
        outbox_bytes: ByteSize::mib(1),
        ..config()
    }
}
