//! What the oracle cannot say: parts by themselves, samples that Prometheus would not take, limits.

mod bounds;
mod duplicates;
mod errors;
mod fuzz;
mod json;
mod plan;
mod printing;
mod small;

use crate::{Labels, Query, Sample, Series, Value};

/// Labels `name=value` with commas between.
fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    Labels::new(
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

fn series(text: &str, samples: &[Sample]) -> Series {
    Series {
        labels: labels(text),
        samples: samples.to_vec(),
    }
}

/// The instant query's answer, if all its selectors see the same series.
fn instant(query: &str, time_ms: i64, data: &[Series]) -> Value {
    let evaluation = Query::parse(query).unwrap().instant(time_ms).unwrap();
    let fetched = evaluation
        .selections()
        .iter()
        .map(|_| data.to_vec())
        .collect();
    evaluation.evaluate(fetched, &|| false).unwrap()
}

/// The values of a vector, in its order.
fn values(value: &Value) -> Vec<f64> {
    match value {
        Value::Scalar(sample) => vec![sample.1],
        Value::Vector(vector) => vector.iter().map(|(_, sample)| sample.1).collect(),
        Value::Matrix(matrix) => matrix
            .iter()
            .flat_map(|row| row.samples.iter().map(|sample| sample.1))
            .collect(),
    }
}
