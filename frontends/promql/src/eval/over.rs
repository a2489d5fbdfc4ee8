//! Functions of the samples in a window. Those that can, slide; the others look at each window
//! anew.

mod rate;
mod regression;
mod sliding;

use crate::eval::numbers::{Sum, quantile};
use crate::eval::select::{Look, Span, Windows};
use crate::eval::{Evaluated, Evaluator};
use crate::eval_error::EvalError;
use crate::expr::{Call, Expr};
use crate::frame::{ABSENT, Grid, Row, merged};
use crate::function::Over;
use crate::guard::Guard;
use crate::kind::Kind;
use crate::labels::Sample;
use rate::Rate;

/// One series, and what each step sees of it.
struct Slide<'s> {
    samples: &'s [Sample],
    spans: &'s [Span],
    looks: &'s [Look],
}

impl<'s> Slide<'s> {
    /// What a step sees; never empty when it is asked for.
    fn window(&self, span: Span) -> &'s [Sample] {
        &self.samples[span.from..span.to]
    }

    /// A value of each window that is not empty; a cheap one.
    fn each(&self, mut value: impl FnMut(Span) -> f64) -> Vec<f64> {
        let value = |span: &Span| {
            if span.from < span.to {
                value(*span)
            } else {
                ABSENT
            }
        };
        self.spans.iter().map(value).collect()
    }

    /// A value of each window that is not empty, or none, at what cost it takes.
    fn each_at_cost(
        &self,
        mut value: impl FnMut(usize, Span) -> Evaluated<Option<f64>>,
    ) -> Evaluated<Vec<f64>> {
        let mut values = Vec::with_capacity(self.spans.len());
        for (step, span) in self.spans.iter().enumerate() {
            let is_empty = span.from >= span.to;
            let value = if is_empty { None } else { value(step, *span)? };
            values.push(value.unwrap_or(ABSENT));
        }
        Ok(values)
    }
}

impl Evaluator<'_> {
    pub(super) fn over(&mut self, over: Over, call: &Call, grid: Grid) -> Evaluated<Vec<Row>> {
        let is_range = |arg: &&Expr| arg.kind() == Kind::Matrix;
        let range = call.args.iter().find(is_range);
        let range =
            range.ok_or_else(|| EvalError::Argument("expected a range vector".to_owned()))?;
        let windows = self.windows(range, grid)?;
        let mut scalars = Vec::new();
        for arg in call.args.iter().filter(|arg| !is_range(arg)) {
            scalars.push(self.scalar(arg, grid)?);
        }
        let times_ms: Vec<_> = grid.times_ms().collect();
        let parameters = Parameters {
            over,
            scalars: &scalars,
            times_ms: &times_ms,
        };
        let mut rows = Vec::with_capacity(windows.rows.len());
        for (labels, samples) in &windows.rows {
            self.guard.take(grid.count)?;
            let spans = windows.spans(samples);
            let slide = Slide {
                samples,
                spans: &spans,
                looks: &windows.looks,
            };
            let labels = if over == Over::Last {
                labels.clone()
            } else {
                labels.nameless()
            };
            let row = Row {
                labels,
                values: parameters.values(&slide, &mut self.guard)?,
            };
            if row.has_values() {
                rows.push(row);
            }
        }
        merged(rows)
    }

    /// A one with the selector's labels at each step that sees no sample of any series.
    pub(super) fn none_over(&mut self, range: &Expr, grid: Grid) -> Evaluated<Vec<f64>> {
        let windows: Windows<'_> = self.windows(range, grid)?;
        let mut values = vec![1.0; grid.count];
        for (_, samples) in &windows.rows {
            self.guard.work(grid.count + samples.len())?;
            for (value, span) in values.iter_mut().zip(windows.spans(samples)) {
                if span.from < span.to {
                    *value = ABSENT;
                }
            }
        }
        Ok(values)
    }
}

/// A function, its other arguments at each step, and when the steps are.
struct Parameters<'p> {
    over: Over,
    scalars: &'p [Vec<f64>],
    times_ms: &'p [i64],
}

impl Parameters<'_> {
    fn scalar(&self, index: usize, step: usize) -> f64 {
        let values = self.scalars.get(index);
        values
            .and_then(|values| values.get(step))
            .copied()
            .unwrap_or(f64::NAN)
    }

    fn values(&self, slide: &Slide<'_>, guard: &mut Guard<'_>) -> Evaluated<Vec<f64>> {
        guard.work(slide.samples.len() + slide.spans.len())?;
        let rate = |is_counter, per_second| Rate {
            is_counter,
            per_second,
        };
        Ok(match self.over {
            Over::Count => slide.each(|span| (span.to - span.from) as f64),
            Over::Present => slide.each(|_| 1.0),
            Over::Last => slide.each(|span| slide.samples[span.to - 1].1),
            Over::Sum => sliding::sums(slide),
            Over::Avg => sliding::means(slide, guard)?,
            Over::Max => sliding::extremes(slide, |new, old| new >= old),
            Over::Min => sliding::extremes(slide, |new, old| new <= old),
            Over::Changes => sliding::pairs(slide, |old, new| {
                old != new && !(old.is_nan() && new.is_nan())
            }),
            Over::Resets => sliding::pairs(slide, |old, new| new < old),
            Over::Rate => rate::rates(slide, rate(true, true), guard)?,
            Over::Increase => rate::rates(slide, rate(true, false), guard)?,
            Over::Delta => rate::rates(slide, rate(false, false), guard)?,
            _ => return self.anew(slide, guard),
        })
    }

    /// For functions that look at all samples of each window.
    fn anew(&self, slide: &Slide<'_>, guard: &mut Guard<'_>) -> Evaluated<Vec<f64>> {
        let mut scratch = Vec::new();
        slide.each_at_cost(|step, span| {
            let window = slide.window(span);
            guard.work(window.len())?;
            self.of_window(step, window, &mut scratch)
        })
    }

    fn of_window(
        &self,
        step: usize,
        window: &[Sample],
        scratch: &mut Vec<f64>,
    ) -> Evaluated<Option<f64>> {
        let first = self.scalar(0, step);
        Ok(match self.over {
            Over::Irate => rate::newest(window, true),
            Over::Idelta => rate::newest(window, false),
            Over::StdVar => Some(variance(window)),
            Over::StdDev => Some(variance(window).sqrt()),
            Over::Quantile => {
                scratch.clear();
                scratch.extend(window.iter().map(|sample| sample.1));
                Some(quantile(first, scratch))
            }
            Over::Deriv => regression::line(window, window[0].0).map(|line| line.slope),
            Over::PredictLinear => {
                let line = regression::line(window, self.times_ms[step]);
                line.map(|line| line.slope * first + line.intercept)
            }
            Over::HoltWinters => regression::holt_winters(window, first, self.scalar(1, step))?,
            _ => None,
        })
    }
}

fn variance(window: &[Sample]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for (_, value) in window {
        count += 1.0;
        let delta = value - (mean.value + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.value + mean.lost)));
    }
    (squares.value + squares.lost) / count
}
