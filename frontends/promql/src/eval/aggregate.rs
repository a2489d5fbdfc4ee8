//! Aggregations.

use crate::eval::numbers::{Mean, quantile};
use crate::eval::{Evaluated, Evaluator};
use crate::eval_error::EvalError;
use crate::expr::{Aggregate, AggregateOp, Expr, Grouping};
use crate::frame::{ABSENT, Frame, Grid, Row, is_absent};
use crate::labels::Labels;
use crate::text::{format_value, is_label_name};
use std::collections::HashMap;

/// The rows of each group, in the order in which groups come up.
pub(super) type Groups = Vec<(Labels, Vec<usize>)>;

impl Evaluator<'_> {
    pub(super) fn aggregate(&mut self, all: &Aggregate, grid: Grid) -> Evaluated<Frame> {
        let parameter = match (&all.parameter, all.op) {
            (Some(parameter), op) if op != AggregateOp::CountValues => {
                self.scalar(parameter, grid)?
            }
            _ => Vec::new(),
        };
        let rows = self.vector(&all.expr, grid)?;
        let groups = grouped(&rows, &all.grouping);
        let rows = match all.op {
            AggregateOp::TopK => self.ranked(rows, &groups, &parameter, true)?,
            AggregateOp::BottomK => self.ranked(rows, &groups, &parameter, false)?,
            AggregateOp::CountValues => self.count_values(all, &rows, &groups, grid.count)?,
            op => {
                self.guard.take(groups.len() * grid.count)?;
                let parameter = |step: usize| parameter.get(step).copied().unwrap_or(f64::NAN);
                let mut out = Vec::with_capacity(groups.len());
                for (labels, members) in groups {
                    self.guard.work(members.len() * grid.count)?;
                    let values = folded(&rows, &members, grid.count, |step, values| {
                        value(op, values, parameter(step))
                    });
                    out.push(Row { labels, values });
                }
                out
            }
        };
        Ok(Frame::Vector(rows))
    }

    /// For each value its number of series, under the value as a label.
    fn count_values(
        &mut self,
        all: &Aggregate,
        rows: &[Row],
        groups: &Groups,
        count: usize,
    ) -> Evaluated<Vec<Row>> {
        let Some(Expr::Text(label)) = all.parameter.as_ref().map(Expr::bare) else {
            return Err(EvalError::Argument(
                "count_values needs the name of a label".to_owned(),
            ));
        };
        if !is_label_name(label) {
            return Err(EvalError::Argument(format!("invalid label name {label:?}")));
        }
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut out: Vec<Row> = Vec::new();
        for (labels, members) in groups {
            for (step, member) in members
                .iter()
                .flat_map(|member| (0..count).map(move |step| (step, *member)))
            {
                self.guard.work(1)?;
                let value = rows[member].values[step];
                if is_absent(value) {
                    continue;
                }
                let labels = labels.with(label, &format_value(value));
                let place = *places.entry(labels.clone()).or_insert(out.len());
                if place == out.len() {
                    self.guard.take(count)?;
                    out.push(Row {
                        labels,
                        values: vec![ABSENT; count],
                    });
                }
                let counted = &mut out[place].values[step];
                *counted = if is_absent(*counted) {
                    1.0
                } else {
                    *counted + 1.0
                };
            }
        }
        Ok(out)
    }
}

fn grouped(rows: &[Row], grouping: &Grouping) -> Groups {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Groups = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let labels = match grouping {
            Grouping::By(names) => row.labels.only(names),
            Grouping::Without(names) => row.labels.without(names),
        };
        let place = *places.entry(labels.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((labels, Vec::new()));
        }
        groups[place].1.push(index);
    }
    groups
}

/// A value of those that a group's rows have at each step, where there are any.
fn folded(
    rows: &[Row],
    members: &[usize],
    count: usize,
    mut value: impl FnMut(usize, &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut there = Vec::with_capacity(members.len());
    let at = |step: usize| {
        there.clear();
        let values = members.iter().map(|member| rows[*member].values[step]);
        there.extend(values.filter(|value| !is_absent(*value)));
        if there.is_empty() {
            ABSENT
        } else {
            value(step, &mut there)
        }
    };
    (0..count).map(at).collect()
}

fn value(op: AggregateOp, values: &mut [f64], parameter: f64) -> f64 {
    match op {
        AggregateOp::Sum => values.iter().sum(),
        AggregateOp::Count => values.len() as f64,
        AggregateOp::Avg => {
            let mut mean = Mean::default();
            values.iter().for_each(|value| mean.add(*value));
            mean.get()
        }
        // NaN only if there is nothing else.
        AggregateOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        AggregateOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        AggregateOp::StdVar => variance(values),
        AggregateOp::StdDev => variance(values).sqrt(),
        AggregateOp::Quantile => quantile(parameter, values),
        // `group`, and those whose results are no single numbers.
        _ => 1.0,
    }
}

/// Welford's; of one value zero, whatever it is.
fn variance(values: &[f64]) -> f64 {
    let Some((first, others)) = values.split_first() else {
        return f64::NAN;
    };
    let (mut count, mut mean, mut squares) = (1.0, *first, 0.0);
    for value in others {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}
