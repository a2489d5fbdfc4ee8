//! What is counted in front of WebSockets: requests, access control, what is kept of apps.

use super::{Labels, counters, gauges};
use crate::state::ServerState;
use hydrant_access::cef::SecurityCounter;
use hydrant_websocket::{HttpCounter, RecentCounter, RecentCounts};
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let Some(websocket) = &state.websocket else {
        return Ok(());
    };
    let one = |value| vec![(Labels::new(), value)];
    for counter in HttpCounter::ALL {
        let name = format!("hydrant_websocket_{}", counter.name());
        let value = websocket.http.get(*counter);
        counters(encoder, &name, counter.help(), one(value))?;
    }
    for counter in SecurityCounter::ALL {
        if let Some(security) = &websocket.security {
            let name = format!("hydrant_websocket_security_event_{}", counter.name());
            counters(encoder, &name, counter.help(), one(security.get(*counter)))?;
        }
    }
    if let Some(recent) = websocket.recent() {
        recent_metrics(encoder, &recent)?;
    }
    Ok(())
}

fn recent_metrics(encoder: &mut DescriptorEncoder<'_>, recent: &RecentCounts) -> fmt::Result {
    let held = [
        ("apps", "Apps of which something is kept.", recent.apps),
        ("bytes", "Memory that is kept for apps.", recent.bytes),
        ("logs", "Logs kept.", recent.logs),
        (
            "container_metrics",
            "Container metrics kept.",
            recent.metrics,
        ),
    ];
    for (what, help, value) in held {
        let name = format!("hydrant_recent_{what}");
        let samples = vec![(Labels::new(), u64::try_from(value).unwrap_or(u64::MAX))];
        gauges(encoder, &name, help, samples)?;
    }
    for counter in RecentCounter::ALL {
        let name = format!("hydrant_recent_{}", counter.name());
        let samples = vec![(Labels::new(), recent.get(*counter))];
        counters(encoder, &name, counter.help(), samples)?;
    }
    Ok(())
}
