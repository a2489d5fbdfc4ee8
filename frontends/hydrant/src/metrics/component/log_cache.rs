//! The metrics of upstream's Log Cache auth proxy and syslog server.

use super::{Family, Seen};
use hydrant_access::Question;
use hydrant_feed::counters::SessionCounter;
use hydrant_log_cache_syslog::{LOG_CACHE_SYSLOG, SyslogCounter};

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

    /// `nozzle_err` counts calls that failed; upstream's, batches that were lost by that.
    pub(super) fn log_cache_syslog_server(&self) -> Vec<Family> {
        let counters = self.state.log_cache_syslog.as_ref();
        let workers = self.state.frontends.iter();
        let mut workers = workers.filter(|worker| worker.frontend == LOG_CACHE_SYSLOG);
        let session = workers
            .next()
            .and_then(|worker| worker.sessions().first().cloned());
        let of_session = |counter| {
            let session = session.as_ref();
            session.map_or(0, |session| session.counters.get(counter))
        };
        let failed = counters.map_or(0, |it| it.get(SyslogCounter::CallsFailed));
        [
            (
                "ingress",
                "Syslog messages that became envelopes.",
                of_session(SessionCounter::Selected),
            ),
            (
                "invalid_ingress",
                "Syslog messages that became no envelopes.",
                counters.map_or(0, |it| it.invalid()),
            ),
            (
                "nozzle_ingress",
                "Envelopes for Log Cache.",
                of_session(SessionCounter::Selected),
            ),
            (
                "nozzle_egress",
                "Envelopes that Log Cache took.",
                of_session(SessionCounter::Delivered),
            ),
            ("nozzle_err", "Calls of Log Cache that failed.", failed),
        ]
        .map(|(name, help, value)| Family::counter(name, help).with(&[], value))
        .into()
    }
}
