//! Sums, extremes and counts of pairs, each at a cost that does not depend on how long windows are.

use crate::eval::Evaluated;
use crate::eval::numbers::{Mean, Sum};
use crate::eval::over::Slide;
use crate::eval::select::Span;
use crate::guard::Guard;
use crate::labels::Sample;
use std::collections::VecDeque;

/// Sums. Nothing is subtracted, since what was lost to a large sample would stay lost.
pub(super) fn sums(slide: &Slide<'_>) -> Vec<f64> {
    let mut queue = SumQueue::new(slide.samples);
    slide.each(|span| queue.slide(span).total())
}

/// Means. Where there are infinities, or a sum is one, windows are looked at anew.
pub(super) fn means(slide: &Slide<'_>, guard: &mut Guard<'_>) -> Evaluated<Vec<f64>> {
    let mut queue = SumQueue::new(slide.samples);
    slide.each_at_cost(|_, span| {
        let total = queue.slide(span).total();
        if total.is_finite() {
            return Ok(Some(total / (span.to - span.from) as f64));
        }
        let window = slide.window(span);
        guard.work(window.len())?;
        Ok(Some(mean_of(window)))
    })
}

fn mean_of(window: &[Sample]) -> f64 {
    let mut mean = Mean::default();
    window.iter().for_each(|sample| mean.add(sample.1));
    mean.get()
}

/// A queue as two stacks: of what lies before `middle` the sums of what is left of it are ready, of
/// what lies behind there is one sum.
struct SumQueue<'s> {
    samples: &'s [Sample],
    /// The last one is the sum of `from..middle`, the one before of `from + 1..middle`.
    front: Vec<Sum>,
    middle: usize,
    back: Sum,
    to: usize,
}

impl<'s> SumQueue<'s> {
    fn new(samples: &'s [Sample]) -> Self {
        Self {
            samples,
            front: Vec::new(),
            middle: 0,
            back: Sum::default(),
            to: 0,
        }
    }

    fn slide(&mut self, span: Span) -> Sum {
        for (_, value) in &self.samples[self.to.min(span.to)..span.to] {
            self.back.add(*value);
        }
        self.to = span.to;
        if span.from >= self.middle {
            self.turn(span);
        }
        self.front.truncate(self.middle - span.from);
        let mut sum = self.back;
        if let Some(front) = self.front.last() {
            sum.add(front.value);
            sum.lost += front.lost;
        }
        sum
    }

    /// All of the window comes to the front.
    fn turn(&mut self, span: Span) {
        let mut sum = Sum::default();
        self.front.clear();
        for (_, value) in self.samples[span.from..span.to].iter().rev() {
            sum.add(*value);
            self.front.push(sum);
        }
        (self.middle, self.back) = (span.to, Sum::default());
    }
}

/// The largest or smallest of each window, as `beats` says of a newer and an older one; NaN only if
/// there is nothing else.
pub(super) fn extremes(slide: &Slide<'_>, beats: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut best: VecDeque<usize> = VecDeque::new(); // Each beats all behind it.
    let mut seen = 0;
    slide.each(|span| {
        for index in seen.max(span.from)..span.to {
            let value = slide.samples[index].1;
            if value.is_nan() {
                continue;
            }
            while best
                .back()
                .is_some_and(|last| beats(value, slide.samples[*last].1))
            {
                best.pop_back();
            }
            best.push_back(index);
        }
        seen = seen.max(span.to);
        while best.front().is_some_and(|first| *first < span.from) {
            best.pop_front();
        }
        best.front()
            .map_or(f64::NAN, |index| slide.samples[*index].1)
    })
}

/// How many neighbours in each window are as `is_one` says of the older and the newer.
pub(super) fn pairs(slide: &Slide<'_>, is_one: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut sum = 0_u32;
    let counted = slide.samples.windows(2).map(|pair| {
        sum += u32::from(is_one(pair[0].1, pair[1].1));
        sum
    });
    // `until[n]` is how many there are up to sample n.
    let until: Vec<u32> = std::iter::once(0).chain(counted).collect();
    slide.each(|span| f64::from(until[span.to - 1] - until[span.from]))
}
