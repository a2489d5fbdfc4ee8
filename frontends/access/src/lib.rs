//! Who may read: what UAA and the Cloud Controller say of a token, and the log of who asked.
//!
//! [`Access`] asks the questions of the Traffic Controller and of the RLP gateway, [`TokenKeys`] and
//! [`Sources`] those of Log Cache's proxy, each as its upstream asks; what an answer is worth to a
//! client is for the frontend to say. A frontend can have
//! what is allowed remembered for a short time. Questions under way are bounded, so that those who
//! send wrong tokens cost those who send right ones time, and nobody sockets.
//!
//! No token is kept, logged or part of an error.

mod capi;
pub mod cef;
mod config;
#[cfg(any(test, feature = "fakes"))]
pub mod fakes;
mod keys;
mod limits;
mod memory;
mod questions;
mod sources;
mod state;
mod uaa;

pub use config::{AccessConfig, CapiConfig, Keys, Secret, UaaConfig};
pub use hydrant_http::client::{HttpsError, Unverified};
pub use keys::{Bearer, KeysError, TokenError, TokenKeys};
pub use questions::{Allowance, Unheard, Verdict};
pub use sources::{Sources, SourcesConfig};
pub use state::{AccessCounter, AccessState, Question};

use capi::Capi;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use questions::Questions;
use std::sync::Arc;
use uaa::Uaa;

/// What it takes to read the firehose of the Traffic Controller.
const FIREHOSE_SCOPE: &str = "doppler.firehose";

/// Asks UAA and the Cloud Controller. Cheap to clone; clones share what is remembered.
#[derive(Clone, Debug)]
pub struct Access(Arc<Services>);

#[derive(Debug)]
struct Services {
    uaa: Uaa,
    capi: Capi,
}

/// Whether the Cloud Controller shows an app's logs to the bearer of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAccess {
    /// It does.
    Granted,
    /// It does not know the bearer: 401.
    Unauthorized,
    /// It shows the bearer no such app: 403 or 404.
    NotFound,
    /// It said something else, or nothing in time.
    Failed,
}

impl Access {
    /// Reads the files for TLS; connects to nobody before the first question. Counts in `state`.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn new(
        config: &AccessConfig,
        allowance: Allowance,
        state: Arc<AccessState>,
    ) -> Result<Self, HttpsError> {
        let is_verified = !config.skip_cert_verify;
        let allowance = Allowance {
            cache: config.cache(allowance.cache),
            ..allowance
        };
        let uaa = uaa::https(&config.uaa, is_verified)?;
        let uaa = Questions::new(uaa, allowance, state.clone())?;
        let capi = capi::https(&config.capi, is_verified)?;
        let capi = Questions::new(capi, allowance, state)?;
        Ok(Self(Arc::new(Services {
            uaa: Uaa::new(&config.uaa, uaa),
            capi: Capi::new(&config.capi, capi),
        })))
    }

    /// Whether the firehose of the Traffic Controller is for the bearer of the token, which is as
    /// the client gave it, `bearer …`: UAA knows it, with the scope `doppler.firehose`. As upstream
    /// everything else is a no, a UAA that is down too; counters tell them apart.
    pub async fn may_read_firehose(&self, token: &HeaderValue) -> bool {
        let uaa = &self.0.uaa;
        !token.is_empty() && uaa.reads_firehose(token, FIREHOSE_SCOPE).await == Verdict::Granted
    }

    /// Whether an app's stream of the Traffic Controller is for the bearer of the token, which is as
    /// the client gave it. Who gives none, or asks for what is no GUID, is refused unasked.
    pub async fn log_access(&self, token: &HeaderValue, guid: &str) -> LogAccess {
        if token.is_empty() || !is_guid(guid) {
            return LogAccess::Unauthorized;
        }
        match self.0.capi.log_access(token, guid).await {
            Verdict::Granted => LogAccess::Granted,
            Verdict::Refused(StatusCode::UNAUTHORIZED) => LogAccess::Unauthorized,
            Verdict::Refused(_) => LogAccess::NotFound,
            Verdict::Failed(_) => LogAccess::Failed,
        }
    }

    /// Whether the bearer of the token has one of the scopes, as the RLP gateway asks UAA: the token
    /// goes without `bearer` and the spaces around it, and an answer of any status is one.
    pub async fn has_scope(&self, authorization: &HeaderValue, scopes: &[&str]) -> Verdict {
        self.0.uaa.has_scope(authorization, scopes).await
    }

    /// Whether the Cloud Controller shows the bearer of the token an app's logs. What is no GUID is
    /// not asked for.
    pub async fn shows_logs(&self, authorization: &HeaderValue, guid: &str) -> Verdict {
        self.0.capi.log_access(authorization, guid).await
    }

    /// Whether the Cloud Controller shows the bearer of the token a service instance. What is no
    /// GUID is not asked for, and nothing is without `capi.external_address`.
    pub async fn shows_service_instance(&self, authorization: &HeaderValue, guid: &str) -> Verdict {
        self.0.capi.service_instance(authorization, guid).await
    }
}

/// Hexadecimal digits of either case, 8-4-4-4-12 of them: the GUID of an app or a service instance.
pub fn is_guid(text: &str) -> bool {
    let groups = text.split('-');
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.len() == 36 && groups.clone().all(is_hex) && groups.map(str::len).eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests;
