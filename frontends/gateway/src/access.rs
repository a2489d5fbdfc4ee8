//! Who may read what, as UAA and the Cloud Controller say (rlp-gateway, `internal/auth`).
//!
//! An administrator reads everything. Everybody else names the sources to read, and each must be a
//! GUID whose logs, or whose service instance, the Cloud Controller shows to the bearer of the
//! token. Whoever may not read is told that there is nothing.
//!
//! Not as upstream: it asks about what is no GUID too, before it refuses that anyhow. We do not ask,
//! so that nobody's query becomes a path of a request that shows our certificate.

mod ask;
mod capi;
mod https;
mod uaa;

pub use https::HttpsError;

use crate::config::AccessConfig;
use crate::state::GatewayState;
use ask::Asker;
use capi::Capi;
use https::Https;
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use uaa::Uaa;

/// For a whole question to UAA or the Cloud Controller, as upstream.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Access control.
#[derive(Debug)]
pub(crate) struct Access {
    uaa: Uaa,
    capi: Capi,
}

/// What kept us from knowing. Nothing of the token is in it.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Access {
    pub(crate) fn new(
        config: &AccessConfig,
        answer_timeout: Duration,
        state: Arc<GatewayState>,
    ) -> Result<Self, HttpsError> {
        let is_verified = !config.skip_cert_verify;
        let for_uaa = Https::of_uaa(&config.uaa, is_verified)?;
        let for_capi = Https::of_capi(&config.capi, is_verified)?;
        Ok(Self {
            uaa: Uaa::new(
                &config.uaa,
                Asker::new(for_uaa, answer_timeout),
                state.clone(),
            ),
            capi: Capi::new(&config.capi, Asker::new(for_capi, answer_timeout), state),
        })
    }

    /// Whether a request with this `Authorization` may read these sources. Not if nobody can say.
    pub(crate) async fn allows(
        &self,
        authorization: Option<&HeaderValue>,
        source_ids: &[String],
    ) -> bool {
        let Some(authorization) = authorization.filter(|value| !value.is_empty()) else {
            return false;
        };
        match self.uaa.is_admin(authorization).await {
            Ok(true) => true,
            Ok(false) => self.allows_all(authorization, source_ids).await,
            Err(Unknown) => false,
        }
    }

    async fn allows_all(&self, authorization: &HeaderValue, source_ids: &[String]) -> bool {
        for source_id in source_ids {
            if !is_guid(source_id) || !self.capi.shows(authorization, source_id).await {
                return false;
            }
        }
        !source_ids.is_empty()
    }
}

/// Hexadecimal digits of either case, 8-4-4-4-12 of them.
fn is_guid(source_id: &str) -> bool {
    let groups = source_id.split('-');
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    source_id.len() == 36 && groups.clone().all(is_hex) && groups.map(str::len).eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::is_guid;

    #[test]
    fn guids() {
        assert!(is_guid("deadbeef-dead-dead-dead-deaddeafbeef"));
        assert!(is_guid("01234567-89AB-CDEF-0123-456789abcdef"));
        for other in [
            "",
            "deadbeef",
            "deadbeef-dead-dead-dead-deaddeafbeef\n",
            "deadbeef-dead-dead-dead-deaddeafbee",
            "deadbeef-dead-dead-dead-deaddeafbeeg",
            "deadbeefd-ead-dead-dead-deaddeafbeef",
            "deadbeef-dead-dead-dead-dead-eafbeef",
            "deadbeef/dead/dead/dead/deaddeafbeef",
        ] {
            assert!(!is_guid(other), "{other}");
        }
    }
}
