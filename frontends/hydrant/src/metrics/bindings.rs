//! What a binding cache counts, upstream's metrics under upstream's names and ours beside them; and
//! what who asks one counts.

use super::{Labels, counters, gauges};
use crate::state::ServerState;
use hydrant_bindings::cache::{CacheCounter, CacheGauge, CacheState};
use hydrant_bindings::source::{SourceCounter, SourceGauge, SourceState};
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    if let Some(source) = &state.bindings {
        encode_source(encoder, source)?;
    }
    if let Some(cache) = &state.binding_cache {
        encode_cache(encoder, cache)?;
    }
    if state.bindings.is_none() && state.binding_cache.is_none() {
        return Ok(());
    }
    let one = |count| vec![(Labels::new(), count)];
    let help = "Logs about their drains that the agent took for apps.";
    let told = one(state.app_logs.told());
    counters(encoder, "hydrant_app_logs_told", help, told)?;
    let help = "Logs about their drains that apps did not get: too many waited, or the agent did not take them.";
    let lost = one(state.app_logs.lost());
    counters(encoder, "hydrant_app_logs_lost", help, lost)
}

fn encode_source(encoder: &mut DescriptorEncoder<'_>, source: &SourceState) -> fmt::Result {
    for gauge in SourceGauge::ALL {
        let name = format!("hydrant_bindings_{}", gauge.name());
        let samples = vec![(Labels::new(), source.gauge(*gauge))];
        gauges(encoder, &name, gauge.help(), samples)?;
    }
    for counter in SourceCounter::ALL {
        let name = format!("hydrant_bindings_{}", counter.name());
        let samples = vec![(Labels::new(), source.get(*counter))];
        counters(encoder, &name, counter.help(), samples)?;
    }
    Ok(())
}

fn encode_cache(encoder: &mut DescriptorEncoder<'_>, cache: &CacheState) -> fmt::Result {
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
    Ok(())
}

/// As upstream's.
fn labels(gauge: CacheGauge) -> Labels {
    match gauge {
        CacheGauge::Invalid | CacheGauge::Blacklisted => vec![("unit", "total".to_owned())],
        CacheGauge::LastRefreshCount | CacheGauge::Cached => Labels::new(),
    }
}
