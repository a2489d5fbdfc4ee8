//! Quantiles of histograms whose buckets are series with a label `le`.

use crate::eval::Evaluated;
use crate::frame::{ABSENT, Row, is_absent};
use crate::guard::Guard;
use crate::labels::Labels;
use std::cmp::Ordering;
use std::collections::HashMap;

/// How many observations are at or below a bound.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// A quantile of each histogram at each step.
pub(super) fn quantiles(
    rows: &[Row],
    quantiles: &[f64],
    guard: &mut Guard<'_>,
) -> Evaluated<Vec<Row>> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<(Labels, Vec<(f64, &Row)>)> = Vec::new();
    for row in rows {
        let Some(bound) = bound(row.labels.get("le")) else {
            continue;
        };
        let labels = row.labels.without(&["le".to_owned()]);
        let place = *places.entry(labels.clone()).or_insert(histograms.len());
        if place == histograms.len() {
            histograms.push((labels, Vec::new()));
        }
        histograms[place].1.push((bound, row));
    }
    let mut out = Vec::with_capacity(histograms.len());
    for (labels, mut rows) in histograms {
        guard.work(rows.len() * quantiles.len())?;
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let steps = quantiles.iter().enumerate();
        let values = steps.map(|(step, q)| at(*q, &rows, step)).collect();
        out.push(Row { labels, values });
    }
    Ok(out)
}

/// As Go's `ParseFloat`, for what is in use: decimals and infinities.
fn bound(le: &str) -> Option<f64> {
    le.parse().ok()
}

fn at(q: f64, rows: &[(f64, &Row)], step: usize) -> f64 {
    let bucket = |(bound, row): &(f64, &Row)| Bucket {
        bound: *bound,
        count: row.values[step],
    };
    let there = rows
        .iter()
        .map(bucket)
        .filter(|bucket| !is_absent(bucket.count));
    let buckets: Vec<_> = there.collect();
    if buckets.is_empty() {
        return ABSENT;
    }
    if q.is_nan() {
        f64::NAN
    } else if q < 0.0 {
        f64::NEG_INFINITY
    } else if q > 1.0 {
        f64::INFINITY
    } else {
        quantile(q, buckets)
    }
}

/// Between a bucket's bounds observations are taken to lie evenly.
fn quantile(q: f64, buckets: Vec<Bucket>) -> f64 {
    if buckets
        .last()
        .is_none_or(|last| last.bound != f64::INFINITY)
    {
        return f64::NAN;
    }
    let buckets = growing(buckets);
    let highest = buckets.len() - 1;
    let observations = buckets[highest].count;
    if highest == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * observations;
    let found = buckets[..highest].partition_point(|bucket| {
        // Of what has no order, too.
        bucket.count.partial_cmp(&rank).is_none_or(Ordering::is_lt)
    });
    if found == highest {
        return buckets[highest - 1].bound;
    }
    let Bucket {
        bound: end,
        mut count,
    } = buckets[found];
    let mut start = 0.0;
    if found > 0 {
        let below = buckets[found - 1];
        start = below.bound;
        count -= below.count;
        rank -= below.count;
    } else if end <= 0.0 {
        return end;
    }
    start + (end - start) * (rank / count)
}

/// Buckets with equal bounds become one, and none has less than the one before.
fn growing(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut kept: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match kept.last_mut() {
            Some(last) if last.bound == bucket.bound => last.count += bucket.count,
            _ => kept.push(bucket),
        }
    }
    let mut most = kept.first().map_or(0.0, |first| first.count);
    for bucket in &mut kept {
        if bucket.count > most {
            most = bucket.count;
        } else if bucket.count < most {
            bucket.count = most;
        }
    }
    kept
}
