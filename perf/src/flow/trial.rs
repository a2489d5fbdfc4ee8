//! One run: a server, its senders and its readers, a window in which all are watched, and the end,
//! after which nothing is under way.

use super::balance::{Accounts, DrainAccounts, GroupTotal, Wanted};
use super::batches::ReadyBatches;
use super::certificates::{SERVER_NAME, client_files};
use super::drains::{Drains, Health};
use super::error::{FlowError, machine};
use super::measured::{Count, Ends, Group, Measured, Pace, Place, Timing};
use super::process::ServerProcess;
use super::run::Run;
use super::schedule::{histogram, nanos};
use super::sending::{Load, keep_beat, send};
use super::server::{LOG_CACHE_MIB, ServeConfig};
use super::wire::get;
use crate::receiver::Placement;
use crate::threads::{ThreadTime, idle_ns_of_core, monotonic_nanos, time_of};
use hdrhistogram::Histogram;
use hydrant::drains::Drain;
use hydrant_engine::engine::pin_to;
use hydrant_rpc::channel::connect;
use hydrant_rpc::tls::ClientTls;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

/// How long streams may take to end, in seconds.
const END_SECONDS_MAX: u64 = 60;
/// When nothing has come for so long, nothing more will.
const SETTLED_MS: u64 = 200;
/// A thousand readers can have the same fault.
const FAULTS_SHOWN_MAX: usize = 10;
const LOAD_THREAD: &str = "load";

/// What is the same in all runs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which core does what; none is pinned if there is only one.
    pub placement: Option<Placement>,
    /// Where certificates are; gRPC is plaintext if there are none.
    pub certificates: Option<PathBuf>,
    /// Whether the server does without its store of recent logs.
    pub without_recent: bool,
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

/// What all have done so far.
struct Snapshot {
    at_ns: u64,
    sent: u64,
    received: u64,
    server_time: ThreadTime,
    /// Of the server's core, if it has one of its own.
    idle_ns: Option<u64>,
    server_bytes: u64,
    load_time: ThreadTime,
}

/// The load while it runs.
struct Running {
    load: Arc<Load>,
    /// What each group wants, and what its members have.
    groups: Vec<Group<Count>>,
    senders: JoinSet<Result<(), FlowError>>,
    readers: JoinSet<Result<Histogram<u64>, FlowError>>,
}

impl Setting {
    /// Runs a case once, with batches of `batch`.
    ///
    /// # Errors
    /// [`FlowError`].
    pub fn run<M: Measured>(&self, case: M, pace: Pace, batch: usize) -> Result<Run, FlowError> {
        let place = case.place()?;
        let config = ServeConfig {
            service: case.service(),
            core: self.server_core(),
            certificates: self.certificates.clone(),
            without_recent: self.without_recent,
            drains: place.drains(),
            log_cache_mib: LOG_CACHE_MIB,
        };
        let mut server = ServerProcess::start(&config)?;
        let observed = self.on_load_core(|| self.observe(case, pace, batch, &place, &mut server));
        let mut run = observed.map_err(|error| server.explain(error))?;
        run.accounts.counts = server.end()?;
        if let Some(drains) = &mut run.accounts.drains {
            drains.found = place.found()?;
        }
        match run.accounts.faults() {
            none if none.is_empty() => Ok(run),
            faults => Err(FlowError::Unbalanced {
                name: format!("{} at {}", case.name(), pace.name()),
                faults: faults[..faults.len().min(FAULTS_SHOWN_MAX)].join("; "),
            }),
        }
    }

    fn server_core(&self) -> Option<usize> {
        self.placement.map(|placement| placement.receiver_core)
    }

    /// On a thread of its own: this one starts the next server, which may not inherit the core.
    fn on_load_core<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, FlowError> + Send,
    ) -> Result<T, FlowError> {
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
            let panicked = |_| Err(FlowError::Config("the load panicked".to_owned()));
            thread.join().unwrap_or_else(panicked)
        })
    }

    fn observe<M: Measured>(
        &self,
        case: M,
        pace: Pace,
        batch: usize,
        place: &M::Place,
        server: &mut ServerProcess,
    ) -> Result<Run, FlowError> {
        let apps = case.apps(self.apps);
        let batches = ReadyBatches::new(batch, self.bytes, apps).map_err(FlowError::Config)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(machine("the load's runtime"))?;
        runtime.block_on(async {
            let running = self.start(case, pace, batches, place, server).await?;
            sleep(case.warm_up(self.warm_up)).await;
            let before = self.snapshot(&running, server)?;
            sleep(self.window).await;
            let after = self.snapshot(&running, server)?;
            running.end::<M>(case, place, server, [before, after]).await
        })
    }

    /// Readers first, so that nothing is sent before they are there.
    async fn start<M: Measured>(
        &self,
        case: M,
        pace: Pace,
        batches: ReadyBatches,
        place: &M::Place,
        server: &ServerProcess,
    ) -> Result<Running, FlowError> {
        let ends = self.ends(batches.apps(), server)?;
        let groups = case.open(&ends, place).await?;
        let connections = self.connections.clamp(1, self.streams);
        let grpc = ends.addresses.grpc.to_string();
        let channels = channels(&grpc, ends.tls.as_ref(), connections).await?;
        let timed_from_ns = match pace {
            Pace::Timed(_) => Some(nanos(self.warm_up)),
            Pace::Rate(_) | Pace::Max => None,
        };
        let load = Load::new(batches, self.streams, pace.rate(), timed_from_ns);
        let mut running = Running::new(load);
        for group in groups {
            running.add_group::<M>(group, timed_from_ns);
        }
        for stream in 0..self.streams {
            running.add_sender(channels[stream % connections].clone(), stream);
        }
        tokio::spawn(keep_beat(running.load.clone()));
        Ok(running)
    }

    fn ends(&self, apps: usize, server: &ServerProcess) -> Result<Ends, FlowError> {
        let files = self.certificates.as_deref().map(client_files);
        let load_tls = |files| ClientTls::load(files, SERVER_NAME);
        Ok(Ends {
            addresses: server.addresses(),
            tls: files.as_ref().map(load_tls).transpose()?,
            apps,
        })
    }

    fn snapshot(&self, running: &Running, server: &ServerProcess) -> Result<Snapshot, FlowError> {
        let idle_ns = self.server_core().map(idle_ns_of_core).transpose();
        Ok(Snapshot {
            at_ns: monotonic_nanos(),
            sent: running.load.sent(),
            received: running.received(),
            server_time: server.time()?,
            idle_ns: idle_ns.map_err(machine("the server's core"))?,
            server_bytes: server.resident_bytes()?,
            load_time: time_of(LOAD_THREAD).map_err(machine("the load's time"))?,
        })
    }
}

impl Snapshot {
    /// How long since an earlier one the server's core was neither the server's nor idle. Without a
    /// core of its own: how long its threads waited, be it for each other.
    fn away_ns(&self, earlier: &Self) -> u64 {
        let time = self.server_time.since(earlier.server_time);
        match (self.idle_ns, earlier.idle_ns) {
            (Some(now_ns), Some(before_ns)) => (self.at_ns - earlier.at_ns)
                .saturating_sub(now_ns.saturating_sub(before_ns))
                .saturating_sub(time.cpu_ns),
            _ => time.waited_ns,
        }
    }
}

impl Running {
    fn new(load: Arc<Load>) -> Self {
        Self {
            load,
            groups: Vec::new(),
            senders: JoinSet::new(),
            readers: JoinSet::new(),
        }
    }

    fn add_group<M: Measured>(&mut self, group: Group<M::Reader>, timed_from_ns: Option<u64>) {
        let schedule = *self.load.schedule();
        let timing = timed_from_ns.map(|from_ns| Timing { schedule, from_ns });
        let mut members = Vec::new();
        for reader in group.members {
            let count = Count::default();
            members.push(count.clone());
            self.readers.spawn(M::read(reader, count, timing));
        }
        self.groups.push(Group {
            wanted: group.wanted,
            members,
        });
    }

    fn add_sender(&mut self, channel: Channel, stream: usize) {
        self.senders.spawn(send(channel, self.load.clone(), stream));
    }

    /// Senders end their streams, which the server answers when it has read them to their end. When
    /// readers have got what was under way it stops, which ends their streams.
    async fn end<M: Measured>(
        mut self,
        case: M,
        place: &M::Place,
        server: &mut ServerProcess,
        [before, after]: [Snapshot; 2],
    ) -> Result<Run, FlowError> {
        self.load.stop();
        joined("the end of senders' streams", &mut self.senders).await?;
        self.settled().await?;
        let drains = match (place.drains(), server.addresses().operator) {
            (Some(drains), Some(operator)) => Some(self.drained(drains, operator).await?),
            _ => None,
        };
        place.close()?;
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
            server_away_ns: after.away_ns(&before),
            server_bytes: after.server_bytes,
            load_time: after.load_time.since(before.load_time),
            latencies,
            lateness: self.load.lateness().unwrap_or_else(histogram),
            accounts: self.accounts(case.service().has_ledger(), drains),
        })
    }

    /// Waits until nothing has come for a while. What a stop makes of envelopes that are on their
    /// way is not what is measured here.
    async fn settled(&self) -> Result<(), FlowError> {
        let mut received = self.received();
        for _ in 0..END_SECONDS_MAX * 1000 / SETTLED_MS {
            sleep(Duration::from_millis(SETTLED_MS)).await;
            let before = received;
            received = self.received();
            if received == before {
                return Ok(());
            }
        }
        Err(FlowError::Late("the last envelope", END_SECONDS_MAX))
    }

    fn received(&self) -> u64 {
        let members = self.groups.iter().flat_map(|group| &group.members);
        members.map(Count::get).sum()
    }

    /// Waits until nothing waits for drains that are read from. Gives what the operator is told then.
    async fn drained(
        &self,
        drains: Drains,
        operator: SocketAddr,
    ) -> Result<DrainAccounts, FlowError> {
        let by_app = self.load.sent_by_app();
        let unread = [Health::Dead, Health::BlackHole].into_iter();
        let unread = unread.flat_map(|health| drains.apps_of(health));
        let unread_expected = unread.map(|app| by_app[app]).sum();
        for _ in 0..END_SECONDS_MAX * 1000 / SETTLED_MS {
            let body = get(operator, "/drains").await.map_err(machine("/drains"))?;
            let standing: Vec<Drain> = serde_json::from_slice(&body)
                .map_err(|error| FlowError::Config(format!("/drains: {error}")))?;
            let accounts = DrainAccounts {
                unread_expected,
                found: 0,
                standing: drains.standing(&standing),
            };
            if accounts.get(Health::Healthy, "waiting") == 0 {
                self.settled().await?;
                return Ok(accounts);
            }
            sleep(Duration::from_millis(SETTLED_MS)).await;
        }
        Err(FlowError::Late("the drains' last line", END_SECONDS_MAX))
    }

    /// All but the server's.
    fn accounts(&self, has_ledger: bool, drains: Option<DrainAccounts>) -> Accounts {
        let by_app = self.load.sent_by_app();
        let total = |group: &Group<Count>| GroupTotal {
            wanted: group.wanted,
            expected: match group.wanted {
                Wanted::Firehose => self.load.sent(),
                Wanted::App(app) => by_app[app],
            },
            received: group.members.iter().map(Count::get).collect(),
        };
        Accounts {
            has_ledger,
            sent: self.load.sent(),
            groups: self.groups.iter().map(total).collect(),
            counts: Default::default(),
            drains,
        }
    }
}

async fn joined<T: 'static>(
    what: &'static str,
    tasks: &mut JoinSet<Result<T, FlowError>>,
) -> Result<Vec<T>, FlowError> {
    let all = async {
        let mut outcomes = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            outcomes.push(outcome.map_err(|error| FlowError::Config(error.to_string()))??);
        }
        Ok(outcomes)
    };
    let limit = Duration::from_secs(END_SECONDS_MAX);
    let late = |_| Err(FlowError::Late(what, END_SECONDS_MAX));
    timeout(limit, all).await.unwrap_or_else(late)
}

/// So many connections to a server's gRPC.
///
/// # Errors
/// It does not take one.
pub async fn channels(
    address: &str,
    tls: Option<&ClientTls>,
    count: usize,
) -> Result<Vec<Channel>, FlowError> {
    let mut channels = Vec::new();
    for _ in 0..count {
        channels.push(connect(address, tls).await?);
    }
    Ok(channels)
}
