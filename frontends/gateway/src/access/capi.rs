//! The Cloud Controller: whose logs the bearer of a token may see.

use super::ask::Asker;
use crate::config::CapiConfig;
use crate::state::{GatewayState, Latency};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode};
use std::sync::Arc;
use std::time::Instant;

/// The client of the Cloud Controller's two interfaces.
#[derive(Debug)]
pub(super) struct Capi {
    internal: String,
    external: String,
    asker: Asker,
    state: Arc<GatewayState>,
}

impl Capi {
    pub(super) fn new(config: &CapiConfig, asker: Asker, state: Arc<GatewayState>) -> Self {
        Self {
            internal: config.address.trim_end_matches('/').to_owned(),
            external: config.external_address.trim_end_matches('/').to_owned(),
            asker,
            state,
        }
    }

    /// Whether the bearer may read an app's logs or see a service instance of this GUID. Upstream
    /// does not ask the second if the first cannot be asked.
    pub(super) async fn shows(&self, authorization: &HeaderValue, guid: &str) -> bool {
        let log_access = format!("{}/internal/v4/log_access/{guid}", self.internal);
        let asked = self.status(authorization, log_access, Latency::LogAccess);
        match asked.await {
            Some(StatusCode::OK) => return true,
            Some(_) => {}
            None => return false,
        }
        let instance = format!("{}/v3/service_instances/{guid}", self.external);
        let asked = self.status(authorization, instance, Latency::ServiceInstances);
        asked.await == Some(StatusCode::OK)
    }

    async fn status(
        &self,
        authorization: &HeaderValue,
        url: String,
        latency: Latency,
    ) -> Option<StatusCode> {
        let request = Request::get(url)
            .header(AUTHORIZATION, authorization)
            .body(Full::default())
            .ok()?;
        let asked_at = Instant::now();
        let said = self.asker.ask(request).await;
        self.state.set_latency(latency, asked_at.elapsed());
        said.ok().map(|said| said.status)
    }
}
