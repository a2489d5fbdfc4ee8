//! Function calls.

use crate::eval::matching::any_at;
use crate::eval::numbers::{max, min};
use crate::eval::{Evaluated, Evaluator, dates, histogram, labelling, mapped, ranking};
use crate::eval_error::EvalError;
use crate::expr::{Call, Expr};
use crate::frame::{ABSENT, Frame, Grid, Row, is_absent};
use crate::function::Does;
use crate::labels::{Labels, METRIC_NAME};

impl Evaluator<'_> {
    pub(super) fn call(&mut self, call: &Call, grid: Grid) -> Evaluated<Frame> {
        let rows = match call.function.does {
            Does::Pi => return Ok(Frame::Scalar(vec![std::f64::consts::PI; grid.count])),
            Does::Time => return Ok(Frame::Scalar(grid.times_ms().map(seconds).collect())),
            Does::Scalar => return self.only_value(call, grid),
            Does::Over(over) => self.over(over, call, grid)?,
            Does::Vector => vec![unlabelled(self.scalar(arg(call, 0)?, grid)?)],
            Does::Timestamp => return self.timestamps(arg(call, 0)?, grid),
            Does::Absent => vec![self.absent(arg(call, 0)?, grid)?],
            Does::AbsentOverTime => {
                let range = arg(call, 0)?;
                vec![Row {
                    labels: absent_labels(range),
                    values: self.none_over(range, grid)?,
                }]
            }
            Does::Date(date) => {
                let rows = match call.args.first() {
                    Some(arg) => self.vector(arg, grid)?,
                    None => vec![unlabelled(grid.times_ms().map(seconds).collect())],
                };
                mapped(rows, |_, value| dates::part(date, value))?
            }
            _ => self.of_vector(call, grid)?,
        };
        Ok(Frame::Vector(rows))
    }

    /// Those that change a vector's values, order or labels.
    fn of_vector(&mut self, call: &Call, grid: Grid) -> Evaluated<Vec<Row>> {
        if let Does::HistogramQuantile = call.function.does {
            let quantiles = self.scalar(arg(call, 0)?, grid)?;
            let rows = self.vector(arg(call, 1)?, grid)?;
            return histogram::quantiles(&rows, &quantiles, &mut self.guard);
        }
        let rows = self.vector(arg(call, 0)?, grid)?;
        self.guard.work(rows.len() * grid.count)?;
        let mut scalar = |index: usize| self.scalar(arg(call, index)?, grid);
        match call.function.does {
            Does::Math(math) => mapped(rows, |_, value| math(value)),
            Does::Round => {
                let nearest = if call.args.len() > 1 {
                    scalar(1)?
                } else {
                    vec![1.0; grid.count]
                };
                mapped(rows, |step, value| round(value, nearest[step]))
            }
            Does::Clamp => {
                let (low, high) = (scalar(1)?, scalar(2)?);
                mapped(rows, |step, value| {
                    let (low, high) = (low[step], high[step]);
                    if high < low {
                        ABSENT
                    } else {
                        max(low, min(high, value))
                    }
                })
            }
            Does::ClampMax => {
                let high = scalar(1)?;
                mapped(rows, |step, value| min(high[step], value))
            }
            Does::ClampMin => {
                let low = scalar(1)?;
                mapped(rows, |step, value| max(low[step], value))
            }
            Does::Sort if grid.count == 1 => Ok(ranking::sorted(rows, false)),
            Does::SortDescending if grid.count == 1 => Ok(ranking::sorted(rows, true)),
            Does::LabelReplace => labelling::replace(rows, &call.args),
            Does::LabelJoin => labelling::join(rows, &call.args),
            _ => Ok(rows),
        }
    }

    /// A vector's value if there is one and no other; NaN otherwise.
    fn only_value(&mut self, call: &Call, grid: Grid) -> Evaluated<Frame> {
        let rows = self.vector(arg(call, 0)?, grid)?;
        let at = |step: usize| {
            let mut there = rows
                .iter()
                .map(|row| row.values[step])
                .filter(|value| !is_absent(*value));
            match (there.next(), there.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        };
        Ok(Frame::Scalar((0..grid.count).map(at).collect()))
    }

    /// A selector's samples have times of their own, all else that of evaluation.
    fn timestamps(&mut self, arg: &Expr, grid: Grid) -> Evaluated<Frame> {
        if let Expr::Selector(selector) = arg.bare() {
            return self.select(selector, grid, |sample| seconds(sample.0));
        }
        let times: Vec<_> = grid.times_ms().collect();
        let rows = self.vector(arg, grid)?;
        mapped(rows, |step, _| seconds(times[step])).map(Frame::Vector)
    }

    fn absent(&mut self, arg: &Expr, grid: Grid) -> Evaluated<Row> {
        let rows = self.vector(arg, grid)?;
        let is_any = any_at(&rows.iter().collect::<Vec<_>>(), grid.count);
        let values = is_any
            .into_iter()
            .map(|is_any| if is_any { ABSENT } else { 1.0 })
            .collect();
        Ok(Row {
            labels: absent_labels(arg),
            values,
        })
    }
}

fn arg(call: &Call, index: usize) -> Evaluated<&Expr> {
    let arg = call.args.get(index);
    arg.ok_or_else(|| EvalError::Argument(format!("too few arguments of {}", call.function.name)))
}

fn unlabelled(values: Vec<f64>) -> Row {
    Row {
        labels: Labels::default(),
        values,
    }
}

#[expect(clippy::cast_precision_loss, reason = "times are below 2^53 ms")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// To a multiple; halves go up.
fn round(value: f64, nearest: f64) -> f64 {
    let inverse = 1.0 / nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// The labels that a missing series would have: those that are matched by one `=` only.
fn absent_labels(arg: &Expr) -> Labels {
    let (Expr::Selector(selector) | Expr::Range(selector, _)) = arg.bare() else {
        return Labels::default();
    };
    let (mut labels, mut seen) = (Labels::default(), Vec::new());
    for matcher in selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name != METRIC_NAME)
    {
        let is_first = matcher.symbol() == "=" && !seen.contains(&&matcher.name);
        labels = labels.with(&matcher.name, if is_first { &matcher.value } else { "" });
        if is_first {
            seen.push(&matcher.name);
        }
    }
    labels
}
