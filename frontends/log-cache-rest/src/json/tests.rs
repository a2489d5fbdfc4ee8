//! The reference's examples, to the byte.

use super::{error, instant, meta, meta_in_camel_case, range, read, read_meta, status};
use hydrant_proto::logcache::prom_ql::{
    InstantQueryResult, Matrix, Point, RangeQueryResult, Sample, Scalar, Series, Vector,
    instant_query_result, range_query_result,
};
use hydrant_proto::logcache::{MetaInfo, MetaResponse, ReadResponse};
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::v2::{
    Counter, Envelope, EnvelopeBatch, Event, Gauge, GaugeValue, Log, Timer, Value,
};
use std::collections::BTreeMap;

fn envelope(timestamp: i64, message: Option<Message>) -> Envelope {
    Envelope {
        timestamp,
        source_id: "all".to_owned(),
        message,
        ..Envelope::default()
    }
}

fn gauge(metrics: &[(&str, &str, f64)]) -> Message {
    let metric = |&(name, unit, value): &(&str, &str, f64)| {
        let unit = unit.to_owned();
        (name.to_owned(), GaugeValue { unit, value })
    };
    let metrics = metrics.iter().map(metric).collect();
    Message::Gauge(Gauge { metrics })
}

fn one_of_each() -> Vec<Envelope> {
    let text = |text: &str| text.to_owned();
    let log = |payload: &'static [u8], r#type| {
        let payload = payload.into();
        Some(Message::Log(Log { payload, r#type }))
    };
    let event = |title: &str, body: &str| {
        Some(Message::Event(Event {
            title: title.into(),
            body: body.into(),
        }))
    };
    let data = |data| Value { data: Some(data) };
    vec![
        Envelope {
            instance_id: text("0"),
            tags: BTreeMap::from([(text("c"), text("d")), (text("a"), text("b"))]),
            ..envelope(1, log(b"hello <&> \xff\0", 1))
        },
        envelope(2, log(b"", 0)),
        envelope(
            3,
            Some(Message::Counter(Counter {
                name: text("c.x"),
                delta: 5,
                total: u64::MAX,
            })),
        ),
        envelope(
            4,
            Some(gauge(&[
                ("z", "", 1e-7),
                ("cpu", "percentage", 0.5),
                ("inf", "", f64::INFINITY),
                ("mem", "bytes", 1e21),
                ("nan", "", f64::NAN),
            ])),
        ),
        envelope(5, Some(gauge(&[]))),
        envelope(
            6,
            Some(Message::Timer(Timer {
                name: text("http"),
                start: 10,
                stop: 20,
            })),
        ),
        envelope(7, event("t\"\u{2028}é<", "b")),
        envelope(8, None),
        Envelope {
            deprecated_tags: BTreeMap::from([
                (text("x"), data(Data::Text(text("t")))),
                (text("y"), data(Data::Integer(3))),
                (text("z"), data(Data::Decimal(1.5))),
            ]),
            ..envelope(9, event("", ""))
        },
    ]
}

#[test]
fn envelopes_of_every_kind() {
    let batch = one_of_each();
    let response = ReadResponse {
        envelopes: Some(EnvelopeBatch { batch }),
    };
    let start = |timestamp: i32| {
        format!(
            "{{\"timestamp\":\"{timestamp}\",\"source_id\":\"all\",\"instance_id\":\"\",\
             \"deprecated_tags\":{{}},\"tags\":{{}}"
        )
    };
    let lines = [
        r#"{"envelopes":{"batch":["#.to_owned(),
        r#"{"timestamp":"1","source_id":"all","instance_id":"0","deprecated_tags":{},"tags":{"a":"b","c":"d"},"log":{"payload":"aGVsbG8gPCY+IP8A","type":"ERR"}},"#.to_owned(),
        start(2) + r#","log":{"payload":"","type":"OUT"}},"#,
        start(3) + r#","counter":{"name":"c.x","delta":"5","total":"18446744073709551615"}},"#,
        start(4) + r#","gauge":{"metrics":{"cpu":{"unit":"percentage","value":0.5},"inf":{"unit":"","value":"Infinity"},"mem":{"unit":"bytes","value":1e+21},"nan":{"unit":"","value":"NaN"},"z":{"unit":"","value":1e-7}}}},"#,
        start(5) + r#","gauge":{"metrics":{}}},"#,
        start(6) + r#","timer":{"name":"http","start":"10","stop":"20"}},"#,
        start(7) + ",\"event\":{\"title\":\"t\\\"\u{2028}é<\",\"body\":\"b\"}},",
        start(8) + "},",
        r#"{"timestamp":"9","source_id":"all","instance_id":"","deprecated_tags":{"x":{"text":"t"},"y":{"integer":"3"},"z":{"decimal":1.5}},"tags":{},"event":{"title":"","body":""}}]}}"#.to_owned(),
        "\n".to_owned(),
    ];
    assert_eq!(read(&response), lines.concat());
}

#[test]
fn nothing_is_an_empty_batch() {
    let empty = "{\"envelopes\":{\"batch\":[]}}\n";
    assert_eq!(read(&ReadResponse::default()), empty);
    let envelopes = Some(EnvelopeBatch::default());
    assert_eq!(read(&ReadResponse { envelopes }), empty);
}

fn infos(infos: &[(&str, [i64; 4])]) -> BTreeMap<String, MetaInfo> {
    let info = |&(id, [count, expired, oldest_timestamp, newest_timestamp]): &(&str, [i64; 4])| {
        let info = MetaInfo {
            count,
            expired,
            oldest_timestamp,
            newest_timestamp,
        };
        (id.to_owned(), info)
    };
    infos.iter().map(info).collect()
}

#[test]
fn metas_of_the_gateway_and_of_the_proxy() {
    let response = |all: &[_]| MetaResponse { meta: infos(all) };
    let expected = r#"{"meta":{"all":{"count":"9","expired":"0","oldest_timestamp":"1","newest_timestamp":"9"}}}"#;
    let all = [("all", [9, 0, 1, 9])];
    assert_eq!(meta(&response(&all)), format!("{expected}\n"));
    assert_eq!(meta(&response(&[])), "{\"meta\":{}}\n");
    let apps = [
        ("app-guid-2", [1, 0, 0, 0]),
        (
            "app-guid-1",
            [2, 0, 1_795_345_377_013_369_957, 1_795_345_377_013_369_962],
        ),
    ];
    let apps = infos(&apps);
    let expected = concat!(
        r#"{"meta":{"app-guid-1":{"count":"2","oldestTimestamp":"1795345377013369957","newestTimestamp":"1795345377013369962"},"#,
        r#""app-guid-2":{"count":"1"}}}"#,
        "\n"
    );
    assert_eq!(meta_in_camel_case(&apps), expected);
    assert_eq!(meta_in_camel_case(&infos(&[])), "{}\n");
    assert_eq!(
        meta_in_camel_case(&infos(&[("a", [0; 4])])),
        "{\"meta\":{\"a\":{}}}\n"
    );
    assert_eq!(read_meta(expected.as_bytes()).unwrap(), apps);
    let gateways = meta(&MetaResponse { meta: apps.clone() });
    assert_eq!(read_meta(gateways.as_bytes()).unwrap(), apps);
    let numbers = br#"{"meta":{"a":{"count":7}}}"#;
    assert_eq!(read_meta(numbers).unwrap(), infos(&[("a", [7, 0, 0, 0])]));
    assert!(read_meta(b"{}").unwrap().is_empty());
    read_meta(br#"{"meta":{"a":{"count":"x"}}}"#).unwrap_err();
    read_meta(b"<html>").unwrap_err();
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    labels.iter().map(owned).collect()
}

fn point(time: &str, value: f64) -> Point {
    let time = time.to_owned();
    Point { time, value }
}

fn of(result: instant_query_result::Result) -> String {
    let result = Some(result);
    instant(&InstantQueryResult { result }).unwrap()
}

#[test]
fn a_scalar_and_a_vector() {
    use instant_query_result::Result as Kind;
    let time = "1795345101.000".to_owned();
    let scalar = of(Kind::Scalar(Scalar { time, value: 63.0 }));
    let expected =
        r#"{"status":"success","data":{"resultType":"scalar","result":[1795345101.000,"63"]}}"#;
    assert_eq!(scalar, format!("{expected}\n"));
    let app = labels(&[("source_id", "app-1"), ("instance_id", "0"), ("peer", "x")]);
    let sample = |metric, value| Sample {
        metric,
        point: Some(point("1795345101", value)),
    };
    let samples = vec![sample(app, 49.0), sample(labels(&[]), 1.5)];
    let expected = concat!(
        r#"{"status":"success","data":{"resultType":"vector","result":["#,
        r#"{"metric":{"instance_id":"0","peer":"x","source_id":"app-1"},"value":[1795345101.000,"49"]},"#,
        r#"{"metric":{},"value":[1795345101.000,"1.5"]}]}}"#,
        "\n"
    );
    assert_eq!(of(Kind::Vector(Vector { samples })), expected);
    let empty = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}\n";
    assert_eq!(of(Kind::Vector(Vector::default())), empty);
    assert_eq!(instant(&InstantQueryResult::default()).unwrap(), empty);
}

#[test]
fn a_matrix_of_either_query() {
    let matrix = Matrix {
        series: vec![Series {
            metric: labels(&[("a", "<&>\u{2028}\"")]),
            points: vec![point("1795345096.000", 45.0), point("1795345097.000", 46.0)],
        }],
    };
    let expected = concat!(
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\u003c\u0026\u003e\u2028\""},"#,
        r#""values":[[1795345096.000,"45"],[1795345097.000,"46"]]}]}}"#,
        "\n"
    );
    let of_instant = of(instant_query_result::Result::Matrix(matrix.clone()));
    assert_eq!(of_instant, expected);
    let result = Some(range_query_result::Result::Matrix(matrix));
    assert_eq!(range(&RangeQueryResult { result }).unwrap(), expected);
    let empty = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}\n";
    assert_eq!(range(&RangeQueryResult::default()).unwrap(), empty);
    let result = Some(range_query_result::Result::Matrix(Matrix::default()));
    assert_eq!(range(&RangeQueryResult { result }).unwrap(), empty);
}

#[test]
fn values_have_no_exponents_and_times_are_times() {
    use instant_query_result::Result as Kind;
    let value = |value| {
        let time = "1.2345".to_owned();
        let json = of(Kind::Scalar(Scalar { time, value }));
        let (_, value) = json.split_once("[1.234,\"").unwrap();
        value.strip_suffix("\"]}}\n").unwrap().to_owned()
    };
    for (double, text) in [
        (123_456_789_012_345_680.0, "123456789012345680"),
        (-0.000_000_000_1, "-0.0000000001"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (-0.0, "-0"),
        (1e21, "1000000000000000000000"),
    ] {
        assert_eq!(value(double), text);
    }
    for time in ["", "x", "NaN", "inf"] {
        let time = time.to_owned();
        let scalar = Kind::Scalar(Scalar { time, value: 0.0 });
        let result = Some(scalar);
        instant(&InstantQueryResult { result }).unwrap_err();
    }
}

#[test]
fn errors_of_both_forms() {
    let message = "limit <1001> & \"\u{2028}";
    let expected = "{\"code\":2,\"message\":\"limit <1001> & \\\"\u{2028}\",\"details\":[]}\n";
    assert_eq!(status(2, message), expected);
    let expected = "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"limit \\u003c1001\\u003e \\u0026 \\\"\\u2028\"}\n";
    assert_eq!(error("internal", message), expected);
}
