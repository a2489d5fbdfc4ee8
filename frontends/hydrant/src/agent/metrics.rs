//! What upstream's components count, filled with what we count.

mod traffic_controller;

use crate::config::GRPC;
use crate::state::ServerState;
use hydrant_engine::counters::{Counter, LaneCounter};
use hydrant_feed::counters::{SessionCounter, SessionCounters};
use hydrant_feed::routers::{RouterCounter, Routers};
use hydrant_feed::session::FrontendState;
use hydrant_grpc::{GrpcCounter, GrpcCounters};
use std::sync::Arc;

/// The metrics of a component, as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamMetrics {
    /// The component: `loggregator.doppler`.
    pub origin: &'static str,
    /// Always the same ones in the same order.
    pub counters: Vec<UpstreamCounter>,
    /// Always the same ones in the same order.
    pub gauges: Vec<UpstreamGauge>,
}

/// A tag's name and value.
pub type Tag = (&'static str, &'static str);

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamCounter {
    /// Its name, without the origin.
    pub name: &'static str,
    /// Its own tags; the origin's is added where it is sent.
    pub tags: &'static [Tag],
    /// What it counted since the process started.
    pub total: u64,
}

/// A gauge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpstreamGauge {
    /// Its name, without the origin.
    pub name: &'static str,
    /// Its own tags; the origin's is added where it is sent.
    pub tags: &'static [Tag],
    /// The unit of its value.
    pub unit: &'static str,
    /// How it stands. Not negative; two decimals are sent.
    pub value: f64,
}

/// The tag of metrics that have a version; all of them have this one.
pub const VERSION: Tag = ("metric_version", "2.0");

/// The frontend whose sessions are upstream's subscriptions.
const FRONTEND: &str = GRPC;

const INGRESS: Tag = ("direction", "ingress");
const EGRESS: Tag = ("direction", "egress");
const BY_GRPC: Tag = ("protocol", "grpc");

impl UpstreamMetrics {
    /// What the component of upstream's counts that this process is: a reverse log proxy if it
    /// serves what other routers have, a Traffic Controller if it does so without gRPC, a router if
    /// it serves what it took in. Nothing if it is none of them.
    pub fn of(state: &ServerState) -> Self {
        match &state.routers {
            Some(routers) if state.grpc.is_empty() => Self::of_traffic_controller(state, routers),
            Some(routers) => Self::of_proxy(state, routers),
            None if state.grpc.is_empty() => Self::default(),
            None => Self::of_router(state),
        }
    }

    /// What upstream's router counts. Its two counters named `egress`, for v1 and for v2, are one
    /// here: the sum of the deltas is the same.
    ///
    /// Its `ingress` counts v1 envelopes, after the conversion that each v2 envelope goes through
    /// there: a v2 event or an envelope without a message is none, a gauge of `n` metrics is `n`.
    /// Ours counts the envelopes that came in, each once: which ones become what in v1 is not known
    /// until a v1 reader asks for them.
    fn of_router(state: &ServerState) -> Self {
        let subscriptions = Subscriptions::of(state);
        Self {
            origin: "loggregator.doppler",
            counters: vec![
                counter("ingress", &[VERSION], decoded(state)),
                counter("dropped", &[VERSION, INGRESS], lane_full(state)),
                counter("dropped", &[VERSION, EGRESS], subscriptions.lost),
                counter("egress", &[VERSION], subscriptions.delivered),
            ],
            gauges: vec![subscriptions.gauge("subscriptions")],
        }
    }

    /// What upstream's reverse log proxy counts, which has its envelopes from `routers`.
    fn of_proxy(state: &ServerState, routers: &Routers) -> Self {
        let subscriptions = Subscriptions::of(state);
        let rejected = |worker: &Arc<GrpcCounters>| worker.get(GrpcCounter::SessionsRejected);
        let rejected = state.grpc.iter().map(rejected).sum();
        let connects = of_routers(routers, RouterCounter::Connects);
        let disconnects = of_routers(routers, RouterCounter::Disconnects);
        let ingress = of_routers(routers, RouterCounter::Decoded);
        Self {
            origin: "loggregator.rlp",
            counters: vec![
                counter("ingress", &[VERSION, BY_GRPC], ingress),
                counter("egress", &[VERSION], subscriptions.delivered),
                counter("dropped", &[VERSION, EGRESS], subscriptions.lost),
                counter("rejected_streams", &[VERSION], rejected),
                counter("log_router_connects", &[], connects),
                counter("log_router_disconnects", &[], disconnects),
            ],
            gauges: vec![subscriptions.gauge("total")],
        }
    }
}

fn of_routers(routers: &Routers, counter: RouterCounter) -> u64 {
    routers.states().map(|router| router.get(counter)).sum()
}

const fn counter(name: &'static str, tags: &'static [Tag], total: u64) -> UpstreamCounter {
    UpstreamCounter { name, tags, total }
}

fn decoded(state: &ServerState) -> u64 {
    let shards = state.shards.iter();
    shards
        .map(|shard| shard.counters.get(Counter::Decoded))
        .sum()
}

/// What did not fit into the lanes to the frontend.
fn lane_full(state: &ServerState) -> u64 {
    let lanes = state
        .shards
        .iter()
        .flat_map(|shard| shard.lanes.iter().zip(&state.frontends));
    lanes
        .filter(|(_, worker)| worker.frontend == FRONTEND)
        .map(|(lane, _)| lane.counters.get(LaneCounter::Full))
        .sum()
}

/// Sums over the sessions that are open and those that are over.
#[derive(Default)]
struct Subscriptions {
    open: u32,
    delivered: u64,
    lost: u64,
}

impl Subscriptions {
    fn of(state: &ServerState) -> Self {
        let mut sums = Self::default();
        let workers = state.frontends.iter();
        workers
            .filter(|worker| worker.frontend == FRONTEND)
            .for_each(|worker| sums.add_worker(worker));
        sums
    }

    fn gauge(&self, unit: &'static str) -> UpstreamGauge {
        UpstreamGauge {
            name: "subscriptions",
            tags: &[VERSION],
            unit,
            value: f64::from(self.open),
        }
    }

    fn add_worker(&mut self, worker: &Arc<FrontendState>) {
        // Those that are over first: a session that ends between the two is missed until the next
        // time, where the other way round it would be counted twice.
        for (_, counters) in worker.over() {
            self.add(&counters);
        }
        for session in worker.sessions() {
            self.open += 1;
            self.add(&session.counters);
        }
    }

    fn add(&mut self, counters: &SessionCounters) {
        self.delivered += counters.get(SessionCounter::Delivered);
        let losses = SessionCounter::LOSSES.iter();
        self.lost += losses.map(|loss| counters.get(*loss)).sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::routers::{RoutersConfig, ZoneConfig};
    use hydrant_feed::session::SessionState;

    fn session(delivered: u64, lost: u64) -> Arc<SessionState> {
        let session = SessionState::new("BatchSubscribe".to_owned(), "1.2.3.4:5".to_owned());
        session.counters.add(SessionCounter::Delivered, delivered);
        session.counters.add(SessionCounter::OutboxFull, lost);
        session.counters.add(SessionCounter::Gone, lost);
        Arc::new(session)
    }

    fn totals(metrics: &UpstreamMetrics) -> Vec<(&str, Option<&Tag>, u64)> {
        let counters = metrics.counters.iter();
        counters
            .map(|counter| (counter.name, counter.tags.last(), counter.total))
            .collect()
    }

    #[test]
    fn a_router_counts_grpc_sessions_only() {
        let grpc = Arc::new(FrontendState::new("grpc", None));
        let over = grpc.open(session(5, 2));
        grpc.close(over, "v1");
        grpc.open(session(7, 1));
        let websocket = Arc::new(FrontendState::new("websocket", None));
        websocket.open(session(100, 100));
        let state = ServerState {
            frontends: vec![websocket, grpc],
            grpc: vec![Arc::default()],
            ..ServerState::default()
        };
        let metrics = UpstreamMetrics::of(&state);
        let expected = [
            ("ingress", Some(&VERSION), 0),
            ("dropped", Some(&INGRESS), 0),
            ("dropped", Some(&EGRESS), 6),
            ("egress", Some(&VERSION), 12),
        ];
        assert_eq!(totals(&metrics), expected);
        let gauge = metrics.gauges[0];
        assert_eq!(
            (gauge.unit, gauge.value.to_string().as_str()),
            ("subscriptions", "1")
        );
    }

    #[test]
    fn a_proxy_counts_refusals_too() {
        let grpc = Arc::new(FrontendState::new("grpc", None));
        grpc.open(session(7, 1));
        let counters = GrpcCounters::default();
        counters.count(GrpcCounter::SessionsRejected);
        let zone = ZoneConfig {
            name: "z1".to_owned(),
            addresses: vec!["localhost:1".to_owned()],
        };
        let config = RoutersConfig {
            zones: vec![zone],
            ..RoutersConfig::default()
        };
        let state = ServerState {
            frontends: vec![grpc],
            grpc: vec![Arc::new(counters)],
            routers: Some(Routers::new(&config, None).unwrap()),
            ..ServerState::default()
        };
        let metrics = UpstreamMetrics::of(&state);
        let expected = [
            ("ingress", Some(&("protocol", "grpc")), 0),
            ("egress", Some(&VERSION), 7),
            ("dropped", Some(&EGRESS), 2),
            ("rejected_streams", Some(&VERSION), 1),
            ("log_router_connects", None, 0),
            ("log_router_disconnects", None, 0),
        ];
        assert_eq!(totals(&metrics), expected);
        assert_eq!(metrics.gauges[0].unit, "total");
    }
}
