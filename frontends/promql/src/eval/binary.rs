//! Operators between numbers, between vectors and numbers, and between vectors.

use crate::eval::matching::{Pairing, any_at, pairings};
use crate::eval::{Evaluated, Evaluator, sets};
use crate::eval_error::EvalError;
use crate::expr::{Binary, BinaryOp, Group, Matching};
use crate::frame::{ABSENT, Frame, Grid, Row, is_absent, merged};
use crate::labels::Labels;
use std::collections::HashMap;

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, grid: Grid) -> Evaluated<Frame> {
        let left = self.eval(&binary.left, grid)?;
        let right = self.eval(&binary.right, grid)?;
        self.guard.work(left.size() + right.size())?;
        match (left, right) {
            (Frame::Scalar(left), Frame::Scalar(right)) => {
                let both = left.iter().zip(&right);
                let value = |(left, right): (&f64, &f64)| calculated(binary.op, *left, *right);
                Ok(Frame::Scalar(both.map(value).collect()))
            }
            (Frame::Vector(rows), Frame::Scalar(scalar)) => {
                with_scalar(binary, rows, |step, value| {
                    outcome(binary, value, scalar[step], value)
                })
            }
            (Frame::Scalar(scalar), Frame::Vector(rows)) => {
                with_scalar(binary, rows, |step, value| {
                    outcome(binary, scalar[step], value, value)
                })
            }
            (Frame::Vector(left), Frame::Vector(right)) if binary.op.is_set() => {
                sets::combined(binary, left, right, grid.count).map(Frame::Vector)
            }
            (Frame::Vector(left), Frame::Vector(right)) => self
                .vectors(binary, &left, &right, grid.count)
                .map(Frame::Vector),
        }
    }

    /// One side is the one with which each signature has one series at most, the other may have
    /// many.
    fn vectors(
        &mut self,
        binary: &Binary,
        left: &[Row],
        right: &[Row],
        count: usize,
    ) -> Evaluated<Vec<Row>> {
        // At a step at which a side has nothing at all, nothing is wrong with the other.
        let any = |rows: &[Row]| any_at(&rows.iter().collect::<Vec<_>>(), count);
        let both = any(left).into_iter().zip(any(right));
        let is_both: Vec<_> = both.map(|(left, right)| left && right).collect();
        let mut out = Vec::new();
        for (signature, pairing) in pairings(left, right, binary) {
            let mut sides = Sides::new(binary, left, right, &pairing);
            self.guard
                .work(count * (sides.many.len() + sides.one.len()))?;
            sides.check_one(&is_both, &signature)?;
            if sides.many.is_empty() || sides.one.is_empty() {
                continue;
            }
            for step in 0..count {
                sides.match_at(step)?;
            }
            self.guard.take(count * sides.out.len())?;
            sides
                .out
                .iter_mut()
                .for_each(|row| row.values.resize(count, ABSENT));
            out.append(&mut sides.out);
        }
        out.retain(Row::has_values);
        merged(out)
    }
}

/// A signature's series.
struct Sides<'r> {
    binary: &'r Binary,
    many: Vec<&'r Row>,
    one: Vec<&'r Row>,
    /// With values up to the last step at which there was one.
    out: Vec<Row>,
    /// The place in `out` of the result of two series.
    of_pair: HashMap<(usize, usize), usize>,
    of_labels: HashMap<Labels, usize>,
}

impl<'r> Sides<'r> {
    fn new(binary: &'r Binary, left: &'r [Row], right: &'r [Row], pairing: &Pairing) -> Self {
        let left = pairing.left.iter().map(|index| &left[*index]).collect();
        let right = pairing.right.iter().map(|index| &right[*index]).collect();
        let (many, one) = match binary.group {
            Group::Right(_) => (right, left),
            Group::None | Group::Left(_) => (left, right),
        };
        let (of_pair, of_labels) = (HashMap::new(), HashMap::new());
        Self {
            binary,
            many,
            one,
            out: Vec::new(),
            of_pair,
            of_labels,
        }
    }

    /// At each step there is one at most.
    fn check_one(&self, is_both: &[bool], signature: &Labels) -> Evaluated<()> {
        if self.one.len() < 2 {
            return Ok(());
        }
        for step in (0..is_both.len()).filter(|step| is_both[*step]) {
            let mut there = self.one.iter().filter(|row| !is_absent(row.values[step]));
            if let (Some(first), Some(second)) = (there.next(), there.next()) {
                let side = if matches!(self.binary.group, Group::Right(_)) {
                    "left"
                } else {
                    "right"
                };
                let (first, second) = (&first.labels, &second.labels);
                return Err(EvalError::Matching(format!(
                    "found duplicate series for the match group {signature:?} on the {side} \
                     hand-side of the operation: [{second:?}, {first:?}];many-to-many matching \
                     not allowed: matching labels must be unique on one side"
                )));
            }
        }
        Ok(())
    }

    fn match_at(&mut self, step: usize) -> Evaluated<()> {
        let one = self.one.iter().position(|row| !is_absent(row.values[step]));
        let Some(one) = one else {
            return Ok(());
        };
        let mut is_matched = false;
        for many in 0..self.many.len() {
            let value = self.value(many, one, step);
            if is_absent(value) {
                continue;
            }
            let is_alone = matches!(self.binary.group, Group::None);
            if is_alone && is_matched {
                return Err(multiple(
                    "many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            is_matched = true;
            let place = self.place(many, one);
            let row = &mut self.out[place];
            row.values.resize(step.max(row.values.len()), ABSENT);
            if row.values.len() > step {
                return Err(multiple("grouping labels must ensure unique matches"));
            }
            row.values.push(value);
        }
        Ok(())
    }

    fn value(&self, many: usize, one: usize, step: usize) -> f64 {
        let (many, one) = (self.many[many].values[step], self.one[one].values[step]);
        if is_absent(many) {
            return ABSENT;
        }
        let is_swapped = matches!(self.binary.group, Group::Right(_));
        let (left, right) = if is_swapped { (one, many) } else { (many, one) };
        outcome(self.binary, left, right, left)
    }

    fn place(&mut self, many: usize, one: usize) -> usize {
        if let Some(place) = self.of_pair.get(&(many, one)) {
            return *place;
        }
        let labels = result_labels(self.binary, &self.many[many].labels, &self.one[one].labels);
        let place = *self
            .of_labels
            .entry(labels.clone())
            .or_insert(self.out.len());
        if place == self.out.len() {
            self.out.push(Row {
                labels,
                values: Vec::new(),
            });
        }
        self.of_pair.insert((many, one), place);
        place
    }
}

fn multiple(what: &str) -> EvalError {
    EvalError::Matching(format!("multiple matches for labels: {what}"))
}

fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let keeps_name = binary.op.is_comparison() && !binary.returns_bool;
    let many = if keeps_name {
        many.clone()
    } else {
        many.nameless()
    };
    let (Group::Left(included) | Group::Right(included)) = &binary.group else {
        return match &binary.matching {
            Some(Matching::On(names)) => many.only(names),
            Some(Matching::Ignoring(names)) if !names.is_empty() => many.without(names),
            _ => many,
        };
    };
    included
        .iter()
        .fold(many, |labels, name| labels.with(name, one.get(name)))
}

fn with_scalar(
    binary: &Binary,
    mut rows: Vec<Row>,
    value: impl Fn(usize, f64) -> f64,
) -> Evaluated<Frame> {
    for row in &mut rows {
        if !binary.op.is_comparison() || binary.returns_bool {
            row.labels = row.labels.nameless();
        }
        for (step, own) in row.values.iter_mut().enumerate() {
            if !is_absent(*own) {
                *own = value(step, *own);
            }
        }
    }
    rows.retain(Row::has_values);
    merged(rows).map(Frame::Vector)
}

/// What comes of two numbers; of a comparison that holds, the number that is `kept`.
fn outcome(binary: &Binary, left: f64, right: f64, kept: f64) -> f64 {
    let value = calculated(binary.op, left, right);
    match (binary.op.is_comparison(), binary.returns_bool) {
        (false, _) | (true, true) => value,
        (true, false) if value == 0.0 => ABSENT,
        (true, false) => kept,
    }
}

/// Of comparisons 0 or 1.
fn calculated(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        BinaryOp::Equal => f64::from(left == right),
        BinaryOp::NotEqual => f64::from(left != right),
        BinaryOp::Less => f64::from(left < right),
        BinaryOp::LessEqual => f64::from(left <= right),
        BinaryOp::Greater => f64::from(left > right),
        BinaryOp::GreaterEqual => f64::from(left >= right),
        // Between vectors only, where they are never asked for a number.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}
