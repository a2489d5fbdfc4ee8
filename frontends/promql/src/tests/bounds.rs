//! Limits of time and memory.

use crate::limits::{SAMPLES_MAX, STEPS_MAX};
use crate::tests::series;
use crate::{EvalError, Query};
use std::cell::Cell;

#[test]
fn who_is_late_is_asked_and_obeyed() {
    let query = Query::parse("sum(rate(m{source_id='a'}[5m])) + 1").unwrap();
    let samples: Vec<_> = (0..100_000).map(|index| (index * 1_000, 1.0)).collect();
    let asked = Cell::new(0);
    let is_late = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let evaluation = query.range(0, 90_000_000, 1_000).unwrap();
    let data = vec![vec![series("source_id=a", &samples)]];
    assert_eq!(
        evaluation.clone().evaluate(data.clone(), &is_late),
        Err(EvalError::Timeout)
    );
    assert_eq!(asked.get(), 4);
    assert_eq!(
        evaluation.clone().evaluate(data.clone(), &|| true),
        Err(EvalError::Timeout)
    );
    evaluation.evaluate(data, &|| false).unwrap();
}

#[test]
fn more_samples_than_memory_is_for_are_refused() {
    let query = Query::parse("m{source_id='a'} + 1").unwrap();
    let rows = SAMPLES_MAX / STEPS_MAX + 1;
    let step = |index: i64| (index * 299_000, 1.0);
    let samples: Vec<_> = (0..2).map(step).collect();
    let rows = (0..rows)
        .map(|row| series(&format!("source_id=a,row={row}"), &samples))
        .collect();
    let end_ms = i64::try_from(STEPS_MAX).unwrap() - 1;
    let evaluation = query.range(0, end_ms, 1).unwrap();
    assert_eq!(
        evaluation.evaluate(vec![rows], &|| false),
        Err(EvalError::Samples)
    );
}

#[test]
fn what_is_planned_can_go_to_another_thread() {
    fn can_go<T: Send + Sync + Clone + 'static>() {}
    can_go::<Query>();
    can_go::<crate::Evaluation>();
    can_go::<crate::Selection>();
    can_go::<crate::Value>();
}

#[test]
fn subqueries_have_bounds_too() {
    let query = Query::parse("count_over_time(vector(1)[1y:1ms])").unwrap();
    assert_eq!(
        query.instant(0).unwrap().evaluate(Vec::new(), &|| false),
        Err(EvalError::Steps)
    );
    let query = Query::parse("m{source_id='a'}").unwrap();
    let missing = EvalError::Selections {
        given: 0,
        wanted: 1,
    };
    assert_eq!(
        query.instant(0).unwrap().evaluate(Vec::new(), &|| false),
        Err(missing)
    );
}
