//! Envelopes by the names of their metrics.
//!
//! As upstream has it, a name filter is for metrics alone: no log, no event and no envelope without a
//! message has a name, and of a gauge only the metrics remain whose names are wanted.

use crate::whole;
use hydrant_feed::wire::fields::{self, COUNTER, GAUGE, TIMER};
use hydrant_feed::wire::read::{BYTES_1, Reader};
use hydrant_proto::v2::envelope::Message;
use regex::bytes::{Regex, RegexBuilder};

/// Memory that a filter may take once it is compiled.
const FILTER_BYTES_MAX: usize = 1 << 20;

/// Names that match somewhere.
#[derive(Clone, Debug)]
pub struct NameFilter(Regex);

impl NameFilter {
    /// Compiles a filter.
    ///
    /// # Errors
    /// What is wrong with the expression, or that it takes more than 1 MiB.
    pub fn new(expression: &str) -> Result<Self, regex::Error> {
        let mut builder = RegexBuilder::new(expression);
        builder.size_limit(FILTER_BYTES_MAX).build().map(Self)
    }

    fn wants(&self, name: &[u8]) -> bool {
        self.0.is_match(name)
    }

    /// Whether a name in the message is wanted. `key` is its field's key in the envelope; any other
    /// key is that of a whole envelope.
    pub(crate) fn has(&self, key: u8, message: &[u8]) -> bool {
        match key {
            COUNTER | TIMER => match fields::counter(message) {
                Some(metric) => self.wants(metric.name),
                None => self.has_odd(key, message),
            },
            GAUGE => match gauge_names(message) {
                Some(names) => names.iter().any(|name| self.wants(name)),
                None => self.has_odd(key, message),
            },
            _ => self.has_odd(key, message),
        }
    }

    #[cold]
    fn has_odd(&self, key: u8, message: &[u8]) -> bool {
        match whole::message(key, message) {
            Some(Message::Counter(counter)) => self.wants(counter.name.as_bytes()),
            Some(Message::Timer(timer)) => self.wants(timer.name.as_bytes()),
            Some(Message::Gauge(gauge)) => {
                gauge.metrics.keys().any(|name| self.wants(name.as_bytes()))
            }
            _ => false,
        }
    }

    /// What is left of a gauge, or of a whole envelope with one; `None` if that is all of it.
    pub(crate) fn rewrite(&self, key: u8, message: &[u8]) -> Option<Vec<u8>> {
        let is_wanted = |name: &str| self.wants(name.as_bytes());
        match whole::message(key, message)? {
            Message::Gauge(mut gauge) => {
                let before = gauge.metrics.len();
                gauge.metrics.retain(|name, _| is_wanted(name));
                (gauge.metrics.len() < before).then(|| whole::with_gauge(key, message, gauge))
            }
            _ => None,
        }
    }
}

/// `None` where the bytes are not for certain what they look like.
fn gauge_names(gauge: &[u8]) -> Option<Vec<&[u8]>> {
    let mut names = Vec::new();
    let mut reader = Reader::new(gauge);
    while let Some(key) = reader.key() {
        if key != BYTES_1 {
            return None;
        }
        names.push(fields::named_metric(reader.bytes()?)?.0);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v2::{Counter, Envelope, Gauge, GaugeValue};
    use prost::Message as _;

    fn gauge(names: &[&str]) -> Gauge {
        let metric = |name: &&str| ((*name).to_owned(), GaugeValue::default());
        Gauge {
            metrics: names.iter().map(metric).collect(),
        }
    }

    #[test]
    fn a_gauge_keeps_what_matches_somewhere() {
        let filter = NameFilter::new("cpu|mem").unwrap();
        let all = gauge(&["cpu", "cpu_entitlement", "disk", "x.memory"]).encode_to_vec();
        assert!(filter.has(GAUGE, &all));
        let left = filter.rewrite(GAUGE, &all).unwrap();
        let left = Gauge::decode(&left[..]).unwrap();
        assert_eq!(left, gauge(&["cpu", "cpu_entitlement", "x.memory"]));
        assert_eq!(filter.rewrite(GAUGE, &left.encode_to_vec()), None);
        assert!(!filter.has(GAUGE, &gauge(&["disk"]).encode_to_vec()));
        assert!(!filter.has(GAUGE, &gauge(&[]).encode_to_vec()));
    }

    #[test]
    fn counters_and_timers_have_a_name_and_logs_have_none() {
        let filter = NameFilter::new("^c").unwrap();
        let counter = |name: &str| {
            let name = name.to_owned();
            let counter = Counter {
                name,
                ..Default::default()
            };
            counter.encode_to_vec()
        };
        assert!(filter.has(COUNTER, &counter("cpu")));
        assert!(filter.has(TIMER, &counter("cpu")));
        assert!(!filter.has(COUNTER, &counter("acpu")));
        let any = NameFilter::new(".*").unwrap();
        assert!(!any.has(fields::LOG, b""));
        assert!(!any.has(fields::EVENT, b""));
        assert!(any.has(COUNTER, b""));
    }

    #[test]
    fn an_envelope_that_is_kept_whole_has_names_too() {
        let filter = NameFilter::new("^a$").unwrap();
        let envelope = |names: &[&str]| Envelope {
            source_id: "s".to_owned(),
            message: Some(Message::Gauge(gauge(names))),
            ..Default::default()
        };
        let bytes = envelope(&["a", "b"]).encode_to_vec();
        assert!(filter.has(whole::KEY, &bytes));
        let left = filter.rewrite(whole::KEY, &bytes).unwrap();
        assert_eq!(Envelope::decode(&left[..]).unwrap(), envelope(&["a"]));
        assert!(!filter.has(whole::KEY, &envelope(&["b"]).encode_to_vec()));
    }

    #[test]
    fn what_cannot_be_a_filter_is_said() {
        NameFilter::new("[").unwrap_err();
        NameFilter::new("(a{1000}){1000}").unwrap_err();
    }
}
