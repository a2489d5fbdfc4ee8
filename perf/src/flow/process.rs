//! A server in a process of its own, as the load sees it.

use super::counts::Counts;
use super::error::{FlowError, machine};
use super::server::{Addresses, ServeConfig};
use crate::threads::{ThreadTime, resident_bytes_of_process, time_of_process};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The hidden command that starts it.
pub const SERVE_COMMAND: &str = "serve";

/// Lets this process, and those that it starts, have as many descriptors as the system allows: a
/// thousand streams and what is open beside them can be more than the usual 1024. Gives how many.
///
/// # Errors
/// The system does not allow it.
pub fn raise_descriptors() -> Result<u64, FlowError> {
    let raise = || {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        Ok::<_, Errno>(most)
    };
    raise().map_err(|error: Errno| machine("descriptors")(error.into()))
}

/// A server's process. It is killed if it is dropped before its end.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    output: BufReader<ChildStdout>,
    addresses: Addresses,
    service: &'static str,
}

impl ServerProcess {
    /// Starts this program again, as a server. Not from a pinned thread: the process would inherit
    /// the core.
    ///
    /// # Errors
    /// It does not start; why is on standard error.
    pub fn start(config: &ServeConfig) -> Result<Self, FlowError> {
        let program = std::env::current_exe().map_err(machine("our own program"))?;
        let mut child = Command::new(program)
            .arg(SERVE_COMMAND)
            .args(config.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(machine("the server"))?;
        let Some(output) = child.stdout.take() else {
            unreachable!("its output is piped");
        };
        let nowhere = Addresses {
            grpc: SocketAddr::from(([0; 4], 0)),
            websocket: None,
            operator: None,
            log_cache: None,
        };
        let mut process = Self {
            child,
            output: BufReader::new(output),
            addresses: nowhere,
            service: config.service.name(),
        };
        let line = process.line()?;
        process.addresses = line.parse().map_err(|problem| process.fault(problem))?;
        Ok(process)
    }

    /// Where it listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What it has cost so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn time(&self) -> Result<ThreadTime, FlowError> {
        time_of_process(self.child.id()).map_err(machine("the server's time"))
    }

    /// Bytes of memory that it has now.
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_bytes(&self) -> Result<u64, FlowError> {
        resident_bytes_of_process(self.child.id()).map_err(machine("the server's memory"))
    }

    /// Lets it end: it takes nothing in any more, and gives out what is under way.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end. Gives what it counted.
    ///
    /// # Errors
    /// It has failed.
    pub fn end(mut self) -> Result<Counts, FlowError> {
        self.stop();
        let line = self.line()?;
        let status = self.child.wait().map_err(machine("the server"))?;
        if !status.success() {
            return Err(self.fault(format!("ended with {status}")));
        }
        line.parse().map_err(|problem| self.fault(problem))
    }

    /// A run's error, and what has become of the server, if that is why.
    pub fn explain(&mut self, error: FlowError) -> FlowError {
        // Dying takes it a moment longer than closing its connections.
        thread::sleep(Duration::from_millis(100));
        match self.child.try_wait() {
            Ok(Some(status)) => self.fault(format!("ended with {status} ({error})")),
            _ => error,
        }
    }

    fn line(&mut self) -> Result<String, FlowError> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(machine("the server's output"))?;
        Ok(line)
    }

    const fn fault(&self, problem: String) -> FlowError {
        let service = self.service;
        FlowError::Server { service, problem }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It has ended already, unless the run has failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
