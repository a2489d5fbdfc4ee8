//! One run: a node, who writes to it and who reads from it, and a window in which all are watched.

use super::asking::{Answers, ask};
use super::batches::Batches;
use super::outcome::{Kept, Outcome};
use super::sending::{Load, send};
use super::series;
use crate::flow::certificates::{SERVER_NAME, client_files};
use crate::flow::error::{FlowError, machine};
use crate::flow::process::ServerProcess;
use crate::flow::server::{ServeConfig, Service};
use crate::flow::trial::channels;
use crate::flow::wire::get;
use crate::mixes::Mix;
use crate::receiver::Placement;
use crate::threads::{ThreadTime, give_way, monotonic_nanos};
use hydrant_engine::engine::pin_to;
use hydrant_rpc::tls::ClientTls;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::Channel;

/// What is the same in all runs.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Which core does what; none is pinned if there is only one.
    pub(super) placement: Option<Placement>,
    /// Where certificates are; gRPC is plaintext if there are none.
    pub(super) certificates: Option<PathBuf>,
    pub(super) senders: usize,
    pub(super) connections: usize,
    /// A second.
    pub(super) reads: u64,
    pub(super) memory_mib: u64,
    pub(super) warm_up: Duration,
    pub(super) window: Duration,
}

/// What readers are told.
#[derive(Debug, Default)]
struct Word {
    is_watched: AtomicBool,
    is_stopping: AtomicBool,
}

type Senders = JoinSet<Result<(), FlowError>>;

/// How often the node is asked whether it is full.
const LOOK: Duration = Duration::from_millis(100);

struct Snapshot {
    at_ns: u64,
    sent: u64,
    node_time: ThreadTime,
}

/// Where the node is, and how to get there.
struct Way {
    address: String,
    operator: SocketAddr,
    tls: Option<ClientTls>,
}

impl Setting {
    pub(super) fn run(
        &self,
        mix: Mix,
        batches: &Arc<Batches>,
        rate: Option<u64>,
    ) -> Result<Outcome, FlowError> {
        let config = ServeConfig {
            service: Service::LogCache,
            core: self.placement.map(|placement| placement.receiver_core),
            certificates: self.certificates.clone(),
            without_recent: true,
            drains: None,
            log_cache_mib: self.memory_mib,
        };
        let mut node = ServerProcess::start(&config)?;
        let way = self.way(&node)?;
        let word = Word::default();
        let watched = thread::scope(|scope| {
            let reading = scope.spawn(|| self.read(&way, batches, &word));
            let writing = scope.spawn(|| self.write(&way, batches, rate, &node, &word));
            let written = writing.join().unwrap_or_else(|_| Err(panicked()));
            word.is_stopping.store(true, Relaxed);
            let answers = reading.join().unwrap_or_else(|_| Err(panicked()))?;
            Ok((written?, answers))
        });
        let ((snapshots, sent, kept), answers) =
            watched.map_err(|error: FlowError| node.explain(error))?;
        let resident_bytes = node.resident_bytes()?;
        node.end()?;
        if kept.ingress != sent + series::COUNT {
            let faults = format!(
                "of {} envelopes {} were kept",
                sent + series::COUNT,
                kept.ingress
            );
            let name = mix.name().to_owned();
            return Err(FlowError::Unbalanced { name, faults });
        }
        let [before, after] = snapshots;
        Ok(Outcome {
            mix,
            rate,
            sent_bytes: batches.mean_bytes,
            window_ns: after.at_ns.saturating_sub(before.at_ns),
            sent: after.sent - before.sent,
            node_time: after.node_time.since(before.node_time),
            resident_bytes,
            kept,
            answers,
        })
    }

    fn way(&self, node: &ServerProcess) -> Result<Way, FlowError> {
        let files = self.certificates.as_deref().map(client_files);
        let tls = files.map(|files| ClientTls::load(&files, SERVER_NAME));
        let addresses = node.addresses();
        let (Some(log_cache), Some(operator)) = (addresses.log_cache, addresses.operator) else {
            return Err(FlowError::Config("the node says no address".to_owned()));
        };
        Ok(Way {
            address: log_cache.to_string(),
            operator,
            tls: tls.transpose()?,
        })
    }

    fn within<T>(&self, work: impl Future<Output = Result<T, FlowError>>) -> Result<T, FlowError> {
        let core = self.placement.map(|placement| placement.load_core);
        core.map_or(Ok(()), pin_to)
            .map_err(machine("pinning the load"))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map_err(machine("the load's runtime"))?
            .block_on(work)
    }

    fn read(&self, way: &Way, batches: &Batches, word: &Word) -> Result<Answers, FlowError> {
        self.within(async {
            let channels = channels(&way.address, way.tls.as_ref(), 1).await?;
            let word = [&word.is_watched, &word.is_stopping];
            ask(&channels[0], batches, self.reads, word).await
        })
    }

    fn write(
        &self,
        way: &Way,
        batches: &Arc<Batches>,
        rate: Option<u64>,
        node: &ServerProcess,
        word: &Word,
    ) -> Result<([Snapshot; 2], u64, Kept), FlowError> {
        // Readers are on the same core: what they wait for is to be the node.
        give_way().map_err(machine("the senders' priority"))?;
        self.within(async {
            let count = self.connections.clamp(1, self.senders);
            let channels = channels(&way.address, way.tls.as_ref(), count).await?;
            let (load, senders) = self.start(&channels, batches, None);
            while !way.kept().await?.is_full() {
                sleep(LOOK).await;
            }
            let filled = stop(&load, senders).await?;
            series::fill(&channels[0]).await?;
            let (load, senders) = self.start(&channels, batches, rate);
            sleep(self.warm_up).await;
            let before = snapshot(&load, node)?;
            word.is_watched.store(true, Relaxed);
            sleep(self.window).await;
            word.is_watched.store(false, Relaxed);
            let after = snapshot(&load, node)?;
            let sent = filled + stop(&load, senders).await?;
            Ok(([before, after], sent, way.kept().await?))
        })
    }

    fn start(
        &self,
        channels: &[Channel],
        batches: &Arc<Batches>,
        rate: Option<u64>,
    ) -> (Arc<Load>, Senders) {
        let load = Load::new(batches.clone(), rate);
        let mut senders = JoinSet::new();
        for sender in 0..self.senders {
            let channel = channels[sender % channels.len()].clone();
            senders.spawn(send(channel, load.clone()));
        }
        (load, senders)
    }
}

impl Way {
    async fn kept(&self) -> Result<Kept, FlowError> {
        let metrics = get(self.operator, "/metrics").await;
        let metrics = metrics.map_err(machine("/metrics"))?;
        Ok(kept(&String::from_utf8_lossy(&metrics)))
    }
}

/// Waits for calls that are under way; gives how many envelopes were sent.
async fn stop(load: &Load, mut senders: Senders) -> Result<u64, FlowError> {
    load.stop();
    while let Some(sender) = senders.join_next().await {
        sender.map_err(|error| FlowError::Config(error.to_string()))??;
    }
    Ok(load.sent())
}

fn snapshot(load: &Load, node: &ServerProcess) -> Result<Snapshot, FlowError> {
    Ok(Snapshot {
        at_ns: monotonic_nanos(),
        sent: load.sent(),
        node_time: node.time()?,
    })
}

fn kept(metrics: &str) -> Kept {
    let value = |name: &str| {
        let mut lines = metrics.lines();
        let number = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix("{} "));
        number.map_or(0, |number| number.parse().unwrap_or(0))
    };
    Kept {
        ingress: value("hydrant_log_cache_ingress_total"),
        envelopes: value("hydrant_log_cache_envelopes"),
        bytes: value("hydrant_log_cache_memory_bytes"),
    }
}

fn panicked() -> FlowError {
    FlowError::Config("the load panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_node_says_is_found() {
        let metrics = "# TYPE hydrant_log_cache_ingress counter\n\
            hydrant_log_cache_ingress_total{} 12\n\
            hydrant_log_cache_envelopes{} 7\n\
            hydrant_log_cache_memory_bytes{} 900\n";
        let expected = Kept {
            ingress: 12,
            envelopes: 7,
            bytes: 900,
        };
        assert_eq!(kept(metrics), expected);
    }
}
