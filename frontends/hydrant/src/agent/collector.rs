//! Upstream's metrics beside ours at /metrics: `loggregator.doppler` `dropped` becomes
//! `loggregator_doppler_dropped_total`.

use super::metrics::UpstreamMetrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// Asks for the metrics anew for each scrape.
pub(crate) struct UpstreamCollector<F>(F);

impl<F: Fn() -> UpstreamMetrics + Send + Sync + 'static> UpstreamCollector<F> {
    /// A collector of what `metrics` gives.
    pub(crate) const fn new(metrics: F) -> Self {
        Self(metrics)
    }
}

impl<F> fmt::Debug for UpstreamCollector<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamCollector")
    }
}

impl<F: Fn() -> UpstreamMetrics + Send + Sync + 'static> Collector for UpstreamCollector<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let UpstreamMetrics {
            origin,
            counters,
            gauges,
        } = (self.0)();
        let full_name = |name: &str| format!("{origin}.{name}").replace('.', "_");
        // Counters of one name are one family, which has one head.
        for family in counters.chunk_by(|one, other| one.name == other.name) {
            let name = family[0].name;
            let (family_name, help) = (full_name(name), help(origin, name));
            let mut metric =
                encoder.encode_descriptor(&family_name, &help, None, MetricType::Counter)?;
            for counter in family {
                metric
                    .encode_family(&counter.tags)?
                    .encode_counter::<NoLabelSet, u64, u64>(&counter.total, None)?;
            }
        }
        for gauge in gauges {
            let (name, help) = (full_name(gauge.name), help(origin, gauge.name));
            encoder
                .encode_descriptor(&name, &help, None, MetricType::Gauge)?
                .encode_family(&gauge.tags)?
                .encode_gauge(&gauge.value)?;
        }
        Ok(())
    }
}

fn help(origin: &str, name: &str) -> String {
    format!("Upstream's {origin}.{name}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{UpstreamCounter, UpstreamGauge, VERSION};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    fn metrics() -> UpstreamMetrics {
        let dropped = |tags, total| UpstreamCounter {
            name: "dropped",
            tags,
            total,
        };
        UpstreamMetrics {
            origin: "loggregator.doppler",
            counters: vec![
                dropped(&[VERSION, ("direction", "ingress")], 1),
                dropped(&[("direction", "egress")], 2),
            ],
            gauges: vec![UpstreamGauge {
                name: "proxy.subscriptions",
                tags: &[VERSION],
                unit: "subscriptions",
                value: 3.0,
            }],
        }
    }

    #[test]
    fn families_have_upstreams_names() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(UpstreamCollector::new(metrics)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = "\
# HELP loggregator_doppler_dropped Upstream's loggregator.doppler.dropped.
# TYPE loggregator_doppler_dropped counter
loggregator_doppler_dropped_total{metric_version=\"2.0\",direction=\"ingress\"} 1
loggregator_doppler_dropped_total{direction=\"egress\"} 2
# HELP loggregator_doppler_proxy_subscriptions Upstream's loggregator.doppler.proxy.subscriptions.
# TYPE loggregator_doppler_proxy_subscriptions gauge
loggregator_doppler_proxy_subscriptions{metric_version=\"2.0\"} 3.0
# EOF
";
        assert_eq!(text, expected);
    }
}
