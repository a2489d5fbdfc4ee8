//! Telling the foundation of a session that was closed because its peer took nothing: upstream emits
//! an event for each.

use std::fmt;
use std::sync::Arc;

/// A session that was closed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowConsumer {
    /// Its peer, `address:port`.
    pub peer: String,
    /// The `X-Forwarded-For` of its request; empty if there was none.
    pub forwarded_for: String,
    /// The path of its request, with the query.
    pub path: String,
}

/// Whom to tell. Called on the worker's thread: must not block.
#[derive(Clone)]
pub struct OnSlow(Arc<dyn Fn(SlowConsumer) + Send + Sync>);

impl OnSlow {
    /// Tells `tell`.
    pub fn new(tell: impl Fn(SlowConsumer) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, slow: SlowConsumer) {
        (self.0)(slow);
    }
}

impl fmt::Debug for OnSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnSlow")
    }
}
