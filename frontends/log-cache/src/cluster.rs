//! The nodes that keep sources together: which of them keeps an envelope, and what all of them know.

use crate::answered::Answered;
use crate::config::LogCacheConfig;
use crate::counters::{NodeCounter, NodeCounters};
use crate::limits::PEER_STOP_S;
use crate::outbox::OutboxBounds;
use crate::peer::{Closing, Peer, PeerParts, is_away};
use crate::routing::{node_of, owner};
use bytes::Bytes;
use hydrant_proto::logcache::{MetaRequest, MetaResponse, ReadResponse};
use hydrant_proto::v2::EnvelopeBatch;
use hydrant_rpc::tls::ClientTls;
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;

/// A cluster as one of its nodes sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// By their index; none in our own place.
    peers: Vec<Option<Arc<Peer>>>,
    counters: Arc<NodeCounters>,
}

impl Cluster {
    /// The configuration's, if there is more than one node in it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn of(
        config: &LogCacheConfig,
        tls: Option<&ClientTls>,
        counters: &Arc<NodeCounters>,
    ) -> Option<Arc<Self>> {
        let own = config.node_index;
        let bounds = OutboxBounds {
            count: config.peer_outbox_count,
            bytes: usize::try_from(config.peer_outbox.as_u64()).unwrap_or(usize::MAX),
            batch_count: config.peer_batch_count,
        };
        let peer = |(index, address): (usize, &String)| {
            let parts = PeerParts {
                index,
                address,
                tls,
                bounds,
                pause: Duration::from_millis(config.peer_batch_ms),
            };
            (index != own).then(|| Arc::new(Peer::new(parts, counters.clone())))
        };
        let peers: Vec<_> = config.nodes.iter().enumerate().map(peer).collect();
        let cluster = Self {
            peers,
            counters: counters.clone(),
        };
        (config.nodes.len() > 1).then(|| Arc::new(cluster))
    }

    /// The other nodes, in order.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.peers.iter().flatten()
    }

    /// Whether an envelope of a source of this hash is ours to keep. If not, it is on its way.
    pub(crate) fn keeps(&self, hash: u64, envelope: &[u8]) -> bool {
        let peer = &self.peers[owner(hash, self.peers.len())];
        peer.iter().for_each(|peer| peer.offer(envelope));
        peer.is_none()
    }

    /// The node that keeps a source, if it is not this one.
    pub(crate) fn peer_of(&self, source_id: &[u8]) -> Option<&Arc<Peer>> {
        self.peers[node_of(source_id, self.peers.len())].as_ref()
    }

    /// Passes a read on to the node that has the source. If that cannot be reached there is nothing, as
    /// upstream has it, and it is said who that was; what it answers is passed on whatever it is.
    pub(crate) async fn read(&self, peer: &Peer, request: Bytes) -> Result<Answered, Status> {
        self.counters.add(NodeCounter::ReadsForwarded, 1);
        match peer.read(request).await {
            Err(status) if is_away(&status) => {
                self.counters.add(NodeCounter::ReadsAway, 1);
                // The batch is there: Go's client dies without one.
                let nothing = ReadResponse {
                    envelopes: Some(EnvelopeBatch::default()),
                };
                Ok(Answered {
                    message: nothing.encode_to_vec().into(),
                    away: vec![peer.session.peer.clone()],
                })
            }
            Err(status) => Err(Status::new(status.code(), status.message())),
            Ok(message) => Ok(message.into()),
        }
    }

    /// Adds to what we know what all others know. Who does not answer is left out, counted, and given, by
    /// address. Of a source that several know, the node that its reads go to counts.
    pub(crate) async fn meta(&self, known: &mut MetaResponse) -> Vec<String> {
        let request = MetaRequest { local_only: true };
        let request = Bytes::from(request.encode_to_vec());
        let mut asked = JoinSet::new();
        for (index, peer) in self.peers.iter().enumerate() {
            if let Some(peer) = peer.clone() {
                let request = request.clone();
                asked.spawn(async move {
                    let answered = peer.meta(request).await;
                    let answer = answered.ok().map(MetaResponse::decode);
                    match answer {
                        Some(Ok(answer)) => Ok((index, answer)),
                        Some(Err(_)) | None => Err(peer.session.peer.clone()),
                    }
                });
            }
        }
        let mut away = Vec::new();
        for answered in asked.join_all().await {
            match answered {
                Ok((index, answer)) => self.merge(known, index, answer),
                Err(address) => away.push(address),
            }
        }
        self.counters.add(NodeCounter::MetaAway, away.len() as u64);
        away.sort_unstable();
        away
    }

    fn merge(&self, known: &mut MetaResponse, index: usize, answer: MetaResponse) {
        for (source_id, info) in answer.meta {
            let is_its = node_of(source_id.as_bytes(), self.peers.len()) == index;
            if is_its || !known.meta.contains_key(&source_id) {
                known.meta.insert(source_id, info);
            }
        }
    }

    /// Sends envelopes to the others until told when it must be over.
    pub(crate) fn start(self: &Arc<Self>) -> Sending {
        let (close, closing) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for peer in self.peers() {
            let closing: Closing = closing.clone();
            tasks.spawn(peer.clone().run(closing));
        }
        Sending { close, tasks }
    }
}

/// What sends to other nodes.
#[derive(Debug)]
pub(crate) struct Sending {
    close: watch::Sender<Option<Instant>>,
    tasks: JoinSet<()>,
}

impl Sending {
    /// Lets what waits leave, for 5 s at most; what has not left then is lost and counted.
    pub(crate) async fn stop(self) {
        let end = Instant::now() + Duration::from_secs(PEER_STOP_S);
        self.close.send_replace(Some(end));
        self.tasks.join_all().await;
    }
}
