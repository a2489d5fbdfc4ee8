//! What was seen of a run, in a table and in lines of JSON for the record.

use super::asking::Answers;
use crate::mixes::Mix;
use crate::report::{median, ratio};
use crate::threads::ThreadTime;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Microseconds of CPU of an envelope that is kept; the goal is 0.25.
const PUT_TARGET_US: f64 = 0.6;

/// A run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) mix: Mix,
    /// Envelopes a second; nothing is as fast as possible.
    pub(super) rate: Option<u64>,
    /// Bytes of an envelope as it is sent.
    pub(super) sent_bytes: f64,
    pub(super) window_ns: u64,
    /// Envelopes sent in the window.
    pub(super) sent: u64,
    pub(super) node_time: ThreadTime,
    pub(super) resident_bytes: u64,
    pub(super) kept: Kept,
    pub(super) answers: Answers,
}

/// What the node says of itself at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Envelopes that it took.
    pub(super) ingress: u64,
    /// Envelopes that it has.
    pub(super) envelopes: u64,
    /// Memory of those.
    pub(super) bytes: u64,
}

impl Kept {
    /// Whether what is older had to go.
    pub(super) const fn is_full(&self) -> bool {
        self.envelopes < self.ingress
    }
}

impl Outcome {
    fn per_second(&self) -> f64 {
        self.sent as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    fn put_us(&self) -> f64 {
        ratio(self.node_time.cpu_ns as f64 / 1e3, self.sent as f64)
    }

    fn busy(&self) -> f64 {
        self.node_time.cpu_ns as f64 / self.window_ns.max(1) as f64
    }

    fn kept_bytes(&self) -> f64 {
        ratio(self.kept.bytes as f64, self.kept.envelopes as f64)
    }

    fn rate_name(&self) -> String {
        self.rate
            .map_or_else(|| "max".to_owned(), |rate| rate.to_string())
    }

    /// As a line for the record.
    pub fn json_line(&self, unix_seconds: u64) -> String {
        let percentiles = |times: &Histogram<u64>| -> Value {
            let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
            json!({"count": times.len(), "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999)})
        };
        json!({
            "bench": "logcache",
            "at": unix_seconds,
            "mix": self.mix.name(),
            "rate": self.rate_name(),
            "sent_per_second": self.per_second(),
            "sent_bytes": self.sent_bytes,
            "put_us": self.put_us(),
            "kept_envelopes": self.kept.envelopes,
            "kept_bytes": self.kept_bytes(),
            "resident_bytes": self.resident_bytes,
            "newest_100": percentiles(&self.answers.newest),
            "range_1000": percentiles(&self.answers.range),
            "rate_15m_100": percentiles(&self.answers.query),
        })
        .to_string()
    }
}

/// A line for each mix and rate, medians of its runs; times of all runs together.
pub(super) fn table(all: &[Outcome]) -> String {
    let mut lines = vec![format!(
        "{:<10} {:>8} {:>9} {:>7} {:>7} {:>6} {:>7} {:>9} {:>8}  {:>22}  {:>22}  {:>22}",
        "mix",
        "asked/s",
        "kept/s",
        "us",
        "target",
        "busy",
        "B sent",
        "B kept",
        "RSS MiB",
        "newest 100, us",
        "range of 1000, us",
        "rate of 100 series, us",
    )];
    let mut groups: Vec<(Mix, Option<u64>)> = Vec::new();
    for outcome in all {
        let group = (outcome.mix, outcome.rate);
        if !groups.contains(&group) {
            groups.push(group);
            let runs = all.iter().filter(|one| (one.mix, one.rate) == group);
            lines.push(row(&runs.collect::<Vec<_>>()));
        }
    }
    lines.push(LEGEND.to_owned());
    lines.join("\n")
}

const LEGEND: &str = "
Medians of all runs; answers of all runs together, as p50/p99/p99.9 from the call to the last byte.
us         of the node's CPU for an envelope, readers' share included; the goal is 0.25
B sent     bytes of an envelope as it was sent
B kept     bytes of memory by the node's own account of an envelope that is there; the target is 250
           of an envelope of 250, the goal 100
RSS        memory of the node's process at the end";

fn row(runs: &[&Outcome]) -> String {
    let of = |figure: fn(&Outcome) -> f64| median(runs.iter().map(|run| figure(run)).collect());
    let times = |pick: fn(&Answers) -> &Histogram<u64>| {
        let mut all = crate::flow::schedule::histogram();
        for run in runs {
            // All have the same bounds.
            all.add(pick(&run.answers)).ok();
        }
        let at = |quantile| all.value_at_quantile(quantile) as f64 / 1e3;
        format!("{:.0}/{:.0}/{:.0}", at(0.5), at(0.99), at(0.999))
    };
    let Some(first) = runs.first() else {
        return String::new();
    };
    format!(
        "{:<10} {:>8} {:>9.0} {:>7.3} {:>7} {:>5.0}% {:>7.0} {:>9.0} {:>8.0}  {:>22}  {:>22}  {:>22}",
        first.mix.name(),
        first.rate_name(),
        of(Outcome::per_second),
        of(Outcome::put_us),
        format!("<= {PUT_TARGET_US}"),
        of(Outcome::busy) * 100.0,
        first.sent_bytes,
        of(Outcome::kept_bytes),
        of(|run| run.resident_bytes as f64 / f64::from(1 << 20)),
        times(|answers| &answers.newest),
        times(|answers| &answers.range),
        times(|answers| &answers.query),
    )
}
