//! What waits on disk for syslog drains, and what was found there.

use super::{Labels, Samples, Sessions, counters, gauges, of_sessions};
use crate::config::SYSLOG;
use crate::state::ServerState;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SpoolGauge;
use prometheus_client::encoding::DescriptorEncoder;
use std::collections::BTreeMap;
use std::fmt;

/// Only syslog's sessions have a spool.
pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    state: &ServerState,
    sessions: &Sessions,
) -> fmt::Result {
    let is_syslog = |labels: &Labels| labels.iter().any(|(_, value)| value.starts_with(SYSLOG));
    for counter in [
        SessionCounter::Recovered,
        SessionCounter::MaybeTwice,
        SessionCounter::Kept,
    ] {
        let name = format!("hydrant_session_{}", counter.name());
        let mut samples = of_sessions(sessions, |counters| counters.get(counter));
        samples.retain(|(labels, _)| is_syslog(labels));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let lines = of_spools(state, SpoolGauge::lines);
    let help = "Lines of a drain that wait and are on disk.";
    gauges(encoder, "hydrant_session_spooled", help, lines)?;
    let bytes = of_spools(state, SpoolGauge::bytes);
    let help = "Bytes that a drain's lines have on disk.";
    gauges(encoder, "hydrant_session_spool_bytes", help, bytes)
}

/// Two drains may differ in nothing that is shown: they are one here.
fn of_spools(state: &ServerState, value: impl Fn(&SpoolGauge) -> u64) -> Samples {
    let mut sums = BTreeMap::<Labels, u64>::new();
    let workers = state.frontends.iter();
    for worker in workers.filter(|worker| worker.frontend == SYSLOG) {
        for session in worker.sessions() {
            let labels = vec![
                ("frontend", worker.name()),
                ("session", session.name.clone()),
                ("peer", session.peer.clone()),
            ];
            *sums.entry(labels).or_default() += value(&session.spool);
        }
    }
    sums.into_iter().collect()
}
