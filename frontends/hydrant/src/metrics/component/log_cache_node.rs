//! The metrics of upstream's Log Cache node.

use super::{Family, Seen};
use crate::metrics::machine::Machine;
use hydrant_engine::clock::UnixNanos;
use hydrant_feed::counters::SessionCounter;
use hydrant_log_cache::{MemoryTotal, NodeCounter, NodeState, QueryKind, Standing};
use std::time::Duration;

const MILLISECONDS: (&str, &str) = ("unit", "milliseconds");
const BYTES: (&str, &str) = ("unit", "bytes");
const NANOS_A_MILLI: i64 = 1_000_000;

impl Seen<'_> {
    pub(super) fn log_cache(&self) -> Vec<Family> {
        let Some(node) = &self.state.log_cache else {
            return Vec::new();
        };
        let standing = node.partitions.standing();
        let mut families = envelopes(node, &standing);
        families.extend(memory(node, &standing));
        families.extend(queries(node));
        families.extend(peers(node));
        families
    }
}

fn envelopes(node: &NodeState, standing: &Standing) -> Vec<Family> {
    let counter = |name, help, count| Family::counter(name, help).with(&[], count);
    let size = Family::gauge("log_cache_store_size", "Envelopes that are kept.");
    let help = "How old the oldest envelope is that is kept, by its own timestamp.";
    let period = Family::gauge("log_cache_cache_period", help);
    let help = "How long it took to look for what to drop: it is dropped as others come in.";
    let truncation = Family::gauge("log_cache_truncation_duration", help);
    let uptime = Family::gauge("log_cache_uptime", "How long ago the node was started.");
    let expired = standing.taken - standing.count;
    let egress = node.counters.get(NodeCounter::Egress);
    vec![
        counter(
            "log_cache_expired",
            "Envelopes that were kept and are dropped.",
            expired,
        ),
        counter("log_cache_ingress", "Envelopes kept.", standing.taken),
        counter("log_cache_egress", "Envelopes given to readers.", egress),
        size.with(&[("unit", "entries")], standing.count),
        period.with(&[MILLISECONDS], cache_period_ms(node)),
        truncation.with(&[MILLISECONDS], 0),
        uptime.with(&[("unit", "seconds")], node.begun.elapsed().as_secs()),
    ]
}

/// 0 if nothing is kept, or all of it is from the future.
fn cache_period_ms(node: &NodeState) -> u64 {
    let mut oldest = i64::MAX;
    node.partitions
        .meta(|_, meta| oldest = oldest.min(meta.oldest_timestamp));
    let now = i64::try_from(UnixNanos::now().0).unwrap_or(i64::MAX);
    u64::try_from(now.saturating_sub(oldest) / NANOS_A_MILLI).unwrap_or(0)
}

/// What upstream's node calls its heap is the memory of what is kept.
fn memory(node: &NodeState, standing: &Standing) -> Vec<Family> {
    let gauge = |name, help, bytes| Family::gauge(name, help).with(&[BYTES], bytes);
    let total = node.memory_total.bytes();
    let kept = standing.memory_bytes as u64;
    let help = "What part of all memory envelopes take.";
    let utilization = Family::gauge("log_cache_memory_utilization", help);
    let percent = kept.saturating_mul(100) / total.max(1);
    let mut families = vec![
        utilization.with(&[("unit", "percentage")], percent),
        gauge(
            "log_cache_heap_in_use_memory",
            "Memory of what is kept.",
            kept,
        ),
        gauge(
            "log_cache_total_system_memory",
            "All memory, of which envelopes may take a part.",
            total,
        ),
    ];
    if matches!(node.memory_total, MemoryTotal::Machine(_)) {
        let available = Machine::read().map_or(0, |machine| machine.available_bytes);
        let help = "Memory of the machine that could be had.";
        families.push(gauge("log_cache_available_system_memory", help, available));
    }
    families
}

fn queries(node: &NodeState) -> Vec<Family> {
    let took = |kind| millis(node.counters.last_took(kind));
    let help = "Queries without an answer because the data of another node could not be read.";
    let broken = Family::counter("log_cache_promql_timeout", help);
    let instant = "log_cache_promql_instant_query_time";
    let instant = Family::gauge(instant, "How long the last instant query took.");
    let range = "log_cache_promql_range_query_time";
    let range = Family::gauge(range, "How long the last range query took.");
    vec![
        broken.with(&[], node.counters.get(NodeCounter::QueriesAway)),
        instant.with_mean(&[MILLISECONDS], took(QueryKind::Instant)),
        range.with_mean(&[MILLISECONDS], took(QueryKind::Range)),
    ]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Only of a node that is not alone, as upstream.
fn peers(node: &NodeState) -> Vec<Family> {
    let peers = node.worker.sessions();
    if peers.is_empty() {
        return Vec::new();
    }
    let help = "Envelopes for another node that were dropped because too many waited for it.";
    let dropped = Family::counter("ingress_dropped", help);
    let dropped = peers.iter().fold(dropped, |family, peer| {
        let index = peer.name.rsplit(' ').next().unwrap_or_default();
        let full = peer.counters.get(SessionCounter::OutboxFull);
        family.with(&[("nodeIndex", index)], full)
    });
    let help = "Batches of envelopes that could not be sent to another node, each attempt.";
    let failures = Family::counter("log_cache_send_failures", help);
    let failed = node.counters.get(NodeCounter::SendFailures);
    vec![
        dropped,
        failures.with(&[("sender", "batched_ingress_client")], failed),
    ]
}
