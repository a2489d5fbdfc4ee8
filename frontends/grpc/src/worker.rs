//! A worker: one thread that is a shard for what comes in and a frontend worker for what goes out.

use crate::calls::Calls;
use crate::config::{GrpcConfig, Rules};
use crate::counters::GrpcCounters;
use crate::egress::Readers;
use crate::group_key::GroupKey;
use crate::ingress::Senders;
use crate::pump;
use crate::register::Register;
use crate::{Feed, StartError};
use hydrant_engine::engine::pin_to;
use hydrant_engine::route::DemandCell;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::membership::Memberships;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_rpc::listen::{Permits, accept, incoming};
use hydrant_rpc::server::Unfinished;
use hydrant_rpc::tls::ServerTls;
use std::io;
use std::net::TcpListener as Listener;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout_at;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower_layer::{Identity, Stack};

/// When sessions have had enough time to take the last of their envelopes; unknown until somebody
/// waits for the worker.
pub(crate) type Deadline = Option<Instant>;

/// What a sender may send ahead in one stream, in bytes: several batches.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What a client may send ahead in all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// The same of an agent. h2 ends a connection with ENHANCE_YOUR_CALM when half of its window is used up by
/// what small frames lack to a size of its own, and has no other setting for that; who sends envelopes one
/// by one (`Sender`) to a host that is busy gets there with a few thousand of them. An agent's senders
/// are few, and on its own host.
const AGENT_CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// What a client may send in one frame: a whole batch, so that it comes out of HTTP/2 in one piece.
const FRAME_BYTES: u32 = 256 << 10;
/// Streams of a connection: upstream's is unlimited, and an agent's or a proxy's are many.
const STREAMS_MAX: u32 = 1 << 20;
/// Streams that a client may open and reset before we have looked at them. Then its connection ends.
const RESETS_MAX: usize = 1 << 10;
/// Connections that wait for being served.
const READY_MAX: usize = 64;

/// What is kept of messages that have not come whole, of all streams: several of the largest.
const UNFINISHED_BYTES: usize = 32 << 20;
/// How soon a silent client is asked by HTTP/2 whether it is there, and how soon it must answer.
/// Go's clients answer whatever their program does.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// All that the worker's thread takes over.
pub(crate) struct Worker {
    runtime: Runtime,
    listener: TcpListener,
    tls: Option<ServerTls>,
    input: Input,
    register: Arc<Register>,
    unfinished: Arc<Unfinished>,
    rules: Rules,
    connections_max: usize,
    deadline: watch::Receiver<Deadline>,
}

/// Where envelopes come from.
enum Input {
    Lanes(Lanes, Senders),
    Routers(Routers, watch::Receiver<bool>),
}

/// Ends what comes in.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    Senders(Senders),
    Routers(watch::Sender<bool>),
}

impl Stop {
    pub(crate) fn stop(&self) {
        match self {
            Self::Senders(senders) => senders.stop(),
            Self::Routers(is_stopping) => {
                is_stopping.send_replace(true);
            }
        }
    }
}

impl Worker {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a worker, each once"
    )]
    pub(crate) fn new(
        config: &GrpcConfig,
        listener: Listener,
        tls: Option<ServerTls>,
        feed: Feed,
        state: Arc<FrontendState>,
        counters: Arc<GrpcCounters>,
        memberships: Arc<Memberships<GroupKey>>,
        deadline: watch::Receiver<Deadline>,
    ) -> io::Result<(Self, Stop)> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let unfinished = Unfinished::new(UNFINISHED_BYTES);
        let (input, stop) = Input::new(feed, config.rules, &counters, &unfinished)?;
        drop(within);
        let demand = input.demand();
        let worker = Self {
            runtime,
            listener,
            tls,
            input,
            register: Register::new(config, state, counters, demand, memberships),
            unfinished,
            rules: config.rules,
            connections_max: config.connections_max,
            deadline,
        };
        Ok((worker, stop))
    }

    /// Starts the thread, pinned if a core is given. It ends by itself once every shard is gone.
    pub(crate) fn spawn(
        self,
        core: Option<usize>,
    ) -> Result<JoinHandle<io::Result<()>>, StartError> {
        let (report, outcome) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("grpc".to_owned())
            .spawn(move || {
                let pinned = core.map_or(Ok(()), pin_to);
                let is_pinned = pinned.is_ok();
                // Whoever started us waits for this word.
                report.send(pinned).map_err(io::Error::other)?;
                if is_pinned { self.work() } else { Ok(()) }
            })
            .map_err(StartError::Worker)?;
        match outcome.recv() {
            Ok(pinned) => pinned.map_err(StartError::Worker)?,
            Err(_) => return Err(StartError::Worker(io::Error::other("its thread died"))),
        }
        Ok(thread)
    }

    fn work(self) -> io::Result<()> {
        let router = self.router();
        let Self {
            runtime,
            listener,
            tls,
            input,
            register,
            connections_max,
            mut deadline,
            ..
        } = self;
        runtime.block_on(async {
            let (ready, connections) = tokio::sync::mpsc::channel(READY_MAX);
            let counters = register.counters.clone();
            let permits = Permits::new(connections_max);
            let accepting = accept(listener, tls, permits.clone(), counters, ready);
            let accepting = tokio::spawn(accepting);
            let (stop, stopped) = oneshot::channel::<()>();
            let serving = router.serve_with_incoming_shutdown(incoming(connections), async {
                stopped.await.ok();
            });
            let serving = tokio::spawn(serving);
            let pumped = tokio::spawn(input.pump(register.clone())).await;
            accepting.abort();
            register.stop();
            stop.send(()).ok();
            // Connections end once their streams have; one whose client does not answer would not.
            let until = known(&mut deadline).await;
            timeout_at(until.into(), serving).await.ok();
            timeout_at(until.into(), register.emptied()).await.ok();
            timeout_at(until.into(), permits.all()).await.ok();
            pumped.map_err(io::Error::other)
        })
        // Sessions that are left end with the runtime, and count what they could not deliver.
    }

    fn router(&self) -> Router<Stack<Calls, Identity>> {
        let readers = Readers {
            register: self.register.clone(),
            rules: self.rules,
            unfinished: self.unfinished.clone(),
            routers: self.input.routers(),
        };
        let senders = self.input.senders().filter(|_| self.rules.has_senders());
        Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(if self.rules.is_agent() {
                AGENT_CONNECTION_WINDOW_BYTES
            } else {
                CONNECTION_WINDOW_BYTES
            })
            .max_frame_size(FRAME_BYTES)
            .max_concurrent_streams(STREAMS_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
            .layer(Calls {
                senders,
                readers,
                rules: self.rules,
            })
            .add_routes(Routes::default())
    }
}

impl Input {
    fn new(
        feed: Feed,
        rules: Rules,
        counters: &Arc<GrpcCounters>,
        unfinished: &Arc<Unfinished>,
    ) -> io::Result<(Self, Stop)> {
        Ok(match feed {
            Feed::Lanes { reader, intake } => {
                let senders = Senders::new(intake, rules, counters.clone(), unfinished.clone());
                let stop = Stop::Senders(senders.clone());
                (Self::Lanes(Lanes::new(reader)?, senders), stop)
            }
            Feed::Routers(routers) => {
                let (stop, is_stopping) = watch::channel(false);
                (Self::Routers(routers, is_stopping), Stop::Routers(stop))
            }
        })
    }

    fn demand(&self) -> Option<DemandCell> {
        match self {
            Self::Lanes(lanes, _) => Some(lanes.demand()),
            Self::Routers(..) => None,
        }
    }

    fn senders(&self) -> Option<Senders> {
        match self {
            Self::Lanes(_, senders) => Some(senders.clone()),
            Self::Routers(..) => None,
        }
    }

    fn routers(&self) -> Option<Routers> {
        match self {
            Self::Lanes(..) => None,
            Self::Routers(routers, _) => Some(routers.clone()),
        }
    }

    /// Until nothing more comes in. What comes from routers goes to the sessions by itself.
    async fn pump(self, register: Arc<Register>) {
        match self {
            Self::Lanes(lanes, senders) => {
                pump::run(lanes, register, senders.turns()).await;
            }
            Self::Routers(_, mut is_stopping) => {
                // The other end is gone: that is a stop too.
                is_stopping.wait_for(|is_stopping| *is_stopping).await.ok();
            }
        }
    }
}

/// The deadline, once somebody has set it.
async fn known(deadline: &mut watch::Receiver<Deadline>) -> Instant {
    let known = deadline.wait_for(Option::is_some).await;
    let known = known.ok().and_then(|known| *known);
    known.unwrap_or_else(Instant::now)
}
