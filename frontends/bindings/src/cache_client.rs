//! What a binding cache serves, asked for as upstream's agent asks.

use crate::limits::LIST_BYTES_MAX;
use crate::service::{FetchError, Service, ServiceConfig};
use crate::wire::{self, DrainUrl};
use hydrant_http::client::HttpsError;
use std::time::Duration;

/// Asks a binding cache.
#[derive(Debug)]
pub(crate) struct CacheClient(Service);

impl CacheClient {
    /// Each answer has to come within `timeout`.
    pub(crate) fn new(config: &ServiceConfig, timeout: Duration) -> Result<Self, HttpsError> {
        Service::new(config, LIST_BYTES_MAX, timeout).map(Self)
    }

    /// What apps have bound.
    pub(crate) async fn bindings(&self) -> Result<Vec<DrainUrl>, FetchError> {
        Ok(wire::read(&self.0.get("v2/bindings").await?)?)
    }

    /// The operator's drains, which are for every app's envelopes.
    pub(crate) async fn aggregates(&self) -> Result<Vec<DrainUrl>, FetchError> {
        Ok(wire::read(&self.0.get("v2/aggregate").await?)?)
    }
}
