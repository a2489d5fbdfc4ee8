//! What selectors see: the newest sample, or a window of samples.

use crate::eval::{Evaluated, Evaluator, Table};
use crate::eval_error::EvalError;
use crate::expr::{Expr, Selector, Shift, Subquery};
use crate::frame::{ABSENT, Frame, Grid, Row, is_absent};
use crate::labels::{Labels, Sample};
use crate::limits::{LOOKBACK_MS, SUBQUERY_STEP_MS};
use crate::plan::steps;
use std::borrow::Cow;

/// Series, and from when to when a step sees them.
pub(super) struct Windows<'s> {
    pub(super) rows: Vec<(Labels, Cow<'s, [Sample]>)>,
    pub(super) looks: Vec<Look>,
    /// By how much the newest sample that a step sees is older than its look's end, at least.
    newest_ms: i64,
}

/// From when to when, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// The samples `from..to` of a series that a step sees. From step to step neither goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Windows<'_> {
    /// What each step sees of a series.
    pub(super) fn spans(&self, samples: &[Sample]) -> Vec<Span> {
        let start_ms = self.looks.first().map_or(0, |look| look.start_ms);
        let first = samples.partition_point(|sample| sample.0 < start_ms);
        let (mut from, mut to) = (first, first);
        let span = |look: &Look| {
            from += count(&samples[from..], |time_ms| time_ms < look.start_ms);
            to = to.max(from);
            to += count(&samples[to..], |time_ms| {
                time_ms <= look.end_ms - self.newest_ms
            });
            Span { from, to }
        };
        self.looks.iter().map(span).collect()
    }
}

fn count(samples: &[Sample], is_in: impl Fn(i64) -> bool) -> usize {
    samples.iter().take_while(|sample| is_in(sample.0)).count()
}

impl<'a> Evaluator<'a> {
    fn table(&self, selector: &Selector) -> &'a Table {
        let index = self.slots.get(selector.slot);
        index
            .and_then(|index| self.tables.get(*index))
            .map_or(&[], Vec::as_slice)
    }

    /// The newest sample of each series that is no older than the lookback, at each step.
    pub(super) fn select(
        &mut self,
        selector: &Selector,
        grid: Grid,
        read: impl Fn(Sample) -> f64,
    ) -> Evaluated<Frame> {
        let seen: Vec<_> = grid
            .times_ms()
            .map(|ms| self.bounds.seen_ms(selector.shift, ms))
            .collect();
        let newest_ms = self.newest_ms;
        let first_ms = seen.first().copied().unwrap_or_default() - newest_ms;
        let mut rows = Vec::new();
        for (labels, samples) in self.table(selector) {
            let mut next = samples.partition_point(|sample| sample.0 <= first_ms);
            self.guard.work(samples.len() - next)?;
            let newest = |seen_ms: &i64| {
                next += count(&samples[next..], |time_ms| time_ms <= seen_ms - newest_ms);
                let newest = next.checked_sub(1).map(|index| samples[index]);
                let newest =
                    newest.filter(|(ms, value)| *ms >= seen_ms - LOOKBACK_MS && !is_absent(*value));
                newest.map_or(ABSENT, &read)
            };
            let row = Row {
                labels: labels.clone(),
                values: seen.iter().map(newest).collect(),
            };
            if row.has_values() {
                self.guard.take(grid.count)?;
                rows.push(row);
            }
        }
        Ok(Frame::Vector(rows))
    }

    /// What a function of a range sees at each step.
    pub(super) fn windows(&mut self, expr: &Expr, grid: Grid) -> Evaluated<Windows<'a>> {
        match expr.bare() {
            Expr::Range(selector, range_ms) => {
                let looks = self.looks(selector.shift, *range_ms, grid);
                let rows = self.table(selector).iter();
                let rows = rows.map(|(labels, samples)| (labels.clone(), unmarked(samples)));
                Ok(Windows {
                    rows: rows.collect(),
                    looks,
                    newest_ms: self.newest_ms,
                })
            }
            Expr::Subquery(subquery) => self.subquery(subquery, grid),
            _ => Err(EvalError::Argument("expected a range vector".to_owned())),
        }
    }

    fn looks(&self, shift: Shift, range_ms: i64, grid: Grid) -> Vec<Look> {
        let look = |time_ms| {
            let end_ms = self.bounds.seen_ms(shift, time_ms);
            Look {
                start_ms: end_ms - range_ms,
                end_ms,
            }
        };
        grid.times_ms().map(look).collect()
    }

    /// Evaluates what is inside at multiples of the step, once for all that any step of the outside
    /// sees.
    fn subquery(&mut self, subquery: &Subquery, grid: Grid) -> Evaluated<Windows<'a>> {
        let looks = self.looks(subquery.shift, subquery.range_ms, grid);
        let step_ms = subquery.step_ms.unwrap_or(SUBQUERY_STEP_MS);
        let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
            return Ok(Windows {
                rows: Vec::new(),
                looks,
                newest_ms: 0,
            });
        };
        let late = -first.start_ms.rem_euclid(step_ms);
        let start_ms = first.start_ms + late.rem_euclid(step_ms);
        if start_ms > last.end_ms {
            return Ok(Windows {
                rows: Vec::new(),
                looks,
                newest_ms: 0,
            });
        }
        let count = steps(start_ms, last.end_ms, step_ms)?;
        let inner = Grid {
            start_ms,
            step_ms,
            count,
        };
        let rows = self.vector(&subquery.expr, inner)?;
        let samples = |row: Row| {
            let samples = inner.times_ms().zip(row.values);
            let there: Vec<_> = samples.filter(|(_, value)| !is_absent(*value)).collect();
            (row.labels, Cow::Owned(there))
        };
        Ok(Windows {
            rows: rows.into_iter().map(samples).collect(),
            looks,
            newest_ms: 0,
        })
    }
}

/// Without marks of stale series.
fn unmarked(samples: &[Sample]) -> Cow<'_, [Sample]> {
    if samples.iter().any(|sample| is_absent(sample.1)) {
        samples
            .iter()
            .copied()
            .filter(|sample| !is_absent(sample.1))
            .collect()
    } else {
        Cow::Borrowed(samples)
    }
}
