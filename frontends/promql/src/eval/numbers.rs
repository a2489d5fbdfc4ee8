//! Numbers as Go's mathematics has them.

/// The larger one; NaN if one is, unless the other is +Inf.
pub(super) fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller one; NaN if one is, unless the other is -Inf.
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// A quantile of values, which change places: NaN comes first. Between two values it is weighted.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is an index of values, of which there are not 2^53"
)]
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let order = |a: &f64, b: &f64| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b));
    let last = values.len() - 1;
    let rank = q * last as f64;
    let (_, lower, above) = values.select_nth_unstable_by((rank.floor() as usize).min(last), order);
    let upper = above.iter().copied().min_by(order).unwrap_or(*lower);
    let weight = rank - rank.floor();
    *lower * (1.0 - weight) + upper * weight
}

/// A sum that keeps what additions lose (Kahan's, as Neumaier has it).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) value: f64,
    pub(super) lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.value + value;
        if self.value.abs() >= value.abs() {
            self.lost += (self.value - sum) + value;
        } else {
            self.lost += (value - sum) + self.value;
        }
        self.value = sum;
    }

    pub(super) fn total(self) -> f64 {
        if self.value.is_infinite() {
            self.value
        } else {
            self.value + self.lost
        }
    }
}

/// A mean that does not overflow and that infinities do not make NaN.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    count: f64,
    mean: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let is_same = value.is_infinite() && (value > 0.0) == (self.mean > 0.0);
        if self.mean.is_infinite() && (is_same || value.is_finite()) {
            return;
        }
        self.mean += value / self.count - self.mean / self.count;
    }

    pub(super) fn get(self) -> f64 {
        self.mean
    }
}
