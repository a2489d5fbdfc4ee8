//! Answers over gRPC as JSON: what is read and what there is in protobuf's form, results of queries in
//! that of Prometheus, with times as the texts that they are.

use hydrant_proto::json::{push_envelope, push_map, push_quoted_number, push_string};
use hydrant_proto::logcache::prom_ql::{
    InstantQueryResult, Matrix, RangeQueryResult, instant_query_result, range_query_result,
};
use hydrant_proto::logcache::{MetaResponse, ReadResponse};
use std::collections::BTreeMap;

pub(super) fn read(response: &ReadResponse) -> String {
    // Clients die of an answer without a batch.
    let envelopes = &response.envelopes.as_ref().unwrap().batch;
    let envelopes = envelopes.iter().map(|envelope| {
        let mut out = String::new();
        push_envelope(&mut out, envelope);
        out
    });
    let envelopes: Vec<_> = envelopes.collect();
    format!("{{\"envelopes\":{{\"batch\":[{}]}}}}", envelopes.join(","))
}

pub(super) fn meta(response: &MetaResponse) -> String {
    let mut out = String::from("{\"meta\":");
    push_map(&mut out, &response.meta, |out, info| {
        for (name, number) in [
            ("{\"count\":", info.count),
            (",\"expired\":", info.expired),
            (",\"oldest_timestamp\":", info.oldest_timestamp),
            (",\"newest_timestamp\":", info.newest_timestamp),
        ] {
            out.push_str(name);
            push_quoted_number(out, number);
        }
        out.push('}');
    });
    out.push('}');
    out
}

pub(super) fn instant(result: &InstantQueryResult) -> String {
    use instant_query_result::Result as Kind;
    match result.result.as_ref().unwrap() {
        Kind::Scalar(scalar) => data("scalar", &point(&scalar.time, scalar.value)),
        Kind::Vector(vector) => {
            let samples = vector.samples.iter().map(|sample| {
                let at = sample.point.as_ref().unwrap();
                let value = point(&at.time, at.value);
                format!("{},\"value\":{value}}}", metric(&sample.metric))
            });
            let samples: Vec<_> = samples.collect();
            data("vector", &format!("[{}]", samples.join(",")))
        }
        Kind::Matrix(found) => matrix(found),
    }
}

pub(super) fn range(result: &RangeQueryResult) -> String {
    let range_query_result::Result::Matrix(found) = result.result.as_ref().unwrap();
    matrix(found)
}

fn matrix(found: &Matrix) -> String {
    let series = found.series.iter().map(|series| {
        let points = series.points.iter();
        let points: Vec<_> = points.map(|at| point(&at.time, at.value)).collect();
        format!(
            "{},\"values\":[{}]}}",
            metric(&series.metric),
            points.join(",")
        )
    });
    let series: Vec<_> = series.collect();
    data("matrix", &format!("[{}]", series.join(",")))
}

fn data(kind: &str, result: &str) -> String {
    format!("{{\"data\":{{\"resultType\":\"{kind}\",\"result\":{result}}}}}")
}

/// Up to where the values follow.
fn metric(labels: &BTreeMap<String, String>) -> String {
    let mut out = String::from("{\"metric\":");
    push_map(&mut out, labels, |out, value| push_string(out, value));
    out
}

fn point(time: &str, value: f64) -> String {
    let value = match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    };
    format!("[\"{time}\",\"{value}\"]")
}

/// The samples of a result in the order of their labels.
pub(super) fn in_order(body: &str) -> String {
    const START: &str = "\"result\":[{\"metric\":";
    const NEXT: &str = ",{\"metric\":";
    let (Some(start), Some(end)) = (body.find(START), body.rfind("]}}")) else {
        return body.to_owned();
    };
    let start = start + START.len();
    let mut samples: Vec<_> = body[start..end].split(NEXT).collect();
    samples.sort_unstable();
    format!("{}{}{}", &body[..start], samples.join(NEXT), &body[end..])
}
