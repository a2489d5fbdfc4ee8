//! What Log Cache's gateway and its proxy count.

use super::counters;
use crate::state::ServerState;
use hydrant_log_cache_rest::RestCounter;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let servers = [
        ("gateway", &state.log_cache_gateway),
        ("auth_proxy", &state.log_cache_auth_proxy),
    ];
    for (name, server) in servers {
        let Some(server) = server else { continue };
        for counter in RestCounter::ALL {
            let name = format!("hydrant_log_cache_{name}_{}", counter.name());
            let samples = vec![(Vec::new(), server.get(*counter))];
            counters(encoder, &name, counter.help(), samples)?;
        }
    }
    Ok(())
}
