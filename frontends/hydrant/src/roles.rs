//! Upstream's executables, each a role that this program takes: the same names, environment
//! variables and lines on stderr, so that a BOSH job or a test suite can start it in their place.
//!
//! A role reads its variables into settings in upstream's units ([`env`], [`doppler`], [`rlp`],
//! [`gateway`], [`traffic_controller`], [`agents`], [`binding_cache`], [`log_cache`],
//! [`log_cache_syslog`]), makes a configuration of them (`tables`), and serves it (`run`).

pub mod agents;
pub mod binding_cache;
pub mod doppler;
pub mod duration;
pub mod env;
pub mod gateway;
pub mod log;
pub mod log_cache;
pub mod log_cache_syslog;
pub mod rlp;
mod run;
mod tables;
pub mod traffic_controller;

pub use run::run;

use log::{Log, Stamp};
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::Path;

/// What this program can be started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes envelopes in and gives them to subscribers.
    Doppler,
    /// Gives v2 subscribers the envelopes of all routers.
    ReverseLogProxy,
    /// Gives HTTP clients what the reverse log proxy has.
    Gateway,
    /// Gives WebSocket clients the envelopes of all routers.
    TrafficController,
    /// Gives Dopplers what this host emits.
    LoggregatorAgent,
    /// Gives this host's agents what it emits.
    ForwarderAgent,
    /// Gives the agent, as v2, what this host emits over UDP.
    UdpForwarder,
    /// Gives drains what this host's apps log.
    SyslogAgent,
    /// Gives syslog agents the bindings of drains.
    BindingCache,
    /// Keeps what was said of late, by source.
    LogCache,
    /// Gives HTTP clients what a Log Cache node has.
    LogCacheGateway,
    /// Lets people in to the gateway.
    LogCacheAuthProxy,
    /// Gives Log Cache what syslog agents send.
    LogCacheSyslogServer,
}

impl Role {
    /// Upstream's names: of the executable, and of its source folder or BOSH job.
    pub const NAMES: [(&'static str, Self); 25] = [
        ("doppler", Self::Doppler),
        ("router", Self::Doppler),
        ("rlp", Self::ReverseLogProxy),
        ("reverse_log_proxy", Self::ReverseLogProxy),
        ("rlp-gateway", Self::Gateway),
        ("reverse_log_proxy_gateway", Self::Gateway),
        ("trafficcontroller", Self::TrafficController),
        ("loggregator_trafficcontroller", Self::TrafficController),
        ("loggregator-agent", Self::LoggregatorAgent),
        ("loggregator_agent", Self::LoggregatorAgent),
        ("forwarder-agent", Self::ForwarderAgent),
        ("loggr-forwarder-agent", Self::ForwarderAgent),
        ("udp-forwarder", Self::UdpForwarder),
        ("loggr-udp-forwarder", Self::UdpForwarder),
        ("syslog-agent", Self::SyslogAgent),
        ("loggr-syslog-agent", Self::SyslogAgent),
        ("binding-cache", Self::BindingCache),
        ("syslog-binding-cache", Self::BindingCache),
        ("loggr-syslog-binding-cache", Self::BindingCache),
        ("log-cache", Self::LogCache),
        ("log-cache-gateway", Self::LogCacheGateway),
        ("log-cache-cf-auth-proxy", Self::LogCacheAuthProxy),
        ("cf-auth-proxy", Self::LogCacheAuthProxy),
        ("log-cache-syslog-server", Self::LogCacheSyslogServer),
        ("syslog-server", Self::LogCacheSyslogServer),
    ];

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        let names = Self::NAMES.iter();
        names
            .clone()
            .find(|(known, _)| *known == name)
            .map(|(_, role)| *role)
    }

    /// The role that an executable at `path` takes without being told.
    pub fn of_program(path: &OsStr) -> Option<Self> {
        Self::named(Path::new(path).file_name()?.to_str()?)
    }
}

/// Why a role ends at once: upstream's last line.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Fatal {
    /// None: it is said as it is.
    log: Option<Log>,
    problem: String,
}

impl Fatal {
    /// To be said in a log whose lines start so.
    pub fn new(stamp: Stamp, problem: impl Display) -> Self {
        let problem = problem.to_string();
        Self {
            log: Some(Log::new(stamp)),
            problem,
        }
    }

    /// As Go ends where upstream panics.
    pub fn panic(problem: impl Display) -> Self {
        Self {
            log: None,
            problem: format!("panic: {problem}"),
        }
    }

    /// Says it.
    pub fn tell(&self) {
        match self.log {
            Some(log) => log.line(self),
            None => log::plain(self),
        }
    }

    /// What the process exits with: as Go's do.
    pub const fn code(&self) -> u8 {
        match self.log {
            Some(_) => 1,
            None => 2,
        }
    }
}

/// The suites that upstream knows for TLS 1.2.
const SUITES: [&str; 2] = [
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
];

/// The suites of a list that are known; none, which stands for both, if it is empty.
fn suites(named: &[String], stamp: Stamp) -> Result<Vec<String>, Fatal> {
    let known = named.iter().filter(|name| SUITES.contains(&name.as_str()));
    let known: Vec<String> = known.cloned().collect();
    if known.is_empty() && !named.is_empty() {
        let problem = "no valid ciphers provided for TLS configuration";
        return Err(Fatal::new(stamp, problem));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_names() {
        let role = |path: &str| Role::of_program(OsStr::new(path));
        assert_eq!(
            role("/var/vcap/packages/doppler/doppler"),
            Some(Role::Doppler)
        );
        assert_eq!(role("router"), Some(Role::Doppler));
        let proxy = Some(Role::ReverseLogProxy);
        assert_eq!(role("./rlp"), proxy);
        assert_eq!(role("reverse_log_proxy"), proxy);
        assert_eq!(role("/x/rlp-gateway"), Some(Role::Gateway));
        assert_eq!(role("reverse_log_proxy_gateway"), Some(Role::Gateway));
        let package = "/var/vcap/packages/loggregator_trafficcontroller/trafficcontroller";
        assert_eq!(role(package), Some(Role::TrafficController));
        let job = "loggregator_trafficcontroller";
        assert_eq!(role(job), Some(Role::TrafficController));
        let agents = [
            (
                "loggregator_agent/loggregator-agent",
                Role::LoggregatorAgent,
            ),
            ("forwarder-agent/forwarder-agent", Role::ForwarderAgent),
            ("udp-forwarder/udp-forwarder", Role::UdpForwarder),
            ("syslog-agent/syslog-agent", Role::SyslogAgent),
            ("binding-cache/binding-cache", Role::BindingCache),
        ];
        for (package, agent) in agents {
            assert_eq!(role(&format!("/var/vcap/packages/{package}")), Some(agent));
        }
        assert_eq!(role("log-cache/log-cache"), Some(Role::LogCache));
        for name in ["syslog-binding-cache", "loggr-syslog-binding-cache"] {
            assert_eq!(role(name), Some(Role::BindingCache));
        }
        for other in ["hydrant", "/doppler/hydrant", "doppler2", "", "/"] {
            assert_eq!(role(other), None, "{other}");
        }
    }

    #[test]
    fn unknown_suites_are_skipped_unless_there_are_no_others() {
        let named = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            suites(&names, Stamp::Seconds)
        };
        assert!(named(&[]).unwrap().is_empty());
        assert_eq!(named(&["TLS_FOO", SUITES[1]]).unwrap(), [SUITES[1]]);
        let error = named(&["TLS_FOO", ""]).unwrap_err().to_string();
        assert_eq!(error, "no valid ciphers provided for TLS configuration");
    }
}
