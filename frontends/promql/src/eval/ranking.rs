//! The largest, the smallest, and the order of a vector.

use crate::eval::aggregate::Groups;
use crate::eval::{Evaluated, Evaluator};
use crate::eval_error::EvalError;
use crate::frame::{ABSENT, Row, is_absent};
use crate::text::format_value;
use std::cmp::Ordering;

impl Evaluator<'_> {
    /// Of each group at each step the `k` largest or smallest. Of a single step in their order.
    pub(super) fn ranked(
        &mut self,
        mut rows: Vec<Row>,
        groups: &Groups,
        k: &[f64],
        is_largest: bool,
    ) -> Evaluated<Vec<Row>> {
        let mut order = Vec::new();
        for (step, k) in k.iter().enumerate() {
            self.guard.work(rows.len())?;
            let k = count(*k)?;
            for (_, members) in groups {
                let best = best(&mut rows, members, step, k, is_largest);
                if step == 0 {
                    order.extend(best);
                }
            }
        }
        if k.len() == 1 {
            return Ok(order.into_iter().map(|index| rows[index].clone()).collect());
        }
        rows.retain(Row::has_values);
        Ok(rows)
    }
}

/// The best at a step, in their order. The others lose their values.
fn best(
    rows: &mut [Row],
    members: &[usize],
    step: usize,
    k: usize,
    is_largest: bool,
) -> Vec<usize> {
    let value = |index: &usize| rows[*index].values[step];
    let there = members
        .iter()
        .copied()
        .filter(|index| !is_absent(value(index)));
    let mut there: Vec<usize> = there.collect();
    there.sort_by(|a, b| compare(value(a), value(b), is_largest));
    for index in there.split_off(k.min(there.len())) {
        rows[index].values[step] = ABSENT;
    }
    there
}

/// By value, NaN last whichever the direction. Rows without a value go.
pub(super) fn sorted(mut rows: Vec<Row>, is_descending: bool) -> Vec<Row> {
    rows.retain(Row::has_values);
    let key = |row: &Row| row.values.first().copied().unwrap_or(f64::NAN);
    rows.sort_by(|a, b| compare(key(a), key(b), is_descending));
    rows
}

fn compare(a: f64, b: f64, is_descending: bool) -> Ordering {
    let by_value = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    let by_value = if is_descending {
        by_value.reverse()
    } else {
        by_value
    };
    a.is_nan().cmp(&b.is_nan()).then(by_value)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit was refused; what is below zero becomes zero"
)]
fn count(k: f64) -> Evaluated<usize> {
    // The bounds of 64 bits, which a float cannot have more exactly.
    if k.is_nan() || !(-9.3e18..9.2e18).contains(&k) {
        // With an exponent, as Go writes numbers of this size.
        let k = match k.is_finite() {
            true => format!("{k:e}").replace('e', "e+"),
            false => format_value(k),
        };
        return Err(EvalError::Argument(format!(
            "Scalar value {k} overflows int64"
        )));
    }
    Ok(k as usize)
}
