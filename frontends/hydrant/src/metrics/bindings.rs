//! What a binding cache counts: upstream's metrics under upstream's names, and ours beside them.

use super::{Labels, counters, gauges};
use crate::state::ServerState;
use hydrant_bindings::cache::{CacheCounter, CacheGauge};
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let Some(cache) = &state.binding_cache else {
        return Ok(());
    };
    // As a counter it would have another name in this format.
    let errors = vec![(Labels::new(), cache.get(CacheCounter::RefreshErrors))];
    let help = "Rounds of asking the Cloud Controller that came to nothing; only ever grows.";
    gauges(encoder, "binding_refresh_error", help, errors)?;
    for gauge in CacheGauge::ALL {
        let samples = vec![(labels(*gauge), cache.gauge(*gauge))];
        gauges(encoder, gauge.name(), gauge.help(), samples)?;
    }
    for counter in CacheCounter::ALL {
        let name = format!("hydrant_binding_cache_{}", counter.name());
        let samples = vec![(Labels::new(), cache.get(*counter))];
        counters(encoder, &name, counter.help(), samples)?;
    }
    let one = |count| vec![(Labels::new(), count)];
    let help = "Logs about their bindings that the agent took for apps.";
    counters(
        encoder,
        "hydrant_app_logs_told",
        help,
        one(state.app_logs.told()),
    )?;
    let help = "Logs about their bindings that apps did not get: too many waited, or the agent did not take them.";
    counters(
        encoder,
        "hydrant_app_logs_lost",
        help,
        one(state.app_logs.lost()),
    )
}

/// As upstream's.
fn labels(gauge: CacheGauge) -> Labels {
    match gauge {
        CacheGauge::Invalid | CacheGauge::Blacklisted => vec![("unit", "total".to_owned())],
        CacheGauge::LastRefreshCount | CacheGauge::Cached => Labels::new(),
    }
}
