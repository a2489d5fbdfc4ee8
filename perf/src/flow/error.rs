//! Why there is no result.

use std::io;
use tonic::Status;

/// Why a run has failed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A figure is out of its bounds.
    #[error("{0}")]
    Config(String),
    /// The machine refused something.
    #[error("{0}: {1}")]
    Machine(&'static str, io::Error),
    /// A server said something that it should not, or ended.
    #[error("{service}: {problem}")]
    Server {
        /// Which.
        service: &'static str,
        /// What it said.
        problem: String,
    },
    /// There is no connection.
    #[error("connecting: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// A certificate cannot be used.
    #[error("certificates: {0}")]
    Tls(#[from] hydrant_rpc::tls::TlsError),
    /// A stream ended otherwise than it should.
    #[error("{0}: {1}")]
    Stream(&'static str, Box<Status>),
    /// A WebSocket ended otherwise than it should.
    #[error("a WebSocket: {0}")]
    Websocket(String),
    /// A drain got something else than it should, or in another way.
    #[error("a syslog drain: {0}")]
    Syslog(String),
    /// Something does not come to its end.
    #[error("{0} took more than {1} s")]
    Late(&'static str, u64),
    /// Envelopes are neither delivered nor counted as lost, or both.
    #[error("{name}: the accounts do not balance: {faults}")]
    Unbalanced {
        /// Which run.
        name: String,
        /// What does not add up.
        faults: String,
    },
}

/// Names what was tried.
pub(crate) fn machine(what: &'static str) -> impl Fn(io::Error) -> FlowError {
    move |error| FlowError::Machine(what, error)
}
