//! A gateway between its peers.

use super::provider::{Manner, Provider};
use crate::access_log::AccessLog;
use crate::timing::Timing;
use crate::{Gateway, GatewayConfig, GatewayCounter, start_with};
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Envelope, Log};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How soon what must happen within a second happens.
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Rig {
    pub(super) provider: Provider,
    pub(super) gateway: Gateway,
}

impl Rig {
    /// Without access control.
    pub(super) fn new() -> Self {
        Self::with(Manner::Prompt, |_| ())
    }

    pub(super) fn with(manner: Manner, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::logging(manner, change, None)
    }

    pub(super) fn logging(
        manner: Manner,
        change: impl FnOnce(&mut GatewayConfig),
        log: Option<AccessLog>,
    ) -> Self {
        let provider = Provider::new(manner);
        let mut config = config(provider.address);
        change(&mut config);
        let gateway = start_with(&config, hurried(&config), log).unwrap();
        Self { provider, gateway }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    pub(super) fn get(&self, counter: GatewayCounter) -> u64 {
        self.gateway.state().get(counter)
    }

    /// Waits until a counter stands at `count`.
    pub(super) fn await_count(&self, counter: GatewayCounter, count: u64) {
        let state = self.gateway.state();
        eventually(|| state.get(counter) == count);
    }
}

/// A gateway without a provider of its own.
pub(super) fn gateway(change: impl FnOnce(&mut GatewayConfig)) -> Gateway {
    let mut config = config(SocketAddr::from(([127, 0, 0, 1], 1)));
    change(&mut config);
    start_with(&config, hurried(&config), None).unwrap()
}

pub(super) fn config(provider: SocketAddr) -> GatewayConfig {
    let mut config = GatewayConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        ..GatewayConfig::default()
    };
    config.provider.address = provider.to_string();
    config
}

/// The config's timing, and not much time for others.
pub(super) fn hurried(config: &GatewayConfig) -> Timing {
    Timing {
        answer_timeout: Duration::from_millis(300),
        open_timeout: Duration::from_millis(300),
        ..Timing::of(config)
    }
}

pub(super) fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + 10 * SECOND;
    while !is_so() {
        assert!(Instant::now() < deadline, "never happened");
        sleep(Duration::from_millis(5));
    }
}

pub(super) fn log(payload: &str) -> Envelope {
    Envelope {
        timestamp: 1,
        source_id: "app".into(),
        message: Some(Message::Log(Log {
            payload: payload.to_owned().into(),
            r#type: 0,
        })),
        ..Envelope::default()
    }
}

/// The event that a batch of such logs becomes.
pub(super) fn logs_event(payloads_base64: &[&str]) -> String {
    let envelopes: Vec<_> = payloads_base64
        .iter()
        .map(|payload| {
            format!(
                r#"{{"timestamp":"1","source_id":"app","instance_id":"","deprecated_tags":{{}},"tags":{{}},"log":{{"payload":"{payload}","type":"OUT"}}}}"#
            )
        })
        .collect();
    format!("data: {{\"batch\":[{}]}}\n\n", envelopes.join(","))
}
