//! What the binding cache's settings are in our tables.

use super::{any_address, engine_without_listeners, millis, scraped_operator};
use crate::agent::AgentConfig;
use crate::config::OperatorConfig;
use crate::roles::binding_cache::BindingCacheSettings;
use hydrant_bindings::ServiceConfig;
use hydrant_bindings::cache::CacheConfig;
use hydrant_engine::config::EngineConfig;
use hydrant_rpc::tls::TlsFiles;
use std::time::Duration;

/// For a page of the Cloud Controller, where upstream waits for as long as it takes.
const API_TIMEOUT: Duration = Duration::from_secs(30);

impl BindingCacheSettings {
    /// The cache.
    pub fn binding_cache(&self) -> CacheConfig {
        CacheConfig {
            address: any_address(self.cache_port),
            tls: TlsFiles {
                suites: self.suites.clone(),
                ..self.cache_files.tls()
            },
            api: ServiceConfig {
                url: self.api.url.clone(),
                tls: Some(self.api.files.tls()),
                server_name: self.api.name.clone(),
            },
            batch_size: self.api.batch_size,
            interval_ms: millis(self.api.interval),
            timeout_ms: millis(API_TIMEOUT),
            aggregate_drains_file: Some(self.aggregate_drains_file.clone()),
            blacklist: self.blacklist.clone(),
            warn_on_invalid: self.warn_on_invalid,
        }
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Where apps are told of their bindings. No metrics go there: upstream's are only scraped.
    pub fn agent(&self) -> AgentConfig {
        AgentConfig {
            address: self.agent_address.clone(),
            tls: Some(self.agent_files.tls()),
            interval_ms: 0,
            ..AgentConfig::default()
        }
    }

    /// What is in the place of upstream's profiler, and metrics for a scraper.
    pub fn operator(&self) -> OperatorConfig {
        scraped_operator(self.pprof_port, self.metrics_port, &self.metrics_files)
    }
}
