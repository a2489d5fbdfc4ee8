//! One run: a server, its senders and its readers, a window in which all are watched, and the end,
//! after which nothing is under way.

use super::balance::{Accounts, ReaderTotal};
use super::batches::ReadyBatches;
use super::case::{Case, Pace};
use super::certificates::{SERVER_NAME, client_files};
use super::error::{GrpcError, machine};
use super::process::ServerProcess;
use super::reading::{Reading, Wanted, open};
use super::schedule::{histogram, nanos};
use super::sending::{Load, keep_beat, send};
use super::server::ServeConfig;
use crate::receiver::Placement;
use crate::threads::{ThreadTime, monotonic_nanos, time_of};
use bytes::Bytes;
use hdrhistogram::Histogram;
use hydrant_engine::engine::pin_to;
use hydrant_rpc::channel::connect;
use hydrant_rpc::tls::ClientTls;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Streaming;
use tonic::transport::Channel;

/// How long streams may take to end, in seconds.
const END_SECONDS_MAX: u64 = 60;
/// When nothing has come for so long, nothing more will.
const SETTLED_MS: u64 = 200;
/// Connections that readers of single apps share: those of a Reverse Log Proxy to one Doppler.
const APP_CONNECTIONS: usize = 20;
const LOAD_THREAD: &str = "grpc-load";

/// What is the same in all runs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which core does what; none is pinned if there is only one.
    pub placement: Option<Placement>,
    /// Where certificates are; plaintext if there are none.
    pub certificates: Option<PathBuf>,
    /// Streams that send.
    pub streams: usize,
    /// Connections that they share.
    pub connections: usize,
    /// Bytes of an envelope.
    pub bytes: usize,
    /// Sources.
    pub apps: usize,
    /// What goes by before the window.
    pub warm_up: Duration,
    /// For how long all are watched.
    pub window: Duration,
}

/// What was seen of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The window's length.
    pub window_ns: u64,
    /// Envelopes sent in it.
    pub offered: u64,
    /// Envelopes that came to readers in it.
    pub delivered: u64,
    /// What the server's process cost in it.
    pub server_time: ThreadTime,
    /// What the load's thread cost in it.
    pub load_time: ThreadTime,
    /// How long envelopes were under way, in nanoseconds, if that was taken down.
    pub latencies: Histogram<u64>,
    /// How late batches were sent, likewise.
    pub lateness: Histogram<u64>,
    /// The accounts of the whole run.
    pub accounts: Accounts,
}

/// What all have done so far.
struct Snapshot {
    at_ns: u64,
    sent: u64,
    received: u64,
    server_time: ThreadTime,
    load_time: ThreadTime,
}

/// The load while it runs.
struct Ends {
    load: Arc<Load>,
    readings: Vec<Reading>,
    senders: JoinSet<Result<(), GrpcError>>,
    readers: JoinSet<Result<Histogram<u64>, GrpcError>>,
}

impl Setting {
    /// Runs a case once, with batches of `batch`.
    ///
    /// # Errors
    /// [`GrpcError`].
    pub fn run(&self, case: Case, pace: Pace, batch: usize) -> Result<Run, GrpcError> {
        let config = ServeConfig {
            service: case.service(),
            core: self.placement.map(|placement| placement.receiver_core),
            certificates: self.certificates.clone(),
        };
        let mut server = ServerProcess::start(&config)?;
        let observed = self.on_load_core(|| self.observe(case, pace, batch, &mut server));
        let mut run = observed.map_err(|error| server.explain(error))?;
        run.accounts.counts = server.end()?;
        match run.accounts.faults() {
            none if none.is_empty() => Ok(run),
            faults => Err(GrpcError::Unbalanced {
                name: format!("{} at {}", case.name(), pace.name()),
                faults: faults.join("; "),
            }),
        }
    }

    /// On a thread of its own: this one starts the next server, which may not inherit the core.
    fn on_load_core<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, GrpcError> + Send,
    ) -> Result<T, GrpcError> {
        let core = self.placement.map(|placement| placement.load_core);
        let pinned = move || {
            core.map_or(Ok(()), pin_to)
                .map_err(machine("pinning the load"))?;
            work()
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name(LOAD_THREAD.to_owned());
            let thread = thread
                .spawn_scoped(scope, pinned)
                .map_err(machine("the load's thread"))?;
            let panicked = |_| Err(GrpcError::Config("the load panicked".to_owned()));
            thread.join().unwrap_or_else(panicked)
        })
    }

    fn observe(
        &self,
        case: Case,
        pace: Pace,
        batch: usize,
        server: &mut ServerProcess,
    ) -> Result<Run, GrpcError> {
        let batches = ReadyBatches::new(batch, self.bytes, self.apps).map_err(GrpcError::Config)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(machine("the load's runtime"))?;
        runtime.block_on(async {
            let ends = self.start(case, pace, batches, server).await?;
            sleep(self.warm_up).await;
            let before = ends.snapshot(server)?;
            sleep(self.window).await;
            let after = ends.snapshot(server)?;
            ends.end(case, server, [before, after]).await
        })
    }

    /// Readers first, so that nothing is sent before they are there.
    async fn start(
        &self,
        case: Case,
        pace: Pace,
        batches: ReadyBatches,
        server: &ServerProcess,
    ) -> Result<Ends, GrpcError> {
        let address = server.address().to_string();
        let files = self.certificates.as_deref().map(client_files);
        let load_tls = |files| ClientTls::load(files, SERVER_NAME);
        let tls = files.as_ref().map(load_tls).transpose()?;
        let wanted = case.readers(self.apps);
        let mut streams = Vec::new();
        for (channel, wanted) in reader_channels(&address, tls.as_ref(), &wanted).await? {
            streams.push((Reading::new(wanted), open(channel, wanted).await?));
        }
        let connections = self.connections.clamp(1, self.streams);
        let channels = channels(&address, tls.as_ref(), connections).await?;
        let timed_from_ns = match pace {
            Pace::Timed(_) => Some(nanos(self.warm_up)),
            Pace::Rate(_) | Pace::Max => None,
        };
        let load = Load::new(batches, self.streams, pace.rate(), timed_from_ns);
        let mut ends = Ends::new(load);
        for (reading, stream) in streams {
            ends.add_reader(reading, stream, timed_from_ns);
        }
        for stream in 0..self.streams {
            ends.add_sender(channels[stream % connections].clone(), stream);
        }
        tokio::spawn(keep_beat(ends.load.clone()));
        Ok(ends)
    }
}

impl Ends {
    fn new(load: Arc<Load>) -> Self {
        Self {
            load,
            readings: Vec::new(),
            senders: JoinSet::new(),
            readers: JoinSet::new(),
        }
    }

    fn add_reader(
        &mut self,
        reading: Reading,
        stream: Streaming<Bytes>,
        timed_from_ns: Option<u64>,
    ) {
        let schedule = *self.load.schedule();
        self.readings.push(reading.clone());
        self.readers.spawn(async move {
            match timed_from_ns {
                Some(from_ns) => reading.time(stream, schedule, from_ns).await,
                None => reading.count(stream).await.map(|()| histogram()),
            }
        });
    }

    fn add_sender(&mut self, channel: Channel, stream: usize) {
        self.senders.spawn(send(channel, self.load.clone(), stream));
    }

    fn snapshot(&self, server: &ServerProcess) -> Result<Snapshot, GrpcError> {
        Ok(Snapshot {
            at_ns: monotonic_nanos(),
            sent: self.load.sent(),
            received: self.received(),
            server_time: server.time()?,
            load_time: time_of(LOAD_THREAD).map_err(machine("the load's time"))?,
        })
    }

    /// Senders end their streams, which the server answers when it has read them to their end. When
    /// readers have got what was under way it stops, which ends their streams.
    async fn end(
        mut self,
        case: Case,
        server: &mut ServerProcess,
        [before, after]: [Snapshot; 2],
    ) -> Result<Run, GrpcError> {
        self.load.stop();
        joined("the end of senders' streams", &mut self.senders).await?;
        self.settled().await?;
        server.stop();
        let mut latencies = histogram();
        for times in joined("the end of readers' streams", &mut self.readers).await? {
            // Both have the same bounds.
            latencies.add(times).ok();
        }
        Ok(Run {
            window_ns: after.at_ns.saturating_sub(before.at_ns),
            offered: after.sent - before.sent,
            delivered: after.received - before.received,
            server_time: after.server_time.since(before.server_time),
            load_time: after.load_time.since(before.load_time),
            latencies,
            lateness: self.load.lateness().unwrap_or_else(histogram),
            accounts: self.accounts(case),
        })
    }

    /// Waits until nothing has come for a while. What a stop makes of envelopes that are on their
    /// way is not what is measured here.
    async fn settled(&self) -> Result<(), GrpcError> {
        let mut received = self.received();
        for _ in 0..END_SECONDS_MAX * 1000 / SETTLED_MS {
            sleep(Duration::from_millis(SETTLED_MS)).await;
            let before = received;
            received = self.received();
            if received == before {
                return Ok(());
            }
        }
        Err(GrpcError::Late("the last envelope", END_SECONDS_MAX))
    }

    fn received(&self) -> u64 {
        self.readings.iter().map(Reading::received).sum()
    }

    /// All but the server's.
    fn accounts(&self, case: Case) -> Accounts {
        let total = |reading: &Reading| ReaderTotal {
            wanted: reading.wanted,
            expected: match reading.wanted {
                Wanted::Firehose => self.load.sent(),
                Wanted::App(app) => self.load.sent_of(app),
            },
            received: reading.received(),
        };
        Accounts {
            service: case.service(),
            sent: self.load.sent(),
            readers: self.readings.iter().map(total).collect(),
            counts: Default::default(),
        }
    }
}

async fn joined<T: 'static>(
    what: &'static str,
    tasks: &mut JoinSet<Result<T, GrpcError>>,
) -> Result<Vec<T>, GrpcError> {
    let all = async {
        let mut outcomes = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            outcomes.push(outcome.map_err(|error| GrpcError::Config(error.to_string()))??);
        }
        Ok(outcomes)
    };
    let limit = Duration::from_secs(END_SECONDS_MAX);
    let late = |_| Err(GrpcError::Late(what, END_SECONDS_MAX));
    timeout(limit, all).await.unwrap_or_else(late)
}

/// A connection for each firehose; readers of apps share theirs.
async fn reader_channels(
    address: &str,
    tls: Option<&ClientTls>,
    wanted: &[Wanted],
) -> Result<Vec<(Channel, Wanted)>, GrpcError> {
    let is_app = |wanted: &&Wanted| matches!(wanted, Wanted::App(_));
    let app_count = wanted.iter().filter(is_app).count();
    let shared = channels(address, tls, app_count.min(APP_CONNECTIONS)).await?;
    let mut turns = shared.iter().cycle();
    let mut readers = Vec::new();
    for wanted in wanted {
        let channel = match (wanted, turns.next()) {
            (Wanted::App(_), Some(channel)) => channel.clone(),
            _ => connect(address, tls).await?,
        };
        readers.push((channel, *wanted));
    }
    Ok(readers)
}

async fn channels(
    address: &str,
    tls: Option<&ClientTls>,
    count: usize,
) -> Result<Vec<Channel>, GrpcError> {
    let mut channels = Vec::new();
    for _ in 0..count {
        channels.push(connect(address, tls).await?);
    }
    Ok(channels)
}
