//! A node of Log Cache: a thread that keeps what senders send and answers readers.

use crate::calls::Calls;
use crate::cluster::Cluster;
use crate::config::{LogCacheConfig, MemoryTotal};
use crate::counters::{NodeCounter, NodeCounters};
use crate::disk::{Disk, DiskError};
use crate::feed::{self, Keeping};
use crate::keeper::Keeper;
use crate::limits::{
    EXPIRY_S, PLAIN_MESSAGE_BYTES_MAX, QUERY_THREADS_MAX, TLS_MESSAGE_BYTES_MAX, UNFINISHED_BYTES,
};
use crate::partitions::Partitions;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::config::ConfigError;
use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::route::Demand;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::FrontendState;
use hydrant_rpc::listen::{Permits, accept, incoming, listen};
use hydrant_rpc::server::Unfinished;
use hydrant_rpc::tls::{ClientTls, ServerTls, TlsError};
use std::io;
use std::net::{SocketAddr, TcpListener as TcpStdListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};
use tonic::service::Routes;
use tonic::transport::Server;

/// What a client may send ahead in all streams of a connection, and in one: batches are some tens
/// of KiB, and there may be many under way.
const WINDOW_BYTES: u32 = 4 << 20;
/// What a client may send in one frame: a whole batch, so that it comes out of HTTP/2 in one piece.
const FRAME_BYTES: u32 = 256 << 10;
/// How soon a silent client is asked whether it is there, and how soon it must answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// Tasks that are gone on with before sockets are looked at again. Each may keep a batch, which takes a
/// hundred microseconds; tokio's 61 of them would let a reader wait for milliseconds.
const TASKS_BETWEEN_LOOKS: u32 = 4;
/// Connections that wait for being served.
const READY_MAX: usize = 64;
/// How long calls that are under way may take once the node is to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The frontend's name, and its worker's.
pub const LOG_CACHE: &str = "log-cache";
/// The name in the certificates of nodes, whatever their addresses are.
const NODE_NAME: &str = "log-cache";

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate or key cannot be used.
    #[error("log_cache.tls: {0}")]
    Tls(#[from] TlsError),
    /// The address cannot be used.
    #[error("log_cache.address: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// What an earlier node has written cannot be read, or nothing can be written.
    #[error("log_cache.directory: {0}")]
    Disk(#[from] DiskError),
    /// The thread could not be started.
    #[error("log_cache: cannot start: {0}")]
    Thread(io::Error),
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it keeps.
    pub partitions: Partitions,
    /// What it counts.
    pub counters: Arc<NodeCounters>,
    /// What it got by its lanes, and, as sessions, what it sent to other nodes.
    pub worker: Arc<FrontendState>,
    tls: Option<ServerTls>,
    peers_tls: Option<ClientTls>,
    memory_total: MemoryTotal,
    begun: Instant,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    keeper: Option<Keeper>,
}

/// What anybody may see of a node, also after its end.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// What it keeps.
    pub partitions: Partitions,
    /// What it counts.
    pub counters: Arc<NodeCounters>,
    /// What it sent to other nodes.
    pub worker: Arc<FrontendState>,
    /// The memory that what it keeps is a share of.
    pub memory_total: MemoryTotal,
    /// When it was started.
    pub begun: Instant,
}

/// Starts a node, which keeps also what comes by lanes if it is given a reader of them; its thread is
/// pinned if a core is given.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start(
    config: &LogCacheConfig,
    lanes: Option<LaneReader>,
    core: Option<usize>,
) -> Result<Node, StartError> {
    config.check()?;
    let tls = config.tls.as_ref().map(ServerTls::load).transpose()?;
    let files = config.tls.iter().filter(|_| config.nodes.len() > 1);
    let peers_tls = files.map(|files| ClientTls::load(files, NODE_NAME)).next();
    let peers_tls = peers_tls.transpose()?;
    let (listener, address) = listen_at(config.address)?;
    let runtime = runtime::Builder::new_current_thread()
        .event_interval(TASKS_BETWEEN_LOOKS)
        .max_blocking_threads(QUERY_THREADS_MAX)
        .enable_all()
        .build();
    let runtime = runtime.map_err(StartError::Thread)?;
    let (listener, lanes) = {
        let _within = runtime.enter();
        let listener = TcpListener::from_std(listener).map_err(StartError::Thread)?;
        // Before anybody hears that the node is there: what comes from then on is kept.
        let lanes = lanes.inspect(|reader| reader.publish_demand(Demand::all()));
        let lanes = lanes.map(Lanes::new).transpose();
        (listener, lanes.map_err(StartError::Thread)?)
    };
    let worker = Arc::new(FrontendState::new(LOG_CACHE, core));
    let partitions = Partitions::new(config.partitions, config.bounds());
    let counters = Arc::<NodeCounters>::default();
    let keeper = restore(config, &partitions, &counters)?;
    let cluster = {
        let _within = runtime.enter();
        Cluster::of(config, peers_tls.as_ref(), &counters)
    };
    for peer in cluster.iter().flat_map(|cluster| cluster.peers()) {
        worker.open(peer.session.clone());
    }
    let (stop, is_stopping) = watch::channel(false);
    let serving = Serving {
        listener,
        calls: Calls {
            partitions: partitions.clone(),
            cluster,
            query_time: Duration::from_millis(config.query_timeout_ms),
            counters: counters.clone(),
            unfinished: Unfinished::new(UNFINISHED_BYTES),
            turns: Arc::default(),
            message_bytes_max: match tls {
                Some(_) => TLS_MESSAGE_BYTES_MAX,
                None => PLAIN_MESSAGE_BYTES_MAX,
            },
        },
        lanes: lanes.map(|lanes| (lanes, worker.clone())),
        tls: tls.clone(),
        connections_max: config.connections_max,
        max_age: Duration::from_secs(config.max_age_s),
        is_stopping,
    };
    let thread = thread::Builder::new().name("log-cache".to_owned());
    let thread = thread
        .spawn(move || serving.run(&runtime, core))
        .map_err(StartError::Thread)?;
    let given = MemoryTotal::Given(config.memory.as_u64());
    Ok(Node {
        keeper,
        address,
        partitions,
        counters,
        worker,
        tls,
        peers_tls,
        memory_total: config.memory_total.unwrap_or(given),
        begun: Instant::now(),
        stop,
        thread,
    })
}

fn listen_at(address: SocketAddr) -> Result<(TcpStdListener, SocketAddr), StartError> {
    let refused = |error| StartError::Listen { address, error };
    let (mut listeners, bound) = listen(address, 1).map_err(refused)?;
    let listener = listeners.pop();
    let listener = listener.ok_or_else(|| refused(io::ErrorKind::Other.into()))?;
    Ok((listener, bound))
}

/// Takes in what an earlier node has written, and starts to write, if there is a directory for it.
fn restore(
    config: &LogCacheConfig,
    partitions: &Partitions,
    counters: &Arc<NodeCounters>,
) -> Result<Option<Keeper>, StartError> {
    let Some(directory) = &config.directory else {
        return Ok(None);
    };
    let (disk, had) = Disk::open(directory)?;
    counters.add(NodeCounter::DiskCutOff, had.cut_off);
    counters.add(NodeCounter::DiskDamaged, had.restored.damaged());
    partitions.restore(had.restored);
    counters.add(NodeCounter::Restored, partitions.standing().taken);
    let interval = Duration::from_secs(config.write_interval_s);
    let keeper = Keeper::start(disk, partitions.clone(), counters.clone(), interval);
    keeper.map(Some).map_err(StartError::Thread)
}

impl Node {
    /// What anybody may see of it.
    pub fn state(&self) -> NodeState {
        NodeState {
            partitions: self.partitions.clone(),
            counters: self.counters.clone(),
            worker: self.worker.clone(),
            memory_total: self.memory_total,
            begun: self.begun,
        }
    }

    /// Its certificates, if it has any, to be read anew when they change.
    pub const fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Its certificates for other nodes, if there are any of both.
    pub const fn peers_tls(&self) -> Option<&ClientTls> {
        self.peers_tls.as_ref()
    }

    /// Ends it, once everything is read if it has lanes: their shards must have stopped. Calls that
    /// are under way may end in order, and what waits for other nodes may leave, each for 5 s at most. If
    /// it has a directory, all is written there.
    ///
    /// # Errors
    /// Its thread has died, or the disk could not be written.
    pub fn stop(self) -> io::Result<()> {
        self.stop.send_replace(true);
        let served = match self.thread.join() {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::other("the log cache's thread died")),
        };
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("log_cache.directory: {error}"))
        };
        let written = self.keeper.map_or(Ok(()), Keeper::stop).map_err(named);
        served.and(written)
    }
}

struct Serving {
    listener: TcpListener,
    calls: Calls,
    lanes: Option<(Lanes, Arc<FrontendState>)>,
    tls: Option<ServerTls>,
    connections_max: usize,
    max_age: Duration,
    is_stopping: watch::Receiver<bool>,
}

impl Serving {
    fn run(self, runtime: &Runtime, core: Option<usize>) {
        // It costs speed, not the node, if the core cannot be had.
        core.map_or(Ok(()), pin_to).ok();
        runtime.block_on(self.serve());
    }

    async fn serve(self) {
        let Self {
            listener,
            calls,
            lanes,
            tls,
            connections_max,
            max_age,
            mut is_stopping,
        } = self;
        let (ready, connections) = mpsc::channel(READY_MAX);
        let permits = Permits::new(connections_max);
        let accepting = accept(listener, tls, permits, calls.counters.clone(), ready);
        let accepting = tokio::spawn(accepting);
        if !max_age.is_zero() {
            tokio::spawn(expire(calls.partitions.clone(), max_age));
        }
        let feeding = lanes.map(|(lanes, state)| {
            let keeping = Keeping {
                partitions: calls.partitions.clone(),
                cluster: calls.cluster.clone(),
            };
            tokio::spawn(feed::run(lanes, keeping, state))
        });
        let sending = calls.cluster.as_ref().map(Cluster::start);
        let mut stopped = is_stopping.clone();
        let serving = Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .layer(calls)
            .add_routes(Routes::default())
            .serve_with_incoming_shutdown(incoming(connections), async move {
                // The other end is gone: that is a stop too.
                stopped.wait_for(|is_stopping| *is_stopping).await.ok();
            });
        let mut serving = tokio::spawn(serving);
        is_stopping.wait_for(|is_stopping| *is_stopping).await.ok();
        accepting.abort();
        if let Some(feeding) = feeding {
            feeding.await.ok();
        }
        timeout(STOP_TIMEOUT, &mut serving).await.ok();
        serving.abort();
        if let Some(sending) = sending {
            sending.stop().await;
        }
    }
}

/// Drops what is too old, again and again.
async fn expire(partitions: Partitions, max_age: Duration) {
    let mut ticks = interval(Duration::from_secs(EXPIRY_S));
    let max_age = u64::try_from(max_age.as_nanos()).unwrap_or(u64::MAX);
    loop {
        ticks.tick().await;
        let than = UnixNanos::now().0.saturating_sub(max_age);
        partitions.drop_older(i64::try_from(than).unwrap_or(i64::MAX));
    }
}
