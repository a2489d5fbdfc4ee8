//! From series to an answer. Each expression is evaluated once for all steps: what is asked of
//! labels is asked once a series, and windows slide.

mod aggregate;

mod binary;
mod call;
mod dates;
mod histogram;
mod labelling;
mod matching;
mod numbers;
mod over;
mod ranking;
mod select;
mod sets;

use crate::eval_error::EvalError;
use crate::expr::{BinaryOp, Expr};
use crate::frame::{Frame, Grid, Row, is_absent, merged, sorted_series};
use crate::function::Does;
use crate::guard::Guard;
use crate::kind::Kind;
use crate::labels::{Labels, Sample, Series};
use crate::plan::{Bounds, Evaluation};
use crate::value::Value;

type Evaluated<T> = Result<T, EvalError>;

/// Series by their labels, which no two share.
type Table = [(Labels, Vec<Sample>)];

impl Evaluation {
    /// Evaluates the query over what was fetched for its [`selections`](Self::selections), in their
    /// order. `is_late` is asked before anything else and every some 100 µs; if it says so, the
    /// answer is [`EvalError::Timeout`]. At most [`SAMPLES_MAX`](crate::limits::SAMPLES_MAX)
    /// samples are held.
    pub fn evaluate(self, data: Vec<Vec<Series>>, is_late: &dyn Fn() -> bool) -> Evaluated<Value> {
        let (given, wanted) = (data.len(), self.selections().len());
        if given != wanted {
            return Err(EvalError::Selections { given, wanted });
        }
        let mut guard = Guard::new(is_late);
        for series in data.iter().flatten() {
            guard.take(series.samples.len())?;
        }
        let pair = |series: Series| (series.labels, series.samples);
        let tables = data
            .into_iter()
            .map(|all| sorted_series(all.into_iter().map(pair).collect()));
        let tables: Vec<_> = tables.collect();
        let (slots, bounds, newest_ms) = (&self.slots, self.bounds, self.newest_ms);
        Evaluator {
            tables: &tables,
            slots,
            bounds,
            newest_ms,
            guard,
        }
        .answer(&self)
    }
}

struct Evaluator<'a> {
    tables: &'a [Vec<(Labels, Vec<Sample>)>],
    slots: &'a [usize],
    bounds: Bounds,
    newest_ms: i64,
    guard: Guard<'a>,
}

impl Evaluator<'_> {
    fn answer(&mut self, evaluation: &Evaluation) -> Evaluated<Value> {
        let (expr, grid) = (&*evaluation.expr, evaluation.grid);
        if expr.kind() == Kind::Matrix {
            return self.raw(expr, grid);
        }
        match self.eval(expr, grid)? {
            Frame::Scalar(values) if !evaluation.is_range => {
                let value = values.first().copied().unwrap_or(f64::NAN);
                Ok(Value::Scalar((grid.start_ms, value)))
            }
            Frame::Scalar(values) => {
                let row = Row {
                    labels: Labels::default(),
                    values,
                };
                Ok(Value::Matrix(matrix(vec![row], grid)))
            }
            Frame::Vector(rows) if evaluation.is_range => Ok(Value::Matrix(matrix(rows, grid))),
            Frame::Vector(rows) => Ok(Value::Vector(vector(rows, grid, is_ordered(expr)))),
        }
    }

    /// A range selector or a subquery by itself.
    fn raw(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Value> {
        let windows = self.windows(expr, grid)?;
        let mut series = Vec::new();
        for (labels, samples) in &windows.rows {
            let span = windows.spans(samples).first().copied();
            let samples = span.map_or(&[][..], |span| &samples[span.from..span.to]);
            if !samples.is_empty() {
                series.push(Series {
                    labels: labels.clone(),
                    samples: samples.to_vec(),
                });
            }
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
    }

    fn eval(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Frame> {
        let before = self.guard.held();
        self.guard.take(grid.count)?;
        let frame = self.any(expr, grid)?;
        self.guard.keep(before, frame.size());
        Ok(frame)
    }

    fn any(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Frame> {
        match expr {
            Expr::Number(number) => Ok(Frame::Scalar(vec![*number; grid.count])),
            Expr::Paren(inner) => self.any(inner, grid),
            Expr::Negate(inner) => match self.eval(inner, grid)? {
                Frame::Scalar(values) => {
                    Ok(Frame::Scalar(values.iter().map(|value| -value).collect()))
                }
                Frame::Vector(rows) => mapped(rows, |_, value| -value).map(Frame::Vector),
            },
            Expr::Selector(selector) => self.select(selector, grid, |sample| sample.1),
            Expr::Binary(binary) => self.binary(binary, grid),
            Expr::Aggregate(all) => self.aggregate(all, grid),
            Expr::Call(call) => self.call(call, grid),
            // Types are checked when a query is parsed, so that these are only arguments.
            Expr::Text(_) => Err(EvalError::Text),
            Expr::Range(..) | Expr::Subquery(_) => {
                Err(EvalError::Argument("unexpected range vector".to_owned()))
            }
        }
    }

    fn vector(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Vec<Row>> {
        match self.eval(expr, grid)? {
            Frame::Vector(rows) => Ok(rows),
            Frame::Scalar(_) => Err(EvalError::Argument("unexpected scalar".to_owned())),
        }
    }

    fn scalar(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Vec<f64>> {
        match self.eval(expr, grid)? {
            Frame::Scalar(values) => Ok(values),
            Frame::Vector(_) => Err(EvalError::Argument("unexpected vector".to_owned())),
        }
    }
}

/// Each value that is there, by its step, becomes another; names go.
fn mapped(mut rows: Vec<Row>, change: impl Fn(usize, f64) -> f64) -> Evaluated<Vec<Row>> {
    for row in &mut rows {
        row.labels = row.labels.nameless();
        for (step, value) in row.values.iter_mut().enumerate() {
            if !is_absent(*value) {
                *value = change(step, *value);
            }
        }
    }
    merged(rows)
}

fn vector(rows: Vec<Row>, grid: Grid, is_ordered: bool) -> Vec<(Labels, Sample)> {
    let there = rows.into_iter().filter(Row::has_values);
    let sample = |row: Row| (row.labels, (grid.start_ms, row.values[0]));
    let mut vector: Vec<_> = there.map(sample).collect();
    if !is_ordered {
        vector.sort_by(|a, b| a.0.cmp(&b.0));
    }
    vector
}

fn matrix(rows: Vec<Row>, grid: Grid) -> Vec<Series> {
    let mut series: Vec<_> = rows
        .into_iter()
        .filter(Row::has_values)
        .map(|row| series(row, grid))
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}

fn series(row: Row, grid: Grid) -> Series {
    let samples = grid.times_ms().zip(row.values);
    let samples = samples.filter(|(_, value)| !is_absent(*value)).collect();
    Series {
        labels: row.labels,
        samples,
    }
}

/// Whether what is outermost, but for what leaves an order alone, makes one.
fn is_ordered(expr: &Expr) -> bool {
    use crate::expr::AggregateOp::{BottomK, TopK};
    match expr {
        Expr::Paren(inner) | Expr::Negate(inner) => is_ordered(inner),
        Expr::Aggregate(all) => matches!(all.op, TopK | BottomK),
        Expr::Binary(binary) if binary.op != BinaryOp::Or => {
            match (binary.left.kind(), binary.right.kind()) {
                (Kind::Scalar, _) => is_ordered(&binary.right),
                (_, Kind::Scalar) => is_ordered(&binary.left),
                _ => false,
            }
        }
        Expr::Call(call) => match call.function.does {
            Does::Sort | Does::SortDescending => true,
            Does::Math(_) | Does::Round | Does::Clamp | Does::ClampMax | Does::ClampMin => {
                call.args.first().is_some_and(is_ordered)
            }
            _ => false,
        },
        _ => false,
    }
}
