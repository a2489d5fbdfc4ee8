//! What the Traffic Controller's settings are in our tables.

use super::{agent, any_address, engine_without_listeners, operator, routers};
use crate::agent::AgentConfig;
use crate::config::OperatorConfig;
use crate::roles::traffic_controller::{CloudController, TrafficControllerSettings, Uaa};
use hydrant_access::{AccessConfig, CapiConfig, UaaConfig};
use hydrant_engine::config::EngineConfig;
use hydrant_feed::routers::RoutersConfig;
use hydrant_http::HttpsFiles;
use hydrant_websocket::{RecentConfig, WebsocketConfig};
use hyper::Uri;

/// The source that upstream's Traffic Controller says its metrics are of.
const SOURCE_ID: &str = "traffic_controller";
/// A URL that cannot be connected. Without one upstream asks nobody, and lets in nobody.
const NOBODY: &str = "http://127.0.0.1:0";

impl TrafficControllerSettings {
    /// WebSockets and all that goes with them. As upstream, it asks over plain http if a URL says
    /// so, and does not say where logs are: that is for the Cloud Controller.
    pub fn websocket(&self) -> WebsocketConfig {
        WebsocketConfig {
            address: any_address(self.port),
            tls: Some(HttpsFiles {
                cert_file: self.cert_file.clone(),
                key_file: self.key_file.clone(),
            }),
            access: (!self.is_open_to_all).then(|| self.access()),
            insecure: true,
            security_event_log: self.security_event_log.clone(),
            security_event_host: Some(self.ip.clone()),
            system_domain: self.system_domain.clone(),
            discovery: false,
            recent: RecentConfig {
                enabled: self.keeps_recent_logs,
                ..RecentConfig::default()
            },
            ..WebsocketConfig::default()
        }
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Where envelopes come from. As upstream, a router has one connection.
    pub fn routers(&self) -> RoutersConfig {
        RoutersConfig {
            connections_per_router: 1,
            ..routers(&self.router_addresses, &self.tls)
        }
    }

    /// Where metrics go.
    pub fn agent(&self) -> AgentConfig {
        agent(
            &self.agent_address,
            self.metric_interval,
            SOURCE_ID,
            &self.tls,
        )
    }

    /// What is in the place of upstream's profiler.
    pub fn operator(&self) -> OperatorConfig {
        operator(self.pprof_port)
    }

    fn access(&self) -> AccessConfig {
        AccessConfig {
            uaa: self.uaa.table(),
            capi: self.cloud_controller.table(),
            skip_cert_verify: self.skip_cert_verify,
            cache_ms: None,
        }
    }
}

impl Uaa {
    fn table(&self) -> UaaConfig {
        UaaConfig {
            address: url(&self.address),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            ca_file: Some(self.ca.clone()),
        }
    }
}

impl CloudController {
    /// The name to verify is the URL's host if there is none, as Go has it.
    fn table(&self) -> CapiConfig {
        let server_name = match self.name.as_str() {
            "" => host(&self.address),
            name => name.to_owned(),
        };
        CapiConfig {
            address: url(&self.address),
            external_address: None,
            tls: Some(self.files.tls()),
            server_name,
        }
    }
}

fn url(address: &str) -> String {
    let address = if address.is_empty() { NOBODY } else { address };
    address.to_owned()
}

fn host(address: &str) -> String {
    let url = address.parse::<Uri>();
    let host = url.as_ref().ok().and_then(Uri::host);
    host.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::INTERVAL_MS_MAX;
    use crate::roles::traffic_controller::tests::settings;
    use std::path::Path;

    const GUARDED: (&str, &str) = ("TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL", "false");

    #[test]
    fn upstreams_suite_asks_nobody_and_everybody_may_read() {
        let settings = settings(&[]);
        let websocket = settings.websocket();
        websocket.check().unwrap();
        assert!(websocket.enabled && websocket.access.is_none());
        assert!(websocket.address.ip().is_unspecified() && websocket.address.port() == 0);
        assert_eq!(websocket.tls.unwrap().key_file, Path::new("/o/key"));
        assert_eq!(websocket.security_event_log, None);
        assert_eq!(websocket.security_event_host.unwrap(), "127.0.0.1");
        assert_eq!(websocket.system_domain, "vcap.me");
        assert!(websocket.recent.enabled && !websocket.discovery);
        assert_eq!(
            (websocket.sessions_max, websocket.slow_after_ms),
            (2_000, 5_000)
        );
        let agent = settings.agent();
        agent.check().unwrap();
        assert!(!agent.is_on());
        assert!(!settings.engine().has_listeners());
        settings.engine().check(1, 1).unwrap();
    }

    #[test]
    fn uaa_and_the_cloud_controller_are_asked() {
        let mut settings = settings(&[GUARDED]);
        let access = settings.websocket().access.unwrap();
        assert!(access.skip_cert_verify && access.cache_ms.is_none());
        assert_eq!(access.uaa.address, "http://127.0.0.1:65531");
        assert_eq!(access.uaa.client_id, "bob");
        assert_eq!(access.uaa.client_secret.text(), "hush");
        assert_eq!(access.uaa.ca_file.unwrap(), Path::new("/u/ca"));
        assert_eq!(access.capi.address, "http://127.0.0.1:65530");
        assert_eq!(access.capi.server_name, "cloud-controller");
        assert_eq!(access.capi.tls.unwrap().cert_file, Path::new("/a/crt"));
        settings.keeps_recent_logs = false;
        assert!(!settings.websocket().recent.enabled);
    }

    #[test]
    fn what_upstream_accepts_starts() {
        let access = |changes: &[(&str, &str)]| {
            let changes: Vec<_> = [GUARDED].iter().chain(changes).copied().collect();
            let websocket = settings(&changes).websocket();
            websocket.check().unwrap();
            websocket.access.unwrap()
        };
        let api = |address| ("TRAFFIC_CONTROLLER_API_HOST", address);
        let uaa = |address| ("TRAFFIC_CONTROLLER_UAA_HOST", address);
        let nowhere = access(&[api(""), uaa(""), ("CC_SERVER_NAME", "")]);
        assert_eq!(nowhere.capi.address, NOBODY);
        assert_eq!(nowhere.uaa.address, NOBODY);
        let plain = access(&[api("http://cc.example:80"), uaa("http://uaa.example")]);
        assert_eq!(plain.uaa.address, "http://uaa.example");
        let named_by_url = access(&[api("https://cc.example:9023"), ("CC_SERVER_NAME", "")]);
        assert_eq!(named_by_url.capi.server_name, "cc.example");
    }

    #[test]
    fn routers_are_one_zone() {
        let routers = |addresses| settings(&[("ROUTER_ADDRS", addresses)]).routers();
        let two = routers("a:1, b:2,,a:1");
        two.check().unwrap();
        let addresses: Vec<_> = two.addresses().collect();
        assert_eq!(addresses, [("routers", "a:1"), ("routers", "b:2")]);
        assert_eq!(two.connections_per_router, 1);
        assert_eq!(two.server_name, "doppler");
        assert_eq!(two.tls.unwrap().ca_file, Path::new("/r/ca"));
        for none in ["", ","] {
            routers(none).check().unwrap();
            assert_eq!(routers(none).addresses().count(), 0);
        }
    }

    #[test]
    fn metrics_and_the_operators_port_are_upstreams() {
        let interval = "TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL";
        let settings = settings(&[(interval, "9000h"), ("TRAFFIC_CONTROLLER_PPROF_PORT", "7")]);
        let agent = settings.agent();
        agent.check().unwrap();
        assert_eq!(agent.address, "localhost:0");
        assert_eq!(agent.interval_ms, INTERVAL_MS_MAX);
        assert_eq!(
            (agent.source_id.as_str(), agent.server_name.as_str()),
            (SOURCE_ID, "metron")
        );
        assert_eq!(agent.tls.unwrap().key_file, Path::new("/r/key"));
        assert_eq!(settings.operator().address.to_string(), "127.0.0.1:7");
    }
}
