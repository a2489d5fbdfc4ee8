//! The second feed: subscriptions to other Dopplers, ours or upstream's. Where a role has no lanes
//! of its own, or wants more than its own, every subscription is one stream from each router, as an
//! RLP or a Traffic Controller has it.
//!
//! A router that dies costs what it held and nothing else; it is used again when it is back.

mod away;
mod config;
mod connections;
mod state;
mod stream;

use bytes::Bytes;
use connections::Connections;
use hydrant_engine::config::ConfigError;
use hydrant_engine::decode::Envelope;
use hydrant_engine::record::Version;
use hydrant_rpc::tls::ClientTls;
use std::fmt;
use std::sync::Arc;
use tokio::task::JoinSet;

pub use config::{RoutersConfig, ZoneConfig};
pub use state::{RouterCounter, RouterState};

/// The routers, in the order of the config. Cheap to clone; clones share connections and counters.
#[derive(Clone, Debug)]
pub struct Routers(Arc<[Arc<Router>]>);

/// What is asked of every router: an encoded message.
#[derive(Clone, Debug)]
pub enum Request {
    /// A `plumbing.SubscriptionRequest` to `plumbing.Doppler/BatchSubscribe`: v1 envelopes.
    V1(Bytes),
    /// A `loggregator.v2.EgressBatchRequest` to `loggregator.v2.Egress/BatchedReceiver`: v2
    /// envelopes.
    V2(Bytes),
}

/// Where a subscription's envelopes go. Called on threads of the subscription's runtime, by one
/// task for each router; must not block, since others wait meanwhile.
pub trait Sink: Send + Sync + 'static {
    /// An envelope from a router, by its place in [`Routers::states`].
    fn envelope(&self, router: usize, envelope: &Envelope<'_>);

    /// A router's batch is over.
    fn flush(&self);
}

/// Streams from all routers. Dropping it ends them, and tells the routers so.
///
/// On a runtime of one thread, and dropped on it, the sink is not called after that.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Subscription {
    /// One for each router; they end with the set.
    _streams: JoinSet<()>,
}

/// One router.
#[derive(Debug)]
struct Router {
    state: RouterState,
    connections: Connections,
}

impl Routers {
    /// The routers of a config that passes its check; `tls` is what its `tls` table was loaded to.
    /// Nothing is connected before there is a subscription.
    ///
    /// # Errors
    /// Those of [`RoutersConfig::check`], or `tls` is there although the config has none, or the
    /// other way round.
    pub fn new(config: &RoutersConfig, tls: Option<&ClientTls>) -> Result<Self, ConfigError> {
        config.check()?;
        if tls.is_some() != config.tls.is_some() {
            let problem = "is not what the certificates were loaded for".to_owned();
            return Err(ConfigError {
                key: "routers.tls",
                problem,
            });
        }
        let router = |(zone, address): (&str, &str)| Router {
            state: RouterState::new(zone, address),
            connections: Connections::new(address, tls, config.connections_per_router),
        };
        let routers = config.addresses().map(router).map(Arc::new);
        Ok(Self(routers.collect()))
    }

    /// Asks all routers for the same, from now until the subscription is dropped. Each stream
    /// begins when its router can be reached, and begins again whenever it ended.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O.
    pub fn subscribe(&self, request: &Request, sink: &Arc<dyn Sink>) -> Subscription {
        let mut streams = JoinSet::new();
        for (index, router) in self.0.iter().enumerate() {
            let router = Arc::clone(router);
            let stream = stream::Stream::new(index, router, request.clone(), Arc::clone(sink));
            streams.spawn(stream.run());
        }
        Subscription { _streams: streams }
    }

    /// How each router is doing.
    pub fn states(&self) -> impl ExactSizeIterator<Item = &RouterState> {
        self.0.iter().map(|router| &router.state)
    }
}

impl Request {
    /// The generation of the envelopes that it brings.
    pub const fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2(_) => Version::V2,
        }
    }
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

#[cfg(test)]
mod tests;
