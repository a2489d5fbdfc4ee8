//! Where a destination is, and how to get there.

use crate::config::DestinationConfig;
use crate::limits::{ADDRESSES_TRIED_MAX, CONNECT_TIMEOUT, RESOLVE_TIMEOUT};
use hydrant_feed::backoff::random;
use hydrant_rpc::channel::{Dial, Sent, cause, dial};
use hydrant_rpc::tls::ClientTls;
use std::net::SocketAddr;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tonic::transport::Channel;

/// The names of a destination. Each is resolved anew for each connection.
///
/// The preferred one comes first; the other follows if that has no address, as upstream has it, and
/// also if none of its addresses can be connected to, where upstream tries the same zone for ever.
#[derive(Debug)]
pub(crate) struct Place {
    names: Vec<String>,
    tls: Option<ClientTls>,
    keepalive: bool,
}

/// A connection that nothing was sent over.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) sent: Sent,
    pub(crate) address: SocketAddr,
}

impl Place {
    pub(crate) fn new(config: &DestinationConfig, tls: Option<ClientTls>) -> Self {
        let names = config.preferred_address.iter().chain([&config.address]);
        Self {
            names: names.cloned().collect(),
            tls,
            keepalive: config.keepalive,
        }
    }

    /// Connects to the first of the names that can be connected to, at one of its addresses at random.
    ///
    /// # Errors
    /// What was wrong with each name.
    pub(crate) async fn connect(&self) -> Result<Connection, String> {
        let mut problems = Vec::new();
        for name in &self.names {
            match self.connect_to(name).await {
                Ok(connection) => return Ok(connection),
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
        Err(problems.join("; "))
    }

    async fn connect_to(&self, name: &str) -> Result<Connection, String> {
        let mut problem = "has no address".to_owned();
        for address in resolve(name).await?.into_iter().take(ADDRESSES_TRIED_MAX) {
            match self.dial(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    async fn dial(&self, address: SocketAddr) -> Result<Connection, String> {
        let sent = Sent::default();
        let text = address.to_string();
        let dialled = dial(Dial {
            address: &text,
            tls: self.tls.as_ref(),
            keepalive: self.keepalive,
            sent: sent.clone(),
        });
        match timeout(CONNECT_TIMEOUT, dialled).await {
            Ok(Ok(channel)) => Ok(Connection {
                channel,
                sent,
                address,
            }),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err("does not answer".to_owned()),
        }
    }
}

/// The addresses of a name, from any of them on.
async fn resolve(name: &str) -> Result<Vec<SocketAddr>, String> {
    let Ok(resolved) = timeout(RESOLVE_TIMEOUT, lookup_host(name)).await else {
        return Err("could not be resolved in time".to_owned());
    };
    let mut addresses: Vec<_> = resolved.map_err(|error| error.to_string())?.collect();
    if !addresses.is_empty() {
        let first = random() % addresses.len() as u64;
        addresses.rotate_left(usize::try_from(first).unwrap_or(0));
    }
    Ok(addresses)
}
