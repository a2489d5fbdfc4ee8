//! Any envelope at all: what is written parses strictly and says what the envelope said; what is
//! refused was refused for the reason given. The expectations are worked out here a second time,
//! on characters and strings instead of bytes.

use std::collections::BTreeMap;

use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer};
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::strict_parser::{self, Element, Line};
use super::{Format, FormatLoss};
use hydrant_bindings::Framing;

/// The tags that header fields are made of; a type is what every log has.
const KNOWN_TAGS: &[&str] = &[
    "organization_name",
    "space_name",
    "app_name",
    "source_type",
    "source_type",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn lines_say_what_the_envelope_says(
        hostname in header_name(),
        metadata: bool,
        envelope in envelope(),
        before in vec(any::<u8>(), 0..9),
    ) {
        let mut out = before.clone();
        match Format::new(&hostname, metadata, Framing::default()).write_envelope(&envelope, &mut out) {
            Ok(line_count) => {
                prop_assert_eq!(expected_loss(&hostname, metadata, &envelope), None);
                prop_assert_eq!(&out[..before.len()], &before);
                let lines = strict_parser::lines(&out[before.len()..]);
                let lines = lines.map_err(TestCaseError::fail)?;
                prop_assert_eq!(lines.len(), line_count as usize);
                prop_assert_eq!(lines, expected_lines(&hostname, metadata, &envelope));
            }
            Err(loss) => {
                prop_assert_eq!(Some(loss), expected_loss(&hostname, metadata, &envelope));
                prop_assert_eq!(out, before);
            }
        }
    }
}

/// Mostly what the header takes, of lengths about its limits; now and then what it does not.
fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[!-~]{0,8}",
        4 => "[!-~]{40,60}",
        4 => "[!-~]{110,140}",
        1 => "[!-~]{250,260}",
        1 => "[!-~]{44,48}[é ][!-~]{0,3}",
        1 => any::<String>(),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\\\\\]\"\n\0a ]{0,12}",
        "[- \t\u{b}A-Za-z._é]{0,150}"
    ]
}

fn tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop_oneof![
        30 => select(KNOWN_TAGS).prop_map(str::to_owned),
        30 => "[!#-<>-\\\\^-~]{0,40}",
        1 => any::<String>(),
    ];
    btree_map(name, any_text(), 0..5)
}

fn message() -> impl Strategy<Value = Option<Message>> {
    let log = (
        vec(
            prop_oneof![any::<u8>(), select(b"\0\n".as_slice())],
            0..1100,
        ),
        -1..4,
    )
        .prop_map(|(payload, r#type)| {
            Message::Log(Log {
                payload: payload.into(),
                r#type,
            })
        });
    let counter = (any_text(), any::<u64>(), any::<u64>())
        .prop_map(|(name, delta, total)| Message::Counter(Counter { name, delta, total }));
    let metric = (any_text(), any::<f64>()).prop_map(|(unit, value)| GaugeValue { unit, value });
    let gauge =
        btree_map(any_text(), metric, 0..4).prop_map(|metrics| Message::Gauge(Gauge { metrics }));
    let timer = (any_text(), any::<i64>(), any::<i64>())
        .prop_map(|(name, start, stop)| Message::Timer(Timer { name, start, stop }));
    let event =
        (any_text(), any_text()).prop_map(|(title, body)| Message::Event(Event { title, body }));
    prop_oneof![
        20 => prop_oneof![log, counter, gauge, timer, event].prop_map(Some),
        1 => Just(None),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (
        any::<i64>(),
        header_name(),
        header_name(),
        tags(),
        message(),
    )
        .prop_map(
            |(timestamp, source_id, instance_id, tags, message)| Envelope {
                timestamp,
                source_id,
                instance_id,
                tags,
                message,
                ..Envelope::default()
            },
        )
}

fn expected_loss(hostname: &str, metadata: bool, envelope: &Envelope) -> Option<FormatLoss> {
    match &envelope.message {
        None => return Some(FormatLoss::NoMessage),
        Some(Message::Gauge(gauge)) if gauge.metrics.is_empty() => return None,
        Some(_) => (),
    }
    let is_graphic = |bytes: Vec<u8>| bytes.iter().all(|byte| (33..=126).contains(byte));
    let is_param = |name: &String| {
        name.chars()
            .all(|char| ('!'..='~').contains(&char) && !"=]\"".contains(char))
    };
    let rules = [
        (
            is_graphic(expected_hostname(hostname, envelope)),
            FormatLoss::HostnameInvalid,
        ),
        (
            is_graphic(expected_app_name(envelope)),
            FormatLoss::AppNameInvalid,
        ),
        (
            is_graphic(expected_proc_id(envelope)),
            FormatLoss::ProcIdInvalid,
        ),
        (
            !metadata || envelope.tags.keys().all(is_param),
            FormatLoss::ParamNameInvalid,
        ),
    ];
    rules
        .into_iter()
        .find(|(is_kept, _)| !is_kept)
        .map(|(_, loss)| loss)
}

fn expected_lines(hostname: &str, metadata: bool, envelope: &Envelope) -> Vec<Line> {
    let is_log = matches!(envelope.message, Some(Message::Log(_)));
    let tags = envelope
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let tags: Option<Element> =
        (metadata && tags.len() > 0).then(|| ("tags@47450".into(), tags.collect()));
    let own = if is_log {
        vec![None]
    } else {
        own_elements(envelope)
    };
    let lines = own.into_iter().map(|own| Line {
        priority: expected_priority(envelope),
        timestamp: expected_timestamp(envelope.timestamp),
        hostname: text(expected_hostname(hostname, envelope)),
        app_name: text(expected_app_name(envelope)),
        proc_id: text(expected_proc_id(envelope)),
        elements: own.into_iter().chain(tags.clone()).collect(),
        msg: expected_msg(envelope),
    });
    lines.collect()
}

fn own_elements(envelope: &Envelope) -> Vec<Option<Element>> {
    let element = |id: &str, params: [(&str, String); 3]| {
        let params = params.map(|(name, value)| (name.to_owned(), value));
        Some((
            id.to_owned(),
            params
                .into_iter()
                .filter(|(name, _)| !name.is_empty())
                .collect(),
        ))
    };
    match envelope.message.clone().unwrap() {
        Message::Log(_) => Vec::new(),
        Message::Counter(Counter { name, delta, total }) => vec![element(
            "counter@47450",
            [
                ("name", name),
                ("total", total.to_string()),
                ("delta", delta.to_string()),
            ],
        )],
        Message::Timer(Timer { name, start, stop }) => vec![element(
            "timer@47450",
            [
                ("name", name),
                ("start", start.to_string()),
                ("stop", stop.to_string()),
            ],
        )],
        Message::Event(Event { title, body }) => vec![element(
            "event@47450",
            [("title", title), ("body", body), ("", String::new())],
        )],
        Message::Gauge(Gauge { metrics }) => {
            let metrics = metrics
                .into_iter()
                .map(|(name, GaugeValue { unit, value })| {
                    let value = expected_float(value);
                    element(
                        "gauge@47450",
                        [("name", name), ("value", value), ("unit", unit)],
                    )
                });
            metrics.collect()
        }
    }
}

fn expected_priority(envelope: &Envelope) -> i32 {
    match &envelope.message {
        Some(Message::Log(log)) if log.r#type == 1 => 11,
        Some(Message::Log(log)) if log.r#type != 0 => -1,
        _ => 14,
    }
}

fn expected_timestamp(unix_ns: i64) -> Timestamp {
    Timestamp::from_microsecond(unix_ns.div_euclid(1000)).unwrap()
}

fn expected_hostname(drains: &str, envelope: &Envelope) -> Vec<u8> {
    let names = ["organization_name", "space_name", "app_name"];
    if names.iter().all(|name| !envelope.tags.contains_key(*name)) {
        return if drains.is_empty() {
            b"-".to_vec()
        } else {
            first(drains, 255)
        };
    }
    let labels = names.map(|name| {
        let tag = envelope.tags.get(name).cloned().unwrap_or_default();
        let clean = clean(&tag, |char| char == '-' || char.is_ascii_alphanumeric());
        text(first(&clean, 63))
    });
    labels.join(".").into_bytes()
}

fn expected_app_name(envelope: &Envelope) -> Vec<u8> {
    match envelope.source_id.as_str() {
        "" => b"-".to_vec(),
        source_id => first(source_id, 48),
    }
}

fn expected_proc_id(envelope: &Envelope) -> Vec<u8> {
    let instance = &envelope.instance_id;
    let Some(Message::Log(_)) = envelope.message else {
        return first(&format!("[{instance}]"), 128);
    };
    let tag = envelope
        .tags
        .get("source_type")
        .cloned()
        .unwrap_or_default();
    let source_type = clean(&tag, |char| char.is_ascii_graphic()).to_uppercase();
    let mut proc_id = format!("[{source_type}").into_bytes();
    if !instance.is_empty() {
        proc_id.push(b'/');
        proc_id.extend(first(instance, 125_usize.saturating_sub(source_type.len())));
    }
    proc_id.push(b']');
    proc_id.truncate(128);
    proc_id
}

fn expected_msg(envelope: &Envelope) -> Vec<u8> {
    let Some(Message::Log(log)) = &envelope.message else {
        return b"\n".to_vec();
    };
    let mut msg = log.payload.to_vec();
    msg.retain(|byte| *byte != 0);
    if msg.last() != Some(&b'\n') {
        msg.push(b'\n');
    }
    msg
}

/// `number`'s own tests say which form is right; here it is enough that the value is.
fn expected_float(value: f64) -> String {
    let mut out = Vec::new();
    super::number::write_float(value, &mut out);
    text(out)
}

fn clean(name: &str, keeps: impl Fn(char) -> bool) -> String {
    let mut spaced = name.replace(['\t', '\n', '\r', '\u{c}'], " ");
    while spaced.contains("  ") {
        spaced = spaced.replace("  ", " ");
    }
    let kept: String = spaced
        .replace(' ', "-")
        .chars()
        .filter(|char| keeps(*char))
        .collect();
    kept.trim_end_matches('-').to_owned()
}

fn first(name: &str, bytes_max: usize) -> Vec<u8> {
    name.bytes().take(bytes_max).collect()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
