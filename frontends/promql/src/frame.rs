//! What expressions yield while they are evaluated: a value for each step of a grid.

use crate::eval_error::EvalError;
use crate::labels::{Labels, Sample};
use std::collections::HashMap;

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start_ms: i64,
    /// Above zero.
    pub(crate) step_ms: i64,
    /// At least one, except of a subquery whose range has no multiple of its step.
    pub(crate) count: usize,
}

impl Grid {
    pub(crate) fn times_ms(self) -> impl Iterator<Item = i64> {
        (0_i64..)
            .take(self.count)
            .map(move |index| self.start_ms + index * self.step_ms)
    }

    pub(crate) fn end_ms(self) -> i64 {
        self.times_ms().last().unwrap_or(self.start_ms)
    }
}

/// No value at that step. These bits are Prometheus' mark of a stale series, which means the same
/// in what is fetched; no calculation has them as its result.
pub(crate) const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// A series' values, one a step.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<f64>,
}

impl Row {
    pub(crate) fn has_values(&self) -> bool {
        self.values.iter().any(|value| !is_absent(*value))
    }
}

/// What an expression yields. No two rows have the same labels.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Scalar(Vec<f64>),
    Vector(Vec<Row>),
}

impl Frame {
    /// Values that it holds, present or not.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(rows) => rows.iter().map(|row| row.values.len()).sum(),
        }
    }
}

/// Makes one row of rows with the same labels. It is an error if two of them have a value at one
/// step.
pub(crate) fn merged(rows: Vec<Row>) -> Result<Vec<Row>, EvalError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(row.labels.clone()).or_insert(kept.len());
        let Some(first) = kept.get_mut(place) else {
            kept.push(row);
            continue;
        };
        for (value, other) in first.values.iter_mut().zip(row.values) {
            if is_absent(*value) {
                *value = other;
            } else if !is_absent(other) {
                return Err(EvalError::SameLabels);
            }
        }
    }
    Ok(kept)
}

/// Samples by labels, sorted by both; series with the same labels become one.
pub(crate) fn sorted_series(mut series: Vec<(Labels, Vec<Sample>)>) -> Vec<(Labels, Vec<Sample>)> {
    series.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept: Vec<(Labels, Vec<Sample>)> = Vec::with_capacity(series.len());
    for (labels, samples) in series {
        match kept.last_mut() {
            Some(last) if last.0 == labels => last.1.extend(samples),
            _ => kept.push((labels, samples)),
        }
    }
    for (_, samples) in &mut kept {
        if !samples.is_sorted_by_key(|sample| sample.0) {
            samples.sort_by_key(|sample| sample.0); // Stable: equal times stay in order.
        }
    }
    kept
}
