//! The Traffic Controller's role (upstream's `trafficcontroller`): its variables, and what they
//! mean.

mod files;

use super::Fatal;
use super::duration::GoDuration;
use super::env::{Environment, Reader, Report, Variable};
use super::gateway::Files;
use super::log::Stamp;
use hydrant_access::Secret;
use hydrant_rpc::tls::TlsFiles;
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's Traffic Controller is told.
#[derive(Clone, Debug)]
pub struct TrafficControllerSettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with microseconds.
    pub log_stamp: Stamp,
    /// `TRAFFIC_CONTROLLER_IP`: this host's address, as the security event log tells it.
    pub ip: String,
    /// Whom to ask which apps a user may read.
    pub cloud_controller: CloudController,
    /// `TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT`, on all addresses; 0 lets the kernel choose.
    pub port: u16,
    /// `TRAFFIC_CONTROLLER_OUTGOING_CERT_FILE`: what clients are shown.
    pub cert_file: PathBuf,
    /// `TRAFFIC_CONTROLLER_OUTGOING_KEY_FILE`.
    pub key_file: PathBuf,
    /// `TRAFFIC_CONTROLLER_SYSTEM_DOMAIN`: cookies are for `doppler.` and this.
    pub system_domain: String,
    /// `TRAFFIC_CONTROLLER_SKIP_CERT_VERIFY`: UAA and the Cloud Controller may show any
    /// certificate.
    pub skip_cert_verify: bool,
    /// Whom to ask who may read everything.
    pub uaa: Uaa,
    /// `TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG`: where a line for each request goes, if anywhere.
    pub security_event_log: Option<PathBuf>,
    /// `TRAFFIC_CONTROLLER_PPROF_PORT`, on 127.0.0.1.
    pub pprof_port: u16,
    /// `TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL`; zero for never. Default: a minute.
    pub metric_interval: Duration,
    /// `TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL`: everybody may read everything.
    pub is_open_to_all: bool,
    /// `ROUTER_ADDRS`: host and port of each router. May be empty.
    pub router_addresses: Vec<String>,
    /// `AGENT_GRPC_ADDRESS`: host and port; empty for none.
    pub agent_address: String,
    /// `ROUTER_{CERT,KEY,CA}_FILE`: for routers and the agent.
    pub tls: TlsFiles,
    /// `HYDRANT_RECENT_LOGS`, which upstream does not have: whether recent logs and container
    /// metrics are kept. Default: true.
    pub keeps_recent_logs: bool,
}

/// The Cloud Controller.
#[derive(Clone, Debug)]
pub struct CloudController {
    /// `TRAFFIC_CONTROLLER_API_HOST`: the URL of its internal interface.
    pub address: String,
    /// `CC_{CERT,KEY,CA}_FILE`.
    pub files: Files,
    /// `CC_SERVER_NAME`.
    pub name: String,
}

/// The UAA.
#[derive(Clone, Debug)]
pub struct Uaa {
    /// `TRAFFIC_CONTROLLER_UAA_HOST`: its URL.
    pub address: String,
    /// `TRAFFIC_CONTROLLER_UAA_CLIENT`.
    pub client_id: String,
    /// `TRAFFIC_CONTROLLER_UAA_CLIENT_SECRET`.
    pub client_secret: Secret,
    /// `TRAFFIC_CONTROLLER_UAA_CA_CERT`.
    pub ca: PathBuf,
}

const IP: &str = "TRAFFIC_CONTROLLER_IP";
const SYSTEM_DOMAIN: &str = "TRAFFIC_CONTROLLER_SYSTEM_DOMAIN";
const UAA_HOST: &str = "TRAFFIC_CONTROLLER_UAA_HOST";
const UAA_CLIENT_SECRET: &str = "TRAFFIC_CONTROLLER_UAA_CLIENT_SECRET";
const UAA_CA_CERT: &str = "TRAFFIC_CONTROLLER_UAA_CA_CERT";
const ROUTER_CA_FILE: &str = "ROUTER_CA_FILE";
const ROUTER_CERT_FILE: &str = "ROUTER_CERT_FILE";
const ROUTER_KEY_FILE: &str = "ROUTER_KEY_FILE";

/// What must be set, though upstream does not tag it as required, and what it says if it is not.
/// In the order in which it looks.
const NEEDED: [(&str, &str); 6] = [
    (
        SYSTEM_DOMAIN,
        "need system domain in order to create the proxies",
    ),
    (IP, "need IP address for access logging"),
    (
        ROUTER_CA_FILE,
        "invalid router config, no GRPC.CAFile provided",
    ),
    (
        ROUTER_CERT_FILE,
        "invalid router config, no GRPC.CertFile provided",
    ),
    (
        ROUTER_KEY_FILE,
        "invalid router config, no GRPC.KeyFile provided",
    ),
    (UAA_CLIENT_SECRET, "missing UAA client secret"),
];

impl TrafficControllerSettings {
    /// Reads the Traffic Controller's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let fatal = |error: &dyn std::fmt::Display| {
            let problem = format_args!("Unable to load config: {error}");
            Fatal::new(Stamp::Seconds, problem)
        };
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| fatal(&error))?;
        match missed(environment) {
            Some(problem) => Err(fatal(&problem)),
            None => Ok((settings, report)),
        }
    }

    /// In the order of upstream's fields.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let rfc3339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Microseconds);
        let ip = shown("Config.IP", IP);
        let ip = reader.read(ip, String::new());
        let api_host = shown("Config.ApiHost", "TRAFFIC_CONTROLLER_API_HOST");
        let api_host = reader.read(api_host, String::new());
        let domain = shown("Config.SystemDomain", SYSTEM_DOMAIN);
        let routers = Variable::new("Config.RouterAddrs", "[]string", "ROUTER_ADDRS");
        let agent = Variable::new("Agent.GRPCAddress", "string", "AGENT_GRPC_ADDRESS");
        let recent = Variable::new("Hydrant.RecentLogs", "bool", "HYDRANT_RECENT_LOGS");
        Self {
            log_stamp,
            ip,
            port: reader.read(PORT, 0),
            cert_file: reader.path(CERT_FILE),
            key_file: reader.path(KEY_FILE),
            system_domain: reader.read(domain, String::new()),
            skip_cert_verify: reader.read(SKIP_CERT_VERIFY, false),
            uaa: Uaa::read(reader),
            security_event_log: Some(reader.path(SECURITY_EVENT_LOG))
                .filter(|path| !path.as_os_str().is_empty()),
            pprof_port: reader.read(PPROF_PORT, 0),
            metric_interval: reader
                .read(METRIC_INTERVAL, GoDuration::from_secs(60))
                .to_std(),
            is_open_to_all: reader.read(DISABLE_ACCESS_CONTROL, false),
            router_addresses: reader.read(routers.reported(), Vec::new()),
            cloud_controller: CloudController::read(reader, api_host),
            agent_address: reader.read(agent, String::new()),
            tls: router_files(reader),
            keeps_recent_logs: reader.read(recent.reported(), true),
        }
    }
}

const PORT: Variable = Variable::new(
    "Config.OutgoingDropsondePort",
    "uint32",
    "TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT",
)
.reported();
const CERT_FILE: Variable = shown(
    "Config.OutgoingCertFile",
    "TRAFFIC_CONTROLLER_OUTGOING_CERT_FILE",
);
const KEY_FILE: Variable = shown(
    "Config.OutgoingKeyFile",
    "TRAFFIC_CONTROLLER_OUTGOING_KEY_FILE",
);
const SKIP_CERT_VERIFY: Variable = Variable::new(
    "Config.SkipCertVerify",
    "bool",
    "TRAFFIC_CONTROLLER_SKIP_CERT_VERIFY",
)
.reported();
const SECURITY_EVENT_LOG: Variable = shown(
    "Config.SecurityEventLog",
    "TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG",
);
const PPROF_PORT: Variable = Variable::new(
    "Config.PProfPort",
    "uint32",
    "TRAFFIC_CONTROLLER_PPROF_PORT",
)
.reported();
const METRIC_INTERVAL: Variable = Variable::new(
    "Config.MetricEmitterInterval",
    "time.Duration",
    "TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL",
)
.reported();
const DISABLE_ACCESS_CONTROL: Variable = Variable::new(
    "Config.DisableAccessControl",
    "bool",
    "TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL",
)
.reported();

const fn shown(field: &'static str, name: &'static str) -> Variable {
    Variable::new(field, "string", name).reported()
}

/// What upstream says of the first that is not there.
fn missed(environment: &Environment) -> Option<&'static str> {
    let is_missed = |name| environment.get(name).is_none();
    let needed = NEEDED.iter().find(|(name, _)| is_missed(name));
    if needed.is_none() && !is_missed(UAA_HOST) && is_missed(UAA_CA_CERT) {
        return Some("missing UAA CA certificate");
    }
    needed.map(|(_, said)| *said)
}

fn router_files(reader: &mut Reader<'_>) -> TlsFiles {
    let text = |field, name| Variable::new(field, "string", name);
    TlsFiles {
        ca_file: reader.path(text("GRPC.CAFile", ROUTER_CA_FILE)),
        cert_file: reader.path(text("GRPC.CertFile", ROUTER_CERT_FILE)),
        key_file: reader.path(text("GRPC.KeyFile", ROUTER_KEY_FILE)),
        suites: Vec::new(),
    }
}

impl Uaa {
    fn read(reader: &mut Reader<'_>) -> Self {
        let client = shown("Config.UaaClient", "TRAFFIC_CONTROLLER_UAA_CLIENT");
        let secret = Variable::new("Config.UaaClientSecret", "string", UAA_CLIENT_SECRET);
        Self {
            address: reader.read(shown("Config.UaaHost", UAA_HOST), String::new()),
            client_id: reader.read(client, String::new()),
            client_secret: Secret::new(&reader.read(secret, String::new())),
            ca: reader.path(shown("Config.UaaCACert", UAA_CA_CERT)),
        }
    }
}

impl CloudController {
    fn read(reader: &mut Reader<'_>, address: String) -> Self {
        let text = |field, name| Variable::new(field, "string", name);
        Self {
            address,
            files: Files {
                cert: reader.path(text("CCTLSClientConfig.CertFile", "CC_CERT_FILE")),
                key: reader.path(text("CCTLSClientConfig.KeyFile", "CC_KEY_FILE")),
                ca: reader.path(text("CCTLSClientConfig.CAFile", "CC_CA_FILE")),
            },
            name: reader.read(
                text("CCTLSClientConfig.ServerName", "CC_SERVER_NAME"),
                String::new(),
            ),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
