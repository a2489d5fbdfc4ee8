//! From a drain's host and port to a TCP connection: names, addresses that are not allowed, and how
//! many may try at a time.

use crate::limits::{DIALS_MAX, KEEPALIVE_MS, NAMES_MAX};
use hydrant_bindings::Blacklist;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

/// Makes connections for all drains of a worker.
#[derive(Debug)]
pub(crate) struct Dialer {
    blacklist: Blacklist,
    /// Places for drains that have not failed of late, and for those that have: thousands of dead
    /// ones cannot keep a healthy one from connecting.
    fresh: Semaphore,
    failed: Semaphore,
    /// Names that are being resolved, each on a thread that cannot be stopped.
    names: Arc<Semaphore>,
}

/// Where to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'d> {
    /// A name or an address.
    pub(crate) host: &'d str,
    pub(crate) port: u16,
    /// Whether its addresses must be allowed: it is a user's choice, not the operator's.
    pub(crate) is_checked: bool,
}

impl Dialer {
    /// Connects to no address of `blacklist`.
    pub(crate) fn new(blacklist: Blacklist) -> Self {
        Self {
            blacklist,
            fresh: Semaphore::new(DIALS_MAX),
            failed: Semaphore::new(DIALS_MAX),
            names: Arc::new(Semaphore::new(NAMES_MAX)),
        }
    }

    /// Waits for a place to connect from. To be kept until hands are shaken: whoever accepts and then
    /// says nothing would otherwise take descriptors without a bound.
    ///
    /// # Errors
    /// None ever: places do not close.
    pub(crate) async fn place(&self, has_failed: bool) -> io::Result<SemaphorePermit<'_>> {
        let places = if has_failed {
            &self.failed
        } else {
            &self.fresh
        };
        places.acquire().await.map_err(io::Error::other)
    }

    /// From a place, resolves the host anew, and connects to the first of its addresses that
    /// answers, each having its share of `limit`, which begins now. May be dropped while
    /// it waits.
    ///
    /// # Errors
    /// What the resolver or the kernel said, of several addresses the last; or an address is not
    /// allowed, and then none is tried.
    pub(crate) async fn dial(&self, target: Target<'_>, limit: Duration) -> io::Result<TcpStream> {
        let until = Instant::now() + limit;
        let addresses = self.resolve(target.host, target.port);
        let addresses = timeout(limit, addresses).await;
        let addresses = addresses.unwrap_or_else(|_| Err(no_answer("resolving the name")))?;
        if let Some(address) = self.refused(target, &addresses) {
            let problem = format!("{} is blacklisted", address.ip());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        connect(&addresses, until).await
    }

    /// Of a name's addresses, the first that is not allowed: a name could have it as its own at the
    /// next try.
    fn refused<'a>(
        &self,
        target: Target<'_>,
        addresses: &'a [SocketAddr],
    ) -> Option<&'a SocketAddr> {
        let mut addresses = addresses.iter().filter(|_| target.is_checked);
        addresses.find(|address| self.blacklist.contains(address.ip()))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let place = self.names.clone().acquire_owned();
        let place = place.await.map_err(io::Error::other)?;
        let host = host.to_owned();
        // A task of its own: whoever waits for it may stop, its thread goes on and has its place.
        let lookup = spawn_local(async move {
            let found = lookup_host((host, port)).await.map(Iterator::collect);
            drop(place);
            found
        });
        let found: Vec<_> = lookup.await.map_err(io::Error::other)??;
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        Ok(found)
    }
}

async fn connect(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other("the name has no address"));
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / others;
        let connecting = timeout(share, TcpStream::connect(address)).await;
        outcome = connecting.unwrap_or_else(|_| Err(no_answer("connecting")));
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_nodelay(true)?; // We make the batches.
    let every = Duration::from_millis(KEEPALIVE_MS);
    let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// The peer did not answer within the time for it.
pub(crate) fn no_answer(doing: &str) -> io::Error {
    let problem = format!("no answer in time while {doing}");
    io::Error::new(io::ErrorKind::TimedOut, problem)
}
