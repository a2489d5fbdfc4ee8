//! What was sent on to other components, beside what its sessions count.

use super::{Labels, Samples, counters, gauges};
use crate::state::ServerState;
use hydrant_forward::{DestinationCounter, DestinationState};
use prometheus_client::encoding::DescriptorEncoder;
use std::collections::BTreeMap;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let Some(forward) = &state.forward else {
        return Ok(());
    };
    // Two destinations may be at one address: a sample must not be given twice.
    let samples = |value: &dyn Fn(&DestinationState) -> u64| -> Samples {
        let mut sums = BTreeMap::<Labels, u64>::new();
        for destination in &forward.destinations {
            let session = &destination.session;
            let labels = vec![
                ("session", session.name.clone()),
                ("peer", session.peer.clone()),
            ];
            *sums.entry(labels).or_default() += value(destination);
        }
        sums.into_iter().collect()
    };
    for counter in DestinationCounter::ALL {
        let name = format!("hydrant_forward_{}", counter.name());
        let samples = samples(&|destination| destination.get(*counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let help = "Streams open to a destination now.";
    let open = samples(&DestinationState::open_streams);
    gauges(encoder, "hydrant_forward_open_streams", help, open)?;
    let help = "v2 envelopes without a source id that got their origin as theirs.";
    let mappings = vec![(Labels::new(), forward.origin_mappings())];
    counters(encoder, "hydrant_forward_origin_mappings", help, mappings)?;
    let help = "Counters whose totals were forgotten because there are too many: the next delta of \
                such a one is its total.";
    let forgotten = vec![(Labels::new(), forward.totals_forgotten())];
    counters(encoder, "hydrant_forward_totals_forgotten", help, forgotten)
}
