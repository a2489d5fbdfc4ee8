//! The command line.

use crate::client::{
    self, ClientError, DrainsArguments, FirehoseArguments, MetaArguments, QueryArguments,
    RecentArguments, TailArguments,
};
use crate::config::{Config, LoadError};
use crate::demo::Demo;
use crate::dump::Dump;
use crate::emit::Emitter;
use crate::ledger::Ledger;
use crate::roles::{self, Role};
use crate::server::{Server, StartError};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use hydrant_rpc::tls::{Reloader, TlsError};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Takes in the logs and metrics of a Cloud Foundry foundation and streams them to those who ask,
/// and counts everything that is lost on the way by name.
///
/// Without a command it runs the server on built-in defaults: dropsonde envelopes over UDP at
/// 127.0.0.1:3457 and length-prefixed over TCP at 127.0.0.1:3459 come in; WebSockets at
/// 127.0.0.1:8081 (/firehose/NAME, /apps/ID/stream) and syslog drains go out; gRPC at 127.0.0.1:8082
/// goes both ways, as the Doppler and the Reverse Log Proxy; metrics are at
/// http://127.0.0.1:8089/metrics.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    ///
    /// SIGTERM and SIGINT stop it: it stops reading, delivers what it has, and prints the ledger.
    /// SIGUSR1 prints the state of every thread to stdout; SIGHUP reads certificates anew.
    Run(RunArguments),
    /// Check a config file; print the memory plan and which thread runs on which core.
    Check {
        /// The TOML file.
        file: PathBuf,
    },
    /// Send each line of stdin as a log envelope (dropsonde over UDP).
    Emit(EmitArguments),
    /// Print an app's logs as they come, as `cf logs` does.
    ///
    /// From a Hydrant or a Traffic Controller (--url), or from a Cloud Foundry (--api, --cf). A
    /// connection that ends is made anew; at the end (Ctrl-C) stderr has the count of envelopes and
    /// of gaps. With --recent, or with --log-cache, out of Log Cache.
    Tail(Box<TailArguments>),
    /// Print the value of an expression of PromQL, which Log Cache works out.
    ///
    /// From Log Cache's gateway (--log-cache), or as a Cloud Foundry lets people in to it (--api, --cf).
    Query(Box<QueryArguments>),
    /// Show the sources that Log Cache knows, the noisiest first.
    Meta(Box<MetaArguments>),
    /// Print an app's last logs, as far as a Traffic Controller keeps them.
    Recent(Box<RecentArguments>),
    /// Print everything that comes: a firehose.
    ///
    /// From a Hydrant or a Traffic Controller (--url), or from a Cloud Foundry (--api, --cf), where
    /// it takes a token with the scope doppler.firehose. A connection that ends is made anew; at
    /// the end (Ctrl-C) stderr has the count of envelopes and of gaps.
    Firehose(Box<FirehoseArguments>),
    /// Show the syslog drains of a running server: rate, backlog, losses, state, last error.
    ///
    /// Users, passwords and queries of their URLs are not shown.
    Drains(DrainsArguments),
    /// Run in the place of an executable of Loggregator's: its environment variables, its ports,
    /// its lines on stderr.
    ///
    /// Started under such a name (a link will do) the program takes the role by itself and ignores
    /// its arguments.
    Role {
        /// The executable.
        #[arg(value_name = "NAME", value_parser = role_parser())]
        role: Role,
    },
    /// Run a server of its own under a load of many apps and show live figures.
    ///
    /// Uses ports of the kernel's choice, so it can run beside a real server.
    Demo(DemoArguments),
}

#[derive(Debug, Default, Args)]
struct RunArguments {
    /// A TOML file; what it leaves out has its default.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct EmitArguments {
    /// The app's id.
    #[arg(long)]
    app: String,
    /// Where the agent listens.
    #[arg(long, default_value = "127.0.0.1:3457")]
    to: SocketAddr,
    /// The kind of source.
    #[arg(long, default_value = "APP")]
    source_type: String,
    /// The instance.
    #[arg(long, default_value = "0")]
    instance: String,
    /// Send as stderr.
    #[arg(long)]
    err: bool,
}

#[derive(Debug, Args)]
struct DemoArguments {
    /// How many apps log.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    apps: u32,
    /// Envelopes a second, of all apps together.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// Stop after this many seconds; 0 goes on until Ctrl-C.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// A role ended, with upstream's last line.
    #[error(transparent)]
    Role(#[from] roles::Fatal),
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A stream ended, or recent logs are not to be had.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Something of the system's.
    #[error("{what}: {error}")]
    System {
        /// What we were at.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Lines that no datagram holds.
    #[error("{0} lines were too long for a datagram and were not sent")]
    TooLong(u64),
    /// The server stopped and left something unaccounted for.
    #[error("the ledger does not balance: {0}")]
    Ledger(String),
}

/// What came in may take this long to leave after a signal.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Does what the command line says.
///
/// # Errors
/// Why it could not, in one line.
pub fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments
        .command
        .unwrap_or_else(|| Command::Run(RunArguments::default()))
    {
        Command::Run(arguments) => serve(&arguments),
        Command::Check { file } => check(&Config::load(&file)?),
        Command::Emit(arguments) => emit(arguments),
        Command::Tail(arguments) => Ok(client::tail(&arguments)?),
        Command::Query(arguments) => Ok(client::query(&arguments)?),
        Command::Meta(arguments) => Ok(client::meta(&arguments)?),
        Command::Recent(arguments) => Ok(client::recent(&arguments)?),
        Command::Firehose(arguments) => Ok(client::firehose(&arguments)?),
        Command::Drains(arguments) => Ok(client::drains(&arguments)?),
        Command::Role { role } => take(role),
        Command::Demo(arguments) => demo(&arguments),
    }
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    let names = PossibleValuesParser::new(Role::NAMES.map(|(name, _)| name));
    names.try_map(|name| Role::named(&name).ok_or("there is no such role"))
}

/// Takes a role, until a signal.
///
/// # Errors
/// Upstream's last line.
pub fn take(role: Role) -> Result<(), CommandError> {
    Ok(roles::run(role, &roles::env::Environment::of_process())?)
}

fn serve(arguments: &RunArguments) -> Result<(), CommandError> {
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    // Signals are ours before anything runs, so that none is missed.
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP]).map_err(|error| CommandError::System {
            what: "cannot watch for signals",
            error,
        })?;
    let server = Server::start(&config)?;
    let plan = config.plan()?;
    say(format_args!("{server}\nmemory plan\n{plan}\nready"));
    let reloader = Reloader::start(tell).map_err(|error| CommandError::System {
        what: "cannot watch certificates",
        error,
    })?;
    server.watch(&reloader);
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => say(Dump(server.state())),
            SIGHUP => reloader.reload_all(),
            _ => break,
        }
    }
    say("stopping: what came in is delivered first");
    let (ledger, outcome) = server.stop(STOP_DEADLINE);
    say(&ledger);
    outcome.map_err(|error| CommandError::System {
        what: "a thread failed",
        error,
    })?;
    balanced(&ledger)
}

/// Whoever read it may have gone: that is no reason to stop otherwise than in order.
fn say(text: impl fmt::Display) {
    writeln!(io::stdout(), "{text}").ok();
}

#[expect(clippy::print_stderr, reason = "the operator reads it")]
fn tell(error: &TlsError) {
    eprintln!("hydrant: {error}; what was read before stays in use");
}

fn balanced(ledger: &Ledger) -> Result<(), CommandError> {
    match ledger.faults().as_slice() {
        [] => Ok(()),
        faults => Err(CommandError::Ledger(faults.join("; "))),
    }
}

#[expect(clippy::print_stdout, reason = "the operator reads it")]
fn check(config: &Config) -> Result<(), CommandError> {
    let plan = config.plan()?;
    let shards = config.engine.shard_cores().map_err(LoadError::from)?;
    println!("the configuration is good\n\nthreads");
    for (index, core) in shards.iter().enumerate() {
        println!("  shard-{index:<12} core {core}");
    }
    let cores = config.frontend_cores().map_err(LoadError::from)?;
    for (worker, core) in config.workers().iter().zip(cores) {
        match core {
            Some(core) => println!("  {worker:<18} core {core}"),
            None => println!("  {worker:<18} not pinned: every core has a shard"),
        }
    }
    println!("  {:<18} not pinned", "operator");
    println!("\nmemory plan\n{plan}");
    Ok(())
}

fn emit(arguments: EmitArguments) -> Result<(), CommandError> {
    let emitter = Emitter {
        app: arguments.app,
        source_type: arguments.source_type,
        instance: arguments.instance,
        is_error: arguments.err,
        to: arguments.to,
    };
    let emitted = emitter
        .run(io::stdin().lock())
        .map_err(|error| CommandError::System {
            what: "cannot emit",
            error,
        })?;
    if emitted.too_long > 0 {
        return Err(CommandError::TooLong(emitted.too_long));
    }
    Ok(())
}

fn demo(arguments: &DemoArguments) -> Result<(), CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.clone()).map_err(|error| {
            CommandError::System {
                what: "cannot watch for signals",
                error,
            }
        })?;
    }
    let DemoArguments {
        apps,
        rate,
        seconds,
    } = *arguments;
    Ok(Demo {
        apps,
        rate,
        seconds,
    }
    .run(&stop)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_role_has_a_name() {
        for (name, _) in Role::NAMES {
            let role = Arguments::parse_from(["hydrant", "role", name]);
            assert!(
                matches!(role.command, Some(Command::Role { role }) if Role::named(name) == Some(role))
            );
        }
        Arguments::try_parse_from(["hydrant", "role", "metron"]).unwrap_err();
    }

    #[test]
    fn logs_are_in_one_place_and_of_known_types() {
        for arguments in [
            &["tail", "A", "--url", "ws://h", "--api", "h"][..],
            &["tail", "A", "--url", "ws://h", "--cf"],
            &["recent", "A", "--api", "h", "--cf"],
            &["firehose", "--type", "rumour"],
            &["firehose", "--out", "--err"],
            &["tail", "A", "--idle-seconds", "0"],
            &["tail", "A", "--token", "t"],
            &["recent"],
            &["tail", "A", "--follow"],
            &["tail", "A", "--lines", "3"],
            &["tail", "A", "--recent", "--lines", "1001"],
            &["tail", "A", "--recent", "--url", "ws://h"],
            &["tail", "A", "--log-cache", "http://h", "--cf"],
            &["query"],
            &["query", "1", "--start", "1"],
            &[
                "query", "1", "--start", "1", "--end", "2", "--step", "1", "--time", "3",
            ],
            &["query", "1", "--log-cache", "http://h", "--api", "h"],
            &["meta", "--seconds", "0"],
        ] {
            let arguments = [&["hydrant"], arguments].concat();
            Arguments::try_parse_from(&arguments).unwrap_err();
        }
        for arguments in [
            &["tail", "A", "--type", "log,gauge", "--type", "http"][..],
            &["recent", "A", "--cf", "--lines", "3"],
            &[
                "tail", "A", "--recent", "-f", "--api", "h", "--lines", "3", "--type", "gauge",
            ],
            &["tail", "A", "--log-cache", "http://h", "--json"],
            &[
                "query", "1", "--start", "1", "--end", "2", "--step", "1m", "--cf",
            ],
            &["meta", "--json", "--log-cache", "http://h"],
            &[
                "firehose",
                "--filter",
                "logs",
                "--err",
                "--source-type",
                "APP,RTR",
            ],
        ] {
            let arguments = [&["hydrant"], arguments].concat();
            Arguments::try_parse_from(&arguments).unwrap();
        }
    }

    #[test]
    fn no_command_is_run() {
        assert!(Arguments::parse_from(["hydrant"]).command.is_none());
        let emit = Arguments::parse_from(["hydrant", "emit", "--app", "a"]);
        assert!(matches!(emit.command, Some(Command::Emit(_))));
        Arguments::try_parse_from(["hydrant", "emit"]).unwrap_err();
    }
}
