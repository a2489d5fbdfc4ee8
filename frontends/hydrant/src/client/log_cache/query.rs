//! `hydrant query`: an expression's value, at one moment or at several.

use super::{understood, url};
use crate::client::address::Address;
use crate::client::arguments::QueryArguments;
use crate::client::end::printable;
use crate::client::error::ClientError;
use crate::client::http::Answer;
use crate::client::session::Session;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use url::Url;

/// As Prometheus answers.
#[derive(Deserialize)]
struct Success {
    data: Data,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Point),
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
}

/// Seconds since 1970, and a number as a text.
#[derive(Deserialize)]
struct Point(f64, String);

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "errorType")]
    kind: String,
    error: String,
}

/// What to print.
pub(in crate::client) async fn query(
    session: &mut Session,
    log_cache: &Address,
    arguments: &QueryArguments,
) -> Result<String, ClientError> {
    let url = question(log_cache, arguments)?;
    let answer = session.get_of_log_cache(&url).await?;
    if answer.status != StatusCode::OK {
        return Err(failure(session, &url, &answer));
    }
    if arguments.json {
        return Ok(String::from_utf8_lossy(&answer.body).into_owned());
    }
    let success: Success = understood(&url, &answer)?;
    Ok(text(&success.data))
}

fn question(log_cache: &Address, arguments: &QueryArguments) -> Result<Url, ClientError> {
    let QueryArguments {
        query,
        time,
        start,
        end,
        step,
        ..
    } = arguments;
    let what = if start.is_some() {
        "query_range"
    } else {
        "query"
    };
    let mut url = url(log_cache, &[what])?;
    let given = [
        ("time", time),
        ("start", start),
        ("end", end),
        ("step", step),
    ];
    let given = given
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| (*name, value)));
    url.query_pairs_mut()
        .append_pair("query", query)
        .extend_pairs(given);
    Ok(url)
}

fn failure(session: &Session, url: &Url, answer: &Answer) -> ClientError {
    match serde_json::from_slice::<Failure>(&answer.body) {
        Ok(Failure { kind, error }) => ClientError::Query {
            status: answer.status,
            kind: printable(&kind),
            said: printable(&error),
        },
        Err(_) => session.refused(url, answer),
    }
}

fn text(data: &Data) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    match data {
        Data::Scalar(Point(_, value)) => writeln!(text, "{}", printable(value)).ok(),
        Data::Vector(samples) if samples.is_empty() => writeln!(text, "nothing").ok(),
        Data::Matrix(series) if series.is_empty() => writeln!(text, "nothing").ok(),
        Data::Vector(samples) => samples.iter().try_for_each(|Sample { metric, value }| {
            writeln!(text, "{}  {}", labels(metric), printable(&value.1)).ok()
        }),
        Data::Matrix(series) => series.iter().try_for_each(|Series { metric, values }| {
            writeln!(text, "{}", labels(metric)).ok()?;
            values.iter().try_for_each(|Point(seconds, value)| {
                writeln!(text, "  {}  {}", time(*seconds), printable(value)).ok()
            })
        }),
    };
    text
}

/// As PromQL has them.
fn labels(metric: &BTreeMap<String, String>) -> String {
    let labels = metric.iter();
    let labels = labels.map(|(name, value)| format!("{}={value:?}", printable(name)));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(", "))
}

/// In millis, which are all that there is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "beyond it there is no time"
)]
fn time(seconds: f64) -> String {
    let time = Timestamp::from_millisecond((seconds * 1000.0).round() as i64);
    time.map_or_else(|_| seconds.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text_: &str) -> String {
        let success: Success = serde_json::from_str(text_).unwrap();
        text(&success.data)
    }

    #[test]
    fn every_result_is_readable() {
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1.000,"63"]}}"#;
        assert_eq!(shown(scalar), "63\n");
        let vector = r#"{"data":{"resultType":"vector","result":[
            {"metric":{"b":"x\"y","a":"1"},"value":[1795345101.000,"+Inf"]},
            {"metric":{},"value":[1795345101.000,"-0.5"]}]}}"#;
        assert_eq!(shown(vector), "{a=\"1\", b=\"x\\\"y\"}  +Inf\n{}  -0.5\n");
        let matrix = r#"{"data":{"resultType":"matrix","result":[
            {"metric":{"a":"1"},"values":[[1700000000.5,"45"],[1700000001.500,"NaN"]]}]}}"#;
        assert_eq!(
            shown(matrix),
            "{a=\"1\"}\n  2023-11-14T22:13:20.500Z  45\n  2023-11-14T22:13:21.500Z  NaN\n"
        );
        let nothing = r#"{"data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(shown(nothing), "nothing\n");
    }
}
