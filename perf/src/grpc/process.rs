//! A server in a process of its own, as the load sees it.

use super::counts::Counts;
use super::error::{GrpcError, machine};
use super::server::{ADDRESS, ServeConfig, Service};
use crate::threads::{ThreadTime, time_of_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The hidden command that starts it.
pub const SERVE_COMMAND: &str = "grpc-serve";

/// A server's process. It is killed if it is dropped before its end.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    service: &'static str,
}

impl ServerProcess {
    /// Starts this program again, as a server. Not from a pinned thread: the process would inherit
    /// the core.
    ///
    /// # Errors
    /// It does not start; why is on standard error.
    pub fn start(config: &ServeConfig) -> Result<Self, GrpcError> {
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
        let mut process = Self {
            child,
            output: BufReader::new(output),
            address: SocketAddr::from(([0; 4], 0)),
            service: match config.service {
                Service::Hydrant => "hydrant",
                Service::Bare => "the bare service",
            },
        };
        process.address = process.read_address()?;
        Ok(process)
    }

    /// Where it serves gRPC.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has cost so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn time(&self) -> Result<ThreadTime, GrpcError> {
        time_of_process(self.child.id()).map_err(machine("the server's time"))
    }

    /// Lets it end: it takes nothing in any more, and gives out what is under way.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end. Gives what it counted.
    ///
    /// # Errors
    /// It has failed.
    pub fn end(mut self) -> Result<Counts, GrpcError> {
        self.stop();
        let line = self.line()?;
        let status = self.child.wait().map_err(machine("the server"))?;
        if !status.success() {
            return Err(self.fault(format!("ended with {status}")));
        }
        line.parse().map_err(|problem| self.fault(problem))
    }

    /// A run's error, and what has become of the server, if that is why.
    pub fn explain(&mut self, error: GrpcError) -> GrpcError {
        // Dying takes it a moment longer than closing its connections.
        thread::sleep(Duration::from_millis(100));
        match self.child.try_wait() {
            Ok(Some(status)) => self.fault(format!("ended with {status} ({error})")),
            _ => error,
        }
    }

    fn read_address(&mut self) -> Result<SocketAddr, GrpcError> {
        let line = self.line()?;
        let address = line.trim_end().strip_prefix(ADDRESS);
        let address = address.and_then(|address| address.parse().ok());
        address.ok_or_else(|| self.fault(format!("says {line:?} instead of its address")))
    }

    fn line(&mut self) -> Result<String, GrpcError> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(machine("the server's output"))?;
        Ok(line)
    }

    const fn fault(&self, problem: String) -> GrpcError {
        let service = self.service;
        GrpcError::Server { service, problem }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It has ended already, unless the run has failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
