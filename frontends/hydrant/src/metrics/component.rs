//! The metrics of upstream's agents as their endpoints show them: in the text format 0.0.4, under names
//! that OpenMetrics does not allow for counters. Upstream's scraper reads nothing else.
//!
//! `dropped` and `egress_expired_total` are everything that we lost there by any name; upstream's are
//! what its rings lost.

mod log_cache;
mod log_cache_node;
mod syslog;

use crate::config::ScrapeNames;
use crate::state::ServerState;
use hydrant_engine::counters::{Counter, LaneCounter};
use hydrant_engine::engine::ShardState;
use hydrant_feed::counters::SessionCounter;
use hydrant_forward::{DestinationState, FORWARD, Protocol};
use std::fmt::Write;
use std::sync::Arc;

/// The media type of [`text`].
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a component shows. Nothing of names that are ours.
pub(crate) fn text(names: ScrapeNames, state: &ServerState) -> String {
    let seen = Seen { state };
    let mut families = match names {
        ScrapeNames::Hydrant | ScrapeNames::LogCacheGateway => Vec::new(),
        ScrapeNames::LoggregatorAgent => seen.loggregator_agent(),
        ScrapeNames::ForwarderAgent => seen.forwarder_agent(),
        ScrapeNames::UdpForwarder => seen.udp_forwarder(),
        ScrapeNames::SyslogAgent => seen.syslog_agent(),
        ScrapeNames::LogCache => seen.log_cache(),
        ScrapeNames::LogCacheAuthProxy => seen.log_cache_auth_proxy(),
        ScrapeNames::LogCacheSyslogServer => seen.log_cache_syslog_server(),
    };
    families.push(handler_errors());
    families.sort_by_key(|family| family.name);
    families.iter().fold(String::new(), |mut text, family| {
        // Writing to a String cannot fail.
        family.write(&mut text).ok();
        text
    })
}

/// A metric with all its labels.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

const OLD: (&str, &str) = ("metric_version", "1.0");
const NEW: (&str, &str) = ("metric_version", "2.0");
const INGRESS: (&str, &str) = ("direction", "ingress");
const EGRESS: (&str, &str) = ("direction", "egress");
const ALL: (&str, &str) = ("direction", "all");
/// Upstream says so of what has no unit, and of bytes.
const UNIT: (&str, &str) = ("unit", "bytes/minute");

const INGRESS_HELP: &str = "Envelopes that came in.";
const DROPPED_HELP: &str = "Envelopes lost.";
const MAPPINGS_HELP: &str = "Envelopes without a source id that got their origin as theirs.";

impl Family {
    const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::of(name, help, "counter")
    }

    const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::of(name, help, "gauge")
    }

    const fn of(name: &'static str, help: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            samples: Vec::new(),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the format's numbers are floats"
    )]
    fn with(self, labels: &[(&'static str, &str)], value: u64) -> Self {
        self.with_mean(labels, value as f64)
    }

    fn with_mean(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        let mut labels: Vec<_> = labels.to_vec();
        labels.sort_unstable();
        let owned = labels
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()));
        self.samples.push((owned.collect(), value));
        self
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self {
            name, help, kind, ..
        } = self;
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        let mut samples: Vec<_> = self.samples.iter().collect();
        samples.sort_by_key(|(labels, _)| labels);
        for (labels, value) in samples {
            text.push_str(name);
            let mut mark = '{';
            for (label, value) in labels {
                write!(text, "{mark}{label}=\"{}\"", escaped(value))?;
                mark = ',';
            }
            let end = if labels.is_empty() { "" } else { "}" };
            writeln!(text, "{end} {value}")?;
        }
        Ok(())
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

/// What every endpoint of upstream's counts of itself; ours cannot fail.
fn handler_errors() -> Family {
    let name = "promhttp_metric_handler_errors_total";
    Family::counter(name, "Errors while these metrics were written.")
        .with(&[("cause", "encoding")], 0)
        .with(&[("cause", "gathering")], 0)
}

pub(super) struct Seen<'s> {
    state: &'s ServerState,
}

impl Seen<'_> {
    fn loggregator_agent(&self) -> Vec<Family> {
        let (v1, v2) = (self.of(Protocol::V1), self.of(Protocol::V2));
        let mut ingress = Family::counter("ingress", INGRESS_HELP).with(&[NEW], self.decoded());
        let mut egress = Family::counter("egress", "Envelopes sent.").with(&[NEW], delivered(&v2));
        let mut dropped = Family::counter("dropped", DROPPED_HELP)
            .with(&[INGRESS, NEW], self.lost_of_grpc(FORWARD))
            .with(&[EGRESS, NEW], lost(&v2));
        let help = "Bytes of an envelope that was sent, on average over the last minute.";
        let mut average = Family::gauge("average_envelopes", help).with_mean(
            &[UNIT, NEW, ("loggregator", "v2")],
            v2.first().map_or(0.0, |one| one.average_bytes()),
        );
        if let Some(first) = v1.first() {
            ingress = ingress.with(&[OLD], self.datagrams());
            egress = egress.with(&[OLD], delivered(&v1));
            dropped = dropped.with(&[ALL, OLD], self.lost_of_udp() + lost(&v1));
            let labels = [UNIT, OLD, ("loggregator", "v1")];
            average = average.with_mean(&labels, first.average_bytes());
        }
        let help = "Connections to Dopplers.";
        let connections = Family::gauge("doppler_connections", help);
        let old = Family::gauge("doppler_v1_streams", "Streams of v1 to Dopplers.");
        let new = Family::gauge("doppler_v2_streams", "Streams of v2 to Dopplers.");
        vec![
            ingress,
            egress,
            dropped,
            average,
            Family::counter("origin_mappings", MAPPINGS_HELP).with(&[UNIT, NEW], self.mappings()),
            connections.with(&[NEW], open(&v1) + open(&v2)),
            old.with(&[NEW], open(&v1)),
            new.with(&[NEW], open(&v2)),
        ]
    }

    fn forwarder_agent(&self) -> Vec<Family> {
        let help = "Envelopes lost on their way to a destination.";
        let expired = Family::counter("egress_expired_total", help);
        let expired = self.destinations().fold(expired, |family, destination| {
            let address = destination.session.peer.as_str();
            let labels = [("protocol", "loggregator"), ("destination", address)];
            family.with(&labels, destination.lost())
        });
        vec![
            Family::counter("ingress", INGRESS_HELP).with(&[], self.decoded()),
            Family::counter("origin_mappings", MAPPINGS_HELP).with(&[], self.mappings()),
            Family::counter("dropped", DROPPED_HELP).with(&[INGRESS], self.lost_of_grpc(FORWARD)),
            expired,
        ]
    }

    fn udp_forwarder(&self) -> Vec<Family> {
        let sent: Vec<_> = self.destinations().collect();
        let dropped = self.lost_of_udp() + lost(&sent);
        vec![
            Family::counter("ingress", INGRESS_HELP).with(&[OLD], self.datagrams()),
            Family::counter("dropped", DROPPED_HELP).with(&[ALL, OLD], dropped),
        ]
    }

    fn destinations(&self) -> impl Iterator<Item = &Arc<DestinationState>> {
        let forward = self.state.forward.iter();
        forward.flat_map(|forward| &forward.destinations)
    }

    fn of(&self, protocol: Protocol) -> Vec<&Arc<DestinationState>> {
        let destinations = self.destinations();
        destinations
            .filter(|destination| destination.protocol == protocol)
            .collect()
    }

    /// Of what came by an agent's rules, and of what came by others and was forwarded.
    fn mappings(&self) -> u64 {
        let forward = self.state.forward.as_ref();
        let forwarded = forward.map_or(0, |forward| forward.origin_mappings());
        sum(self.shards().1, Counter::OriginMappings) + forwarded
    }

    /// The shards on io_uring, which take UDP, and those of gRPC: these were added later.
    fn shards(&self) -> (&[ShardState], &[ShardState]) {
        let shards = &self.state.shards;
        shards.split_at(shards.len().saturating_sub(self.state.grpc.len()))
    }

    fn datagrams(&self) -> u64 {
        sum(self.shards().0, Counter::Received)
    }

    fn decoded(&self) -> u64 {
        sum(self.shards().1, Counter::Decoded)
    }

    fn lost_of_udp(&self) -> u64 {
        self.lost_before(FORWARD, self.shards().0)
    }

    fn lost_of_grpc(&self, frontend: &str) -> u64 {
        self.lost_before(frontend, self.shards().1)
    }

    /// What was lost before the workers of this frontend had it.
    fn lost_before(&self, frontend: &str, shards: &[ShardState]) -> u64 {
        let frontends = self.state.frontends.iter().enumerate();
        let lanes = frontends.filter(|(_, worker)| worker.frontend == frontend);
        let lanes: Vec<_> = lanes.map(|(at, _)| at).collect();
        let lost = |shard: &ShardState| {
            let lanes = lanes.iter().filter_map(|at| shard.lanes.get(*at));
            let full = lanes.map(|lane| lane.counters.get(LaneCounter::Full));
            shard.counters.malformed() + full.sum::<u64>()
        };
        shards.iter().map(lost).sum()
    }
}

fn sum(shards: &[ShardState], counter: Counter) -> u64 {
    shards.iter().map(|shard| shard.counters.get(counter)).sum()
}

fn delivered(destinations: &[&Arc<DestinationState>]) -> u64 {
    let counters = destinations.iter().map(|one| &one.session.counters);
    counters
        .map(|counters| counters.get(SessionCounter::Delivered))
        .sum()
}

fn lost(destinations: &[&Arc<DestinationState>]) -> u64 {
    destinations.iter().map(|one| one.lost()).sum()
}

fn open(destinations: &[&Arc<DestinationState>]) -> u64 {
    destinations.iter().map(|one| one.open_streams()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_has_done_nothing_shows_all_its_names() {
        let state = ServerState::default();
        let names = |names| -> Vec<String> {
            let text = text(names, &state);
            let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
            types.map(str::to_owned).collect()
        };
        let handler = "promhttp_metric_handler_errors_total counter";
        let agent = [
            "average_envelopes gauge",
            "doppler_connections gauge",
            "doppler_v1_streams gauge",
            "doppler_v2_streams gauge",
            "dropped counter",
            "egress counter",
            "ingress counter",
            "origin_mappings counter",
            handler,
        ];
        assert_eq!(names(ScrapeNames::LoggregatorAgent), agent);
        let forwarder = [
            "dropped counter",
            "egress_expired_total counter",
            "ingress counter",
            "origin_mappings counter",
            handler,
        ];
        assert_eq!(names(ScrapeNames::ForwarderAgent), forwarder);
        let syslog = [
            "active_drains gauge",
            "aggregate_drains gauge",
            "binding_refresh_count counter",
            "drains gauge",
            "dropped counter",
            "egress counter",
            "ingress counter",
            "latency_for_last_binding_refresh gauge",
            "messages_dropped_per_drain counter",
            "origin_mappings counter",
            handler,
        ];
        assert_eq!(names(ScrapeNames::SyslogAgent), syslog);
        assert_eq!(names(ScrapeNames::LogCacheGateway), [handler]);
        let proxy = [
            "cf_auth_proxy_last_capiv3_apps_by_name_latency gauge",
            "cf_auth_proxy_last_capiv3_apps_latency gauge",
            "cf_auth_proxy_last_capiv3_list_service_instances_latency gauge",
            handler,
        ];
        assert_eq!(names(ScrapeNames::LogCacheAuthProxy), proxy);
        // A node that is not there has nothing.
        assert_eq!(names(ScrapeNames::LogCache), [handler]);
        let syslog = [
            "ingress counter",
            "invalid_ingress counter",
            "nozzle_egress counter",
            "nozzle_err counter",
            "nozzle_ingress counter",
            handler,
        ];
        assert_eq!(names(ScrapeNames::LogCacheSyslogServer), syslog);
        let udp = ["dropped counter", "ingress counter", handler];
        assert_eq!(names(ScrapeNames::UdpForwarder), udp);
    }

    #[test]
    fn samples_are_written_as_the_format_has_them() {
        let family = Family::gauge("g", "What it is.")
            .with(&[("b", "1"), ("a", "q\"\\\n")], 7)
            .with_mean(&[], 0.5);
        let mut text = String::new();
        family.write(&mut text).unwrap();
        let expected =
            "# HELP g What it is.\n# TYPE g gauge\ng 0.5\ng{a=\"q\\\"\\\\\\n\",b=\"1\"} 7\n";
        assert_eq!(text, expected);
    }
}
