//! The roles of Log Cache's node, of its gateway and of the proxy in front of it (upstream's
//! `log-cache`, `log-cache-gateway` and `log-cache-cf-auth-proxy`): their variables, and what they mean.

mod node;

pub use node::LogCacheSettings;

use super::Fatal;
use super::duration::GoDuration;
use super::env::{Environment, Reader, Report, Variable};
use super::gateway::Files;
use super::log::Stamp;
use hydrant_access::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's gateway is told.
#[derive(Clone, Debug)]
pub struct LogCacheGatewaySettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `ADDR`, which may lack a host.
    pub address: String,
    /// `LOG_CACHE_ADDR`: host and port of the node.
    pub node_address: String,
    /// `PROXY_CERT_PATH` and `PROXY_KEY_PATH`; HTTPS is served if there is one of them.
    pub https: (PathBuf, PathBuf),
    /// `CA_PATH`, `CERT_PATH`, `KEY_PATH`; the node is asked over mutual TLS if there is one of them.
    pub node_files: Files,
    /// Where metrics are.
    pub metrics: LogCacheMetrics,
}

/// What upstream's proxy is told.
#[derive(Clone, Debug)]
pub struct AuthProxySettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `LOG_CACHE_GATEWAY_ADDR`: the URL of the gateway.
    pub gateway_address: String,
    /// `ADDR`, which may lack a host.
    pub address: String,
    /// `INTERNAL_IP`. Default: 0.0.0.0.
    pub internal_ip: String,
    /// `EXTERNAL_CERT` and `EXTERNAL_KEY`; HTTPS is served if there is one of them.
    pub https: (PathBuf, PathBuf),
    /// `SKIP_CERT_VERIFY`: UAA and the Cloud Controller may show any certificate.
    pub skip_cert_verify: bool,
    /// `PROMQL_UNIMPLEMENTED`.
    pub promql_unimplemented: bool,
    /// `PROXY_CA_PATH`: who signs the gateway's certificate.
    pub gateway_ca: PathBuf,
    /// `SECURITY_EVENT_LOG`.
    pub security_event_log: PathBuf,
    /// `CACHE_EXPIRATION_INTERVAL`. Default: a minute.
    pub cache_expiration: Duration,
    /// `CAPI_ADDR`, `CAPI_CA_PATH` and `CAPI_COMMON_NAME`.
    pub capi: (String, PathBuf, String),
    /// `UAA_ADDR` and `UAA_CA_PATH`.
    pub uaa: (String, PathBuf),
    /// `UAA_CLIENT_ID` and `UAA_CLIENT_SECRET`.
    pub client: (String, Secret),
    /// Where metrics are.
    pub metrics: LogCacheMetrics,
}

/// Where a component of Log Cache shows its metrics.
#[derive(Clone, Debug)]
pub struct LogCacheMetrics {
    /// `METRICS_PORT`; 0 lets the kernel choose.
    pub port: u16,
    /// `METRICS_{CA,CERT,KEY}_FILE_PATH`. Without a CA it is plain HTTP on 0.0.0.0, with one mutual
    /// TLS on 127.0.0.1.
    pub files: Files,
    /// `PPROF_PORT`, on 127.0.0.1, if `DEBUG_METRICS` says so.
    pub pprof_port: Option<u16>,
}

pub(super) const fn text(field: &'static str, name: &'static str) -> Variable {
    Variable::new(field, "string", name).reported()
}

pub(super) const fn flag(field: &'static str, name: &'static str) -> Variable {
    Variable::new(field, "bool", name).reported()
}

impl LogCacheGatewaySettings {
    /// Reads the gateway's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            Fatal::new(
                Stamp::Seconds,
                format_args!("invalid configuration: {error}"),
            )
        })?;
        Ok((settings, report))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let address = reader.read(text("Config.Addr", "ADDR").required(), ":8081".to_owned());
        let node = text("Config.LogCacheAddr", "LOG_CACHE_ADDR").required();
        let node_address = reader.read(node, "localhost:8080".to_owned());
        let cert = reader.path(text("Config.ProxyCertPath", "PROXY_CERT_PATH"));
        let key = reader.path(text("Config.ProxyKeyPath", "PROXY_KEY_PATH"));
        let node_files = Files {
            ca: reader.path(text("TLS.CAPath", "CA_PATH")),
            cert: reader.path(text("TLS.CertPath", "CERT_PATH")),
            key: reader.path(text("TLS.KeyPath", "KEY_PATH")),
        };
        let metrics = LogCacheMetrics::read(reader, 6063);
        let rfc339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        Self {
            address,
            node_address,
            https: (cert, key),
            node_files,
            metrics,
            log_stamp: reader.stamp(rfc339, Stamp::Seconds),
        }
    }
}

impl AuthProxySettings {
    /// Reads the proxy's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            Fatal::new(
                Stamp::Seconds,
                format_args!("failed to load config: {error}"),
            )
        })?;
        Ok((settings, report))
    }

    /// In the order of upstream's fields; one of them means nothing to upstream either.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let gateway = text("Config.LogCacheGatewayAddr", "LOG_CACHE_GATEWAY_ADDR").required();
        let gateway_address = reader.read(gateway, "localhost:8081".to_owned());
        let address = reader.read(text("Config.Addr", "ADDR").required(), ":8083".to_owned());
        let internal_ip = text("Config.InternalIP", "INTERNAL_IP");
        let internal_ip = reader.read(internal_ip, "0.0.0.0".to_owned());
        let cert = reader.path(text("Config.CertPath", "EXTERNAL_CERT"));
        let key = reader.path(text("Config.KeyPath", "EXTERNAL_KEY"));
        let skip = flag("Config.SkipCertVerify", "SKIP_CERT_VERIFY");
        let skip_cert_verify = reader.read(skip, false);
        let unimplemented = flag("Config.PromQLUnimplemented", "PROMQL_UNIMPLEMENTED");
        let promql_unimplemented = reader.read(unimplemented, false);
        let gateway_ca = reader.path(text("Config.ProxyCAPath", "PROXY_CA_PATH"));
        let security_event_log = text("Config.SecurityEventLog", "SECURITY_EVENT_LOG");
        let security_event_log = reader.path(security_event_log);
        let interval = |field, name| Variable::new(field, "time.Duration", name).reported();
        let pruning = interval("Config.TokenPruningInterval", "TOKEN_PRUNING_INTERVAL");
        reader.read(pruning, GoDuration::from_secs(0));
        let expiration = interval(
            "Config.CacheExpirationInterval",
            "CACHE_EXPIRATION_INTERVAL",
        );
        let expiration = reader.read(expiration, GoDuration::from_secs(60));
        let capi_address = text("CAPI.Addr", "CAPI_ADDR").required();
        let capi_address = reader.read(capi_address, String::new());
        let capi_ca = reader.path(text("CAPI.CAPath", "CAPI_CA_PATH"));
        let capi_name = reader.read(text("CAPI.CommonName", "CAPI_COMMON_NAME"), String::new());
        let id = Variable::new("UAA.ClientID", "string", "UAA_CLIENT_ID");
        let id = reader.read(id, String::new());
        let secret = Variable::new("UAA.ClientSecret", "string", "UAA_CLIENT_SECRET");
        let secret = Secret::new(&reader.read(secret, String::new()));
        let uaa_address = reader.read(text("UAA.Addr", "UAA_ADDR").required(), String::new());
        let uaa_ca = reader.path(text("UAA.CAPath", "UAA_CA_PATH"));
        let metrics = LogCacheMetrics::read(reader, 6065);
        let rfc339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        Self {
            gateway_address,
            address,
            internal_ip,
            https: (cert, key),
            skip_cert_verify,
            promql_unimplemented,
            gateway_ca,
            security_event_log,
            cache_expiration: expiration.to_std(),
            capi: (capi_address, capi_ca, capi_name),
            uaa: (uaa_address, uaa_ca),
            client: (id, secret),
            metrics,
            log_stamp: reader.stamp(rfc339, Stamp::Seconds),
        }
    }
}

impl LogCacheMetrics {
    pub(super) fn read(reader: &mut Reader<'_>, default_port: u16) -> Self {
        let port = |field, name| Variable::new(field, "uint16", name).reported();
        let metrics_port = port("MetricsServer.Port", "METRICS_PORT");
        let metrics_port = reader.read(metrics_port, default_port);
        let files = Files {
            ca: reader.path(text("MetricsServer.CAFile", "METRICS_CA_FILE_PATH")),
            cert: reader.path(text("MetricsServer.CertFile", "METRICS_CERT_FILE_PATH")),
            key: reader.path(text("MetricsServer.KeyFile", "METRICS_KEY_FILE_PATH")),
        };
        let debug = reader.read(flag("MetricsServer.DebugMetrics", "DEBUG_METRICS"), false);
        let pprof_port = reader.read(port("MetricsServer.PprofPort", "PPROF_PORT"), 0);
        Self {
            port: metrics_port,
            files,
            pprof_port: debug.then_some(pprof_port),
        }
    }
}
