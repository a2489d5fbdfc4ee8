//! The state as Prometheus metrics (OpenMetrics text).

mod access;
mod bindings;
pub(crate) mod component;
mod forward;
mod log_cache;
pub(crate) mod machine;
mod rest;
mod spool;
mod websocket;

use crate::agent::{UpstreamCollector, UpstreamMetrics};
use crate::state::ServerState;
use hydrant_engine::counters::{Counter, LaneCounter, Loss, TURN_BOUNDS_NANOS};
use hydrant_engine::engine::ShardState;
use hydrant_feed::counters::{FeedCounter, SessionCounter, SessionCounters};
use hydrant_feed::routers::{RouterCounter, RouterState, Routers};
use hydrant_gateway::{GatewayCounter, Latency};
use hydrant_grpc::{GrpcCounter, GrpcCounters};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Labels = Vec<(&'static str, String)>;
type Samples = Vec<(Labels, u64)>;
type Sessions = BTreeMap<Labels, SessionCounters>;

/// A registry that reads the state anew for each scrape.
pub(crate) fn registry(state: ServerState) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(StateCollector(state.clone())));
    let upstream = UpstreamCollector::new(move || UpstreamMetrics::of(&state));
    registry.register_collector(Box::new(upstream));
    registry
}

#[derive(Debug)]
struct StateCollector(ServerState);

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = &self.0;
        for counter in Counter::ALL {
            let name = format!("hydrant_shard_{}", counter.name());
            let samples = shards(state)
                .map(|(labels, shard)| (labels, shard.counters.get(*counter)))
                .collect();
            counters(&mut encoder, &name, counter.help(), samples)?;
        }
        for counter in [LaneCounter::Published, LaneCounter::Unwanted] {
            let name = format!("hydrant_lane_{}", counter.name());
            let samples = lanes(state, |lane| lane.counters.get(counter));
            counters(&mut encoder, &name, counter.help(), samples)?;
        }
        let depth = lanes(state, |lane| lane.gauge.depth_bytes() as u64);
        gauges(
            &mut encoder,
            "hydrant_lane_depth_bytes",
            "Bytes waiting in a lane.",
            depth,
        )?;
        let size = lanes(state, |lane| lane.gauge.ring_bytes() as u64);
        gauges(
            &mut encoder,
            "hydrant_lane_size_bytes",
            "The size of a lane.",
            size,
        )?;
        for counter in FeedCounter::ALL {
            let name = format!("hydrant_feed_{}", counter.name());
            let sample = |worker: &hydrant_feed::session::FrontendState| {
                (vec![("frontend", worker.name())], worker.feed.get(*counter))
            };
            let samples = state
                .frontends
                .iter()
                .map(|worker| sample(worker))
                .collect();
            counters(&mut encoder, &name, counter.help(), samples)?;
        }
        let sessions = sessions(state);
        session_metrics(&mut encoder, &sessions)?;
        spool::encode(&mut encoder, state, &sessions)?;
        grpc_metrics(&mut encoder, state)?;
        router_metrics(&mut encoder, state)?;
        gateway_metrics(&mut encoder, state)?;
        websocket::encode(&mut encoder, state)?;
        access::encode(&mut encoder, state)?;
        forward::encode(&mut encoder, state)?;
        log_cache::encode(&mut encoder, state)?;
        rest::encode(&mut encoder, state)?;
        log_cache::encode_syslog(&mut encoder, state)?;
        bindings::encode(&mut encoder, state)?;
        counters(
            &mut encoder,
            "hydrant_agent_events_lost",
            "Events, of slow consumers, that the agent was not told: too many waited, or it was not there.",
            vec![(Vec::new(), state.lost_events.count())],
        )?;
        let losses = losses(state, &sessions);
        counters(&mut encoder, "hydrant_lost", LOST_HELP, losses)?;
        turns(&mut encoder, state)
    }
}

const LOST_HELP: &str = "Everything lost, by the stage that lost it and the reason.";

fn session_metrics(encoder: &mut DescriptorEncoder<'_>, sessions: &Sessions) -> fmt::Result {
    for counter in [SessionCounter::Selected, SessionCounter::Delivered] {
        let name = format!("hydrant_session_{}", counter.name());
        let samples = of_sessions(sessions, |counters| counters.get(counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let waiting = of_sessions(sessions, SessionCounters::waiting);
    gauges(
        encoder,
        "hydrant_session_waiting",
        "Messages in a session's outbox.",
        waiting,
    )
}

fn grpc_metrics(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    for counter in GrpcCounter::ALL {
        let name = format!("hydrant_grpc_{}", counter.name());
        let sample = |(worker, counters): (usize, &Arc<GrpcCounters>)| {
            (vec![("worker", worker.to_string())], counters.get(*counter))
        };
        let samples = state.grpc.iter().enumerate().map(sample).collect();
        counters(encoder, &name, counter.help(), samples)?;
    }
    Ok(())
}

fn router_metrics(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let samples = |value: &dyn Fn(&RouterState) -> u64| -> Samples {
        let routers = state.routers.iter().flat_map(Routers::states);
        routers
            .map(|router| (router_labels(router), value(router)))
            .collect()
    };
    for counter in RouterCounter::ALL {
        let name = format!("hydrant_router_{}", counter.name());
        let samples = samples(&|router| router.get(*counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let open = samples(&RouterState::open_streams);
    let help = "Streams open to a router now.";
    gauges(encoder, "hydrant_router_open_streams", help, open)?;
    let away = samples(&|router| millis(router.away().unwrap_or_default()));
    let help = "How long a router has been away, in milliseconds: it is asked for and has no stream \
                for us. 0: it is there.";
    gauges(encoder, "hydrant_router_away_ms", help, away)?;
    let in_all = samples(&|router| millis(router.away_in_all()));
    let help =
        "How long a router was away in all, in milliseconds; what it had for us then is lost.";
    counters(encoder, "hydrant_router_away_in_all_ms", help, in_all)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn router_labels(router: &RouterState) -> Labels {
    let (zone, address) = (router.zone().to_owned(), router.address().to_owned());
    vec![("zone", zone), ("router", address)]
}

fn gateway_metrics(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let Some(gateway) = &state.gateway else {
        return Ok(());
    };
    for counter in GatewayCounter::ALL {
        let name = format!("hydrant_gateway_{}", counter.name());
        let samples = vec![(Labels::new(), gateway.get(*counter))];
        counters(encoder, &name, counter.help(), samples)?;
    }
    for latency in Latency::ALL {
        let samples = vec![(Labels::new(), gateway.latency_nanos(*latency))];
        gauges(encoder, latency.name(), latency.help(), samples)?;
    }
    let open = vec![(Labels::new(), gateway.streams_open())];
    let help = "Streams of server-sent events open now.";
    gauges(encoder, "hydrant_gateway_streams_open", help, open)
}

fn shards(state: &ServerState) -> impl Iterator<Item = (Labels, &ShardState)> {
    let labels = |index: usize, shard: &ShardState| {
        vec![
            ("shard", index.to_string()),
            (
                "core",
                shard.core.map_or_else(String::new, |core| core.to_string()),
            ),
        ]
    };
    state
        .shards
        .iter()
        .enumerate()
        .map(move |(index, shard)| (labels(index, shard), shard))
}

fn lanes(state: &ServerState, value: impl Fn(&hydrant_engine::lanes::LaneState) -> u64) -> Samples {
    let mut samples = Vec::new();
    for (index, shard) in state.shards.iter().enumerate() {
        for (lane, worker) in shard.lanes.iter().zip(&state.frontends) {
            let frontend = worker.name();
            samples.push((
                vec![("shard", index.to_string()), ("frontend", frontend)],
                value(lane),
            ));
        }
    }
    samples
}

/// Open sessions by what they take and where they are; those that are over summed up by kind. Two
/// readers may differ in nothing that is shown: they are one here, since a sample must not be given
/// twice.
fn sessions(state: &ServerState) -> Sessions {
    let mut sums = Sessions::new();
    for worker in &state.frontends {
        let mut add = |session: &str, peer: &str, counters: &SessionCounters| {
            let labels = vec![
                ("frontend", worker.name()),
                ("session", session.to_owned()),
                ("peer", peer.to_owned()),
            ];
            sums.entry(labels).or_default().absorb(counters);
        };
        for session in worker.sessions() {
            add(&session.name, &session.peer, &session.counters);
        }
        for (kind, counters) in worker.over() {
            add(&format!("{kind}, over"), "", &counters);
        }
    }
    sums
}

fn of_sessions(sessions: &Sessions, value: impl Fn(&SessionCounters) -> u64) -> Samples {
    let sample =
        |(labels, counters): (&Labels, &SessionCounters)| (labels.clone(), value(counters));
    sessions.iter().map(sample).collect()
}

fn losses(state: &ServerState, sessions: &Sessions) -> Samples {
    let mut samples = Vec::new();
    let mut add = |stage: &str, reason: &str, labels: Labels, count: u64| {
        let mut all = vec![("stage", stage.to_owned()), ("reason", reason.to_owned())];
        all.extend(labels);
        samples.push((all, count));
    };
    for (labels, shard) in shards(state) {
        add(
            "kernel",
            "kernel_dropped",
            labels.clone(),
            shard.counters.kernel_dropped(),
        );
        for loss in Loss::ALL {
            add(
                "shard",
                loss.name(),
                labels.clone(),
                shard.counters.lost(*loss),
            );
        }
    }
    for router in state.routers.iter().flat_map(Routers::states) {
        for loss in Loss::ALL {
            let labels = router_labels(router);
            add("router", loss.name(), labels, router.lost(*loss));
        }
    }
    for (labels, count) in lanes(state, |lane| lane.counters.get(LaneCounter::Full)) {
        add("lane", LaneCounter::Full.name(), labels, count);
    }
    for loss in SessionCounter::LOSSES {
        for (labels, count) in of_sessions(sessions, |counters| counters.get(loss)) {
            add("session", loss.name(), labels, count);
        }
    }
    samples.extend(log_cache::losses(state));
    samples
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: Samples,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in samples {
        metric
            .encode_family(&labels)?
            .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
    }
    Ok(())
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: Samples,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        metric
            .encode_family(&labels)?
            .encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a histogram's bounds and sum are floats"
)]
fn turns(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    let help = "How long a shard's turns took, waiting apart, in seconds.";
    let name = "hydrant_shard_turn_seconds";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, shard) in shards(state) {
        let bounds = TURN_BOUNDS_NANOS.iter().map(|nanos| *nanos as f64 / 1e9);
        let bounds = bounds.chain(std::iter::once(f64::MAX));
        let buckets: Vec<_> = bounds.zip(shard.counters.turn_lengths()).collect();
        let sum = shard.counters.get(Counter::TurnNanos) as f64 / 1e9;
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::session::{FrontendState, SessionState};
    use prometheus_client::encoding::text::encode;
    use std::collections::BTreeSet;

    fn session(name: &str, delivered: u64, lost: u64) -> Arc<SessionState> {
        let session = SessionState::new(name.to_owned(), "1.2.3.4:5".to_owned());
        session
            .counters
            .add(SessionCounter::Selected, delivered + lost + 1);
        session.counters.add(SessionCounter::Delivered, delivered);
        session.counters.add(SessionCounter::OutboxFull, lost);
        Arc::new(session)
    }

    #[test]
    fn what_looks_the_same_is_one_sample() {
        let grpc = Arc::new(FrontendState::new("grpc", None));
        grpc.open(session("same", 5, 2));
        grpc.open(session("same", 7, 1));
        grpc.open(session("other", 100, 100));
        let over = grpc.open(session("same", 3, 3));
        grpc.close(over, "call");
        let state = ServerState {
            frontends: vec![grpc],
            ..ServerState::default()
        };
        let mut text = String::new();
        encode(&mut text, &registry(state)).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let series: Vec<_> = series.filter_map(|line| line.rsplit_once(' ')).collect();
        let distinct: BTreeSet<_> = series.iter().map(|(series, _)| series).collect();
        assert_eq!(distinct.len(), series.len(), "{text}");
        let labels = "frontend=\"grpc\",session=\"same\",peer=\"1.2.3.4:5\"";
        let full = format!("stage=\"session\",reason=\"outbox_full\",{labels}");
        for (name, labels, value) in [
            ("hydrant_session_delivered_total", labels, "12"),
            ("hydrant_session_waiting", labels, "2"),
            ("hydrant_lost_total", &full, "3"),
        ] {
            let name = format!("{name}{{{labels}}}");
            assert!(series.contains(&(name.as_str(), value)), "{name}: {text}");
        }
    }
}
