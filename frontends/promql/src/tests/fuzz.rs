//! Any text, and any sentence of the grammar.

use crate::tests::series;
use crate::{Query, Sample, Series};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = String> {
    let odd = &[
        "0", "-1", "1e300", "Inf", "NaN", "0.5", "3", "-0.25", "1e-300",
    ];
    proptest::sample::select(odd.as_slice()).prop_map(str::to_owned)
}

fn duration() -> impl Strategy<Value = String> {
    let some = &["1ms", "1s", "7s", "1m", "5m", "1h30m", "1y", "100y"];
    proptest::sample::select(some.as_slice()).prop_map(str::to_owned)
}

fn shift() -> impl Strategy<Value = String> {
    let fixed = &[
        "",
        "",
        "",
        " @ start()",
        " @ end()",
        " @ 1000",
        " @ -5 offset 1s",
    ];
    let fixed = proptest::sample::select(fixed.as_slice()).prop_map(str::to_owned);
    let offset = (name_of(&["", "-"]), duration());
    let offset = offset.prop_map(|(sign, duration)| format!(" offset {sign}{duration}"));
    prop_oneof![3 => fixed, 2 => offset]
}

fn selector() -> impl Strategy<Value = String> {
    let matchers = &[
        "",
        ",x=\"1\"",
        ",x!=\"1\"",
        ",x=~\"1|2\"",
        ",x!~\".+\"",
        ",\"y z\"=\"\"",
    ];
    let matchers = proptest::sample::select(matchers.as_slice());
    matchers.prop_map(|matcher| format!("m{{source_id=\"a\"{matcher}}}"))
}

fn name_of(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(names)
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        number(),
        Just("time()".to_owned()),
        selector().prop_map(|s| format!("scalar({s})"))
    ]
}

fn matrix(vector: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    prop_oneof![
        (selector(), duration(), shift()).prop_map(|(s, d, shift)| format!("{s}[{d}]{shift}")),
        (vector, duration(), duration(), shift())
            .prop_map(|(v, range, step, shift)| format!("({v})[{range}:{step}]{shift}")),
    ]
}

const OVER: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
];
const MATH: &[&str] = &[
    "abs",
    "ceil",
    "exp",
    "ln",
    "sgn",
    "acosh",
    "round",
    "sort",
    "sort_desc",
    "timestamp",
    "absent",
    "hour",
    "year",
    "days_in_month",
    "deg",
];
const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "atan2",
    "==",
    "!=",
    "< bool",
    ">",
    ">= bool",
    "and",
    "or",
    "unless",
    "+ on (x)",
    "* ignoring (x) group_left (z)",
    "> on (source_id) group_right ()",
    "or on ()",
];
const AGGREGATIONS: &[&str] = &[
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
];
const GROUPINGS: &[&str] = &[
    "",
    " by (x)",
    " by ()",
    " without (source_id)",
    " without ()",
];

fn vector() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (selector(), shift()).prop_map(|(selector, shift)| format!("{selector}{shift}")),
        scalar().prop_map(|scalar| format!("vector({scalar})")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let one = inner.boxed();
        prop_oneof![
            (one.clone(), name_of(OPERATORS), one.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (scalar(), name_of(&OPERATORS[..12]), one.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (name_of(AGGREGATIONS), one.clone(), name_of(GROUPINGS))
                .prop_map(|(op, v, by)| format!("{op}({v}){by}")),
            (
                name_of(&["topk", "bottomk", "quantile"]),
                scalar(),
                one.clone(),
                name_of(GROUPINGS)
            )
                .prop_map(|(op, k, v, by)| format!("{op}({k}, {v}){by}")),
            one.clone()
                .prop_map(|v| format!("count_values(\"x\", {v})")),
            (name_of(MATH), one.clone()).prop_map(|(name, v)| format!("{name}({v})")),
            (scalar(), one.clone()).prop_map(|(q, v)| format!("histogram_quantile({q}, {v})")),
            (one.clone(), scalar(), scalar()).prop_map(|(v, a, b)| format!("clamp({v}, {a}, {b})")),
            one.clone()
                .prop_map(|v| format!("label_replace({v}, \"x\", \"$1\", \"x\", \"(.)?.*\")")),
            one.clone()
                .prop_map(|v| format!("label_join({v}, \"le\", \"\", \"x\")")),
            one.clone().prop_map(|v| format!("-{v}")),
            (name_of(OVER), matrix(one.clone())).prop_map(|(name, m)| format!("{name}({m})")),
            (scalar(), matrix(one.clone()))
                .prop_map(|(q, m)| format!("quantile_over_time({q}, {m})")),
            (matrix(one.clone()), scalar()).prop_map(|(m, t)| format!("predict_linear({m}, {t})")),
            (matrix(one), scalar(), scalar())
                .prop_map(|(m, s, t)| format!("holt_winters({m}, {s}, {t})")),
        ]
    })
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        4 => (-1e6..1e6_f64).boxed(),
        1 => any::<f64>().boxed(),
        1 => Just(crate::frame::ABSENT).boxed(),
    ];
    proptest::collection::vec(
        (prop_oneof![6 => 0..2_000_000_i64, 1 => any::<i64>()], value),
        0..40,
    )
}

fn data() -> impl Strategy<Value = Vec<Series>> {
    let labels = name_of(&[
        "source_id=a,x=1",
        "source_id=a,x=2,le=1",
        "source_id=a",
        "source_id=a,x=,le=+Inf",
    ]);
    let one = (labels, samples()).prop_map(|(labels, samples)| series(labels, &samples));
    proptest::collection::vec(one, 0..5)
}

fn evaluated(query: &Query, data: &[Series], times: (i64, i64, i64)) {
    let (start, length, step) = times;
    for planned in [
        query.instant(start),
        query.range(start, start.saturating_add(length), step),
    ] {
        let Ok(evaluation) = planned else { continue };
        let fetched = evaluation
            .selections()
            .iter()
            .map(|_| data.to_vec())
            .collect();
        let asked = std::cell::Cell::new(0);
        let is_late = || {
            asked.set(asked.get() + 1);
            asked.get() > 50
        };
        if let Ok(value) = evaluation.evaluate(fetched, &is_late) {
            crate::json::success(&value);
        }
    }
}

fn times() -> impl Strategy<Value = (i64, i64, i64)> {
    let start = prop_oneof![6 => 0..2_000_000_i64, 1 => any::<i64>()];
    (
        start,
        prop_oneof![6 => 0..600_000_i64, 1 => any::<i64>()],
        prop_oneof![6 => 1..60_000_i64, 1 => any::<i64>()],
    )
}

/// Words that together are seldom a query.
const WORDS: &[&str] = &[
    "m",
    "sum",
    "by",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    "a",
    "=",
    "=~",
    "\"x\"",
    "5m",
    ":",
    "offset",
    "@",
    "-",
    "+",
    "on",
    "bool",
    "1",
    ".5",
    "0x",
    "'",
    "`\\d`",
    "or",
    "end",
    "rate",
    "group_left",
    "#",
    "\n",
    "é",
    "ignoring",
    "1e",
    "{\"",
    "source_id",
    "!",
    "<",
    "0s",
    "inf",
];

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_a_query_or_an_error(text in ".*", times in times()) {
        if let Ok(query) = Query::parse(&text) {
            evaluated(&query, &[], times);
        }
    }

    #[test]
    fn any_words_are_a_query_or_an_error(
        words in proptest::collection::vec(name_of(WORDS), 0..14),
        separator in name_of(&["", " "]),
    ) {
        let text = words.join(separator);
        if let Ok(query) = Query::parse(&text) {
            prop_assert_eq!(&Query::parse(&query.to_string()).unwrap(), &query);
            evaluated(&query, &[], (0, 10, 1));
        }
    }

    #[test]
    fn any_sentence_is_evaluated_and_printed(text in vector(), data in data(), times in times()) {
        if let Ok(query) = Query::parse(&text) {
            let printed = query.to_string();
            // What has no equal is at least a query.
            let again = Query::parse(&printed).unwrap();
            prop_assert!(again == query || text.contains("NaN"), "{}", printed);
            evaluated(&query, &data, times);
        }
    }

    #[test]
    fn most_sentences_are_queries(text in vector()) {
        let parsed = Query::parse(&text);
        let refused = parsed.err().map(|error| error.to_string()).unwrap_or_default();
        // What the grammar above does not keep to.
        let known = ["set operator", "bool modifier", "no grouping allowed"];
        let is_known = known.iter().any(|known| refused.contains(known));
        prop_assert!(refused.is_empty() || is_known, "{}: {}", text, refused);
    }
}
