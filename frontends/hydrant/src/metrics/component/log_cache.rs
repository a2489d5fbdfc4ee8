//! The metrics of upstream's Log Cache auth proxy.

use super::{Family, Seen};
use hydrant_access::Question;

const NANOSECONDS: (&str, &str) = ("unit", "nanoseconds");

impl Seen<'_> {
    pub(super) fn log_cache_auth_proxy(&self) -> Vec<Family> {
        let proxy = self.state.log_cache_auth_proxy.as_ref();
        let access = proxy.and_then(|proxy| proxy.access());
        let latency = |question| access.as_ref().map_or(0, |it| it.latency_nanos(question));
        [
            (
                "cf_auth_proxy_last_capiv3_apps_latency",
                "How long the last page of apps took.",
                Question::Apps,
            ),
            (
                "cf_auth_proxy_last_capiv3_list_service_instances_latency",
                "How long the last page of service instances took.",
                Question::ServiceInstances,
            ),
            (
                "cf_auth_proxy_last_capiv3_apps_by_name_latency",
                "How long the last page of apps of some names took.",
                Question::AppsByName,
            ),
        ]
        .map(|(name, help, question)| {
            Family::gauge(name, help).with(&[NANOSECONDS], latency(question))
        })
        .into()
    }
}
