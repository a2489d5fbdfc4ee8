//! The thread against an agent in this process that comes and goes.

use super::*;
use bytes::Bytes;
use futures_util::stream;
use hydrant_proto::v2::{self, envelope::Message, value::Data};
use hydrant_rpc::ingress::{Ingress, IngressServer};
use prost::Message as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(30);

/// What an agent got, over all its lives.
#[derive(Clone, Debug, Default)]
struct Received(Arc<Mutex<Vec<v2::Envelope>>>);

#[tonic::async_trait]
impl Ingress for Received {
    async fn sender(&self, request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            let envelope = v2::Envelope::decode(message).unwrap();
            self.0.lock().unwrap().push(envelope);
        }
        Err(Status::unknown("EOF"))
    }

    async fn batch_sender(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Bytes>, Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            let batch = v2::EnvelopeBatch::decode(message).unwrap();
            self.0.lock().unwrap().extend(batch.batch);
        }
        Err(Status::unknown("EOF"))
    }

    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        Err(Status::unimplemented("not used"))
    }
}

impl Received {
    fn sum(&self, name: &str) -> u64 {
        let deltas = |envelope: &v2::Envelope| match &envelope.message {
            Some(Message::Counter(counter)) if counter.name == name => counter.delta,
            _ => 0,
        };
        self.0.lock().unwrap().iter().map(deltas).sum()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The last envelope of such a message.
    fn last(&self, is_meant: impl Fn(&Message) -> bool) -> v2::Envelope {
        let envelopes = self.0.lock().unwrap();
        let meant = |envelope: &&v2::Envelope| envelope.message.as_ref().is_some_and(&is_meant);
        envelopes.iter().rfind(meant).unwrap().clone()
    }
}

/// A life of an agent; dropped, it cuts all connections.
struct FakeAgent {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeAgent {
    fn start(address: &str, received: &Received) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let received = received.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let thread = thread::spawn(move || {
            runtime.spawn(serve(listener, received));
            runtime.block_on(stopped).unwrap_err();
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.stop.take();
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(listener: TcpListener, received: Received) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let incoming = stream::unfold(listener, |listener| async {
        Some((listener.accept().await.map(|(stream, _)| stream), listener))
    });
    let server = Server::builder().add_service(IngressServer::new(received));
    server.serve_with_incoming(incoming).await.unwrap();
}

/// A counter that a test moves, and what to send of it.
fn moving() -> (Arc<AtomicU64>, impl Fn() -> UpstreamMetrics + Send) {
    let total = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&total);
    let metrics = move || UpstreamMetrics {
        origin: "loggregator.doppler",
        counters: vec![UpstreamCounter {
            name: "dropped",
            tags: &[VERSION, ("direction", "ingress")],
            total: read.load(Ordering::Relaxed),
        }],
        gauges: vec![UpstreamGauge {
            name: "subscriptions",
            tags: &[VERSION],
            unit: "subscriptions",
            value: 2.349,
        }],
    };
    (total, metrics)
}

fn config(address: &str) -> AgentConfig {
    AgentConfig {
        address: address.to_owned(),
        interval_ms: 10,
        ..AgentConfig::default()
    }
}

/// An agent that is told no events.
fn start(
    config: &AgentConfig,
    metrics: impl Fn() -> UpstreamMetrics + Send + 'static,
) -> Result<Option<Agent>, StartError> {
    Agent::start(config, metrics, events().1, None)
}

fn wait_until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn deltas_add_up_to_the_counter_over_restarts_of_the_agent() {
    let received = Received::default();
    let (total, metrics) = moving();
    total.store(5, Ordering::Relaxed);
    let mut fake = FakeAgent::start("127.0.0.1:0", &received);
    let address = fake.address.to_string();
    let _agent = start(&config(&address), metrics).unwrap().unwrap();
    wait_until(|| received.sum("dropped") == 5);
    for expected in [12, 100] {
        drop(fake);
        // The cut connection is noticed at once, so that this is not sent into it.
        thread::sleep(Duration::from_millis(200));
        total.store(expected, Ordering::Relaxed);
        fake = FakeAgent::start(&address, &received);
        wait_until(|| received.sum("dropped") >= expected);
    }
    // Further deltas are sent, and are 0.
    let count = received.count();
    wait_until(|| received.count() > count + 10);
    assert_eq!(received.sum("dropped"), 100);
}

#[test]
fn what_finds_nobody_is_in_a_later_delta() {
    let received = Received::default();
    let (total, metrics) = moving();
    total.store(5, Ordering::Relaxed);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let _agent = start(&config(&address), metrics).unwrap().unwrap();
    // Time for the first attempt, which is refused.
    thread::sleep(Duration::from_millis(300));
    let _fake = FakeAgent::start(&address, &received);
    wait_until(|| received.count() >= 2);
    assert_eq!(received.sum("dropped"), 5);
}

#[test]
fn envelopes_are_upstreams() {
    let received = Received::default();
    let (total, metrics) = moving();
    total.store(7, Ordering::Relaxed);
    let fake = FakeAgent::start("127.0.0.1:0", &received);
    let agent = start(&config(&fake.address.to_string()), metrics).unwrap();
    wait_until(|| received.count() >= 4);
    drop(agent);
    let tags = |envelope: &v2::Envelope| -> Vec<(String, Data)> {
        let tags = envelope.deprecated_tags.iter();
        tags.map(|(name, value)| (name.clone(), value.data.clone().unwrap()))
            .collect()
    };
    let tag = |name: &str, text: &str| (name.to_owned(), Data::Text(text.to_owned()));
    let origin = tag("origin", "loggregator.doppler");
    let version = tag("metric_version", "2.0");

    let counter = received.last(|message| matches!(message, Message::Counter(_)));
    assert_eq!(counter.source_id, "doppler");
    assert!(counter.timestamp > 0 && counter.instance_id.is_empty() && counter.tags.is_empty());
    let direction = tag("direction", "ingress");
    assert_eq!(tags(&counter), [direction, version.clone(), origin.clone()]);
    let Some(Message::Counter(counter)) = counter.message else {
        unreachable!()
    };
    assert_eq!((counter.name.as_str(), counter.total), ("dropped", 0));

    let gauge = received.last(|message| matches!(message, Message::Gauge(_)));
    assert_eq!(tags(&gauge), [version, origin]);
    let Some(Message::Gauge(gauge)) = gauge.message else {
        unreachable!()
    };
    let value = &gauge.metrics["subscriptions"];
    assert_eq!(
        (value.unit.as_str(), value.value.to_string().as_str()),
        ("subscriptions", "2.34")
    );
}

#[test]
fn events_come_at_once_and_each_by_itself() {
    let received = Received::default();
    let fake = FakeAgent::start("127.0.0.1:0", &received);
    let config = AgentConfig {
        interval_ms: INTERVAL_MS_MAX,
        source_id: "traffic_controller".to_owned(),
        ..config(&fake.address.to_string())
    };
    let (events, queue) = events();
    let _agent = Agent::start(&config, moving().1, queue, None)
        .unwrap()
        .unwrap();
    for number in 0..3 {
        events.put(UpstreamEvent {
            title: format!("event {number}"),
            body: "at length".to_owned(),
        });
    }
    wait_until(|| received.count() == 3);
    let envelope = received.last(|message| matches!(message, Message::Event(_)));
    assert_eq!(envelope.source_id, "traffic_controller");
    assert!(envelope.timestamp > 0 && envelope.deprecated_tags.is_empty());
    let expected = v2::Event {
        title: "event 2".to_owned(),
        body: "at length".to_owned(),
    };
    assert_eq!(envelope.message, Some(Message::Event(expected)));
}

#[test]
fn events_that_nobody_takes_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (events, queue) = events();
    let _agent = Agent::start(&config(&address), moving().1, queue, None).unwrap();
    events.put(UpstreamEvent::slow_consumer("1.2.3.4:5", "", "/firehose/a"));
    wait_until(|| events.lost().count() == 1);
}

fn app_log(app: &str) -> AppLog {
    AppLog {
        app: app.to_owned(),
        message: "what is wrong".into(),
    }
}

#[test]
fn apps_are_told_though_there_are_no_metrics() {
    let received = Received::default();
    let fake = FakeAgent::start("127.0.0.1:0", &received);
    let config = AgentConfig {
        interval_ms: 0,
        ..config(&fake.address.to_string())
    };
    let (logs, queue) = app_logs();
    for _ in 0..250 {
        logs.put(app_log("app-1"));
    }
    let _agent = Agent::start(&config, moving().1, events().1, Some(queue)).unwrap();
    wait_until(|| logs.counts().told() == 250);
    assert_eq!((received.count(), logs.counts().lost()), (250, 0));
    let envelope = received.last(|message| matches!(message, Message::Log(_)));
    let Some(Message::Log(log)) = &envelope.message else {
        panic!("{envelope:?}");
    };
    assert_eq!(log.payload, "what is wrong");
    assert_eq!(log.r#type(), v2::log::Type::Err);
    let source = (envelope.source_id.as_str(), envelope.instance_id.as_str());
    assert_eq!(source, ("app-1", "0"));
    assert_eq!(envelope.tags["source_type"], "LGR");
    assert!(envelope.timestamp > 0 && envelope.deprecated_tags.is_empty());
}

#[test]
fn what_apps_are_not_told_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (logs, queue) = app_logs();
    logs.put(app_log("a"));
    logs.put(app_log("b"));
    let _agent = Agent::start(&config(&address), moving().1, events().1, Some(queue)).unwrap();
    wait_until(|| logs.counts().lost() == 2);
    assert_eq!(logs.counts().told(), 0);
}

#[test]
fn an_agent_that_cannot_be_is_no_error() {
    for address in ["127.0.0.1:0", "localhost:0", "no port", "nobody.invalid:1"] {
        let (_, metrics) = moving();
        let agent = start(&config(address), metrics).unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(
            agent.is_some_and(|agent| agent.tls().is_none()),
            "{address}"
        );
    }
}

#[test]
fn an_interval_of_0_or_no_address_sends_nothing() {
    let never = AgentConfig {
        interval_ms: 0,
        ..config("127.0.0.1:3458")
    };
    for config in [never, config("")] {
        let (_, metrics) = moving();
        config.check().unwrap();
        assert!(start(&config, metrics).unwrap().is_none());
    }
}

#[test]
fn the_thread_ends_when_it_is_not_wanted() {
    let (total, metrics) = moving();
    let agent = start(&config("127.0.0.1:0"), metrics).unwrap();
    assert_eq!(Arc::strong_count(&total), 2);
    drop(agent);
    wait_until(|| Arc::strong_count(&total) == 1);
}

#[test]
fn the_table_is_checked() {
    let text = "address = \"localhost:3458\"\ninterval_ms = 60000\nsource_id = \"rlp\"";
    let config: AgentConfig = toml::from_str(text).unwrap();
    assert_eq!(config.server_name, "metron");
    config.check().unwrap();
    let error = toml::from_str::<AgentConfig>("adress = 1").unwrap_err();
    assert!(error.to_string().contains("adress"), "{error}");
    let config: AgentConfig = toml::from_str("interval_ms = 86400001").unwrap();
    let error = config.check().unwrap_err().to_string();
    assert!(error.starts_with("agent.interval_ms: 86400001"), "{error}");
}
