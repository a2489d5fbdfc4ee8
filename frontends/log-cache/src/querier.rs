//! PromQL over the store: `logcache.v1.PromQLQuerier`, with upstream's parameters and texts.

use crate::limits::QUERY_TIMEOUT_S;
use crate::partitions::Partitions;
use crate::store::Series as Stored;
use hydrant_promql::{Evaluation, Labels, Query, Selection, Series, Value, instant_time, range};
use hydrant_proto::logcache::prom_ql;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// What is wrong with a query, or with what it asks for, for who asked.
pub(crate) type Refused = Box<dyn Error + Send + Sync>;

/// Answers a query at one time; `now` in nanoseconds since 1970.
pub(crate) fn instant(
    partitions: &Partitions,
    request: &prom_ql::InstantQueryRequest,
    now: i64,
) -> Result<prom_ql::InstantQueryResult, Refused> {
    use prom_ql::instant_query_result::Result as Answer;
    // Upstream looks at the parameters first; what is wrong with the first is told.
    let time = instant_time(&request.time, now)?;
    let evaluation = Query::parse(&request.query)?.instant(time)?;
    let answer = match evaluate(partitions, evaluation)? {
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
    partitions: &Partitions,
    request: &prom_ql::RangeQueryRequest,
) -> Result<prom_ql::RangeQueryResult, Refused> {
    use prom_ql::range_query_result::Result as Answer;
    let (start, end, step) = range(&request.start, &request.end, &request.step)?;
    let query = Query::parse(&request.query)?;
    let series = match evaluate(partitions, query.range(start, end, step)?)? {
        Value::Matrix(series) => series,
        Value::Scalar(_) | Value::Vector(_) => Vec::new(),
    };
    let result = Some(Answer::Matrix(matrix(series)));
    Ok(prom_ql::RangeQueryResult { result })
}

fn evaluate(partitions: &Partitions, evaluation: Evaluation) -> Result<Value, Refused> {
    let deadline = Instant::now() + Duration::from_secs(QUERY_TIMEOUT_S);
    let evaluation = evaluation.of_cut_times();
    let selections = evaluation.selections().iter();
    let data = selections
        .map(|selection| fetch(partitions, selection))
        .collect();
    Ok(evaluation.evaluate(data, &|| Instant::now() > deadline)?)
}

fn fetch(partitions: &Partitions, selection: &Selection) -> Vec<Series> {
    let mut all = Vec::new();
    for source_id in &selection.source_ids {
        let window = selection.start_ns..selection.end_ns;
        let named = |name: &str| selection.is_named(name);
        let found = partitions.series(source_id.as_bytes(), window, &named);
        let found = found.into_iter().map(|series| of_source(series, source_id));
        all.extend(found.filter(|series| selection.matches(series.labels.as_slice())));
    }
    all
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
