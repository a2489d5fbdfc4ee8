//! The state as Prometheus metrics (OpenMetrics text).

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
use std::fmt;
use std::sync::Arc;

type Labels = Vec<(&'static str, String)>;
type Samples = Vec<(Labels, u64)>;

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
        session_metrics(&mut encoder, state)?;
        grpc_metrics(&mut encoder, state)?;
        router_metrics(&mut encoder, state)?;
        gateway_metrics(&mut encoder, state)?;
        counters(&mut encoder, "hydrant_lost", LOST_HELP, losses(state))?;
        turns(&mut encoder, state)
    }
}

const LOST_HELP: &str = "Everything lost, by the stage that lost it and the reason.";

fn session_metrics(encoder: &mut DescriptorEncoder<'_>, state: &ServerState) -> fmt::Result {
    for counter in [SessionCounter::Selected, SessionCounter::Delivered] {
        let name = format!("hydrant_session_{}", counter.name());
        let samples = sessions(state, |counters| counters.get(counter));
        counters(encoder, &name, counter.help(), samples)?;
    }
    let waiting = sessions(state, SessionCounters::waiting);
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
    gauges(encoder, "hydrant_router_open_streams", help, open)
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

/// Open sessions by what they take and where they are; those that are over summed up by kind.
fn sessions(state: &ServerState, value: impl Fn(&SessionCounters) -> u64) -> Samples {
    let mut samples = Vec::new();
    for worker in &state.frontends {
        let labels = |session: String, peer: String| {
            let frontend = ("frontend", worker.name());
            vec![frontend, ("session", session), ("peer", peer)]
        };
        for session in worker.sessions() {
            let labels = labels(session.name.clone(), session.peer.clone());
            samples.push((labels, value(&session.counters)));
        }
        for (kind, counters) in worker.over() {
            samples.push((
                labels(format!("{kind}, over"), String::new()),
                value(&counters),
            ));
        }
    }
    samples
}

fn losses(state: &ServerState) -> Samples {
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
        for (labels, count) in sessions(state, |counters| counters.get(loss)) {
            add("session", loss.name(), labels, count);
        }
    }
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
