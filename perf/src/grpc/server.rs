//! The servers that are measured, each in a process of its own: Hydrant as a program would start
//! it, and the bare service.

use super::bare::Bare;
use super::certificates::server_files;
use super::counts::Counts;
use clap::{Args, ValueEnum};
use hydrant::config::Config;
use hydrant::server::Server;
use hydrant_engine::config::{Cores, EngineConfig};
use hydrant_engine::engine::pin_to;
use hydrant_rpc::tls::ServerTls;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long readers may take for what is under way when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// What a line of a server's output begins with.
pub(super) const ADDRESS: &str = "address=";

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Doppler and Reverse Log Proxy, as everybody gets them.
    Hydrant,
    /// Passes batches on.
    Bare,
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
}

impl ServeConfig {
    /// The command line that says the same.
    pub fn to_arguments(&self) -> Vec<String> {
        let service = match self.service {
            Service::Hydrant => "hydrant",
            Service::Bare => "bare",
        };
        let core = self.core.map(|core| format!("--core={core}"));
        let certificates = self.certificates.as_ref();
        let certificates = certificates.map(|path| format!("--certificates={}", path.display()));
        let service = format!("--service={service}");
        [Some(service), core, certificates]
            .into_iter()
            .flatten()
            .collect()
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
    let counts = match config.service {
        Service::Hydrant => hydrant(config, input, &mut output)?,
        Service::Bare => bare(config, input, &mut output)?,
    };
    writeln!(output, "{counts}")?;
    Ok(())
}

fn hydrant(
    config: &ServeConfig,
    input: impl Read,
    output: &mut impl Write,
) -> Result<Counts, Box<dyn Error>> {
    let server = Server::start(&settings(config))?;
    let address = server.grpc_address();
    say(output, address.ok_or("gRPC is not served")?)?;
    await_end(input)?;
    let (ledger, outcome) = server.stop(DRAIN);
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
    let bare = Bare::start(tls)?;
    say(output, bare.address())?;
    await_end(input)?;
    bare.stop()?;
    Ok(Counts::default())
}

/// Nothing but gRPC and the operator's endpoint, on ports of the kernel's choice, all else by
/// default.
fn settings(config: &ServeConfig) -> Config {
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
    settings.websocket.enabled = false;
    settings.operator.address = any;
    settings.grpc.address = any;
    settings.grpc.tls = config.certificates.as_deref().map(server_files);
    settings
}

fn say(output: &mut impl Write, address: SocketAddr) -> io::Result<()> {
    writeln!(output, "{ADDRESS}{address}")?;
    output.flush()
}

fn await_end(mut input: impl Read) -> io::Result<()> {
    io::copy(&mut input, &mut io::sink())?;
    Ok(())
}
