use super::*;
use crate::store::Bounds;
use hydrant_proto::logcache::prom_ql::instant_query_result::Result as Answer;
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Counter, Envelope, Gauge, GaugeValue, Timer};
use prost::Message as _;

const NOW_S: i64 = 1_700_000_000;

fn partitions(envelopes: &[Envelope]) -> Partitions {
    let partitions = Partitions::new(
        2,
        Bounds {
            memory_bytes: 1 << 24,
            count_per_source: 100_000,
        },
    );
    let envelopes: Vec<_> = envelopes.iter().map(Envelope::encode_to_vec).collect();
    partitions.put(envelopes.iter());
    partitions
}

fn reach(partitions: &Partitions) -> Reach<'_> {
    Reach {
        partitions,
        cluster: None,
        time: Duration::from_secs(10),
    }
}

/// So many seconds before now.
fn envelope(before_s: i64, instance_id: &str, message: Said) -> Envelope {
    Envelope {
        timestamp: (NOW_S - before_s) * NANOS_A_SECOND + 123,
        source_id: "app".to_owned(),
        instance_id: instance_id.to_owned(),
        tags: [("peer_type".to_owned(), "Client".to_owned())].into(),
        message: Some(message),
        ..Default::default()
    }
}

fn timer(ms: i64) -> Said {
    Said::Timer(Timer {
        name: "http".to_owned(),
        start: 0,
        stop: ms * 1_000_000,
    })
}

/// The answer of a query, or what is said instead.
fn answer(partitions: &Partitions, query: &str) -> Result<Answer, String> {
    let request = prom_ql::InstantQueryRequest {
        query: query.to_owned(),
        time: format!("{NOW_S}.000"),
    };
    let answer = instant(reach(partitions), &request, 0);
    let answer = answer.map_err(|refused| refused.to_string())?;
    answer.result.ok_or_else(|| "nothing".to_owned())
}

/// Labels and values; of a matrix how many points there are.
fn ask(partitions: &Partitions, query: &str) -> Vec<(String, f64)> {
    match answer(partitions, query).unwrap() {
        Answer::Vector(vector) => {
            let sample = |sample: prom_ql::Sample| {
                let point = sample.point.unwrap();
                assert_eq!(point.time, format!("{NOW_S}.000"));
                (format!("{:?}", sample.metric), point.value)
            };
            vector.samples.into_iter().map(sample).collect()
        }
        Answer::Scalar(scalar) => vec![(scalar.time, scalar.value)],
        Answer::Matrix(matrix) => {
            let points = |series: &prom_ql::Series| {
                let count = u32::try_from(series.points.len()).unwrap();
                (format!("{:?}", series.metric), f64::from(count))
            };
            matrix.series.iter().map(points).collect()
        }
    }
}

#[test]
fn the_autoscalers_queries_are_answered() {
    // Ten requests of each instance within a second, twice: each counts.
    let requests =
        (0..40).map(|number| envelope(5 + number % 2, &(number / 20).to_string(), timer(number)));
    let partitions = partitions(&requests.collect::<Vec<_>>());
    let selector = "http{source_id='app',peer_type='Client'}[40s]";
    let throughput = format!("sum by (instance_id) (count_over_time({selector})) / 40");
    let expected = [0, 1].map(|instance| (format!("{{\"instance_id\": \"{instance}\"}}"), 0.5));
    assert_eq!(ask(&partitions, &throughput), expected);
    let slowest = format!("avg by (instance_id) (max_over_time({selector})) / (1000 * 1000)");
    let slowest = ask(&partitions, &slowest);
    assert_eq!(
        slowest.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        [19.0, 39.0]
    );
}

#[test]
fn counters_and_gauges_go_by_their_sanitised_names() {
    let counter = |total| {
        Said::Counter(Counter {
            name: "some-counter.a".to_owned(),
            delta: 1,
            total,
        })
    };
    let metric = |value| GaugeValue {
        unit: "u".to_owned(),
        value,
    };
    let gauge = Gauge {
        metrics: [
            ("cpu".to_owned(), metric(12.5)),
            ("9.mem".to_owned(), metric(-1.0)),
        ]
        .into(),
    };
    let mut envelopes: Vec<_> = (0..10)
        .map(|number| envelope(10 - number, "", counter(number.cast_unsigned() * 5)))
        .collect();
    envelopes.push(envelope(3, "0", Said::Gauge(gauge)));
    let partitions = partitions(&envelopes);
    let labels = r#"{"peer_type": "Client", "source_id": "app"}"#;
    let with_instance = r#"{"instance_id": "0", "peer_type": "Client", "source_id": "app"}"#;
    let table = [
        ("some_counter_a{source_id=\"app\"}", labels, 45.0),
        (
            "cpu{source_id=\"app\",instance_id=\"0\"}",
            with_instance,
            12.5,
        ),
        ("__mem{source_id=\"app\"}", with_instance, -1.0),
        ("rate(some_counter_a{source_id=\"app\"}[10s])", labels, 5.0),
    ];
    for (query, labels, value) in table {
        assert_eq!(
            ask(&partitions, query),
            [(labels.to_owned(), value)],
            "{query}"
        );
    }
    for none in [
        "cpu{source_id=\"other\"}",
        "cpu{source_id=\"app\",instance_id=\"1\"}",
        "disk{source_id=\"app\"}",
    ] {
        assert_eq!(ask(&partitions, none), [], "{none}");
    }
    assert_eq!(ask(&partitions, "1 + 2"), [(format!("{NOW_S}.000"), 3.0)]);
    let all = ask(&partitions, "some_counter_a{source_id=\"app\"}[1m]");
    assert_eq!(all, [(labels.to_owned(), 10.0)]);
}

#[test]
fn what_is_wrong_with_a_query_is_said() {
    let partitions = partitions(&[]);
    let said = answer(&partitions, "cpu").unwrap_err();
    assert_eq!(said, "metric 'cpu' does not have a 'source_id' label");
    assert!(
        answer(&partitions, "cpu{")
            .unwrap_err()
            .starts_with("parse error at char ")
    );
    let request = prom_ql::RangeQueryRequest {
        query: "cpu{source_id=\"a\"}".to_owned(),
        start: "1".to_owned(),
        end: "2".to_owned(),
        step: String::new(),
    };
    let said = ranged(reach(&partitions), &request)
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "couldn't parse step: cannot parse \"\" to a valid step"
    );
}

#[test]
fn a_range_has_a_point_for_each_step() {
    let envelopes: Vec<_> = (0..60)
        .map(|number| envelope(60 - number, "0", timer(number)))
        .collect();
    let partitions = partitions(&envelopes);
    let request = prom_ql::RangeQueryRequest {
        query: "count_over_time(http{source_id=\"app\"}[5s])".to_owned(),
        start: (NOW_S - 30).to_string(),
        end: NOW_S.to_string(),
        step: "10s".to_owned(),
    };
    let answer = ranged(reach(&partitions), &request).unwrap();
    let Some(prom_ql::range_query_result::Result::Matrix(matrix)) = answer.result else {
        panic!("{answer:?}");
    };
    let points: Vec<_> = matrix.series[0]
        .points
        .iter()
        .map(|point| (point.time.clone(), point.value))
        .collect();
    let expected = [30, 20, 10, 0].map(|before| (format!("{}.000", NOW_S - before), 5.0));
    assert_eq!(points, expected);
}

#[test]
fn parameters_are_judged_before_the_query() {
    let partitions = partitions(&[]);
    let [query, time] = ["sum(", "x"].map(str::to_owned);
    let request = prom_ql::InstantQueryRequest { query, time };
    let said = instant(reach(&partitions), &request, 0)
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "cannot parse \"x\" to a valid Unix or RFC3339 timestamp"
    );
    let request = prom_ql::RangeQueryRequest {
        query: "sum(".to_owned(),
        ..Default::default()
    };
    let said = ranged(reach(&partitions), &request)
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "couldn't parse step: cannot parse \"\" to a valid step"
    );
}
