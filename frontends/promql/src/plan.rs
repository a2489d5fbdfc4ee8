//! What has to be fetched before a query can be evaluated.

use crate::eval_error::EvalError;
use crate::expr::{At, Expr, Selector, Shift};
use crate::frame::Grid;
use crate::kind::Kind;
use crate::labels::{METRIC_NAME, get, sanitized};
use crate::limits::{LOOKBACK_MS, STEPS_MAX, TIME_MS_MAX};
use crate::matcher::{MatchOp, Matcher, SOURCE_ID};
use crate::query::{Query, listed};
use std::sync::Arc;

/// What one selector wants. Fetch it, and give the series to [`Evaluation::evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The metric's name, sanitised.
    pub metric: String,
    /// Whose data. Empty if its matchers contradict each other.
    pub source_ids: Vec<String>,
    /// All matchers but that of the name, those of `source_id` too.
    pub matchers: Vec<Matcher>,
    /// From when, in ns since 1970.
    pub start_ns: i64,
    /// Before when, in ns since 1970. Samples at this very time do not count, as upstream: an
    /// instant query at a whole second does not see the envelopes of the second that then begins,
    /// whose times are cut to that.
    pub end_ns: i64,
}

impl Selection {
    /// Whether a metric of an envelope is the one that is selected, by its name as it is there.
    pub fn is_named(&self, name: &str) -> bool {
        sanitized(name).eq(self.metric.chars())
    }

    /// Whether a series is selected, by its labels in the order of their names. The metric's name
    /// is not looked at.
    pub fn matches(&self, labels: &[(String, String)]) -> bool {
        let mut matchers = self.matchers.iter();
        matchers.all(|matcher| matcher.is_match(get(labels, &matcher.name)))
    }
}

/// A query at its times.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub(crate) expr: Arc<Expr>,
    pub(crate) grid: Grid,
    pub(crate) is_range: bool,
    pub(crate) bounds: Bounds,
    /// By how much the newest sample that a selector sees is older than the time it looks at, at
    /// least, in ms.
    pub(crate) newest_ms: i64,
    /// The selection of each selector.
    pub(crate) slots: Vec<usize>,
    selections: Vec<Selection>,
}

/// The times that `@ start()` and `@ end()` mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
}

impl Bounds {
    /// The time at which an expression looks that is evaluated at `time_ms`.
    pub(crate) fn seen_ms(self, shift: Shift, time_ms: i64) -> i64 {
        let at_ms = match shift.at {
            None => time_ms,
            Some(At::Start) => self.start_ms,
            Some(At::End) => self.end_ms,
            Some(At::Ms(at_ms)) => at_ms,
        };
        at_ms - shift.offset_ms
    }
}

impl Query {
    /// The query at one time, in ms.
    pub fn instant(&self, time_ms: i64) -> Result<Evaluation, EvalError> {
        if self.expr.kind() == Kind::Text {
            return Err(EvalError::Text);
        }
        let grid = Grid {
            start_ms: time_ms,
            step_ms: 1,
            count: 1,
        };
        self.planned(
            grid,
            false,
            Bounds {
                start_ms: time_ms,
                end_ms: time_ms,
            },
        )
    }

    /// The query at `start_ms`, `start_ms + step_ms` and so on, not after `end_ms`.
    pub fn range(&self, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Evaluation, EvalError> {
        match self.expr.kind() {
            Kind::Matrix => return Err(EvalError::NotForRange("range vector")),
            Kind::Text => return Err(EvalError::NotForRange("string")),
            Kind::Scalar | Kind::Vector => {}
        }
        if step_ms <= 0 {
            return Err(EvalError::Step);
        }
        if end_ms < start_ms {
            return Err(EvalError::EndBeforeStart);
        }
        let count = steps(start_ms, end_ms, step_ms)?;
        let grid = Grid {
            start_ms,
            step_ms,
            count,
        };
        self.planned(grid, true, Bounds { start_ms, end_ms })
    }

    fn planned(&self, grid: Grid, is_range: bool, bounds: Bounds) -> Result<Evaluation, EvalError> {
        if [bounds.start_ms, bounds.end_ms]
            .iter()
            .any(|ms| ms.unsigned_abs() > TIME_MS_MAX.unsigned_abs())
        {
            return Err(EvalError::Time);
        }
        let mut plan = Plan {
            bounds,
            slots: Vec::new(),
            selections: Vec::new(),
        };
        plan.visit(&self.expr, (grid.start_ms, grid.end_ms()))?;
        let (slots, selections, expr) = (plan.slots, plan.selections, Arc::clone(&self.expr));
        Ok(Evaluation {
            expr,
            grid,
            is_range,
            bounds,
            slots,
            selections,
            newest_ms: 0,
        })
    }
}

/// How many steps there are from start to end.
pub(crate) fn steps(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<usize, EvalError> {
    let between = end_ms.checked_sub(start_ms).ok_or(EvalError::Time)?;
    let count = usize::try_from(between / step_ms).unwrap_or(STEPS_MAX);
    if count >= STEPS_MAX {
        return Err(EvalError::Steps);
    }
    Ok(count + 1)
}

impl Evaluation {
    /// What has to be fetched. Selectors that want the same share a selection.
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    /// For samples whose times are cut to whole seconds: what has the very time of a step came
    /// after it, and the step does not see it. So each step of a range query yields what an instant
    /// query at its time does, and a window of n seconds sees n of them. Without this, windows are closed
    /// at both ends, as Prometheus' are.
    #[must_use]
    pub fn of_cut_times(self) -> Self {
        Self {
            newest_ms: 1,
            ..self
        }
    }
}

struct Plan {
    bounds: Bounds,
    slots: Vec<usize>,
    selections: Vec<Selection>,
}

/// The first and the last time at which an expression is evaluated, in ms.
type Span = (i64, i64);

impl Plan {
    fn visit(&mut self, expr: &Expr, span: Span) -> Result<(), EvalError> {
        match expr {
            Expr::Selector(selector) => self.select(selector, span, LOOKBACK_MS),
            Expr::Range(selector, range_ms) => self.select(selector, span, *range_ms),
            Expr::Subquery(subquery) => {
                let (first, last) = self.shifted(subquery.shift, span);
                self.visit(&subquery.expr, (first - subquery.range_ms, last))
            }
            _ => expr
                .children()
                .into_iter()
                .try_for_each(|child| self.visit(child, span)),
        }
    }

    fn shifted(&self, shift: Shift, (first, last): Span) -> Span {
        (
            self.bounds.seen_ms(shift, first),
            self.bounds.seen_ms(shift, last),
        )
    }

    fn select(&mut self, selector: &Selector, span: Span, back_ms: i64) -> Result<(), EvalError> {
        let (first, last) = self.shifted(selector.shift, span);
        let metric = metric(selector)?;
        let matchers = selector
            .matchers
            .iter()
            .filter(|matcher| matcher.name != METRIC_NAME);
        let selection = Selection {
            source_ids: source_ids(selector, &metric)?,
            metric,
            matchers: matchers.cloned().collect(),
            start_ns: (first - back_ms).saturating_mul(1_000_000),
            end_ns: last.saturating_mul(1_000_000),
        };
        let known = self.selections.iter().position(|known| *known == selection);
        self.slots.push(known.unwrap_or(self.selections.len()));
        if known.is_none() {
            self.selections.push(selection);
        }
        Ok(())
    }
}

fn metric(selector: &Selector) -> Result<String, EvalError> {
    let mut matchers = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name == METRIC_NAME);
    match (&selector.name, matchers.next(), matchers.next()) {
        (Some(name), ..) => Ok(name.clone()),
        (None, Some(matcher), None) if matches!(matcher.op, MatchOp::Equal) => {
            Ok(matcher.value.clone())
        }
        _ => Err(EvalError::NoName),
    }
}

/// Those that every matcher of `source_id` allows.
fn source_ids(selector: &Selector, metric: &str) -> Result<Vec<String>, EvalError> {
    let first = selector.matchers.iter().find_map(listed);
    let mut ids = first.ok_or_else(|| EvalError::NoSourceId(metric.to_owned()))?;
    for matcher in selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name == SOURCE_ID)
    {
        ids.retain(|id| matcher.is_match(id));
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}
