//! The server's thread: it takes connections, and sends what comes by them to the node.

use crate::config::LogCacheSyslogConfig;
use crate::connection::{Connection, Intake};
use crate::counters::{SyslogCounter, SyslogCounters};
use crate::outbox::Outbox;
use crate::sending::Sending;
use crate::told::Report;
use hydrant_engine::config::ConfigError;
use hydrant_feed::ending::{Ending, Phase};
use hydrant_feed::session::{FrontendState, SessionState};
use hydrant_rpc::channel::quiet_channel;
use hydrant_rpc::listen::{admitted, prepare, secured};
use hydrant_rpc::logcache::ingress::IngressClient;
use hydrant_rpc::tls::{ClientTls, Reloader, ServerTls, TlsError};
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::join;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};

/// The frontend's name, and its worker's.
pub const LOG_CACHE_SYSLOG: &str = "log-cache-syslog";

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate or key cannot be used.
    #[error("{key}: {error}")]
    Tls {
        /// The table that names the file.
        key: &'static str,
        /// What is wrong with it.
        error: TlsError,
    },
    /// The address cannot be used.
    #[error("log_cache_syslog.address: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The thread or its runtime cannot be had.
    #[error("log_cache_syslog: cannot start: {0}")]
    Thread(io::Error),
}

/// A server that runs. Dropped, it ends as soon as it can.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it counts.
    pub counters: Arc<SyslogCounters>,
    /// What came, and what becomes of envelopes.
    pub worker: Arc<FrontendState>,
    tls: Option<ServerTls>,
    node_tls: Option<ClientTls>,
    phase: watch::Sender<Phase>,
    over: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Starts a server. The node is sought when the first envelope has come.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start(config: &LogCacheSyslogConfig, report: Report) -> Result<Server, StartError> {
    config.check()?;
    let tls = config.tls.as_ref().map(|files| files.load()).transpose();
    let key = "log_cache_syslog.tls";
    let tls = tls.map_err(|error| StartError::Tls { key, error })?;
    let node_tls = config.node_tls.as_ref();
    let node_tls = node_tls.map(|files| ClientTls::load(files, &config.node_name));
    let key = "log_cache_syslog.node_tls";
    let node_tls = node_tls.transpose();
    let node_tls = node_tls.map_err(|error| StartError::Tls { key, error })?;
    let address = config.address;
    let refused = |error| StartError::Listen { address, error };
    let (listener, address) = listen(address).map_err(refused)?;
    let (worker, counters) = (
        Arc::new(FrontendState::new(LOG_CACHE_SYSLOG, None)),
        Arc::<SyslogCounters>::default(),
    );
    let session = SessionState::new("Log Cache".to_owned(), config.node_address.clone());
    let session = Arc::new(session);
    worker.open(session.clone());
    let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    let outbox = Arc::new(Outbox::new(session, bytes(config.outbox_bytes)));
    let intake = Intake {
        framing: config.framing,
        message_bytes_max: bytes(config.message_bytes_max),
        trims: config.trim_whitespace,
        idle: Duration::from_millis(config.idle_timeout_ms),
        worker: worker.clone(),
        outbox,
        counters: counters.clone(),
        report,
    };
    let (phase, ending) = Ending::new();
    let serving = Serving {
        intake: Arc::new(intake),
        tls: tls.clone(),
        node: (config.node_address.clone(), node_tls.clone()),
        connections_max: config.connections_max,
        ending,
    };
    let (thread, over) = serving.spawn(listener).map_err(StartError::Thread)?;
    Ok(Server {
        address,
        counters,
        worker,
        tls,
        node_tls,
        phase,
        over,
        thread,
    })
}

fn listen(address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    let listener = Listener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Server {
    /// Has certificates read anew when they change.
    pub fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = &self.tls {
            reloader.watch_server(tls);
        }
        if let Some(tls) = &self.node_tls {
            reloader.watch_client(tls);
        }
    }

    /// Reads no more, and waits until the node has what came, for as long as `deadline`.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn stop(self, deadline: Duration) -> io::Result<()> {
        self.phase.send_replace(Phase::Flushing);
        // Whether it is over or the time is.
        self.over.recv_timeout(deadline).ok();
        self.phase.send_replace(Phase::Over);
        let panicked = |_| io::Error::other("the syslog server's thread panicked");
        self.thread.join().map_err(panicked)
    }
}

struct Serving {
    intake: Arc<Intake>,
    tls: Option<ServerTls>,
    node: (String, Option<ClientTls>),
    connections_max: usize,
    ending: Ending,
}

impl Serving {
    fn spawn(self, listener: Listener) -> io::Result<(JoinHandle<()>, Receiver<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _within = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (is_over, over) = channel();
        let thread = thread::Builder::new().name("log-cache-sysl".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(self.serve(listener));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            // Nobody waits if we are dropped.
            is_over.send(()).ok();
        })?;
        Ok((thread, over))
    }

    async fn serve(self, listener: TcpListener) {
        let (address, tls) = &self.node;
        let sending = Sending {
            outbox: self.intake.outbox.clone(),
            counters: self.intake.counters.clone(),
            report: self.intake.report.clone(),
            client: IngressClient::new(quiet_channel(address, tls.as_ref())),
        };
        let taking = async {
            self.take_connections(listener).await;
            self.intake.outbox.close();
        };
        join!(taking, sending.run(self.ending.clone()));
    }

    /// Until we stop and all connections are over, which they are soon then.
    async fn take_connections(&self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let next = || admitted(&listener, &places);
        while let Some((stream, peer, place)) = self.ending.until_flushing(next()).await {
            self.intake.counters.count(SyslogCounter::Connections);
            prepare(&stream);
            let connection = Connection::new(self.intake.clone(), peer);
            let counters = self.intake.counters.clone();
            let (tls, ending) = (self.tls.clone(), self.ending.clone());
            tokio::spawn(async move {
                // Syslog has no name in ALPN.
                let acceptor = tls.map(|tls| tls.acceptor_of(Vec::new()));
                match ending.until_flushing(secured(stream, acceptor)).await {
                    Some(Some(stream)) => connection.serve(stream, ending).await,
                    Some(None) => counters.count(SyslogCounter::TlsFailed),
                    None => {}
                }
                drop(place);
            });
        }
        drop(listener);
        let all = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        // It is never closed.
        places.acquire_many(all).await.ok();
    }
}
