//! What a query yields.

use crate::labels::{Labels, Sample, Series};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, at the time of evaluation.
    Scalar(Sample),
    /// A sample of each series, at the time of evaluation. In the order of labels, unless the query
    /// says otherwise by `sort`, `topk` and the like.
    Vector(Vec<(Labels, Sample)>),
    /// Samples of each series, which has at least one. In the order of labels.
    Matrix(Vec<Series>),
}
