//! PromQL over the store: `logcache.v1.PromQLQuerier`, with upstream's parameters and texts.

use crate::cluster::Cluster;
use crate::elsewhere::{self, Away};
use crate::partitions::Partitions;
use crate::store::Series as Stored;
use hydrant_promql::{Evaluation, Labels, Query, Selection, Series, Value, instant_time, range};
use hydrant_proto::logcache::prom_ql;
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// What is wrong with a query, or with what it asks for, for who asked.
pub(crate) type Refused = Box<dyn Error + Send + Sync>;

/// What queries can look at, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach<'r> {
    pub(crate) partitions: &'r Partitions,
    /// The other nodes, if there are others: they are asked by tokio's runtime, on another thread of which
    /// the query is evaluated.
    pub(crate) cluster: Option<&'r Cluster>,
    pub(crate) time: Duration,
}

/// Time was up while another node was read.
#[derive(Debug, thiserror::Error)]
#[error("query timed out while the data of source {0:?} was read from another node")]
pub(crate) struct Late(String);

/// Answers a query at one time; `now` in nanoseconds since 1970.
pub(crate) fn instant(
    reach: Reach<'_>,
    request: &prom_ql::InstantQueryRequest,
    now: i64,
) -> Result<prom_ql::InstantQueryResult, Refused> {
    use prom_ql::instant_query_result::Result as Answer;
    // Upstream looks at the parameters first; what is wrong with the first is told.
    let time = instant_time(&request.time, now)?;
    let evaluation = Query::parse(&request.query)?.instant(time)?;
    let answer = match evaluate(reach, evaluation)? {
        Value::Scalar((time_ms, value)) => Answer::Scalar(prom_ql::Scalar {
            time: seconds(time_ms),
            value,
        }),
        Value::Vector(samples) => {
            let samples = samples.into_iter().map(|(labels, (time_ms, value))| {
                let point = Some(point(time_ms, value));
                let metric = metric(&labels);
                prom_ql::Sample { metric, point }
            });
            let samples = samples.collect();
            Answer::Vector(prom_ql::Vector { samples })
        }
        Value::Matrix(series) => Answer::Matrix(matrix(series)),
    };
    let result = Some(answer);
    Ok(prom_ql::InstantQueryResult { result })
}

/// Answers a query at several times.
pub(crate) fn ranged(
    reach: Reach<'_>,
    request: &prom_ql::RangeQueryRequest,
) -> Result<prom_ql::RangeQueryResult, Refused> {
    use prom_ql::range_query_result::Result as Answer;
    let (start, end, step) = range(&request.start, &request.end, &request.step)?;
    let query = Query::parse(&request.query)?;
    let series = match evaluate(reach, query.range(start, end, step)?)? {
        Value::Matrix(series) => series,
        Value::Scalar(_) | Value::Vector(_) => Vec::new(),
    };
    let result = Some(Answer::Matrix(matrix(series)));
    Ok(prom_ql::RangeQueryResult { result })
}

fn evaluate(reach: Reach<'_>, evaluation: Evaluation) -> Result<Value, Refused> {
    let deadline = Instant::now() + reach.time;
    let evaluation = evaluation.of_cut_times();
    let selections = evaluation.selections().iter();
    let data: Result<_, _> = selections
        .map(|selection| reach.fetch(selection, deadline))
        .collect();
    Ok(evaluation.evaluate(data?, &|| Instant::now() > deadline)?)
}

impl Reach<'_> {
    fn fetch(self, selection: &Selection, deadline: Instant) -> Result<Vec<Series>, Refused> {
        let mut all = Vec::new();
        for source_id in &selection.source_ids {
            let window = selection.start_ns..selection.end_ns;
            let named = |name: &str| selection.is_named(name);
            let found = self.series(source_id, window, &named, deadline)?;
            let found = found.into_iter().map(|series| of_source(series, source_id));
            all.extend(found.filter(|series| selection.matches(series.labels.as_slice())));
        }
        Ok(all)
    }

    fn series(
        self,
        source_id: &str,
        window: Range<i64>,
        is_named: &dyn Fn(&str) -> bool,
        deadline: Instant,
    ) -> Result<Vec<Stored>, Refused> {
        let id = source_id.as_bytes();
        let peer = self.cluster.and_then(|cluster| cluster.peer_of(id));
        let Some(peer) = peer else {
            return Ok(self.partitions.series(id, window, is_named));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let reading = elsewhere::series(peer, source_id, window, is_named);
        let read = Handle::current().block_on(async { timeout(left, reading).await });
        match read {
            Ok(found) => Ok(found?),
            Err(_) => Err(Late(source_id.to_owned()).into()),
        }
    }
}

/// Whether there is no answer because another node did not give what it keeps.
pub(crate) fn is_away(refused: &Refused) -> bool {
    refused.is::<Away>() || refused.is::<Late>()
}

/// The envelope's own ids take the place of tags that have their names.
fn of_source(stored: Stored, source_id: &str) -> Series {
    let mut labels = stored.tags;
    labels.push(("source_id".to_owned(), source_id.to_owned()));
    if !stored.instance_id.is_empty() {
        labels.push(("instance_id".to_owned(), stored.instance_id));
    }
    let samples = stored.samples.into_iter();
    let samples = samples.map(|(time, value)| (time.div_euclid(NANOS_A_SECOND) * 1000, value));
    Series {
        labels: Labels::new(labels),
        samples: samples.collect(),
    }
}

fn matrix(series: Vec<Series>) -> prom_ql::Matrix {
    let series = series.into_iter().map(|series| {
        let points = series.samples.iter();
        let points = points.map(|(time_ms, value)| point(*time_ms, *value));
        prom_ql::Series {
            metric: metric(&series.labels),
            points: points.collect(),
        }
    });
    prom_ql::Matrix {
        series: series.collect(),
    }
}

fn metric(labels: &Labels) -> BTreeMap<String, String> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn point(time_ms: i64, value: f64) -> prom_ql::Point {
    let time = seconds(time_ms);
    prom_ql::Point { time, value }
}

/// With three digits after the point, as Go's `%.3f`.
fn seconds(time_ms: i64) -> String {
    let sign = if time_ms < 0 { "-" } else { "" };
    let time_ms = time_ms.unsigned_abs();
    format!("{sign}{}.{:03}", time_ms / 1000, time_ms % 1000)
}

#[cfg(test)]
mod tests;
