//! Why a query has no answer.

use crate::limits::STEPS_MAX;
use thiserror::Error;

/// Why a query has no answer; upstream's texts where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvalError {
    /// A selector does not say whose data it is about.
    #[error("metric '{0}' does not have a 'source_id' label")]
    NoSourceId(String),
    /// A selector has no name, or a pattern for one: series are found by name.
    #[error(
        "a selector needs the name of a metric; no other matcher of __name__ than = is supported"
    )]
    NoName,
    /// A range query's expression yields something else at each step.
    #[error("invalid expression type {0:?} for range query, must be Scalar or instant Vector")]
    NotForRange(&'static str),
    /// As upstream, which has no result of that type either.
    #[error("unhandled expression of type: *promql.StringLiteral")]
    Text,
    /// Steps lead nowhere.
    #[error(
        "zero or negative query resolution step widths are not accepted. Try a positive integer"
    )]
    Step,
    /// A range's end is in front of its start.
    #[error("end timestamp must not be before start time")]
    EndBeforeStart,
    /// A time before 1677 or after 2262.
    #[error("time is out of range")]
    Time,
    /// A range query or a subquery has too many steps.
    #[error("exceeded maximum resolution of {STEPS_MAX} points per timeseries")]
    Steps,
    /// Samples fetched and calculated take too much memory.
    #[error("query processing would load too many samples into memory in query execution")]
    Samples,
    /// The caller said that it is late.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Selections and what was fetched for them are not equally many.
    #[error("{given} selections were fetched of {wanted}")]
    Selections {
        /// What was given.
        given: usize,
        /// What the plan lists.
        wanted: usize,
    },
    /// Labels were taken away that told series apart.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// Series of an operator's sides cannot be told apart.
    #[error("{0}")]
    Matching(String),
    /// An argument has a value that the function does not take.
    #[error("{0}")]
    Argument(String),
}
