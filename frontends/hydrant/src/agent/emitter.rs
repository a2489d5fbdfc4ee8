//! The stream to the agent: opened when there is something to send, and again after it broke.

use super::metrics::{UpstreamCounter, UpstreamGauge, UpstreamMetrics};
use bytes::Bytes;
use futures_util::stream::{self, Stream as Messages};
use hydrant_proto::v2;
use hydrant_rpc::ingress::IngressClient;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long after a stream broke there may be another.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends metrics, and remembers what the agent has.
#[derive(Debug)]
pub(super) struct Emitter {
    client: IngressClient<Channel>,
    source_id: String,
    /// What the agent was told of each counter, deltas added up.
    told: Vec<u64>,
    stream: Option<Stream>,
    retry_at: Instant,
}

/// A call to the agent's `Sender`. Only one batch is under way at a time.
#[derive(Debug)]
struct Stream {
    messages: UnboundedSender<Bytes>,
    /// Messages of the batch that are not taken by the connection yet.
    waiting: Arc<AtomicUsize>,
    /// The size of the batch, and `Emitter::told` before it.
    batch_count: usize,
    told_before: Vec<u64>,
    call: JoinHandle<()>,
}

impl Emitter {
    pub(super) fn new(client: IngressClient<Channel>, source_id: String) -> Self {
        Self {
            client,
            source_id,
            told: Vec::new(),
            stream: None,
            retry_at: Instant::now(),
        }
    }

    /// Sends an envelope for each metric, or nothing while the agent does not take any: what was
    /// not sent is in the next delta. As upstream, what the connection had taken when it broke
    /// counts as sent.
    pub(super) fn emit(&mut self, metrics: &UpstreamMetrics) {
        self.told.resize(metrics.counters.len(), 0);
        self.drop_broken();
        if self.stream.is_none() && Instant::now() >= self.retry_at {
            self.stream = Some(Stream::open(self.client.clone()));
        }
        if let Some(stream) = self.stream.as_mut().filter(|stream| !stream.is_busy()) {
            let messages = batch(metrics, &self.source_id, &self.told);
            stream.give(messages, &self.told);
            for (told, counter) in self.told.iter_mut().zip(&metrics.counters) {
                *told = counter.total.max(*told);
            }
        }
    }

    /// Lets go of a stream that is over, and takes back what it left lying.
    fn drop_broken(&mut self) {
        let Some(stream) = self.stream.take_if(|stream| stream.call.is_finished()) else {
            return;
        };
        // Counters come first in a batch.
        let taken = stream.taken();
        for (told, before) in self.told.iter_mut().zip(stream.told_before).skip(taken) {
            *told = before;
        }
        self.retry_at = Instant::now() + RETRY_AFTER;
    }
}

impl Stream {
    fn open(mut client: IngressClient<Channel>) -> Self {
        let (messages, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let body = body(receiver, Arc::clone(&waiting));
        Self {
            messages,
            waiting,
            batch_count: 0,
            told_before: Vec::new(),
            call: tokio::spawn(async move {
                // However it ends, there will be another.
                client.sender(body).await.ok();
            }),
        }
    }

    fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn taken(&self) -> usize {
        self.batch_count - self.waiting.load(Ordering::Relaxed)
    }

    fn give(&mut self, batch: Vec<Bytes>, told: &[u64]) {
        self.batch_count = batch.len();
        self.told_before = told.to_vec();
        self.waiting.store(batch.len(), Ordering::Relaxed);
        for message in batch {
            // If nobody takes it, it stays among those that wait.
            self.messages.send(message).ok();
        }
    }
}

fn body(
    receiver: UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
) -> impl Messages<Item = Bytes> + Send + 'static {
    stream::unfold((receiver, waiting), |(mut receiver, waiting)| async move {
        let message = receiver.recv().await?;
        waiting.fetch_sub(1, Ordering::Relaxed);
        Some((message, (receiver, waiting)))
    })
}

/// An envelope for each metric, counters first.
fn batch(metrics: &UpstreamMetrics, source_id: &str, told: &[u64]) -> Vec<Bytes> {
    let envelope = |tags: &[(&str, &str)], message| v2::Envelope {
        timestamp: now_nanos(),
        source_id: source_id.to_owned(),
        deprecated_tags: tags
            .iter()
            .chain(&[("origin", metrics.origin)])
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect(),
        message: Some(message),
        ..v2::Envelope::default()
    };
    let counters = metrics.counters.iter().zip(told);
    let counters = counters.map(|(metric, told)| envelope(metric.tags, counter(metric, *told)));
    let gauges = metrics.gauges.iter();
    let gauges = gauges.map(|metric| envelope(metric.tags, gauge(metric)));
    counters
        .chain(gauges)
        .map(|envelope| envelope.encode_to_vec().into())
        .collect()
}

/// The delta since what was told; 0 if the counter, read while it moves, stands behind that.
fn counter(metric: &UpstreamCounter, told: u64) -> v2::envelope::Message {
    v2::envelope::Message::Counter(v2::Counter {
        name: metric.name.to_owned(),
        delta: metric.total.saturating_sub(told),
        total: 0,
    })
}

fn gauge(metric: &UpstreamGauge) -> v2::envelope::Message {
    let value = v2::GaugeValue {
        unit: metric.unit.to_owned(),
        value: (metric.value * 100.0).trunc() / 100.0,
    };
    v2::envelope::Message::Gauge(v2::Gauge {
        metrics: [(metric.name.to_owned(), value)].into(),
    })
}

fn text(value: &str) -> v2::Value {
    v2::Value {
        data: Some(v2::value::Data::Text(value.to_owned())),
    }
}

pub(super) fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
