//! The parameters of a request: times and steps.

use crate::duration;
use crate::limits::{DURATION_MS_MAX, TIME_MS_MAX};
use crate::text::quote;
use thiserror::Error;

/// A parameter that cannot be read; upstream's texts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParamError {
    /// Neither seconds nor RFC 3339.
    #[error("cannot parse {} to a valid Unix or RFC3339 timestamp", quote(.0))]
    Time(String),
    /// Neither seconds nor a duration.
    #[error("cannot parse {} to a valid step", quote(.0))]
    Step(String),
    /// A number of seconds that is too large.
    #[error("cannot parse {} to a valid step. It overflows int64", quote(.0))]
    LongStep(String),
    /// Which of a range's parameters it is.
    #[error("couldn't parse {name}: {source}")]
    Named {
        /// `start`, `end` or `step`.
        name: &'static str,
        /// What is wrong with it.
        source: Box<Self>,
    },
}

/// Start, end and step of a range query, in ms.
pub type RangeMs = (i64, i64, i64);

/// The time of an instant query, in ms: seconds with a fraction, or RFC 3339. If empty, `now_ns`
/// cut to whole seconds.
pub fn instant_time(text: &str, now_ns: i64) -> Result<i64, ParamError> {
    if text.is_empty() {
        return Ok(now_ns.div_euclid(1_000_000_000) * 1_000);
    }
    parse_time(text)
}

/// The parameters of a range query, all of which are required.
pub fn range(start: &str, end: &str, step: &str) -> Result<RangeMs, ParamError> {
    let named = |name| {
        move |source| ParamError::Named {
            name,
            source: Box::new(source),
        }
    };
    // In upstream's order: what is wrong with the first is told.
    let step = parse_step(step).map_err(named("step"))?;
    let start = parse_time(start).map_err(named("start"))?;
    let end = parse_time(end).map_err(named("end"))?;
    Ok((start, end, step))
}

/// A time in ms: seconds with a fraction, or RFC 3339.
pub fn parse_time(text: &str) -> Result<i64, ParamError> {
    let time_ms = seconds(text, TIME_MS_MAX).or_else(|| rfc3339(text));
    time_ms.ok_or_else(|| ParamError::Time(text.to_owned()))
}

/// A step in ms, which may be zero or less: seconds with a fraction, or a duration like `1h30m`.
pub fn parse_step(text: &str) -> Result<i64, ParamError> {
    let step_ms = seconds(text, DURATION_MS_MAX).or_else(|| duration::parse(text));
    step_ms.ok_or_else(|| match text.parse::<f64>() {
        Ok(seconds) if !seconds.is_nan() => ParamError::LongStep(text.to_owned()),
        _ => ParamError::Step(text.to_owned()),
    })
}

/// Rounded to ms, where upstream cuts off: there `…379.35` is `….349`.
#[expect(clippy::cast_possible_truncation, reason = "it is compared first")]
fn seconds(text: &str, ms_max: i64) -> Option<i64> {
    let ms = (text.parse::<f64>().ok()? * 1_000.0).round();
    (ms.abs() <= ms_max as f64).then_some(ms as i64)
}

/// Go's RFC3339Nano and no more of what jiff reads.
fn rfc3339(text: &str) -> Option<i64> {
    let is_go = text.len() >= "2006-01-02T15:04:05Z".len()
        && text.as_bytes().get(10) == Some(&b'T')
        && text.as_bytes().get(16) == Some(&b':')
        && !text.contains('[');
    if !is_go {
        return None;
    }
    let ms = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (ms.abs() <= TIME_MS_MAX).then_some(ms)
}
