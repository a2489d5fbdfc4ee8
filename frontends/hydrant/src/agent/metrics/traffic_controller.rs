//! What upstream's Traffic Controller counts: of its firehoses and of its app streams.

use super::{BY_GRPC, Tag, UpstreamGauge, UpstreamMetrics, VERSION, counter, of_routers};
use crate::config::WEBSOCKET;
use crate::state::ServerState;
use hydrant_feed::counters::{SessionCounter, SessionCounters};
use hydrant_feed::routers::{RouterCounter, Routers};
use hydrant_feed::session::{FrontendState, SessionState};

const TO_STREAM: Tag = ("endpoint", "stream");
const TO_FIREHOSE: Tag = ("endpoint", "firehose");

impl UpstreamMetrics {
    /// What a Traffic Controller counts that has its envelopes from `routers`.
    pub(super) fn of_traffic_controller(state: &ServerState, routers: &Routers) -> Self {
        let sums = Sums::of(state);
        let ingress = of_routers(routers, RouterCounter::Decoded);
        let slow_consumer = "doppler_proxy.slow_consumer";
        Self {
            origin: "loggregator.trafficcontroller",
            counters: vec![
                counter("egress", &[VERSION, TO_STREAM], sums.app_streams.delivered),
                counter("egress", &[VERSION, TO_FIREHOSE], sums.firehoses.delivered),
                counter("ingress", &[VERSION, BY_GRPC], ingress),
                counter(slow_consumer, &[VERSION], sums.slow_consumers),
            ],
            gauges: vec![
                connections("doppler_proxy.firehoses", sums.firehoses.open),
                connections("doppler_proxy.app_streams", sums.app_streams.open),
            ],
        }
    }
}

fn connections(name: &'static str, open: u32) -> UpstreamGauge {
    UpstreamGauge {
        name,
        tags: &[VERSION],
        unit: "connections",
        value: f64::from(open),
    }
}

/// Sums over WebSockets that are open and those that are over.
#[derive(Default)]
struct Sums {
    firehoses: Sum,
    app_streams: Sum,
    slow_consumers: u64,
}

/// Those of one endpoint.
#[derive(Default)]
struct Sum {
    open: u32,
    delivered: u64,
}

impl Sums {
    fn of(state: &ServerState) -> Self {
        let mut sums = Self::default();
        let workers = state.frontends.iter();
        workers
            .filter(|worker| worker.frontend == WEBSOCKET)
            .for_each(|worker| sums.add_worker(worker));
        sums
    }

    fn add_worker(&mut self, worker: &FrontendState) {
        self.slow_consumers += worker.slow_sessions();
        // Those that are over first: a session that ends between the two is missed until the next
        // time, where the other way round it would be counted twice.
        for (endpoint, counters) in worker.over() {
            self.of_endpoint(endpoint == TO_FIREHOSE.1).add(&counters);
        }
        for session in worker.sessions() {
            let sum = self.of_endpoint(is_firehose(&session));
            sum.open += 1;
            sum.add(&session.counters);
        }
    }

    const fn of_endpoint(&mut self, is_firehose: bool) -> &mut Sum {
        if is_firehose {
            &mut self.firehoses
        } else {
            &mut self.app_streams
        }
    }
}

impl Sum {
    fn add(&mut self, counters: &SessionCounters) {
        self.delivered += counters.get(SessionCounter::Delivered);
    }
}

/// A session's name is the path that was asked for.
fn is_firehose(session: &SessionState) -> bool {
    session.name.starts_with("/firehose/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_feed::routers::RoutersConfig;
    use std::sync::Arc;

    fn session(path: &str, delivered: u64, slow: u64) -> Arc<SessionState> {
        let session = SessionState::new(path.to_owned(), "1.2.3.4:5".to_owned());
        session.counters.add(SessionCounter::Delivered, delivered);
        session.counters.add(SessionCounter::Slow, slow);
        Arc::new(session)
    }

    fn worker() -> FrontendState {
        let worker = FrontendState::new("websocket", None);
        for (path, endpoint, delivered, slow) in [
            ("/firehose/a", "firehose", 1, 0),
            ("/firehose/a", "firehose", 2, 30),
            ("/apps/a/stream", "stream", 4, 1),
        ] {
            let over = worker.open(session(path, delivered, slow));
            worker.close(over, endpoint);
        }
        worker.open(session("/firehose/a?filter-type=logs", 8, 0));
        worker.open(session("/apps/a/stream", 16, 0));
        worker.open(session("/tail/?app=a", 32, 0));
        worker
    }

    #[test]
    fn endpoints_are_counted_apart() {
        let grpc = FrontendState::new("grpc", None);
        grpc.open(session("/firehose/a", 1000, 1000));
        let state = ServerState {
            frontends: vec![Arc::new(worker()), Arc::new(grpc)],
            routers: Some(Routers::new(&RoutersConfig::default(), None).unwrap()),
            ..ServerState::default()
        };
        let metrics = UpstreamMetrics::of(&state);
        assert_eq!(metrics.origin, "loggregator.trafficcontroller");
        let counters = metrics.counters.iter();
        let counters: Vec<_> = counters
            .map(|counter| (counter.name, counter.tags, counter.total))
            .collect();
        let expected: [(&str, &[Tag], u64); 4] = [
            ("egress", &[VERSION, ("endpoint", "stream")], 52),
            ("egress", &[VERSION, ("endpoint", "firehose")], 11),
            ("ingress", &[VERSION, ("protocol", "grpc")], 0),
            ("doppler_proxy.slow_consumer", &[VERSION], 2),
        ];
        assert_eq!(counters, expected);
        let gauge = |name, value| UpstreamGauge {
            name,
            tags: &[VERSION],
            unit: "connections",
            value,
        };
        let firehoses = gauge("doppler_proxy.firehoses", 1.0);
        let app_streams = gauge("doppler_proxy.app_streams", 2.0);
        assert_eq!(metrics.gauges, [firehoses, app_streams]);
    }
}
