use super::*;
use std::collections::BTreeMap;

fn of(proc_id: &str, rest: &str, trims: bool) -> Result<Envelope, Refused> {
    let text = format!("<14>1 1970-01-01T00:00:00.000001Z - app {proc_id} - {rest}");
    envelope(&Message::parse(text.as_bytes()).unwrap(), trims)
}

fn said(rest: &str) -> Result<Said, Refused> {
    of("[1]", rest, true).map(|envelope| envelope.message.unwrap())
}

fn payload(rest: &str, trims: bool) -> Vec<u8> {
    match of("[1]", rest, trims).unwrap().message {
        Some(Said::Log(log)) => log.payload.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_instance_is_the_last_part_of_its_process() {
    for (proc_id, instance) in [
        ("[APP/PROC/WEB/2]", "2"),
        ("[RTR/1]", "1"),
        ("[2]", "2"),
        ("2", "2"),
        ("[APP]", "APP"),
        ("[]", ""),
        ("[CELL/]", ""),
        ("[[a]/b]]", "b"),
    ] {
        let envelope = of(proc_id, "- x", true).unwrap();
        assert_eq!(envelope.instance_id, instance, "{proc_id}");
        assert_eq!((envelope.timestamp, &*envelope.source_id), (1_000, "app"));
    }
}

#[test]
fn metrics_are_made_of_their_elements() {
    let counter = Counter {
        name: "c".to_owned(),
        delta: 1,
        total: u64::MAX,
    };
    let element = "[counter@1 name=\"c\" delta=\"1\" total=\"18446744073709551615\"]";
    assert_eq!(said(element), Ok(Said::Counter(counter)));
    let value = GaugeValue {
        unit: String::new(),
        value: -0.5,
    };
    let gauge = Gauge {
        metrics: [(String::new(), value)].into(),
    };
    assert_eq!(
        said("[gauges unit=\"\" value=\"-0x1p-1\"]"),
        Ok(Said::Gauge(gauge))
    );
    let timer = Timer {
        name: "t".to_owned(),
        start: -1,
        stop: 2,
    };
    assert_eq!(
        said("[timer name=\"t\" start=\"-1\" stop=\"2\"] x"),
        Ok(Said::Timer(timer))
    );
    let event = Event {
        title: "t".to_owned(),
        body: String::new(),
    };
    assert_eq!(said("[event title=\"t\"]"), Ok(Said::Event(event.clone())));
    // The last one counts.
    let both = "[timer start=\"1\" stop=\"2\"][event title=\"t\"]";
    assert_eq!(said(both), Ok(Said::Event(event)));
}

#[test]
fn tags_of_all_elements_are_together() {
    let text = "[tags@1 a=\"1\" b=\"2\"][tags@2 b=\"3\" a=\"\"] x";
    let tags = of("[1]", text, true).unwrap().tags;
    let expected = [("a", ""), ("b", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(tags, BTreeMap::from(expected));
}

#[test]
fn every_refusal_has_its_reason() {
    for (element, reason) in [
        ("[counter delta=\"1\"]", Refused::Parameter),
        ("[counter delta=\"-1\" total=\"1\"]", Refused::Parameter),
        ("[gauge value=\"1\"]", Refused::Parameter),
        ("[gauge unit=\"\" value=\"1e400\"]", Refused::Parameter),
        ("[timer start=\"1\" stop=\"\"]", Refused::Parameter),
        ("[instance@47450 id=\"1\"] x", Refused::Element),
        ("[tags@1 a=\"b\"]", Refused::Nothing),
        ("- ", Refused::Nothing),
        ("-", Refused::Nothing),
    ] {
        assert_eq!(said(element), Err(reason), "{element}");
    }
    assert_eq!(of("-", "- x", true), Err(Refused::ProcId));
    for (text, reason) in [
        ("<14>1 - - - [1] - - x", Refused::AppName),
        ("<14>1 - - a [1] - - x", Refused::Timestamp),
        (
            "<14>1 9999-01-01T00:00:00Z - a [1] - - x",
            Refused::Timestamp,
        ),
    ] {
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(envelope(&message, true), Err(reason), "{text}");
    }
}

#[test]
fn white_space_is_trimmed_as_go_does() {
    for (text, trimmed) in [
        ("- x \n", "x"),
        ("-  \n", ""),
        ("- \u{a0}\u{2003}x\u{85} \u{3000}", "x"),
        ("- a\u{200b}", "a\u{200b}"),
        ("- \0 x\0", "\0 x\0"),
        ("- \u{feff}x", "\u{feff}x"),
    ] {
        assert_eq!(payload(text, true), trimmed.as_bytes(), "{text:?}");
    }
    assert_eq!(payload("-  x \n\n", false), b" x \n");
    for (text, expected) in [
        (&b"\xff \xc2\xa0"[..], &b"\xff"[..]),
        (b"\xc2\xa0\xff\xa0", b"\xff\xa0"),
        (b" \xa0x ", b"\xa0x"),
        (b"\xc2\xa0 \xe3\x80", b"\xe3\x80"),
        (b"\xc2\xa0\xc2\xa0", b""),
    ] {
        assert_eq!(trimmed(text), expected, "{text:?}");
    }
}

#[test]
fn only_priority_11_is_stderr() {
    for (priority, kind) in [
        (11, log::Type::Err),
        (14, log::Type::Out),
        (3, log::Type::Out),
    ] {
        let text = format!("<{priority}>1 1970-01-01T00:00:00Z - a [1] - - x");
        let made = envelope(&Message::parse(text.as_bytes()).unwrap(), true).unwrap();
        let Some(Said::Log(log)) = made.message else {
            panic!("{made:?}")
        };
        assert_eq!(log.r#type(), kind);
    }
}
