//! What runs, for whoever watches: counters and registers, never the threads themselves.

use crate::agent::{AppLogCounts, LostEvents};
use hydrant_bindings::cache::CacheState;
use hydrant_bindings::source::SourceState;
use hydrant_engine::engine::ShardState;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_forward::ForwardState;
use hydrant_gateway::GatewayState;
use hydrant_grpc::GrpcCounters;
use hydrant_log_cache::NodeState;
use hydrant_log_cache_rest::RestState;
use hydrant_log_cache_syslog::SyslogCounters;
use hydrant_websocket::WebsocketState;
use std::sync::Arc;

/// The state of a server. Everything in it is read while the threads go on.
#[derive(Clone, Debug, Default)]
pub struct ServerState {
    /// The shards, in the order of the config's cores.
    pub shards: Vec<ShardState>,
    /// The frontend workers: those that read lanes, in the order of these, then those that other
    /// hosts feed.
    pub frontends: Vec<Arc<FrontendState>>,
    /// What the gRPC workers counted of connections and streams.
    pub grpc: Vec<Arc<GrpcCounters>>,
    /// What was counted in front of WebSockets.
    pub websocket: Option<Arc<WebsocketState>>,
    /// The other hosts that feed us.
    pub routers: Option<Routers>,
    /// What was sent on to other components.
    pub forward: Option<Arc<ForwardState>>,
    /// Log Cache.
    pub log_cache: Option<NodeState>,
    /// The gateway.
    pub gateway: Option<Arc<GatewayState>>,
    /// The binding cache.
    pub binding_cache: Option<Arc<CacheState>>,
    /// Log Cache's gateway.
    pub log_cache_gateway: Option<Arc<RestState>>,
    /// The proxy in front of it.
    pub log_cache_auth_proxy: Option<Arc<RestState>>,
    /// Log Cache's syslog server.
    pub log_cache_syslog: Option<Arc<SyslogCounters>>,
    /// Where drains of bindings come from.
    pub bindings: Option<Arc<SourceState>>,
    /// What became of logs to apps.
    pub app_logs: AppLogCounts,
    /// Events that the agent was not told.
    pub lost_events: LostEvents,
}

impl ServerState {
    /// How many of the frontend workers read lanes.
    pub fn lane_count(&self) -> usize {
        self.shards.first().map_or(0, |shard| shard.lanes.len())
    }

    /// The shards, by index, that are not running any more.
    pub fn stopped_shards(&self) -> Vec<usize> {
        let stopped = |index: &usize| !self.shards[*index].is_running();
        (0..self.shards.len()).filter(stopped).collect()
    }
}
