//! The whole configuration: a TOML file with a table for each part, or defaults for everything.

mod operator;
mod parse;

pub use operator::{OperatorConfig, ScrapeConfig, ScrapeNames};

use crate::agent::AgentConfig;
use hydrant_bindings::cache::CacheConfig;
use hydrant_engine::config::{ConfigError, Cores, EngineConfig, MemoryPlan, available_cores};
use hydrant_engine::engine::memory_plan;
use hydrant_feed::routers::RoutersConfig;
use hydrant_forward::{FORWARD, ForwardConfig};
use hydrant_gateway::GatewayConfig;
use hydrant_grpc::GrpcConfig;
use hydrant_log_cache::{LOG_CACHE, LogCacheConfig};
use hydrant_log_cache_rest::{GatewayConfig as LogCacheGatewayConfig, ProxyConfig};
use hydrant_log_cache_syslog::LogCacheSyslogConfig;
use hydrant_syslog::SyslogConfig;
use hydrant_websocket::WebsocketConfig;
use serde::Deserialize;
use std::iter::repeat_n;
use std::path::{Path, PathBuf};

/// The frontends, by the names of their workers.
pub const WEBSOCKET: &str = "websocket";
/// As [`WEBSOCKET`].
pub const SYSLOG: &str = "syslog";
/// As [`WEBSOCKET`].
pub const GRPC: &str = "grpc";

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Shards and what they listen to.
    pub engine: EngineConfig,
    /// What holds for all frontends.
    pub frontends: FrontendsConfig,
    /// Doppler and Reverse Log Proxy.
    pub grpc: GrpcConfig,
    /// Other Dopplers to read from: if set, gRPC readers and WebSockets are served from them, and
    /// this host takes nothing in over gRPC.
    pub routers: Option<RoutersConfig>,
    /// gRPC readers as server-sent events. Default: none.
    pub gateway: Option<GatewayConfig>,
    /// Firehose and app streams.
    pub websocket: WebsocketConfig,
    /// Syslog drains.
    pub syslog: SyslogConfig,
    /// Other components that everything is sent on to.
    pub forward: ForwardConfig,
    /// Bindings of syslog drains, for agents to ask. Default: none are served.
    pub binding_cache: Option<CacheConfig>,
    /// What was said of late, by source. Default: nothing is kept.
    pub log_cache: Option<LogCacheConfig>,
    /// A Log Cache node's gRPC as HTTP. Default: none.
    pub log_cache_gateway: Option<LogCacheGatewayConfig>,
    /// The proxy in front of Log Cache's gateway that lets people in. Default: none.
    pub log_cache_auth_proxy: Option<ProxyConfig>,
    /// Syslog lines of agents as envelopes to a Log Cache node. Default: none are taken.
    pub log_cache_syslog: Option<LogCacheSyslogConfig>,
    /// Metrics and health.
    pub operator: OperatorConfig,
    /// Metrics to the agent.
    pub agent: AgentConfig,
}

/// The `[frontends]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontendsConfig {
    /// Cores for frontend workers, given out in turn. Default: those without a shard; if there are
    /// none, workers are not pinned.
    pub cores: Option<Cores>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not what it should be; names the line, the key and what is allowed, and shows
    /// nothing of what stands there.
    #[error("{path}: {problem}", path = path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// A setting cannot be used; names the key.
    #[error(transparent)]
    Engine(#[from] ConfigError),
    /// A setting of a frontend cannot be used; names the key.
    #[error("{0}")]
    Frontend(String),
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Names the file, and the line or key.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path).map_err(|error| LoadError::Read {
            path: path.to_owned(),
            error,
        })?;
        let config: Self = parse::parse(&text).map_err(|problem| LoadError::Parse {
            path: path.to_owned(),
            problem,
        })?;
        config.plan()?;
        Ok(config)
    }

    /// Checks all settings; gives the memory plan of the whole.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn plan(&self) -> Result<MemoryPlan, LoadError> {
        let mut plan = memory_plan(&self.engine, self.workers().len(), self.intakes())?;
        self.check()?;
        if self.websocket.enabled {
            plan.add(
                "websocket.outboxes_bytes",
                "all sessions' outboxes together".to_owned(),
                self.websocket.outboxes_bytes.as_u64(),
            );
        }
        if self.websocket.enabled && self.websocket.recent.enabled {
            plan.add(
                "websocket.recent.bytes",
                "recent logs and container metrics".to_owned(),
                self.websocket.recent.bytes.as_u64(),
            );
        }
        if self.grpc.enabled {
            plan.add(
                "grpc.outboxes_bytes",
                format!("{} workers × all outboxes together", self.grpc.workers),
                self.grpc.outboxes_bytes.as_u64() * self.grpc.workers as u64,
            );
        }
        if self.syslog_workers() > 0 {
            plan.add(
                "syslog.outboxes_bytes",
                "all drains' outboxes together".to_owned(),
                self.syslog.outboxes_bytes.as_u64(),
            );
        }
        if self.forward.is_on() {
            plan.add(
                "forward.outbox_bytes",
                format!("{} destinations' outboxes", self.forward.destinations.len()),
                self.forward
                    .outbox_bytes
                    .as_u64()
                    .saturating_mul(self.forward.destinations.len() as u64),
            );
            plan.add(
                "forward.destinations",
                "connections × what HTTP/2 takes ahead".to_owned(),
                self.forward.ahead_bytes(),
            );
        }
        self.plan_log_cache(&mut plan);
        Ok(plan.fits(self.engine.memory_max)?)
    }

    fn plan_log_cache(&self, plan: &mut MemoryPlan) {
        if let Some(log_cache) = &self.log_cache {
            plan.add(
                "log_cache.memory",
                "envelopes by source".to_owned(),
                log_cache.memory.as_u64(),
            );
            if log_cache.nodes.len() > 1 {
                plan.add(
                    "log_cache.peer_outbox",
                    format!("{} other nodes' outboxes", log_cache.nodes.len() - 1),
                    log_cache.peer_outboxes_bytes(),
                );
            }
        }
        if let Some(syslog) = &self.log_cache_syslog {
            plan.add(
                "log_cache_syslog.outbox_bytes",
                "envelopes for the node".to_owned(),
                syslog.outbox_bytes.as_u64(),
            );
            plan.add(
                "log_cache_syslog.connections_max",
                format!("{} partial messages, at most", syslog.connections_max),
                syslog.connections_bytes(),
            );
        }
    }

    /// Each table by itself, and the cores.
    fn check(&self) -> Result<(), LoadError> {
        self.websocket
            .check()
            .map_err(|error| LoadError::Frontend(error.to_string()))?;
        self.grpc
            .check()
            .map_err(|error| LoadError::Frontend(error.to_string()))?;
        self.syslog
            .check()
            .map_err(|error| LoadError::Frontend(error.to_string()))?;
        self.forward
            .check()
            .map_err(|error| LoadError::Frontend(error.to_string()))?;
        if let Some(routers) = &self.routers {
            routers.check()?;
        }
        if let Some(gateway) = &self.gateway {
            gateway.check()?;
        }
        if let Some(cache) = &self.binding_cache {
            cache.check()?;
        }
        if let Some(log_cache) = &self.log_cache {
            log_cache.check()?;
        }
        if let Some(gateway) = &self.log_cache_gateway {
            gateway.check()?;
        }
        if let Some(proxy) = &self.log_cache_auth_proxy {
            proxy.check()?;
        }
        if let Some(syslog) = &self.log_cache_syslog {
            syslog.check()?;
        }
        self.operator.check()?;
        self.agent.check()?;
        self.frontend_cores().map(drop)?;
        Ok(())
    }

    /// The frontend workers that read lanes, in the order of these.
    pub fn workers(&self) -> Vec<&'static str> {
        let reads_lanes = self.websocket.enabled && self.routers.is_none();
        let websocket = reads_lanes.then_some(WEBSOCKET);
        let syslog = repeat_n(SYSLOG, self.syslog_workers());
        let forward = self.forward.is_on().then_some(FORWARD);
        let log_cache = self.log_cache.as_ref().map(|_| LOG_CACHE);
        let grpc = repeat_n(GRPC, self.intakes());
        let first = websocket.into_iter().chain(syslog).chain(forward);
        first.chain(log_cache).chain(grpc).collect()
    }

    /// None if there can be no drains.
    fn syslog_workers(&self) -> usize {
        if self.syslog.is_on() {
            self.syslog.workers
        } else {
            0
        }
    }

    /// Shards that gRPC workers drive: each one, unless other hosts feed them.
    fn intakes(&self) -> usize {
        if self.grpc.enabled && self.routers.is_none() {
            self.grpc.workers
        } else {
            0
        }
    }

    /// The core of each frontend worker, in the order of [`workers`](Self::workers).
    ///
    /// # Errors
    /// Names the key if a core cannot be had.
    pub fn frontend_cores(&self) -> Result<Vec<Option<usize>>, ConfigError> {
        let cores = match &self.frontends.cores {
            Some(cores) => cores.resolve().map_err(|mut error| {
                error.key = "frontends.cores";
                error
            })?,
            None => {
                let shards = self.engine.shard_cores()?;
                available_cores()
                    .into_iter()
                    .filter(|core| !shards.contains(core))
                    .collect()
            }
        };
        let mut turns = cores.iter().copied().cycle();
        Ok(self.workers().iter().map(|_| turns.next()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn plan_error(text: &str) -> String {
        toml::from_str::<Config>(text)
            .unwrap()
            .plan()
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_has_a_default_address_has_its_own() {
        let config: Config =
            toml::from_str("[gateway]\n[log_cache]\n[log_cache_gateway]\n[log_cache_syslog]\n")
                .unwrap();
        let addresses = [
            Some(config.grpc.address),
            Some(config.websocket.address),
            Some(config.operator.address),
            config.gateway.map(|it| it.address),
            config.log_cache.map(|it| it.address),
            config.log_cache_gateway.map(|it| it.address),
            config.log_cache_syslog.map(|it| it.address),
        ];
        let addresses = addresses.map(Option::unwrap);
        let different: HashSet<_> = addresses.iter().collect();
        assert_eq!(different.len(), addresses.len(), "{addresses:?}");
    }

    #[test]
    fn what_the_readme_names_is_there() {
        let readme = include_str!("../../../README.md");
        let (_, rest) = readme.split_once("```toml\n[engine]").unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        let all: Vec<_> = shown
            .lines()
            .map(|it| it.strip_prefix("# ").unwrap_or(it))
            .collect();
        let text = format!("[engine]\n{}", all.join("\n"));
        toml::from_str::<Config>(&text).unwrap();
    }

    #[test]
    fn defaults_pass_and_need_no_syslog_worker() {
        let config = Config::default();
        assert_eq!(config.workers(), ["websocket", "grpc"]);
        config.plan().unwrap();
    }

    #[test]
    fn a_wrong_file_is_named_with_line_and_choices_and_not_shown() {
        let name = format!("hydrant-config-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::load(&path).unwrap_err().to_string()
        };
        let error = load("[engine]\n\n[websokets]\n");
        let start = format!("{}: line 3, column 2: ", path.display());
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains("`websocket`"), "{error}");
        let error = load("[gateway.access.uaa]\nclient_secret = hush\n");
        assert!(error.contains(": line 2, column 17: "), "{error}");
        assert!(!error.contains("hush"), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn addresses_open_to_the_world_must_be_said_so() {
        let error = plan_error("[operator]\naddress = \"0.0.0.0:1\"");
        assert!(error.starts_with("operator.address: 0.0.0.0:1"), "{error}");
        let error = plan_error("[websocket]\naddress = \"0.0.0.0:1\"");
        assert!(error.contains("websocket.address"), "{error}");
    }

    #[test]
    fn cores_and_memory_name_their_keys() {
        assert!(plan_error("[frontends]\ncores = [999]").starts_with("frontends.cores: core 999"));
        let text = "[websocket]\noutboxes_bytes = \"16 GiB\"";
        assert!(plan_error(text).starts_with("websocket.outboxes_bytes"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::load(Path::new("no/such.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }
}
