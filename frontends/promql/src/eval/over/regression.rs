//! A line through samples, and double exponential smoothing.

use crate::eval::Evaluated;
use crate::eval::numbers::Sum;
use crate::eval_error::EvalError;
use crate::labels::Sample;

pub(super) struct Line {
    /// A second.
    pub(super) slope: f64,
    /// At the time that was asked for.
    pub(super) intercept: f64,
}

/// The line with the least squares; none unless there are two times.
pub(super) fn line(window: &[Sample], zero_ms: i64) -> Option<Line> {
    let (first, last) = (window.first()?, window.last()?);
    if first.0 == last.0 {
        return None;
    }
    if window.iter().all(|sample| sample.1 == first.1) {
        let is_finite = first.1.is_finite();
        let (slope, intercept) = if is_finite {
            (0.0, first.1)
        } else {
            (f64::NAN, f64::NAN)
        };
        return Some(Line { slope, intercept });
    }
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    for (time_ms, value) in window {
        let after = (time_ms - zero_ms) as f64 / 1_000.0;
        x.add(after);
        y.add(*value);
        xy.add(after * value);
        xx.add(after * after);
    }
    let count = window.len() as f64;
    let [x, y, xy, xx] = [x, y, xy, xx].map(|sum| sum.value + sum.lost);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Some(Line {
        slope,
        intercept: y / count - slope * x / count,
    })
}

/// The last smoothed value.
pub(super) fn holt_winters(
    window: &[Sample],
    smoothing: f64,
    trending: f64,
) -> Evaluated<Option<f64>> {
    for (name, factor, short) in [("smoothing", smoothing, "sf"), ("trend", trending, "tf")] {
        if !(factor > 0.0 && factor < 1.0) {
            let text =
                format!("invalid {name} factor. Expected: 0 < {short} < 1, got: {factor:.6}");
            return Err(EvalError::Argument(text));
        }
    }
    let [first, second, ..] = window else {
        return Ok(None);
    };
    let (mut before, mut smooth, mut trend) = (0.0, first.1, second.1 - first.1);
    for (index, (_, value)) in window.iter().enumerate().skip(1) {
        if index > 1 {
            trend = trending * (smooth - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smooth + trend);
        (before, smooth) = (smooth, next);
    }
    Ok(Some(smooth))
}
