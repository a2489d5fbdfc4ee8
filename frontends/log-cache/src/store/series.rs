//! Counters, gauges and timers as series. Only segments of metrics are read, and of those only the
//! ones of the time that is asked for; of those of timers only what may have the name.

use super::sealed::Kept;
use super::segment::{Place, Records, Set, WHOLE};
use super::source::{Class, Source};
use crate::whole;
use hydrant_feed::wire::fields::{self, COUNTER, GAUGE, TIMER};
use hydrant_feed::wire::read::{BYTES_1, Reader};
use hydrant_proto::v2::envelope::Message;
use std::collections::HashMap;
use std::ops::Range;

/// Names and values, without those of the source.
pub(super) type Tags = Vec<(String, String)>;

/// A sample's time, the number of its envelope, and its value.
type Numbered = (i64, u64, f64);

/// Values under the same tags of the same instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Of the envelopes, in the order of their names.
    pub tags: Vec<(String, String)>,
    /// Empty if they have none.
    pub instance_id: String,
    /// In nanoseconds since 1970, and a value; in the order of time, and as they came.
    pub samples: Vec<(i64, f64)>,
}

/// The segments of a source that may have a metric, as they were when they were asked for: to be read
/// while the store goes on.
#[derive(Debug, Default)]
pub struct Metrics {
    hidden: u64,
    segments: Vec<Kept>,
}

/// Finds what may have the metric within a window of time.
pub(super) fn metrics(
    source: &Source,
    hidden: u64,
    window: &Range<i64>,
    is_named: &dyn Fn(&str) -> bool,
) -> Metrics {
    let mut segments = Vec::new();
    let classes = [Class::Metrics, Class::Timers].into_iter();
    for segment in classes.flat_map(|class| source.segments(class)) {
        let summary = segment.summary();
        let is_of_window = summary.newest >= window.start && summary.oldest < window.end;
        if is_of_window && summary.last > hidden && segment.may_have(is_named) {
            segments.push(segment.share());
        }
    }
    Metrics { hidden, segments }
}

impl Metrics {
    /// The series of the metric within the window, in nanoseconds since 1970.
    pub fn series(&self, window: &Range<i64>, is_named: &dyn Fn(&str) -> bool) -> Vec<Series> {
        let mut finding = Finding {
            hidden: self.hidden,
            window,
            is_named,
            series: HashMap::new(),
        };
        for segment in &self.segments {
            finding.look_into(&segment.bytes());
        }
        finding.sorted()
    }
}

struct Finding<'q> {
    hidden: u64,
    window: &'q Range<i64>,
    is_named: &'q dyn Fn(&str) -> bool,
    /// By tags and instance.
    series: HashMap<(Tags, String), Vec<Numbered>>,
}

impl Finding<'_> {
    fn look_into(&mut self, segment: &[u8]) {
        let (hidden, window) = (self.hidden, self.window.clone());
        let records = Records::of(segment)
            .filter(|place| place.number > hidden && window.contains(&place.timestamp));
        for place in records {
            let message = &segment[place.message.clone()];
            if let Some(value) = self.value(place.key, message) {
                let samples = self.series.entry(labels(segment, &place)).or_default();
                samples.push((place.timestamp, place.number, value));
            }
        }
    }

    /// The value of the metric; `None` if the message has none of its name.
    fn value(&self, key: u8, message: &[u8]) -> Option<f64> {
        let found = match key {
            COUNTER => self.counter(message),
            TIMER => self.timer(message),
            GAUGE => self.gauge(message),
            _ => None,
        };
        found.unwrap_or_else(|| self.odd(key, message))
    }

    fn is_named(&self, name: &[u8]) -> bool {
        str::from_utf8(name).is_ok_and(self.is_named)
    }

    /// `None`, of these three, where bytes are not for certain what they look like.
    fn counter(&self, message: &[u8]) -> Option<Option<f64>> {
        let counter = fields::counter(message)?;
        let value = unsigned(counter.total.value());
        Some(self.is_named(counter.name).then_some(value))
    }

    fn timer(&self, message: &[u8]) -> Option<Option<f64>> {
        let timer = fields::timer(message)?;
        let (start, stop) = (timer.start.value(), timer.stop.value());
        let value = elapsed(start.cast_signed(), stop.cast_signed());
        Some(self.is_named(timer.name).then_some(value))
    }

    fn gauge(&self, message: &[u8]) -> Option<Option<f64>> {
        let mut reader = Reader::new(message);
        let mut found = None;
        while let Some(key) = reader.key() {
            if key != BYTES_1 {
                return None;
            }
            let (name, metric) = fields::named_metric(reader.bytes()?)?;
            if self.is_named(name) {
                found = Some(metric.value);
            }
        }
        Some(found)
    }

    #[cold]
    fn odd(&self, key: u8, message: &[u8]) -> Option<f64> {
        match whole::message(key, message)? {
            Message::Counter(counter) => {
                (self.is_named)(&counter.name).then(|| unsigned(counter.total))
            }
            Message::Timer(timer) => {
                (self.is_named)(&timer.name).then(|| elapsed(timer.start, timer.stop))
            }
            Message::Gauge(gauge) => {
                let mut metrics = gauge.metrics.iter();
                let metric = metrics.find(|(name, _)| (self.is_named)(name));
                metric.map(|(_, metric)| metric.value)
            }
            Message::Log(_) | Message::Event(_) => None,
        }
    }

    fn sorted(self) -> Vec<Series> {
        let series = self.series.into_iter();
        let series = series.map(|((tags, instance_id), mut samples)| {
            samples.sort_unstable_by_key(|(time, number, _)| (*time, *number));
            let samples = samples.into_iter().map(|(time, _, value)| (time, value));
            Series {
                tags,
                instance_id,
                samples: samples.collect(),
            }
        });
        series.collect()
    }
}

fn labels(segment: &[u8], place: &Place) -> (Tags, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if place.key == WHOLE {
        return whole::labels(&segment[place.message.clone()]);
    }
    let Some(set) = Set::at(segment, place.set) else {
        return Default::default();
    };
    let tags = set.tags().map(|(name, value)| (text(name), text(value)));
    (tags.collect(), text(set.instance_id))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples are floating-point numbers, as upstream's"
)]
const fn unsigned(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples are floating-point numbers, as upstream's"
)]
const fn elapsed(start: i64, stop: i64) -> f64 {
    stop.wrapping_sub(start) as f64
}
