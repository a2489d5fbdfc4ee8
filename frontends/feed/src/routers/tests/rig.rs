//! Routers to subscribe to, and a sink.

use super::{Request, Routers, RoutersConfig, Sink, ZoneConfig};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use hydrant_engine::decode::Envelope;
use hydrant_proto::v2;
use hydrant_rpc::batch;
use hydrant_rpc::doppler::{Doppler, DopplerServer};
use hydrant_rpc::egress::{Egress, EgressServer};
use prost::Message;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::sync::{broadcast, oneshot};
use tonic::transport::Server;
use tonic::{Response, Status};

/// A router on a thread of its own, so that it can die with all that it holds.
pub(super) struct FakeRouter {
    pub(super) address: String,
    pub(super) script: Arc<Script>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Keeps the port while it is down.
    _reserved: TcpSocket,
}

/// What the router does with its subscribers. Outlives a restart.
pub(super) struct Script {
    batches: broadcast::Sender<Bytes>,
    /// Streams that it serves now.
    pub(super) streams: AtomicU64,
    /// Streams and connections that it has had.
    pub(super) asked: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) requests: Mutex<Vec<Request>>,
    /// Whether it ends every stream as soon as it began.
    pub(super) ends_at_once: bool,
}

impl FakeRouter {
    pub(super) fn start() -> Self {
        Self::with(false)
    }

    pub(super) fn with(ends_at_once: bool) -> Self {
        let script = Script {
            batches: broadcast::channel(1024).0,
            streams: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            requests: Mutex::default(),
            ends_at_once,
        };
        let (address, reserved) = vacant();
        let mut router = Self {
            address,
            script: Arc::new(script),
            running: None,
            _reserved: reserved,
        };
        router.run();
        router
    }

    /// At its address, be it again.
    pub(super) fn run(&mut self) {
        let listener = TcpListener::bind(&self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let script = Arc::clone(&self.script);
        let thread = std::thread::spawn(move || serve(listener, script, stopped));
        self.running = Some((stop, thread));
    }

    /// Ends it in the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send(()).unwrap();
            thread.join().unwrap();
        }
    }

    /// Sends a batch of logs that say these.
    pub(super) fn send(&self, texts: &[&str]) {
        self.send_bytes(&texts.iter().map(|text| log(text)).collect::<Vec<_>>());
    }

    pub(super) fn send_bytes(&self, envelopes: &[Vec<u8>]) {
        let mut bytes = BytesMut::new();
        for envelope in envelopes {
            batch::push(&mut bytes, envelope);
        }
        self.send_batch(bytes.freeze());
    }

    pub(super) fn send_batch(&self, bytes: Bytes) {
        self.script.batches.send(bytes).unwrap();
    }

    pub(super) fn streams(&self) -> u64 {
        self.script.streams.load(Ordering::Relaxed)
    }
}

impl Drop for FakeRouter {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address where nobody listens, nor will by chance as long as the socket is there.
pub(super) fn vacant() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    (socket.local_addr().unwrap().to_string(), socket)
}

fn serve(listener: TcpListener, script: Arc<Script>, stopped: oneshot::Receiver<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let service = Service(Arc::clone(&script));
        let router = Server::builder()
            .add_service(EgressServer::new(service.clone()))
            .add_service(DopplerServer::new(service));
        let arriving = stream::unfold((listener, script), |(listener, script)| async {
            let accepted = listener.accept().await.map(|(tcp, _)| tcp);
            script.accepted.fetch_add(1, Ordering::Relaxed);
            Some((accepted, (listener, script)))
        });
        tokio::select! {
            served = router.serve_with_incoming(arriving) => served.unwrap(),
            stopped = stopped => stopped.unwrap(),
        }
    });
}

#[derive(Clone)]
struct Service(Arc<Script>);

type Batches = BoxStream<'static, Result<Bytes, Status>>;
type Answer = Result<Response<Batches>, Status>;

impl Service {
    fn answer(&self, request: Request) -> Response<Batches> {
        let script = Arc::clone(&self.0);
        script.requests.lock().unwrap().push(request);
        script.asked.fetch_add(1, Ordering::Relaxed);
        if script.ends_at_once {
            return Response::new(stream::empty().boxed());
        }
        let batches = script.batches.subscribe();
        let batches = stream::unfold((batches, Served::new(script)), |mut state| async {
            let batch = state.0.recv().await.ok()?;
            Some((Ok(batch), state))
        });
        Response::new(batches.boxed())
    }
}

/// A stream that is being served as long as this is.
struct Served(Arc<Script>);

impl Served {
    fn new(script: Arc<Script>) -> Self {
        script.streams.fetch_add(1, Ordering::Relaxed);
        Self(script)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl Egress for Service {
    type ReceiverStream = Batches;
    type BatchedReceiverStream = Batches;

    async fn receiver(&self, _: tonic::Request<Bytes>) -> Answer {
        Err(Status::unimplemented("in batches only"))
    }

    async fn batched_receiver(&self, request: tonic::Request<Bytes>) -> Answer {
        Ok(self.answer(Request::V2(request.into_inner())))
    }
}

#[tonic::async_trait]
impl Doppler for Service {
    type SubscribeStream = Batches;
    type BatchSubscribeStream = Batches;

    async fn subscribe(&self, _: tonic::Request<Bytes>) -> Answer {
        Err(Status::unimplemented("in batches only"))
    }

    async fn batch_subscribe(&self, request: tonic::Request<Bytes>) -> Answer {
        Ok(self.answer(Request::V1(request.into_inner())))
    }
}

/// Keeps what it is given.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) envelopes: Mutex<Vec<(usize, Vec<u8>)>>,
    pub(super) flushes: AtomicU64,
}

impl Sink for Collector {
    fn envelope(&self, router: usize, envelope: &Envelope<'_>) {
        let mut envelopes = self.envelopes.lock().unwrap();
        envelopes.push((router, envelope.bytes.to_vec()));
    }

    fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector {
    pub(super) fn count(&self) -> usize {
        self.envelopes.lock().unwrap().len()
    }

    /// What it got, in order of routers.
    pub(super) fn sorted(&self) -> Vec<(usize, Vec<u8>)> {
        let mut envelopes = self.envelopes.lock().unwrap().clone();
        envelopes.sort();
        envelopes
    }
}

/// Routers with a zone for each group of addresses.
pub(super) fn routers(zones: &[&[&str]]) -> Routers {
    let zone = |(index, addresses): (usize, &&[&str])| ZoneConfig {
        name: format!("z{index}"),
        addresses: addresses.iter().map(ToString::to_string).collect(),
    };
    let config = RoutersConfig {
        zones: zones.iter().enumerate().map(zone).collect(),
        ..Default::default()
    };
    Routers::new(&config, None).unwrap()
}

pub(super) fn log(text: &str) -> Vec<u8> {
    let log = v2::Log {
        payload: text.as_bytes().to_vec().into(),
        ..Default::default()
    };
    let envelope = v2::Envelope {
        source_id: "app".to_owned(),
        message: Some(v2::envelope::Message::Log(log)),
        ..Default::default()
    };
    envelope.encode_to_vec()
}

pub(super) async fn wait_until(what: &str, is_done: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
