//! `rate` and what is like it.

use crate::eval::Evaluated;
use crate::eval::over::Slide;
use crate::eval::select::Look;
use crate::guard::Guard;
use crate::labels::Sample;

#[derive(Clone, Copy)]
pub(super) struct Rate {
    /// What is less than before has begun at zero again.
    pub(super) is_counter: bool,
    pub(super) per_second: bool,
}

/// The growth over each window, carried on to the window's ends where samples lie close to them.
pub(super) fn rates(slide: &Slide<'_>, rate: Rate, guard: &mut Guard<'_>) -> Evaluated<Vec<f64>> {
    let pairs = || slide.samples.windows(2).zip(1..);
    let resets = pairs().filter(|(pair, _)| rate.is_counter && pair[1].1 < pair[0].1);
    let resets: Vec<usize> = resets.map(|(_, index)| index).collect();
    let later = pairs().filter(|(pair, _)| pair[1].0 > pair[0].0);
    let later: Vec<usize> = later.map(|(_, index)| index).collect();
    let between = |found: &[usize], from: usize, to: usize| {
        let first = found.partition_point(|index| *index <= from);
        first..found.partition_point(|index| *index < to).max(first)
    };
    slide.each_at_cost(|step, span| {
        let window = slide.window(span);
        let gaps = between(&later, span.from, span.to).len();
        let (Some(first), Some(last), 1..) = (window.first(), window.last(), gaps) else {
            return Ok(None);
        };
        let reset = &resets[between(&resets, span.from, span.to)];
        guard.work(reset.len())?;
        let lost = reset.iter().map(|index| slide.samples[index - 1].1);
        // In upstream's order, to the last digit.
        let growth = last.1 - first.1 + lost.sum::<f64>();
        let look = slide.looks[step];
        let factor = extrapolation(*first, last.0, growth, gaps, look, rate.is_counter);
        let range_s = seconds(look.end_ms - look.start_ms);
        let divisor = if rate.per_second { range_s } else { 1.0 };
        Ok(Some(growth * factor / divisor))
    })
}

/// By how much more a series grows in a window than between its first and last sample. `gaps` is
/// how many times there are, less one: samples with equal times do not make it look dense.
fn extrapolation(
    first: Sample,
    last_ms: i64,
    growth: f64,
    gaps: usize,
    look: Look,
    is_counter: bool,
) -> f64 {
    let sampled = seconds(last_ms - first.0);
    let mut to_start = seconds(first.0 - look.start_ms);
    let to_end = seconds(look.end_ms - last_ms);
    let gap = sampled / gaps as f64;
    if is_counter && growth > 0.0 && first.1 >= 0.0 {
        // A counter was not below zero, so it did not grow for longer than this.
        let to_zero = sampled * (first.1 / growth);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    let carried = |to_edge: f64| {
        if to_edge < gap * 1.1 {
            to_edge
        } else {
            gap / 2.0
        }
    };
    (sampled + carried(to_start) + carried(to_end)) / sampled
}

/// From the newest sample with an earlier time to the newest one: the growth a second, or the
/// difference.
pub(super) fn newest(window: &[Sample], is_rate: bool) -> Option<f64> {
    let last = window.last()?;
    let earlier = window.partition_point(|sample| sample.0 < last.0);
    let earlier = window.get(earlier.checked_sub(1)?)?;
    if !is_rate {
        return Some(last.1 - earlier.1);
    }
    let growth = if last.1 < earlier.1 {
        last.1
    } else {
        last.1 - earlier.1
    };
    Some(growth / seconds(last.0 - earlier.0))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "windows are shorter than 2^53 ms"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
