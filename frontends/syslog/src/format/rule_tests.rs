//! One test a rule: what each field keeps, cuts and refuses, and what a refusal leaves behind.

use std::collections::BTreeMap;

use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer};

use super::{Format, FormatLoss};
use hydrant_bindings::Framing;

fn log() -> Envelope {
    let log = Log {
        payload: "x".into(),
        r#type: 0,
    };
    Envelope {
        source_id: "app".into(),
        instance_id: "0".into(),
        message: Some(Message::Log(log)),
        ..Envelope::default()
    }
}

fn log_of(payload: &[u8]) -> Envelope {
    let log = Log {
        payload: payload.to_vec().into(),
        r#type: 0,
    };
    Envelope {
        message: Some(Message::Log(log)),
        ..log_without_ids()
    }
}

fn log_without_ids() -> Envelope {
    Envelope {
        source_id: String::new(),
        instance_id: String::new(),
        ..log()
    }
}

fn counter() -> Envelope {
    let counter = Counter {
        name: "c".into(),
        delta: 1,
        total: u64::MAX,
    };
    Envelope {
        message: Some(Message::Counter(counter)),
        ..log()
    }
}

fn gauge(metrics: &[(&str, f64)]) -> Envelope {
    let metrics = metrics.iter().map(|(name, value)| {
        let unit = "u".into();
        (
            (*name).into(),
            GaugeValue {
                unit,
                value: *value,
            },
        )
    });
    let gauge = Gauge {
        metrics: metrics.collect(),
    };
    Envelope {
        message: Some(Message::Gauge(gauge)),
        ..log()
    }
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

/// All lines with their counts, written by a drain without a hostname.
fn written(envelope: &Envelope) -> String {
    written_by(&Format::new("", true, Framing::default()), envelope)
}

fn written_by(format: &Format, envelope: &Envelope) -> String {
    let mut out = Vec::new();
    format.write_envelope(envelope, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The field that has `index` spaces before it in the one line, its count not counted.
fn field(envelope: &Envelope, index: usize) -> String {
    written(envelope)
        .split(' ')
        .nth(index + 1)
        .unwrap()
        .to_owned()
}

/// The loss, after a check that what was in `out` before is all that is in it.
fn loss(format: &Format, envelope: &Envelope) -> FormatLoss {
    let mut out = b"before".to_vec();
    let loss = format.write_envelope(envelope, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    loss
}

#[test]
fn every_kind_has_its_element() {
    let prefix = "<14>1 1970-01-01T00:00:00+00:00 - app [0] - ";
    let timer = Timer {
        name: "t".into(),
        start: -1,
        stop: i64::MAX,
    };
    let event = Event {
        title: "t]".into(),
        body: "b\n\"".into(),
    };
    let kinds = [
        (
            counter(),
            r#"[counter@47450 name="c" total="18446744073709551615" delta="1"]"#,
        ),
        (
            gauge(&[("g", -0.5)]),
            r#"[gauge@47450 name="g" value="-0.5" unit="u"]"#,
        ),
        (
            Envelope {
                message: Some(Message::Timer(timer)),
                ..log()
            },
            r#"[timer@47450 name="t" start="-1" stop="9223372036854775807"]"#,
        ),
        (
            Envelope {
                message: Some(Message::Event(event)),
                ..log()
            },
            "[event@47450 title=\"t\\]\" body=\"b\n\\\"\"]",
        ),
    ];
    for (envelope, element) in kinds {
        let line = format!("{prefix}{element} \n");
        assert_eq!(written(&envelope), format!("{} {line}", line.len()));
        let envelope = Envelope {
            tags: tags(&[("k", "v")]),
            ..envelope
        };
        let line = format!("{prefix}{element}[tags@47450 k=\"v\"] \n");
        assert_eq!(written(&envelope), format!("{} {line}", line.len()));
    }
}

#[test]
fn a_gauge_is_a_line_for_each_metric_in_order() {
    let format = Format::new("", true, Framing::default());
    let mut out = b"before".to_vec();
    let envelope = gauge(&[("b", 2.0), ("B", 1.0), ("a", 3.0)]);
    assert_eq!(format.write_envelope(&envelope, &mut out), Ok(3));
    let text = String::from_utf8(out).unwrap();
    let names: Vec<&str> = text
        .split("name=\"")
        .skip(1)
        .map(|rest| &rest[..1])
        .collect();
    assert_eq!(names, ["B", "a", "b"]);
    assert!(text.starts_with("before87 <14>1 "));
    assert_eq!(format.write_envelope(&gauge(&[]), &mut Vec::new()), Ok(0));
}

#[test]
fn priority_is_by_the_type_of_the_log() {
    for (kind, priority) in [(0, "<14>1"), (1, "<11>1"), (2, "<-1>1"), (-1, "<-1>1")] {
        let log = Log {
            payload: "x".into(),
            r#type: kind,
        };
        let envelope = Envelope {
            message: Some(Message::Log(log)),
            ..log_without_ids()
        };
        assert_eq!(field(&envelope, 0), priority);
    }
}

#[test]
fn hostname_is_the_drains_unless_tags_name_the_app() {
    let format = Format::new("drain.example", true, Framing::default());
    assert!(written_by(&format, &log()).contains("+00:00 drain.example app "));
    let tagged = Envelope {
        tags: tags(&[("space_name", "s")]),
        ..log()
    };
    assert!(written_by(&format, &tagged).contains("+00:00 .s. app "));
}

#[test]
fn a_bad_hostname_is_a_loss_only_where_it_is_used() {
    let format = Format::new("a b", true, Framing::default());
    assert_eq!(loss(&format, &log()), FormatLoss::HostnameInvalid);
    let tagged = Envelope {
        tags: tags(&[("app_name", "a")]),
        ..log()
    };
    assert!(written_by(&format, &tagged).contains(" ..a app "));
}

#[test]
fn a_bad_source_id_is_a_loss() {
    let envelope = Envelope {
        source_id: "a b".into(),
        ..log()
    };
    assert_eq!(
        loss(&Format::new("", true, Framing::default()), &envelope),
        FormatLoss::AppNameInvalid
    );
}

#[test]
fn proc_id_must_be_printable() {
    let format = Format::new("", true, Framing::default());
    for envelope in [log(), counter(), gauge(&[("a", 1.0), ("b", 2.0)])] {
        for instance_id in ["a b", "é", "\n"] {
            let envelope = Envelope {
                instance_id: instance_id.into(),
                ..envelope.clone()
            };
            assert_eq!(loss(&format, &envelope), FormatLoss::ProcIdInvalid);
        }
    }
}

#[test]
fn tags_are_sorted_and_escaped() {
    let pairs = [("", "empty"), ("a", "\\\"]["), ("Z", "\n\0é"), ("a.b", "")];
    let envelope = Envelope {
        tags: tags(&pairs),
        ..counter()
    };
    let element = "[tags@47450 =\"empty\" Z=\"\n\0é\" a=\"\\\\\\\"\\][\" a.b=\"\"] \n";
    assert!(
        written(&envelope).ends_with(element),
        "{}",
        written(&envelope)
    );
}

#[test]
fn tags_must_have_names_of_parameters() {
    let format = Format::new("", true, Framing::default());
    for name in ["a b", "a=b", "a]", "a\"", "é", "\u{7f}", "\n"] {
        for envelope in [log(), counter()] {
            let envelope = Envelope {
                tags: tags(&[("a", "1"), (name, "2")]),
                ..envelope
            };
            assert_eq!(loss(&format, &envelope), FormatLoss::ParamNameInvalid);
            assert_eq!(
                Format::new("", false, Framing::default())
                    .write_envelope(&envelope, &mut Vec::new()),
                Ok(1)
            );
        }
    }
    let long = "n".repeat(200);
    let envelope = Envelope {
        tags: tags(&[(&long, "v")]),
        ..log()
    };
    assert!(written(&envelope).contains(&format!(" {long}=\"v\"]")));
}

#[test]
fn without_metadata_only_the_element_of_tags_is_left_out() {
    let format = Format::new("", false, Framing::default());
    let pairs = [("app_name", "a"), ("source_type", "app")];
    let envelope = Envelope {
        tags: tags(&pairs),
        ..log()
    };
    assert!(written_by(&format, &envelope).ends_with(" ..a app [APP/0] - - x\n"));
    let envelope = Envelope {
        tags: tags(&pairs),
        ..counter()
    };
    assert!(written_by(&format, &envelope).ends_with(
        " ..a app [0] - [counter@47450 name=\"c\" \
         total=\"18446744073709551615\" delta=\"1\"] \n"
    ));
}

#[test]
fn payloads_lose_nuls_and_end_in_one_line_feed_of_ours() {
    let table: [(&[u8], &str); 8] = [
        (b"", " - - \n"),
        (b"\0\0", " - - \n"),
        (b"x", " - - x\n"),
        (b"x\n", " - - x\n"),
        (b"x\n\n", " - - x\n\n"),
        (b"x\n\0", " - - x\n"),
        (b"a\0b\nc\0", " - - ab\nc\n"),
        (b"  x", " - -   x\n"),
    ];
    for (payload, end) in table {
        assert!(written(&log_of(payload)).ends_with(end), "{payload:?}");
    }
}

#[test]
fn payloads_need_not_be_text() {
    let mut out = Vec::new();
    Format::new("", true, Framing::default())
        .write_envelope(&log_of(b"\xff\xfe"), &mut out)
        .unwrap();
    assert!(out.ends_with(b" - - \xff\xfe\n"));
}

#[test]
fn octet_counts_are_exact_at_every_width() {
    let empty = "<14>1 1970-01-01T00:00:00+00:00 - - [] - - \n".len();
    for length in [
        empty, 99, 100, 999, 1000, 9_999, 10_000, 99_999, 100_000, 1_000_000,
    ] {
        let mut out = b"before".to_vec();
        let payload = vec![b'x'; length - empty];
        assert_eq!(
            Format::new("", true, Framing::default()).write_envelope(&log_of(&payload), &mut out),
            Ok(1)
        );
        let start = format!("before{length} <14>1 ");
        assert!(out.starts_with(start.as_bytes()), "{length}");
        assert_eq!(out.len(), start.len() - "<14>1 ".len() + length);
    }
}

#[test]
fn an_envelope_without_a_message_is_a_loss() {
    let envelope = Envelope {
        message: None,
        ..log()
    };
    assert_eq!(
        loss(&Format::new("", true, Framing::default()), &envelope),
        FormatLoss::NoMessage
    );
}

#[test]
fn losses_have_distinct_names() {
    let mut names = FormatLoss::ALL.map(FormatLoss::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FormatLoss::ALL.len());
}
