//! A running frontend without shards on io_uring, and clients of it.

use crate::{Feed, Grpc, GrpcConfig, GrpcCounter, Rules, WorkerParts, start};
use bytes::{Bytes, BytesMut};
use hydrant_engine::config::EngineConfig;
use hydrant_engine::counters::{Counter, LaneCounter, Loss};
use hydrant_engine::engine::{Engine, ShardState};
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::{plumbing, v2};
use hydrant_rpc::batch::{elements, push};
use hydrant_rpc::channel::connect;
use hydrant_rpc::doppler::DopplerClient;
use hydrant_rpc::doppler_ingestor::DopplerIngestorClient;
use hydrant_rpc::egress::EgressClient;
use hydrant_rpc::ingress::IngressClient;
use prost::Message;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test's clients.
pub(super) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() })
}

/// The server under test.
pub(super) struct Rig {
    engine: Engine,
    grpc: Grpc,
}

impl Rig {
    pub(super) fn new(rules: Rules) -> Self {
        Self::with(GrpcConfig {
            rules,
            ..Default::default()
        })
    }

    pub(super) fn with(mut config: GrpcConfig) -> Self {
        config.address.set_port(0);
        let silent = EngineConfig {
            udp: Vec::new(),
            tcp: Vec::new(),
            ..Default::default()
        };
        let reader = |_| LaneReader::new().unwrap();
        let mut readers: Vec<_> = (0..config.workers).map(reader).collect();
        let mut engine = Engine::start(&silent, &mut readers).unwrap();
        let mut intake = || engine.add_intake(None, silent.lane_bytes, &mut readers);
        let intakes: Vec<_> = (0..config.workers).map(|_| intake()).collect();
        let parts = readers.into_iter().zip(intakes);
        let parts = parts.map(|(reader, intake)| WorkerParts {
            feed: Feed::Lanes { reader, intake },
            core: None,
        });
        let grpc = start(&config, parts.collect()).unwrap();
        Self { engine, grpc }
    }

    pub(super) async fn channel(&self) -> Channel {
        connect(&self.grpc.address().to_string(), None)
            .await
            .unwrap()
    }

    pub(super) async fn ingress(&self) -> IngressClient<Channel> {
        IngressClient::new(self.channel().await)
    }

    pub(super) async fn ingestor(&self) -> DopplerIngestorClient<Channel> {
        DopplerIngestorClient::new(self.channel().await)
    }

    /// A `BatchedReceiver`'s stream, once the server has opened it.
    pub(super) async fn read_v2(
        &self,
        request: &v2::EgressBatchRequest,
    ) -> Result<Streaming<Bytes>, Status> {
        let request: Bytes = request.encode_to_vec().into();
        let mut client =
            EgressClient::new(self.channel().await).max_decoding_message_size(16 << 20);
        Ok(client.batched_receiver(request).await?.into_inner())
    }

    /// A `BatchSubscribe`'s stream.
    pub(super) async fn read_v1(
        &self,
        request: &plumbing::SubscriptionRequest,
    ) -> Streaming<Bytes> {
        let request: Bytes = request.encode_to_vec().into();
        let mut client = DopplerClient::new(self.channel().await);
        let opened = client.batch_subscribe(request).await;
        opened.unwrap().into_inner()
    }

    /// Sends messages in a stream of their own and gives its end. It is left open until the server
    /// has taken so many frames in all, lost ones included.
    pub(super) async fn send(&self, messages: Vec<Bytes>, received: u64) -> Status {
        let (sender, mut queue) = mpsc::channel(1);
        let counts = self.shards();
        tokio::spawn(async move {
            for message in messages {
                sender.send(message).await.unwrap();
            }
            while sum(&counts, Counter::Received) < received {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let mut client = self.ingress().await;
        let stream = futures_util::stream::poll_fn(move |context| queue.poll_recv(context));
        client.batch_sender(stream).await.unwrap_err()
    }

    pub(super) fn shards(&self) -> Vec<ShardState> {
        self.engine.shards().to_vec()
    }

    pub(super) fn received(&self) -> u64 {
        sum(&self.shards(), Counter::Received)
    }

    pub(super) fn lost(&self, loss: Loss) -> u64 {
        let lost = |shard: &ShardState| shard.counters.lost(loss);
        self.engine.shards().iter().map(lost).sum()
    }

    pub(super) fn count(&self, counter: GrpcCounter) -> u64 {
        let counters = self.grpc.counters();
        counters.iter().map(|worker| worker.get(counter)).sum()
    }

    /// Sums over all sessions, whether open or over.
    pub(super) fn sessions(&self, counter: SessionCounter) -> u64 {
        let mut sum = 0;
        for state in self.grpc.states() {
            let open = state.sessions();
            sum += open
                .iter()
                .map(|session| session.counters.get(counter))
                .sum::<u64>();
            sum += state
                .over()
                .iter()
                .map(|(_, over)| over.get(counter))
                .sum::<u64>();
        }
        sum
    }

    pub(super) fn session_count(&self) -> usize {
        let states = self.grpc.states();
        states.iter().map(|state| state.sessions().len()).sum()
    }

    /// Stops everything; the ledger must balance.
    pub(super) fn stop(self) {
        self.stop_within(Duration::from_secs(10));
    }

    /// Nothing comes in any more.
    pub(super) fn stop_input(&self) {
        self.grpc.stop_input();
    }

    /// What a lane counter of all lanes stands at.
    pub(super) fn lanes(&self, counter: LaneCounter) -> u64 {
        let shards = self.engine.shards().iter();
        let lanes = shards.flat_map(|shard| &shard.lanes);
        lanes.map(|lane| lane.counters.get(counter)).sum()
    }

    pub(super) fn stop_within(self, deadline: Duration) {
        let (states, shards) = (self.grpc.states(), self.shards());
        self.grpc.stop_input();
        self.engine.stop().unwrap();
        self.grpc.join(deadline).unwrap();
        for state in states {
            assert_eq!(state.feed.unbalanced(), 0);
            assert_eq!(state.sessions().len(), 0);
            for (name, over) in state.over() {
                let of_losses = SessionCounter::LOSSES.map(|loss| over.get(loss));
                let settled = over.get(SessionCounter::Delivered) + of_losses.iter().sum::<u64>();
                assert_eq!(over.get(SessionCounter::Selected), settled, "{name}");
            }
        }
        for shard in shards {
            let decoded = shard.counters.get(Counter::Decoded);
            let malformed = shard.counters.malformed();
            assert_eq!(shard.counters.get(Counter::Received), decoded + malformed);
            assert!(!shard.is_running());
        }
    }
}

pub(super) fn sum(shards: &[ShardState], counter: Counter) -> u64 {
    shards.iter().map(|shard| shard.counters.get(counter)).sum()
}

/// Waits until it holds.
pub(super) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A v2 log whose payload is a number.
pub(super) fn numbered(source_id: &str, number: u64) -> Vec<u8> {
    v2::Envelope {
        timestamp: 1,
        source_id: source_id.into(),
        message: Some(v2::envelope::Message::Log(v2::Log {
            payload: number.to_string().into(),
            r#type: 0,
        })),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Batches of numbered logs.
pub(super) fn batches(source_id: &str, count: u64) -> Vec<Bytes> {
    let numbers: Vec<_> = (0..count).collect();
    let batch = |numbers: &[u64]| {
        let envelopes: Vec<_> = numbers.iter().map(|at| numbered(source_id, *at)).collect();
        batch_of(&envelopes)
    };
    numbers.chunks(100).map(batch).collect()
}

pub(super) fn batch_of(envelopes: &[Vec<u8>]) -> Bytes {
    let mut batch = BytesMut::new();
    envelopes
        .iter()
        .for_each(|envelope| push(&mut batch, envelope));
    batch.freeze()
}

/// The envelopes of a message.
pub(super) fn taken(message: &[u8]) -> Vec<Vec<u8>> {
    let whole = |element: Result<&[u8], _>| element.unwrap().to_vec();
    elements(message).map(whole).collect()
}

/// The number of a log.
pub(super) fn number(envelope: &[u8]) -> u64 {
    match v2::Envelope::decode(envelope).unwrap().message {
        Some(v2::envelope::Message::Log(log)) => {
            std::str::from_utf8(&log.payload).unwrap().parse().unwrap()
        }
        other => panic!("no log: {other:?}"),
    }
}

/// All logs, in this group.
pub(super) fn logs(shard_id: &str, source_id: &str) -> v2::EgressBatchRequest {
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

/// Reads so many envelopes.
pub(super) async fn read(stream: &mut Streaming<Bytes>, count: usize) -> Vec<Vec<u8>> {
    let mut envelopes = Vec::new();
    while envelopes.len() < count {
        let message = stream.message().await.unwrap();
        envelopes.extend(taken(&message.expect("the stream goes on")));
    }
    envelopes
}

impl Rig {
    pub(super) fn address(&self) -> String {
        self.grpc.address().to_string()
    }

    pub(super) fn states(&self) -> Vec<std::sync::Arc<hydrant_feed::session::FrontendState>> {
        self.grpc.states()
    }
}
