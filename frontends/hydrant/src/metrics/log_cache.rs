//! What Log Cache keeps and gives.

use super::{Labels, Samples, counters, gauges};
use crate::state::ServerState;
use hydrant_engine::counters::Loss;
use hydrant_log_cache::NodeCounter;
use hydrant_log_cache_syslog::SyslogCounter;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let Some(node) = &state.log_cache else {
        return Ok(());
    };
    let one = |value| vec![(Labels::new(), value)];
    for counter in NodeCounter::ALL {
        let name = format!("hydrant_log_cache_{}", counter.name());
        let samples = one(node.counters.get(*counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let standing = node.partitions.standing();
    let help = "Envelopes that were kept and are dropped, for want of memory or for newer ones.";
    let dropped = one(standing.taken - standing.count);
    counters(encoder, "hydrant_log_cache_expired", help, dropped)?;
    for (name, help, value) in [
        (
            "hydrant_log_cache_envelopes",
            "Envelopes that are kept.",
            standing.count,
        ),
        (
            "hydrant_log_cache_sources",
            "Sources of which something is kept.",
            standing.source_count as u64,
        ),
        (
            "hydrant_log_cache_memory_bytes",
            "Memory of what is kept.",
            standing.memory_bytes as u64,
        ),
    ] {
        gauges(encoder, name, help, one(value))?;
    }
    Ok(())
}

/// What Log Cache's syslog server counts; what becomes of its envelopes is with the sessions.
pub(super) fn encode_syslog(
    encoder: &mut DescriptorEncoder<'_>,
    state: &ServerState,
) -> fmt::Result {
    let Some(syslog) = &state.log_cache_syslog else {
        return Ok(());
    };
    for counter in SyslogCounter::ALL {
        let name = format!("hydrant_log_cache_syslog_{}", counter.name());
        let samples = vec![(Labels::new(), syslog.get(*counter))];
        counters(encoder, &name, counter.help(), samples)?;
    }
    Ok(())
}

/// What senders sent and is not kept, for `hydrant_lost`.
pub(super) fn losses(state: &ServerState) -> Samples {
    let node = state.log_cache.iter();
    let losses = node.flat_map(|node| {
        Loss::ALL.iter().map(|loss| {
            let labels = vec![
                ("stage", "log_cache".to_owned()),
                ("reason", loss.name().to_owned()),
            ];
            (labels, node.counters.lost(*loss))
        })
    });
    losses.filter(|(_, count)| *count > 0).collect()
}
