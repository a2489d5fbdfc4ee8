//! The metrics of upstream's syslog agent.

use super::{DROPPED_HELP, EGRESS, Family, INGRESS, INGRESS_HELP, MAPPINGS_HELP, Seen};
use hydrant_bindings::source::SourceCounter;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::collections::BTreeMap;
use std::sync::Arc;

const SYSLOG: &str = "syslog";
const COUNT: (&str, &str) = ("unit", "count");

/// Lines sent and lost, by scope and URL: apps may have drains of one URL.
type ByDrain = BTreeMap<(&'static str, String), (u64, u64)>;

impl Seen<'_> {
    /// Drains that are gone count in the sums, not under their URLs: there would be ever more of them.
    pub(super) fn syslog_agent(&self) -> Vec<Family> {
        let sessions = self.drains();
        let by_drain = by_drain(&sessions);
        let is_connected = |session: &&Arc<SessionState>| session.note() == "connected";
        let aggregates = sessions.iter().filter(|session| !session.is_of_app);
        let aggregate_count = aggregates.count() as u64;
        let app_count = sessions.len() as u64 - aggregate_count;
        let active = sessions.iter().filter(is_connected).count() as u64;
        let (selected, lost) = self.in_all(&sessions);
        let source = self.state.bindings.as_ref();
        let refreshes = source.map_or(0, |source| source.get(SourceCounter::Refreshes));
        let latency = source.map_or(0.0, |source| source.latency_ms());
        let help = "Lines sent to a drain.";
        let egress = Family::counter("egress", help);
        let help = "Lines that a drain should have had and has not.";
        let dropped = Family::counter("messages_dropped_per_drain", help);
        let all = by_drain.iter().fold(
            (egress, dropped),
            |(egress, dropped), ((scope, url), (sent, lost))| {
                let labels = [EGRESS, ("drain_scope", *scope), ("drain_url", url.as_str())];
                (egress.with(&labels, *sent), dropped.with(&labels, *lost))
            },
        );
        let (egress, dropped_of_drains) = all;
        vec![
            Family::counter("ingress", INGRESS_HELP)
                .with(&[("scope", "agent")], self.decoded())
                .with(&[("scope", "all_drains")], selected),
            Family::counter("dropped", DROPPED_HELP)
                .with(&[INGRESS], self.lost_of_grpc(SYSLOG))
                .with(&[EGRESS], lost),
            Family::counter("origin_mappings", MAPPINGS_HELP).with(&[], self.mappings()),
            Family::gauge("drains", "Drains of apps.").with(&[COUNT], app_count),
            Family::gauge("aggregate_drains", "Drains of every source.")
                .with(&[COUNT], aggregate_count),
            Family::gauge("active_drains", "Drains that are connected.").with(&[COUNT], active),
            Family::counter(
                "binding_refresh_count",
                "Times that bindings were asked for.",
            )
            .with(&[], refreshes),
            Family::gauge(
                "latency_for_last_binding_refresh",
                "How long the last answer with bindings took.",
            )
            .with_mean(&[("unit", "ms")], latency),
            egress,
            dropped_of_drains,
        ]
    }

    fn drains(&self) -> Vec<Arc<SessionState>> {
        let workers = self.state.frontends.iter();
        let workers = workers.filter(|worker| worker.frontend == SYSLOG);
        workers.flat_map(|worker| worker.sessions()).collect()
    }

    /// Lines selected and lost, those of drains that are gone included.
    fn in_all(&self, sessions: &[Arc<SessionState>]) -> (u64, u64) {
        let workers = self.state.frontends.iter();
        let workers = workers.filter(|worker| worker.frontend == SYSLOG);
        let over = workers.flat_map(|worker| worker.over());
        let of_over = over.map(|(_, counters)| {
            let lost = SessionCounter::LOSSES
                .iter()
                .map(|loss| counters.get(*loss));
            (counters.get(SessionCounter::Selected), lost.sum())
        });
        let of_open = sessions.iter().map(|session| {
            (
                session.counters.get(SessionCounter::Selected),
                lost_by(session),
            )
        });
        of_over
            .chain(of_open)
            .fold((0, 0), |sums: (u64, u64), one: (u64, u64)| {
                (sums.0 + one.0, sums.1 + one.1)
            })
    }
}

fn lost_by(session: &SessionState) -> u64 {
    let losses = SessionCounter::LOSSES.iter();
    losses.map(|loss| session.counters.get(*loss)).sum()
}

fn by_drain(sessions: &[Arc<SessionState>]) -> ByDrain {
    let mut by_drain = ByDrain::new();
    for session in sessions {
        let scope = if session.is_of_app {
            "app"
        } else {
            "aggregate"
        };
        let sums = by_drain.entry((scope, session.name.clone())).or_default();
        sums.0 += session.counters.get(SessionCounter::Delivered);
        sums.1 += lost_by(session);
    }
    by_drain
}
