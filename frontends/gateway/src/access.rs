//! Who may read what, as UAA and the Cloud Controller say (rlp-gateway, `internal/auth`).
//!
//! An administrator reads everything. Everybody else names the sources to read, and each must be a
//! GUID whose logs, or whose service instance, the Cloud Controller shows to the bearer of the
//! token. Whoever may not read is told that there is nothing.
//!
//! Not as upstream: it asks about what is no GUID too, before it refuses that anyhow. We do not ask,
//! so that nobody's query becomes a path of a request that shows our certificate.

use hydrant_access::{Access, Verdict, is_guid};
use hyper::header::HeaderValue;

/// Scopes that make an administrator.
const ADMIN_SCOPES: [&str; 2] = ["doppler.firehose", "logs.admin"];

/// Whether a request with this `Authorization` may read these sources. Not if nobody can say.
pub(crate) async fn allows(
    access: &Access,
    authorization: Option<&HeaderValue>,
    source_ids: &[String],
) -> bool {
    let Some(authorization) = authorization.filter(|value| !value.is_empty()) else {
        return false;
    };
    match access.has_scope(authorization, &ADMIN_SCOPES).await {
        Verdict::Granted => true,
        Verdict::Refused(_) => allows_all(access, authorization, source_ids).await,
        Verdict::Failed(_) => false,
    }
}

async fn allows_all(access: &Access, authorization: &HeaderValue, source_ids: &[String]) -> bool {
    for source_id in source_ids {
        if !is_guid(source_id) || !shows(access, authorization, source_id).await {
            return false;
        }
    }
    !source_ids.is_empty()
}

/// Whether the bearer may read an app's logs or see a service instance of this GUID. Upstream does
/// not ask the second if the first cannot be asked.
async fn shows(access: &Access, authorization: &HeaderValue, guid: &str) -> bool {
    match access.shows_logs(authorization, guid).await {
        Verdict::Granted => true,
        Verdict::Failed(None) => false,
        Verdict::Refused(_) | Verdict::Failed(Some(_)) => {
            let shown = access.shows_service_instance(authorization, guid).await;
            shown == Verdict::Granted
        }
    }
}
