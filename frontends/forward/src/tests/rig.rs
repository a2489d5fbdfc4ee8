//! Components to send to, and a shard that publishes.

use crate::config::ForwardConfig;
use crate::state::ForwardState;
use crate::worker::{Forward, start};
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::lanes::{LaneReader, Lanes, connect};
use hydrant_engine::record::{SourceRule, Version};
use hydrant_engine::route::Routes;
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_feed::session::FrontendState;
use hydrant_proto::v2;
use hydrant_rpc::batch::elements;
use hydrant_rpc::doppler_ingestor::{DopplerIngestor, DopplerIngestorServer};
use hydrant_rpc::ingress::{Ingress, IngressServer};
use prost::Message;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes v1 and v2, on a thread of its own, so that it can die with all that it holds.
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Keeps the port while it is down.
    _reserved: TcpSocket,
}

/// What a peer has taken. Outlives a restart.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) v1: Mutex<Vec<Vec<u8>>>,
    pub(crate) v2: Mutex<Vec<Vec<u8>>>,
    /// The most envelopes of a message.
    pub(crate) most: AtomicU64,
    pub(crate) streams: AtomicU64,
    /// Whether it reads nothing of its streams.
    pub(crate) stalls: AtomicBool,
    /// Whether it refuses each stream after its first message.
    pub(crate) refuses: AtomicBool,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let mut peer = Self::down();
        peer.run();
        peer
    }

    /// Not there yet.
    pub(crate) fn down() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self {
            address: socket.local_addr().unwrap().to_string(),
            seen: Arc::default(),
            running: None,
            _reserved: socket,
        }
    }

    pub(crate) fn run(&mut self) {
        let listener = TcpListener::bind(&self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::clone(&self.seen);
        let thread = std::thread::spawn(move || serve(listener, seen, stopped));
        self.running = Some((stop, thread));
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send(()).unwrap();
            thread.join().unwrap();
        }
    }

    pub(crate) fn v1(&self) -> Vec<Vec<u8>> {
        self.seen.v1.lock().unwrap().clone()
    }

    pub(crate) fn v2(&self) -> Vec<Vec<u8>> {
        self.seen.v2.lock().unwrap().clone()
    }

    /// Waits for so many v2 envelopes, and not for more.
    pub(crate) fn wait_for(&self, count: usize) {
        wait_until(|| self.seen.v2.lock().unwrap().len() >= count);
        assert_eq!(self.seen.v2.lock().unwrap().len(), count);
    }

    /// The payloads of the logs it has taken.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |bytes: &Vec<u8>| match v2::Envelope::decode(&bytes[..]).unwrap().message {
            Some(v2::envelope::Message::Log(log)) => {
                String::from_utf8(log.payload.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        self.seen.v2.lock().unwrap().iter().map(text).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(listener: TcpListener, seen: Arc<Seen>, stopped: oneshot::Receiver<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let arriving = futures_util::stream::unfold(listener, |listener| async {
            Some((listener.accept().await.map(|(tcp, _)| tcp), listener))
        });
        let service = Service(seen);
        let router = Server::builder()
            .add_service(IngressServer::new(service.clone()))
            .add_service(DopplerIngestorServer::new(service));
        tokio::select! {
            served = router.serve_with_incoming(arriving) => served.unwrap(),
            stopped = stopped => stopped.unwrap(),
        }
    });
    runtime.shutdown_background();
}

#[derive(Clone)]
struct Service(Arc<Seen>);

type Call = Request<Streaming<Bytes>>;
type Answer = Result<Response<Bytes>, Status>;

impl Service {
    async fn take(&self, call: Call, of: impl Fn(&Seen) -> &Mutex<Vec<Vec<u8>>>) -> Answer {
        self.0.streams.fetch_add(1, Ordering::Relaxed);
        let mut messages = call.into_inner();
        while self.0.stalls.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while let Some(message) = messages.message().await? {
            let envelopes: Vec<_> = elements(&message)
                .map(|one| one.unwrap().to_vec())
                .collect();
            self.0
                .most
                .fetch_max(envelopes.len() as u64, Ordering::Relaxed);
            of(&self.0).lock().unwrap().extend(envelopes);
            if self.0.refuses.load(Ordering::Relaxed) {
                return Err(Status::unavailable("refused"));
            }
        }
        Ok(Response::new(Bytes::new()))
    }
}

#[tonic::async_trait]
impl Ingress for Service {
    async fn sender(&self, _: Call) -> Answer {
        Err(Status::unimplemented("not asked for"))
    }

    async fn batch_sender(&self, call: Call) -> Answer {
        self.take(call, |seen| &seen.v2).await
    }

    async fn send(&self, _: Request<Bytes>) -> Answer {
        Err(Status::unimplemented("not asked for"))
    }
}

#[tonic::async_trait]
impl DopplerIngestor for Service {
    async fn pusher(&self, call: Call) -> Answer {
        self.take(call, |seen| &seen.v1).await
    }
}

/// A shard, and the frontend that reads it.
pub(crate) struct Rig {
    lanes: Lanes,
    routes: Routes,
    forward: Forward,
}

/// What was counted in the end.
pub(crate) struct Counted {
    pub(crate) worker: Arc<FrontendState>,
    pub(crate) state: Arc<ForwardState>,
}

impl Rig {
    pub(crate) fn start(config: &str) -> Self {
        let config: ForwardConfig = toml::from_str(config).unwrap();
        let mut readers = [LaneReader::new().unwrap()];
        let lanes = connect(&mut readers, 64 << 20);
        let [reader] = readers;
        let demand = reader.demand();
        let forward = start(&config, reader, None).unwrap();
        Self {
            lanes,
            routes: Routes::new(&[demand]),
            forward,
        }
    }

    /// Publishes what came as `version`, over UDP if it is v1.
    pub(crate) fn publish(&mut self, version: Version, envelope: &[u8]) {
        let checked = decode::envelope(envelope, version, SourceRule::Origin).unwrap();
        let header = checked.header(UnixNanos(1));
        let lanes = self.routes.of(&header);
        self.lanes.publish(lanes, &header, envelope);
    }

    pub(crate) fn commit(&mut self) {
        self.lanes.commit();
    }

    /// Publishes logs that say these.
    pub(crate) fn logs(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.publish(Version::V2, &log(text));
        }
        self.commit();
    }

    pub(crate) fn state(&self) -> Arc<ForwardState> {
        self.forward.state()
    }

    pub(crate) fn count(&self, destination: usize, counter: SessionCounter) -> u64 {
        let state = self.forward.state();
        state.destinations[destination]
            .session
            .counters
            .get(counter)
    }

    /// Ends the shard, and then the frontend, within `deadline`.
    pub(crate) fn stop(self, deadline: Duration) -> Counted {
        let Self { lanes, forward, .. } = self;
        let counted = Counted {
            worker: forward.worker(),
            state: forward.state(),
        };
        drop(lanes);
        forward.join(deadline).unwrap();
        counted.check();
        counted
    }
}

impl Counted {
    pub(crate) fn of(&self, destination: usize, counter: SessionCounter) -> u64 {
        let session = &self.state.destinations[destination].session;
        session.counters.get(counter)
    }

    pub(crate) fn feed(&self, counter: FeedCounter) -> u64 {
        self.worker.feed.get(counter)
    }

    /// The ledger at rest: nothing waits, nothing is unplaced.
    fn check(&self) {
        assert_eq!(self.worker.feed.unbalanced(), 0);
        for destination in &self.state.destinations {
            assert_eq!(destination.session.counters.waiting(), 0);
            assert_eq!(destination.open_streams(), 0);
        }
    }
}

/// Long enough for all that can leave.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn log(text: impl Into<String>) -> Vec<u8> {
    let payload = text.into().into();
    let log = v2::Log { payload, r#type: 0 };
    let envelope = v2::Envelope {
        source_id: "s".to_owned(),
        message: Some(v2::envelope::Message::Log(log)),
        ..Default::default()
    };
    envelope.encode_to_vec()
}

pub(crate) fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

pub(crate) fn destination(address: &str, keys: &str) -> String {
    format!("[[destinations]]\naddress = '{address}'\n{keys}\n")
}

pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}
