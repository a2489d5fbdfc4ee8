//! gRPC at a running program: senders and readers made of our own stubs, and what they share.

mod abuse;
mod across;
mod fields;
mod readers;
mod rotation;

use crate::process::PATIENCE;
use bytes::{Bytes, BytesMut};
use futures_util::stream::poll_fn;
use hydrant_proto::v2;
use hydrant_rpc::batch::{elements, push};
use hydrant_rpc::channel::connect;
use hydrant_rpc::egress::EgressClient;
use hydrant_rpc::ingress::IngressClient;
use hydrant_rpc::tls::ClientTls;
use prost::Message;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Envelopes of a batch that a sender sends.
const BATCH: usize = 100;
/// The largest message that a small sender can send.
const SMALL_BYTES: usize = 1_000;
/// A change of a group's members counts a millisecond later.
const MEMBERSHIP_DELAY: Duration = Duration::from_millis(10);

/// How often something is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Runs a test's clients.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() })
}

/// A connection of its own.
pub(crate) async fn channel(server: SocketAddr, tls: Option<&ClientTls>) -> Channel {
    connect(&server.to_string(), tls).await.unwrap()
}

/// Looks again and again until something holds, and lets the clients go on meanwhile.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(POLL).await;
    }
}

/// A stream of `BatchSender`.
pub(crate) struct Sender {
    messages: mpsc::Sender<Bytes>,
    ending: JoinHandle<Status>,
}

impl Sender {
    pub(crate) fn open(channel: Channel) -> Self {
        Self::with(IngressClient::new(channel))
    }

    /// One that can be reset.
    pub(crate) fn open_small(channel: Channel) -> Self {
        Self::with(IngressClient::new(channel).max_encoding_message_size(SMALL_BYTES))
    }

    fn with(mut client: IngressClient<Channel>) -> Self {
        let (messages, mut taken) = mpsc::channel(1);
        let ending = tokio::spawn(async move {
            let stream = poll_fn(move |context| taken.poll_recv(context));
            client.batch_sender(stream).await.unwrap_err()
        });
        Self { messages, ending }
    }

    pub(crate) async fn send(&self, message: Bytes) {
        self.messages.send(message).await.unwrap();
    }

    /// Logs of these numbers, in batches.
    pub(crate) async fn send_numbers(&self, source_id: &str, numbers: Range<u64>) {
        for batch in batches(source_id, numbers) {
            self.send(batch).await;
        }
    }

    /// Ends the stream; what the server says then. All has been taken.
    pub(crate) async fn end(self) -> Status {
        drop(self.messages);
        self.ending.await.unwrap()
    }

    /// Resets the stream: hyper does for nothing less than a message that cannot be sent.
    pub(crate) async fn reset(self) {
        self.send(vec![0; SMALL_BYTES + 1].into()).await;
        self.ending.await.unwrap();
    }
}

/// A stream of `BatchedReceiver` that brings numbered logs.
pub(crate) struct Reader(Streaming<Bytes>);

impl Reader {
    /// Returns once the server has opened it.
    pub(crate) async fn open(channel: Channel, request: &v2::EgressBatchRequest) -> Self {
        Self(open(channel, request).await.unwrap())
    }

    /// The numbers of the next batch; nothing at the stream's end in order.
    pub(crate) async fn read(&mut self) -> Option<Vec<u64>> {
        let batch = self.0.message().await.unwrap()?;
        Some(elements(&batch).map(|log| number(log.unwrap())).collect())
    }

    /// Reads so many.
    pub(crate) async fn read_into(&mut self, tally: &mut Tally, count: u64) {
        let end = tally.count + count;
        while tally.count < end {
            let numbers = self.read().await.expect("the stream goes on");
            numbers.iter().for_each(|number| tally.see(*number));
        }
        assert_eq!(tally.count, end, "no more than that");
    }
}

/// A `BatchedReceiver`'s stream, once the server has opened it.
pub(crate) async fn open(
    channel: Channel,
    request: &v2::EgressBatchRequest,
) -> Result<Streaming<Bytes>, Status> {
    let request: Bytes = request.encode_to_vec().into();
    let mut client = EgressClient::new(channel);
    Ok(client.batched_receiver(request).await?.into_inner())
}

/// How often each number came.
pub(crate) struct Tally {
    times: Vec<u8>,
    /// All that came.
    pub(crate) count: u64,
}

impl Tally {
    /// Of the numbers below `count`.
    pub(crate) fn new(count: u64) -> Self {
        Self {
            times: vec![0; usize::try_from(count).unwrap()],
            count: 0,
        }
    }

    pub(crate) fn see(&mut self, number: u64) {
        self.times[usize::try_from(number).unwrap()] += 1;
        self.count += 1;
    }

    /// Each of these came once.
    pub(crate) fn assert_each_once(&self, numbers: Range<u64>) {
        for number in numbers {
            let times = self.times[usize::try_from(number).unwrap()];
            assert_eq!(times, 1, "number {number}");
        }
    }
}

/// Logs of one source, or of all if it is empty; readers of one group share them.
pub(crate) fn logs(shard_id: &str, source_id: &str) -> v2::EgressBatchRequest {
    v2::EgressBatchRequest {
        shard_id: shard_id.into(),
        use_preferred_tags: true,
        selectors: vec![v2::Selector {
            source_id: source_id.into(),
            message: Some(v2::selector::Message::Log(v2::LogSelector {})),
        }],
        ..Default::default()
    }
}

/// A log that says its number, 250 bytes long with what is around it.
pub(crate) fn numbered(source_id: &str, number: u64) -> Vec<u8> {
    let log = v2::Log {
        payload: format!("{number:0200}").into(),
        r#type: 0,
    };
    v2::Envelope {
        timestamp: i64::try_from(number).unwrap(),
        source_id: source_id.into(),
        instance_id: "0".into(),
        message: Some(v2::envelope::Message::Log(log)),
        ..Default::default()
    }
    .encode_to_vec()
}

/// The number that a log says.
pub(crate) fn number(envelope: &[u8]) -> u64 {
    match v2::Envelope::decode(envelope).unwrap().message {
        Some(v2::envelope::Message::Log(log)) => {
            std::str::from_utf8(&log.payload).unwrap().parse().unwrap()
        }
        other => panic!("no log: {other:?}"),
    }
}

/// Batches of numbered logs.
pub(crate) fn batches(source_id: &str, numbers: Range<u64>) -> Vec<Bytes> {
    let envelopes: Vec<_> = numbers.map(|number| numbered(source_id, number)).collect();
    envelopes.chunks(BATCH).map(batch).collect()
}

/// The bytes of an `EnvelopeBatch`.
pub(crate) fn batch(envelopes: &[Vec<u8>]) -> Bytes {
    let mut batch = BytesMut::new();
    envelopes
        .iter()
        .for_each(|envelope| push(&mut batch, envelope));
    batch.freeze()
}
