//! Results of queries in the shapes of Prometheus' HTTP API.

use super::{push_html_string, push_list};
use hydrant_proto::logcache::prom_ql::{
    InstantQueryResult, Point, RangeQueryResult, Sample, Series, instant_query_result,
    range_query_result,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A moment of a result is no number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotATime;

/// The result at one moment; nothing is an empty vector.
///
/// # Errors
/// A moment is none.
pub(crate) fn instant(result: &InstantQueryResult) -> Result<String, NotATime> {
    use instant_query_result::Result as Kind;
    Ok(match &result.result {
        Some(Kind::Scalar(scalar)) => success("scalar", &pair(&scalar.time, scalar.value)?),
        Some(Kind::Vector(vector)) => success("vector", &list(&vector.samples, sample)?),
        Some(Kind::Matrix(matrix)) => success("matrix", &list(&matrix.series, series)?),
        None => success("vector", "[]"),
    })
}

/// The result over a span.
///
/// # Errors
/// A moment is none.
pub(crate) fn range(result: &RangeQueryResult) -> Result<String, NotATime> {
    let Some(range_query_result::Result::Matrix(matrix)) = &result.result else {
        return Ok(success("matrix", "[]"));
    };
    Ok(success("matrix", &list(&matrix.series, series)?))
}

fn success(kind: &str, result: &str) -> String {
    format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":{result}}}}}\n"
    )
}

fn list<T>(items: &[T], one: impl Fn(&T) -> Result<String, NotATime>) -> Result<String, NotATime> {
    let items = items.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let mut out = String::new();
    push_list(&mut out, items, |out, item| out.push_str(&item));
    Ok(out)
}

fn sample(sample: &Sample) -> Result<String, NotATime> {
    let mut out = labels(&sample.metric);
    let point = sample.point.as_ref().ok_or(NotATime)?;
    write!(out, ",\"value\":{}}}", pair(&point.time, point.value)?).ok(); // A string takes it.
    Ok(out)
}

fn series(series: &Series) -> Result<String, NotATime> {
    let mut out = labels(&series.metric);
    let point = |point: &Point| pair(&point.time, point.value);
    write!(out, ",\"values\":{}}}", list(&series.points, point)?).ok(); // As above.
    Ok(out)
}

/// The beginning of an object.
fn labels(metric: &BTreeMap<String, String>) -> String {
    let mut out = String::from("{\"metric\":{");
    for (index, (name, value)) in metric.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_html_string(&mut out, name);
        out.push(':');
        push_html_string(&mut out, value);
    }
    out.push('}');
    out
}

/// Seconds with three decimals, and the value as text.
fn pair(time: &str, value: f64) -> Result<String, NotATime> {
    let seconds: f64 = time.parse().or(Err(NotATime))?;
    if !seconds.is_finite() {
        return Err(NotATime);
    }
    Ok(format!("[{seconds:.3},\"{}\"]", number(value)))
}

/// The fewest digits that give the same double, never with an exponent.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}
