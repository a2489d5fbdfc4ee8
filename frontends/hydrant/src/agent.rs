//! Metrics about ourselves, sent to the agent of this host as upstream's components send theirs:
//! v2 counters as deltas and gauges, every interval, under the same names and tags; and events, as
//! they happen; and logs to apps about what is done for them.
//!
//! Upstream opens a stream for each metric; here all share one. An agent that is not there costs
//! nothing: what it did not get is in the next deltas. Events that it did not get are lost.

mod app_logs;
mod collector;
mod emitter;
mod events;
mod metrics;

pub use app_logs::{AppLog, AppLogCounts, AppLogQueue, AppLogs, app_logs};
pub(crate) use collector::UpstreamCollector;
pub use events::{EventQueue, Events, LostEvents, UpstreamEvent, events};
pub use metrics::{Tag, UpstreamCounter, UpstreamGauge, UpstreamMetrics, VERSION};

use emitter::Emitter;
use futures_util::future::{Either, select};
use hydrant_engine::config::ConfigError;
use hydrant_rpc::channel::channel;
use hydrant_rpc::ingress::IngressClient;
use hydrant_rpc::tls::{ClientTls, TlsError, TlsFiles};
use serde::Deserialize;
use std::io;
use std::pin::pin;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// The `[agent]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// Where the agent takes v2 envelopes, as `host:port`. Empty, the default, for none.
    pub address: String,
    /// What to show the agent and whom to trust. Without it the connection is plaintext.
    pub tls: Option<TlsFiles>,
    /// The name that the agent's certificate must have. Default: `metron`.
    pub server_name: String,
    /// How often metrics are sent; 0 for never. Default: 5000; at most a day.
    pub interval_ms: u64,
    /// The source that metrics are said to be of. Default: `doppler`.
    pub source_id: String,
}

/// The longest interval.
pub const INTERVAL_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
            tls: None,
            server_name: "metron".to_owned(),
            interval_ms: 5_000,
            source_id: "doppler".to_owned(),
        }
    }
}

impl AgentConfig {
    /// Checks what a single setting may be.
    ///
    /// # Errors
    /// Names the key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.interval_ms <= INTERVAL_MS_MAX {
            return Ok(());
        }
        let problem = format!("{} is more than {INTERVAL_MS_MAX}", self.interval_ms);
        Err(ConfigError {
            key: "agent.interval_ms",
            problem,
        })
    }

    /// Whether metrics are to be sent.
    pub fn is_on(&self) -> bool {
        !self.address.is_empty() && self.interval_ms > 0
    }
}

/// Why metrics cannot be sent: never because of the agent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Our files cannot be used.
    #[error("agent.tls: {0}")]
    Tls(#[from] TlsError),
    /// There can be no thread or no runtime.
    #[error("cannot start the thread that sends metrics: {0}")]
    Thread(#[from] io::Error),
}

/// The thread that sends. Ends soon after this is dropped.
#[derive(Debug)]
pub struct Agent {
    tls: Option<ClientTls>,
    /// Its end is what the thread waits for.
    _stop: oneshot::Sender<()>,
}

impl Agent {
    /// Sends what `metrics` gives, every interval, the first time after one; and what is put into
    /// `events` and `app_logs`. None if the configuration says that nothing is sent: without an
    /// address, or, if there are no `app_logs`, without an interval.
    ///
    /// # Errors
    /// Names the file that cannot be used, or says what the system said.
    pub fn start(
        config: &AgentConfig,
        metrics: impl Fn() -> UpstreamMetrics + Send + 'static,
        events: EventQueue,
        app_logs: Option<AppLogQueue>,
    ) -> Result<Option<Self>, StartError> {
        if config.address.is_empty() || (!config.is_on() && app_logs.is_none()) {
            return Ok(None);
        }
        let load = |files| ClientTls::load(files, &config.server_name);
        let tls = config.tls.as_ref().map(load).transpose()?;
        let (stop, stopped) = oneshot::channel();
        let sender = Sender {
            config: config.clone(),
            tls: tls.clone(),
            stopped,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("agent".to_owned())
            .spawn(move || runtime.block_on(sender.run(metrics, events, app_logs)))?;
        Ok(Some(Self { tls, _stop: stop }))
    }

    /// What we show the agent, for whoever watches over files.
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref()
    }
}

/// What the thread works with.
struct Sender {
    config: AgentConfig,
    tls: Option<ClientTls>,
    stopped: oneshot::Receiver<()>,
}

impl Sender {
    async fn run(
        mut self,
        metrics: impl Fn() -> UpstreamMetrics,
        events: EventQueue,
        app_logs: Option<AppLogQueue>,
    ) {
        let AgentConfig { source_id, .. } = self.config;
        let client = IngressClient::new(channel(&self.config.address, self.tls.as_ref()));
        // Ends with the runtime.
        tokio::spawn(events::tell(client.clone(), source_id.clone(), events));
        if let Some(app_logs) = app_logs {
            tokio::spawn(app_logs::tell(client.clone(), app_logs));
        }
        if self.config.interval_ms == 0 {
            self.stopped.await.ok();
            return;
        }
        let mut emitter = Emitter::new(client, source_id);
        let period = Duration::from_millis(self.config.interval_ms);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Either::Right(_) = select(&mut self.stopped, pin!(ticks.tick())).await {
            emitter.emit(&metrics());
        }
    }
}

#[cfg(test)]
mod tests;
