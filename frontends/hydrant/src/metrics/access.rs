//! What UAA and the Cloud Controller were asked, by each frontend that asks them.

use super::{Labels, counters, gauges};
use crate::state::ServerState;
use hydrant_access::{AccessCounter, AccessState, Question};
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;
use std::sync::Arc;

/// Labels are who asks, and the kind of question.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let asking = asking(state);
    if asking.is_empty() {
        return Ok(());
    }
    let samples = |value: &dyn Fn(&AccessState, Question) -> u64| {
        let of = |(frontend, access): &(&'static str, Arc<AccessState>)| {
            let sample =
                |question: &Question| (labels(frontend, *question), value(access, *question));
            Question::ALL.iter().map(sample).collect::<Vec<_>>()
        };
        asking.iter().flat_map(of).collect()
    };
    for counter in AccessCounter::ALL {
        let name = format!("hydrant_access_{}", counter.name());
        let samples = samples(&|access, question| access.get(question, *counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let latencies = samples(&|access, question| access.latency_nanos(question));
    let help = "Nanoseconds that the last question took.";
    gauges(encoder, "hydrant_access_latency_nanos", help, latencies)
}

fn asking(state: &ServerState) -> Vec<(&'static str, Arc<AccessState>)> {
    let websocket = state.websocket.as_ref();
    let websocket = websocket.and_then(|websocket| websocket.access.clone());
    let gateway = state.gateway.as_ref().map(|gateway| gateway.access());
    let proxy = state.log_cache_auth_proxy.as_ref();
    let proxy = proxy.and_then(|proxy| proxy.access());
    let named = [
        ("websocket", websocket),
        ("gateway", gateway),
        ("log_cache_auth_proxy", proxy),
    ];
    let asks = |(frontend, access): (_, Option<_>)| access.map(|access| (frontend, access));
    named.into_iter().filter_map(asks).collect()
}

fn labels(frontend: &str, question: Question) -> Labels {
    vec![
        ("frontend", frontend.to_owned()),
        ("question", question.name().to_owned()),
    ]
}
