//! `and`, `or` and `unless`.

use crate::eval::Evaluated;
use crate::eval::matching::{any_at, pairings};
use crate::expr::{Binary, BinaryOp};
use crate::frame::{ABSENT, Row, merged};

/// What a set operator leaves of its two sides.
pub(super) fn combined(
    binary: &Binary,
    mut left: Vec<Row>,
    mut right: Vec<Row>,
    count: usize,
) -> Evaluated<Vec<Row>> {
    for (_, pairing) in pairings(&left, &right, binary) {
        let of = |rows: &[Row], indexes: &[usize]| {
            let rows: Vec<_> = indexes.iter().map(|index| &rows[*index]).collect();
            any_at(&rows, count)
        };
        let (on_left, on_right) = (of(&left, &pairing.left), of(&right, &pairing.right));
        match binary.op {
            BinaryOp::Or => blank(&mut right, &pairing.right, |step| on_left[step]),
            BinaryOp::And => blank(&mut left, &pairing.left, |step| !on_right[step]),
            _ => blank(&mut left, &pairing.left, |step| on_right[step]),
        }
    }
    if binary.op == BinaryOp::Or {
        left.extend(right);
    }
    left.retain(Row::has_values);
    merged(left)
}

fn blank(rows: &mut [Row], indexes: &[usize], is_blank: impl Fn(usize) -> bool) {
    for index in indexes {
        for (step, value) in rows[*index].values.iter_mut().enumerate() {
            if is_blank(step) {
                *value = ABSENT;
            }
        }
    }
}
