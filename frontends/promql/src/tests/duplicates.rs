//! Samples with equal times, and other things that Prometheus has not.

use crate::frame::ABSENT;
use crate::tests::{instant, series, values};
use crate::{Query, Value};

const T: i64 = 1_000_000;

/// Ten samples in each of eleven seconds, `T - 10 s ..= T`, which count up by one.
fn dense() -> Vec<crate::Series> {
    let samples: Vec<_> = (0..110)
        .map(|index| (T - 10_000 + i64::from(index) / 10 * 1_000, f64::from(index)))
        .collect();
    vec![series("source_id=a", &samples)]
}

fn one(query: &str) -> f64 {
    let found = values(&instant(query, T, &dense()));
    assert_eq!(found.len(), 1, "{query}");
    found[0]
}

#[test]
fn samples_with_equal_times_all_count() {
    assert_eq!(one("count_over_time(m{source_id='a'}[10s])"), 110.0);
    assert_eq!(
        one("sum_over_time(m{source_id='a'}[1s])"),
        (90..110).sum::<i32>().into()
    );
    assert_eq!(one("m{source_id='a'}"), 109.0);
    assert_eq!(one("m{source_id='a'} offset 1s"), 99.0);
    assert_eq!(one("last_over_time(m{source_id='a'}[5s])"), 109.0);
    assert_eq!(one("changes(m{source_id='a'}[10s])"), 109.0);
    assert_eq!(one("min_over_time(m{source_id='a'}[3s] offset 2s)"), 50.0);
}

#[test]
fn at_each_step_of_a_range_as_many() {
    let query = Query::parse("count_over_time(m{source_id='a'}[4s])").unwrap();
    let evaluation = query.range(T - 3_000, T, 1_000).unwrap();
    let value = evaluation.evaluate(vec![dense()], &|| false).unwrap();
    assert_eq!(values(&value), [50.0; 4]);
}

#[test]
fn if_times_are_cut_a_step_sees_what_an_instant_sees() {
    // Ten a second from the first to the last, which is what the store has beyond an instant's end.
    let all = dense();
    let before = |end_ms: i64| {
        let samples = all[0]
            .samples
            .iter()
            .copied()
            .filter(|sample| sample.0 < end_ms);
        vec![series("source_id=a", &samples.collect::<Vec<_>>())]
    };
    for (query, expected) in [
        ("count_over_time(m{source_id='a'}[5s])", Some([50.0; 4])),
        (
            "count_over_time(m{source_id='a'}[2500ms] offset 1s)",
            Some([20.0; 4]),
        ),
        ("m{source_id='a'}", Some([69.0, 79.0, 89.0, 99.0])),
        ("rate(m{source_id='a'}[5s])", None),
        (
            "max_over_time(count_over_time(m{source_id='a'}[2s])[3s:1s])",
            Some([20.0; 4]),
        ),
    ] {
        let parsed = Query::parse(query).unwrap();
        let evaluation = parsed.range(T - 3_000, T, 1_000).unwrap().of_cut_times();
        let range = values(&evaluation.evaluate(vec![all.clone()], &|| false).unwrap());
        let instants = (0..4).map(|step| {
            let time_ms = T - 3_000 + step * 1_000;
            let evaluation = parsed.instant(time_ms).unwrap();
            let data = before(evaluation.selections()[0].end_ns / 1_000_000);
            values(
                &evaluation
                    .of_cut_times()
                    .evaluate(vec![data], &|| false)
                    .unwrap(),
            )[0]
        });
        assert_eq!(range, instants.collect::<Vec<_>>(), "{query}");
        if let Some(expected) = expected {
            assert_eq!(range, expected, "{query}");
        }
    }
}

#[test]
fn growth_is_judged_by_times_that_differ() {
    // 109 in 10 s, and the first and last sample lie at the window's ends.
    assert_eq!(one("increase(m{source_id='a'}[10s])"), 109.0);
    assert_eq!(one("rate(m{source_id='a'}[10s])"), 10.9);
    // From the last of one second to the last of the next.
    assert_eq!(one("irate(m{source_id='a'}[10s])"), 10.0);
    assert_eq!(one("idelta(m{source_id='a'}[10s])"), 10.0);
    for function in ["rate", "increase", "delta", "irate", "idelta", "deriv"] {
        let query = format!("{function}(m{{source_id='a'}}[500ms])");
        assert!(values(&instant(&query, T, &dense())).is_empty(), "{query}");
    }
}

#[test]
fn a_stale_series_is_absent() {
    let data = [series(
        "source_id=a",
        &[(T - 3_000, 1.0), (T - 2_000, 2.0), (T - 1_000, ABSENT)],
    )];
    assert!(values(&instant("m{source_id='a'}", T, &data)).is_empty());
    assert_eq!(
        values(&instant("m{source_id='a'} offset 2s", T, &data)),
        [2.0]
    );
    assert_eq!(
        values(&instant("count_over_time(m{source_id='a'}[5s])", T, &data)),
        [2.0]
    );
    assert_eq!(
        values(&instant("m{source_id='a'}[5s]", T, &data)),
        [1.0, 2.0]
    );
}

#[test]
fn series_with_equal_labels_are_one_and_samples_are_put_in_order() {
    let data = [
        series("source_id=a", &[(T - 1_000, 3.0), (T - 3_000, 1.0)]),
        series("source_id=b", &[(T, 9.0)]),
        series("source_id=a", &[(T - 2_000, 2.0)]),
    ];
    let value = instant("m{source_id=~'a|b'}[5s]", T, &data);
    let Value::Matrix(matrix) = value else {
        panic!("{value:?}")
    };
    assert_eq!(matrix.len(), 2);
    assert_eq!(
        matrix[0].samples,
        [(T - 3_000, 1.0), (T - 2_000, 2.0), (T - 1_000, 3.0)]
    );
}

#[test]
fn labels_without_a_value_stay_until_something_is_made_of_them() {
    let data = [
        series("source_id=a,empty=", &[(T, 1.0)]),
        series("source_id=a", &[(T, 2.0)]),
    ];
    let Value::Vector(vector) = instant("m{source_id='a'}", T, &data) else {
        panic!("no vector")
    };
    assert_eq!(vector.len(), 2);
    assert_eq!(
        values(&instant("sum by (empty) (m{source_id='a'})", T, &data)),
        [3.0]
    );
    assert_eq!(
        values(&instant("sum without (x) (m{source_id='a'})", T, &data)),
        [3.0]
    );
}

#[test]
fn windows_that_slide_are_as_windows_looked_at_anew() {
    let mut random = 1_u64;
    let mut samples = Vec::new();
    for index in 0..400 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let value = match random >> 60 {
            0 => f64::NAN,
            1 => f64::INFINITY,
            _ => ((random >> 40) % 1_000) as f64 - 500.0,
        };
        samples.push((T + index / 2 * 700, value));
    }
    let data = vec![series("source_id=a", &samples)];
    for function in ["sum", "avg", "min", "max", "count", "last"] {
        let query = format!("{function}_over_time(m{{source_id='a'}}[9s])");
        let parsed = Query::parse(&query).unwrap();
        let evaluation = parsed.range(T, T + 150_000, 1_300).unwrap();
        let slid = values(&evaluation.evaluate(vec![data.clone()], &|| false).unwrap());
        let times = (0..).map(|step| T + step * 1_300).take(slid.len());
        for (slid, time_ms) in slid.iter().zip(times) {
            let anew = values(&instant(&query, time_ms, &data))[0];
            let is_same = *slid == anew || slid.is_nan() && anew.is_nan();
            assert!(
                is_same || (slid - anew).abs() < 1e-9,
                "{query} at {time_ms}: {slid}, {anew}"
            );
        }
    }
}
