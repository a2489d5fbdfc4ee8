//! The same series and the same queries, given to Debian's Prometheus and to us: the same answers.
//!
//! `queries.txt` has a query a line. Each is asked at several times and over several ranges. Those
//! of `differences.txt`, each under the reason for it, have to be answered differently.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answer;
mod data;
mod prometheus;

use answer::{Answer, compare};
use data::{Named, START_S};
use hydrant_promql::{EvalError, Evaluation, Query, Series, json, sanitize};
use prometheus::Prometheus;

/// In ms: between samples, at samples, in front of all, behind all.
const INSTANTS_MS: [i64; 5] = [
    START_S * 1_000 + 3_000_000,
    START_S * 1_000 + 5_432_100,
    START_S * 1_000 + 45_000,
    START_S * 1_000 - 60_000,
    START_S * 1_000 + 7_500_000,
];

/// Start, end and step, in ms.
const RANGES_MS: [(i64, i64, i64); 3] = [
    (
        START_S * 1_000 + 900_000,
        START_S * 1_000 + 4_500_000,
        60_000,
    ),
    (
        START_S * 1_000 - 300_500,
        START_S * 1_000 + 8_000_000,
        417_300,
    ),
    (
        START_S * 1_000 + 2_000_000,
        START_S * 1_000 + 2_120_000,
        5_000,
    ),
];

#[derive(Clone, Copy, Debug)]
enum When {
    Instant(i64),
    Range(i64, i64, i64),
}

fn all() -> Vec<When> {
    let ranges = RANGES_MS.map(|(start, end, step)| When::Range(start, end, step));
    INSTANTS_MS
        .map(When::Instant)
        .into_iter()
        .chain(ranges)
        .collect()
}

#[test]
fn answers_are_those_of_prometheus() {
    if !prometheus::is_installed() {
        return;
    }
    let series = data::series();
    let prometheus = Prometheus::start(&series);
    let (mut count, mut wrong) = (0, Vec::new());
    let (mut answered, mut refused) = (0, 0);
    for query in lines(include_str!("queries.txt")) {
        count += 1;
        let (mut has_results, mut is_refused, mut different) = (false, true, Vec::new());
        for when in all() {
            let (ours, theirs) = (ours(&series, query, when), theirs(&prometheus, query, when));
            has_results |= theirs.as_ref().is_ok_and(|answer| !answer.is_empty());
            is_refused &= theirs.is_err();
            if let Err(what) = compare(query, &ours, &theirs) {
                different.push(format!("{query}\n  {when:?}: {what}"));
            }
        }
        answered += usize::from(has_results);
        refused += usize::from(is_refused);
        wrong.extend(different.into_iter().take(2));
    }
    println!(
        "{count} queries at {} times: {answered} with results, {refused} errors",
        all().len()
    );
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        answered >= 480 && refused >= 50,
        "{answered} with results, {refused} errors"
    );
    for query in lines(include_str!("differences.txt")) {
        let is_same = |when| {
            compare(
                query,
                &ours(&series, query, when),
                &theirs(&prometheus, query, when),
            )
            .is_ok()
        };
        assert!(
            !all().into_iter().all(is_same),
            "no longer different: {query}"
        );
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn ours(series: &[Named], query: &str, when: When) -> Result<Answer, String> {
    let query = Query::parse(query).map_err(|error| error.to_string())?;
    let evaluate = |evaluation: Evaluation| {
        let data = fetched(series, &evaluation);
        evaluation.evaluate(data, &|| false)
    };
    let planned = match when {
        When::Instant(ms) => query.instant(ms),
        When::Range(start, end, step) => query.range(start, end, step),
    };
    let value = planned
        .and_then(evaluate)
        .map_err(|error: EvalError| error.to_string())?;
    Answer::read(&json::success(&value))
}

/// What a store gives for each selection, and nothing from outside of its window.
fn fetched(series: &[Named], evaluation: &Evaluation) -> Vec<Vec<Series>> {
    let fetch = |selection: &hydrant_promql::Selection| {
        let is_one = |named: &&Named| {
            let labels = &named.series.labels;
            sanitize(named.name) == selection.metric
                && selection
                    .source_ids
                    .iter()
                    .any(|id| id == labels.get("source_id"))
                && selection.matches(labels.as_slice())
        };
        // Prometheus sees what is exactly at the end.
        let window = selection.start_ns / 1_000_000..=selection.end_ns / 1_000_000;
        let cut = |named: &Named| {
            let samples = named.series.samples.iter().copied();
            let samples = samples
                .filter(|sample| window.contains(&sample.0))
                .collect();
            Series {
                labels: named.series.labels.clone(),
                samples,
            }
        };
        series.iter().filter(is_one).map(cut).collect()
    };
    evaluation.selections().iter().map(fetch).collect()
}

fn theirs(prometheus: &Prometheus, query: &str, when: When) -> Result<Answer, String> {
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let body = match when {
        When::Instant(ms) => prometheus.ask("query", &[("query", query), ("time", &seconds(ms))]),
        When::Range(start, end, step) => prometheus.ask(
            "query_range",
            &[
                ("query", query),
                ("start", &seconds(start)),
                ("end", &seconds(end)),
                ("step", &seconds(step)),
            ],
        ),
    };
    Answer::read(&body)
}
