//! The servers that are measured, each in a process of its own: Hydrant as a program would start
//! it, and the bare services.

use super::bare::{Bare, Out};
use super::certificates::server_files;
use super::counts::Counts;
use super::drains::{Drains, Health};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use hydrant::config::Config;
use hydrant::server::Server;
use hydrant_engine::config::{Cores, EngineConfig};
use hydrant_engine::engine::pin_to;
use hydrant_log_cache::LogCacheConfig;
use hydrant_rpc::tls::ServerTls;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How long readers may take for what is under way when the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// And if there are drains among them that will take nothing however long it is waited for.
const DRAIN_UNHEALTHY: Duration = Duration::from_secs(1);

/// What serves. Envelopes come in over gRPC, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Doppler and Reverse Log Proxy, as everybody gets them: out over gRPC.
    Grpc,
    /// Passes batches on.
    BareGrpc,
    /// The Traffic Controller's streams, as everybody gets them: out over WebSocket.
    Websocket,
    /// Writes a ready frame for each envelope.
    BareWebsocket,
    /// The syslog agent's lines: out to drains.
    Syslog,
    /// Writes a ready line for each envelope.
    BareSyslog,
    /// A node of Log Cache, as everybody gets it: in over its own gRPC.
    LogCache,
}

impl Service {
    /// Its name on the command line and in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::BareGrpc => "bare-grpc",
            Self::Websocket => "websocket",
            Self::BareWebsocket => "bare-websocket",
            Self::Syslog => "syslog",
            Self::BareSyslog => "bare-syslog",
            Self::LogCache => "log-cache",
        }
    }

    /// Whether it is Hydrant, which keeps a ledger.
    pub const fn has_ledger(self) -> bool {
        matches!(
            self,
            Self::Grpc | Self::Websocket | Self::Syslog | Self::LogCache
        )
    }

    const fn has_websocket(self) -> bool {
        matches!(self, Self::Websocket)
    }
}

/// Where a server listens. As text, [`FromStr`] reads it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Where it takes envelopes in.
    pub grpc: SocketAddr,
    /// Where it serves WebSockets, if it does.
    pub websocket: Option<SocketAddr>,
    /// Where it answers its operator, if it does.
    pub operator: Option<SocketAddr>,
    /// Where its Log Cache is, if it has one.
    pub log_cache: Option<SocketAddr>,
}

const GRPC: &str = "grpc=";
const WEBSOCKET: &str = "websocket=";
const OPERATOR: &str = "operator=";
const LOG_CACHE: &str = "log-cache=";

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{GRPC}{}", self.grpc)?;
        let others = [
            (WEBSOCKET, self.websocket),
            (OPERATOR, self.operator),
            (LOG_CACHE, self.log_cache),
        ];
        others.iter().try_for_each(|(name, address)| {
            let mut address = address.iter();
            address.try_for_each(|address| write!(f, " {name}{address}"))
        })
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let find = |name| {
            text.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
        };
        let address = |word: &str| word.parse().ok();
        Ok(Self {
            grpc: find(GRPC)
                .and_then(address)
                .ok_or_else(|| format!("says {text:?} instead of its address"))?,
            websocket: find(WEBSOCKET).and_then(address),
            operator: find(OPERATOR).and_then(address),
            log_cache: find(LOG_CACHE).and_then(address),
        })
    }
}

/// A server of a run.
#[derive(Clone, Debug, Args)]
pub struct ServeConfig {
    /// What serves
    #[arg(long, value_enum)]
    pub service: Service,
    /// The core of the whole process; any if not said
    #[arg(long)]
    pub core: Option<usize>,
    /// Where the certificates are; plaintext if not said
    #[arg(long)]
    pub certificates: Option<PathBuf>,
    /// No store of recent logs
    #[arg(long)]
    pub without_recent: bool,
    /// Its syslog drains; none if not said
    #[arg(long)]
    pub drains: Option<Drains>,
    /// MiB of its Log Cache, if it is one
    #[arg(long, default_value_t = LOG_CACHE_MIB)]
    pub log_cache_mib: u64,
}

/// What a node of Log Cache has if nobody says.
pub const LOG_CACHE_MIB: u64 = 512;

impl ServeConfig {
    /// The command line that says the same.
    pub fn to_arguments(&self) -> Vec<String> {
        let certificates = self.certificates.as_ref();
        let arguments = [
            Some(format!("--service={}", self.service.name())),
            self.core.map(|core| format!("--core={core}")),
            certificates.map(|path| format!("--certificates={}", path.display())),
            self.without_recent.then(|| "--without-recent".to_owned()),
            self.drains.map(|drains| format!("--drains={drains}")),
            Some(format!("--log-cache-mib={}", self.log_cache_mib)),
        ];
        arguments.into_iter().flatten().collect()
    }
}

/// Serves until `input` ends. Says on `output` where, and at the end what was counted.
///
/// # Errors
/// What stands in the way of starting, or has failed meanwhile.
pub fn run(
    config: &ServeConfig,
    input: impl Read,
    mut output: impl Write,
) -> Result<(), Box<dyn Error>> {
    // Before there are threads, so that all of them stay there.
    config.core.map_or(Ok(()), pin_to)?;
    let counts = if config.service.has_ledger() {
        hydrant(config, input, &mut output)?
    } else {
        bare(config, input, &mut output)?
    };
    writeln!(output, "{counts}")?;
    Ok(())
}

fn hydrant(
    config: &ServeConfig,
    input: impl Read,
    output: &mut impl Write,
) -> Result<Counts, Box<dyn Error>> {
    let server = Server::start(&settings(config)?)?;
    let addresses = Addresses {
        grpc: server.grpc_address().ok_or("gRPC is not served")?,
        websocket: server.websocket_address(),
        operator: Some(server.operator_address()),
        log_cache: server.log_cache_address(),
    };
    say(output, addresses)?;
    await_end(input)?;
    let (ledger, outcome) = server.stop(match config.drains {
        Some(Drains { unhealthy: 1.., .. }) => DRAIN_UNHEALTHY,
        _ => DRAIN,
    });
    outcome?;
    Ok(Counts::of(&ledger))
}

fn bare(
    config: &ServeConfig,
    input: impl Read,
    output: &mut impl Write,
) -> Result<Counts, Box<dyn Error>> {
    let files = config.certificates.as_deref().map(server_files);
    let tls = files.as_ref().map(ServerTls::load).transpose()?;
    let out = match (config.service, config.drains) {
        (Service::BareWebsocket, _) => Out::Websocket,
        (Service::BareSyslog, Some(drains)) => Out::Syslog(drains.address(Health::Healthy)),
        (Service::BareSyslog, None) => return Err("there is no drain".into()),
        _ => Out::Grpc,
    };
    let bare = Bare::start(tls, out)?;
    let addresses = Addresses {
        grpc: bare.address(),
        websocket: bare.websocket_address(),
        operator: None,
        log_cache: None,
    };
    say(output, addresses)?;
    await_end(input)?;
    bare.stop()?;
    Ok(Counts::default())
}

/// Nothing but gRPC, WebSocket and drains if they are asked for, and the operator's endpoint, on ports of the
/// kernel's choice, all else by default.
fn settings(config: &ServeConfig) -> Result<Config, Box<dyn Error>> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = Config {
        engine: EngineConfig {
            udp: Vec::new(),
            tcp: Vec::new(),
            ..EngineConfig::default()
        },
        ..Config::default()
    };
    if let Some(core) = config.core {
        settings.engine.cores = Cores::of(&[core]);
        settings.frontends.cores = Some(Cores::of(&[core]));
    }
    settings.websocket.enabled = config.service.has_websocket();
    settings.websocket.address = any;
    settings.websocket.recent.enabled = !config.without_recent;
    if let Some(drains) = config.drains {
        settings.syslog = toml::from_str(&drains.to_toml())?;
    }
    settings.operator.address = any;
    settings.log_cache = (config.service == Service::LogCache).then(|| LogCacheConfig {
        address: any,
        tls: config.certificates.as_deref().map(server_files),
        memory: ByteSize::mib(config.log_cache_mib),
        ..LogCacheConfig::default()
    });
    settings.grpc.address = any;
    settings.grpc.tls = config.certificates.as_deref().map(server_files);
    Ok(settings)
}

fn say(output: &mut impl Write, addresses: Addresses) -> io::Result<()> {
    writeln!(output, "{addresses}")?;
    output.flush()
}

fn await_end(mut input: impl Read) -> io::Result<()> {
    io::copy(&mut input, &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_being_said() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for (websocket, operator) in [(None, None), (Some(at(6)), None), (None, Some(at(7)))] {
            let addresses = Addresses {
                grpc: at(5),
                websocket,
                operator,
                log_cache: operator,
            };
            assert_eq!(addresses.to_string().parse(), Ok(addresses));
        }
        let error = "websocket=127.0.0.1:1".parse::<Addresses>().unwrap_err();
        assert!(error.contains("instead of"), "{error}");
    }

    #[test]
    fn arguments_say_the_same() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            config: ServeConfig,
        }
        let config = ServeConfig {
            service: Service::Websocket,
            core: Some(3),
            certificates: Some("certificates".into()),
            without_recent: true,
            drains: "127.0.0.1:1/127.0.0.1:2/127.0.0.1:3/10/2".parse().ok(),
            log_cache_mib: 7,
        };
        let arguments = config.to_arguments();
        let line = ["serve".to_owned()].into_iter().chain(arguments.clone());
        let parsed = <Line as clap::Parser>::parse_from(line).config;
        assert_eq!(parsed.to_arguments(), arguments);
        assert_eq!((parsed.service, parsed.core), (config.service, config.core));
        assert!(parsed.without_recent);
        assert_eq!((parsed.drains, arguments.len()), (config.drains, 6));
        assert_eq!(parsed.log_cache_mib, 7);
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for service in Service::value_variants() {
            let value = service.to_possible_value().unwrap();
            assert_eq!(value.get_name(), service.name());
        }
    }
}
