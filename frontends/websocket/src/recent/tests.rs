//! What the store shows, and what it costs at most.

mod model;
mod threads;

use super::{Recent, RecentConfig, RecentCounter};
use bytes::Bytes;
use bytesize::ByteSize;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_proto::convert::to_v1;
use hydrant_proto::v2::envelope::Message as Event;
use hydrant_proto::{v1, v2};
use prost::Message;
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
/// A moment that is not the beginning of time.
const START: UnixNanos = UnixNanos(1_000_000 * SECOND);

fn after(seconds: u64) -> UnixNanos {
    UnixNanos(START.0 + seconds * SECOND)
}

fn store(logs_per_app: usize, bytes: ByteSize) -> Arc<Recent> {
    Recent::new(&RecentConfig {
        logs_per_app,
        bytes,
        ..RecentConfig::default()
    })
}

/// Gives the store an envelope, as a shard would of which its kinds are wanted.
fn add(recent: &Recent, now: UnixNanos, version: Version, envelope: &[u8]) {
    let checked = decode::envelope(envelope, version, SourceRule::DeploymentJob).unwrap();
    if Recent::KINDS.contains(checked.kind) {
        recent.writing(now).add(&Record {
            header: checked.header(now),
            envelope,
        });
    }
}

fn add_v1(recent: &Recent, now: UnixNanos, envelope: &v1::Envelope) {
    add(recent, now, Version::V1, &envelope.encode_to_vec());
}

fn add_v2(recent: &Recent, now: UnixNanos, envelope: &v2::Envelope) {
    add(recent, now, Version::V2, &envelope.encode_to_vec());
}

fn log(app: &str, text: &str) -> v2::Envelope {
    v2::Envelope {
        source_id: app.into(),
        instance_id: "0".into(),
        message: Some(Event::Log(v2::Log {
            payload: text.to_owned().into(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn v1_log(app: Option<&str>, text: &str) -> v1::Envelope {
    v1::Envelope {
        origin: "o".into(),
        event_type: v1::envelope::EventType::LogMessage as i32,
        deployment: Some("cf".into()),
        job: Some("router".into()),
        log_message: Some(v1::LogMessage {
            message: text.to_owned().into(),
            message_type: v1::log_message::MessageType::Out as i32,
            app_id: app.map(Into::into),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn container(app: &str, instance: i32, time: UnixNanos) -> v2::Envelope {
    let value = |name: &str| {
        let value = v2::GaugeValue {
            unit: "bytes".into(),
            value: 7.0,
        };
        (name.to_owned(), value)
    };
    let names = ["cpu", "memory", "disk", "memory_quota", "disk_quota"];
    v2::Envelope {
        timestamp: i64::try_from(time.0).unwrap(),
        source_id: app.into(),
        instance_id: instance.to_string(),
        message: Some(Event::Gauge(v2::Gauge {
            metrics: names.map(value).into(),
        })),
        ..Default::default()
    }
}

/// The text of each log.
fn texts(logs: &[Bytes]) -> Vec<String> {
    let text = |log: &Bytes| {
        let envelope = v1::Envelope::decode(&log[..]).unwrap();
        let message = envelope.log_message.unwrap().message;
        String::from_utf8(message.to_vec()).unwrap()
    };
    logs.iter().map(text).collect()
}

/// The instance of each metric, and when it was measured, in seconds after the start.
fn instances(metrics: &[Bytes]) -> Vec<(i32, u64)> {
    let instance = |metric: &Bytes| {
        let envelope = v1::Envelope::decode(&metric[..]).unwrap();
        let time = u64::try_from(envelope.timestamp()).unwrap();
        let metric = envelope.container_metric.unwrap();
        (metric.instance_index, (time - START.0) / SECOND)
    };
    metrics.iter().map(instance).collect()
}

#[test]
fn logs_of_either_generation_are_shown_as_v1() {
    let recent = store(10, ByteSize::mib(4));
    let (old, new) = (v1_log(Some("a"), "old"), log("a", "new"));
    add_v1(&recent, START, &old);
    add_v2(&recent, START, &new);
    add_v2(&recent, START, &log("b", "of another"));
    let expected = [old, to_v1(new).remove(0)].map(|envelope| envelope.encode_to_vec());
    assert_eq!(recent.logs("a"), expected);
    assert_eq!(texts(&recent.logs("b")), ["of another"]);
    assert!(recent.logs("c").is_empty());
    assert!(recent.container_metrics("a", START).is_empty());
}

#[test]
fn what_names_no_app_is_not_kept() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, START, &log("", "nobody's"));
    add_v1(&recent, START, &v1_log(None, "nobody's"));
    add_v1(&recent, START, &v1_log(Some(""), "nobody's"));
    add_v2(&recent, START, &container("", 0, START));
    let counts = recent.counts();
    assert_eq!(counts.get(RecentCounter::NoApp), 4);
    assert_eq!(
        (counts.apps, counts.bytes, counts.logs, counts.metrics),
        (0, 0, 0, 0)
    );
    // The source of the second is its deployment and job, by which nobody finds it.
    for app in ["", "cf/router", "system"] {
        assert!(recent.logs(app).is_empty());
    }
    add_v2(&recent, START, &log("system", "a platform's"));
    assert_eq!(texts(&recent.logs("system")), ["a platform's"]);
}

#[test]
fn an_error_that_came_as_a_log_is_not_shown_as_one() {
    let recent = store(10, ByteSize::mib(4));
    let mut error = log("system", "an error");
    error.tags = [("__v1_type".to_owned(), "Error".to_owned())].into();
    add_v2(&recent, START, &error);
    add_v2(&recent, START, &log("system", "a log"));
    assert_eq!(texts(&recent.logs("system")), ["a log"]);
}

#[test]
fn an_equal_hash_is_not_enough() {
    let recent = store(10, ByteSize::mib(4));
    for (version, envelope) in [
        (Version::V2, log("a", "a's").encode_to_vec()),
        (Version::V2, container("a", 1, START).encode_to_vec()),
    ] {
        let checked = decode::envelope(&envelope, version, SourceRule::DeploymentJob).unwrap();
        let mut header = checked.header(START);
        header.source_hash = hydrant_engine::record::source_hash(b"b");
        let envelope = &envelope;
        recent.writing(START).add(&Record { header, envelope });
    }
    assert_eq!((recent.counts().logs, recent.counts().metrics), (1, 1));
    assert!(recent.logs("b").is_empty());
    assert!(recent.container_metrics("b", START).is_empty());
}

#[test]
fn other_kinds_and_other_gauges_are_not_kept() {
    let recent = store(10, ByteSize::mib(4));
    let mut gauge = container("a", 1, START);
    if let Some(Event::Gauge(gauge)) = &mut gauge.message {
        gauge.metrics.remove("cpu");
    }
    add_v2(&recent, START, &gauge);
    if let Some(Event::Gauge(gauge)) = &mut gauge.message {
        // All five are there, but this one says nothing: to v1 that is five values.
        gauge
            .metrics
            .insert("cpu".into(), v2::GaugeValue::default());
    }
    add_v2(&recent, START, &gauge);
    let counter = v2::Envelope {
        source_id: "a".into(),
        message: Some(Event::Counter(v2::Counter::default())),
        ..Default::default()
    };
    add_v2(&recent, START, &counter);
    assert_eq!(recent.counts(), Default::default());
}

#[test]
fn container_metrics_are_the_newest_of_each_instance_and_fresh() {
    let recent = store(10, ByteSize::mib(4));
    for (instance, second) in [(1, 0), (0, 50), (1, 60), (1, 40), (2, 70)] {
        add_v2(&recent, after(70), &container("a", instance, after(second)));
    }
    let shown = |second| instances(&recent.container_metrics("a", after(second)));
    assert_eq!(shown(70), [(0, 50), (1, 60), (2, 70)]);
    assert_eq!(shown(170), [(0, 50), (1, 60), (2, 70)]);
    assert_eq!(shown(171), [(1, 60), (2, 70)]);
    assert!(shown(191).is_empty());
    let counts = recent.counts();
    assert_eq!(counts.metrics, 0);
    assert_eq!(counts.get(RecentCounter::Taken), 4);
    assert_eq!(counts.get(RecentCounter::Replaced), 1);
    assert_eq!(counts.get(RecentCounter::Late), 1);
    assert_eq!(counts.get(RecentCounter::Expired), 3);
}

#[test]
fn a_container_metric_of_v1_is_shown_as_it_came() {
    let recent = store(10, ByteSize::mib(4));
    let metric = to_v1(container("a", 3, START)).remove(0);
    add_v1(&recent, START, &metric);
    assert_eq!(
        recent.container_metrics("a", START),
        [metric.encode_to_vec()]
    );
}

#[test]
fn a_clock_ahead_of_ours_does_not_keep_out_what_comes_later() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, START, &container("a", 0, after(1_000_000)));
    add_v2(&recent, after(1), &container("a", 0, after(1)));
    assert_eq!(
        instances(&recent.container_metrics("a", after(1))),
        [(0, 1)]
    );
}

#[test]
fn instances_that_are_gone_do_not_take_up_memory_for_ever() {
    let recent = store(10, ByteSize::mib(4));
    let mut bytes = 0;
    for generation in 0..100 {
        let now = after(generation * 1_000);
        for instance in 0..8 {
            let index = i32::try_from(generation).unwrap() * 8 + instance;
            add_v2(&recent, now, &container("a", index, now));
        }
        if generation == 0 {
            bytes = recent.counts().bytes;
        }
    }
    assert!(
        recent.counts().bytes <= bytes + 1_000,
        "{:?}",
        recent.counts()
    );
    assert_eq!(recent.counts().get(RecentCounter::Expired), 99 * 8);
}

#[test]
fn idle_apps_are_forgotten() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, START, &log("a", "1"));
    add_v2(&recent, START, &container("a", 0, START));
    add_v2(&recent, after(10), &log("b", "1"));
    drop(recent.writing(after(3_599)));
    assert_eq!(recent.counts().apps, 2);
    drop(recent.writing(after(3_600)));
    assert!(recent.logs("a").is_empty());
    assert_eq!(texts(&recent.logs("b")), ["1"]);
    assert_eq!(recent.counts().get(RecentCounter::Expired), 2);
    add_v2(&recent, after(3_609), &log("b", "2"));
    drop(recent.writing(after(7_000)));
    assert_eq!(texts(&recent.logs("b")), ["1", "2"]);
}

#[test]
fn a_clock_that_is_set_back_does_no_harm() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, after(10_000), &log("a", "before"));
    add_v2(&recent, after(10_000), &log("b", "before"));
    add_v2(&recent, START, &log("a", "after"));
    add_v2(&recent, after(3_599), &log("c", "later"));
    assert_eq!(texts(&recent.logs("a")), ["before", "after"]);
    assert_eq!(recent.counts().apps, 3);
}

#[test]
fn who_logs_much_costs_the_quiet_nothing() {
    let recent = store(100, ByteSize::mib(2));
    for number in 0..20 {
        add_v2(&recent, START, &log("quiet", &number.to_string()));
    }
    let line = "x".repeat(1_000);
    for number in 0..20_000 {
        add_v2(&recent, after(number / 10), &log("loud", &line));
    }
    let expected: Vec<_> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!(texts(&recent.logs("quiet")), expected);
    assert_eq!(recent.logs("loud").len(), 100);
    let counts = recent.counts();
    assert_eq!(counts.get(RecentCounter::Evicted), 0);
    assert_eq!(
        counts.get(RecentCounter::Replaced),
        20_020 - counts.logs as u64
    );
    assert!(counts.bytes <= 2 << 20);
}

#[test]
fn when_memory_is_short_each_app_keeps_its_share() {
    let recent = store(100, ByteSize::mib(2));
    let line = "x".repeat(1_000);
    (0..3).for_each(|number| add_v2(&recent, START, &log("quiet", &number.to_string())));
    for round in 0..100 {
        for app in 0..100 {
            let name = app.to_string();
            add_v2(
                &recent,
                after(round),
                &log(&name, &format!("{round} {line}")),
            );
        }
    }
    assert_eq!(texts(&recent.logs("quiet")), ["0", "1", "2"]);
    let shown: Vec<usize> = (0..100)
        .map(|app: u32| recent.logs(&app.to_string()).len())
        .collect();
    // A hundred apps in 1.25 MiB: some 12 of 1 KB each.
    assert!(
        shown.iter().all(|count| (8..=14).contains(count)),
        "{shown:?}"
    );
    assert!(recent.counts().get(RecentCounter::Evicted) > 8_000);
}

#[test]
fn an_app_that_logs_again_after_long_does_not_show_what_was_before() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, START, &log("other", "before"));
    add_v2(&recent, START, &log("a", "before"));
    add_v2(&recent, after(3_500), &log("other", "still"));
    add_v2(&recent, after(3_600), &log("a", "after"));
    assert_eq!(texts(&recent.logs("a")), ["after"]);
    assert_eq!(texts(&recent.logs("other")), ["before", "still"]);
}

#[test]
fn an_app_that_runs_and_says_nothing_keeps_its_logs() {
    let recent = store(10, ByteSize::mib(4));
    add_v2(&recent, START, &log("a", "started"));
    for minute in 1..100 {
        let now = after(minute * 60);
        add_v2(&recent, now, &container("a", 0, now));
    }
    assert_eq!(texts(&recent.logs("a")), ["started"]);
    drop(recent.writing(after(9_540 + 3_600)));
    assert!(recent.logs("a").is_empty());
    assert_eq!(recent.counts().apps, 0);
}

#[test]
fn a_log_larger_than_an_eighth_of_what_logs_get_is_not_taken() {
    let recent = store(10, ByteSize::mib(2));
    add_v2(&recent, START, &log("a", &"x".repeat(130_000)));
    add_v2(&recent, START, &log("a", &"x".repeat(170_000)));
    assert_eq!(recent.logs("a").len(), 1);
    assert_eq!(recent.counts().get(RecentCounter::Oversize), 1);
}

#[test]
fn there_is_an_end_to_apps() {
    let recent = store(10, ByteSize::mib(2));
    for app in 0..10_000 {
        add_v2(&recent, START, &log(&app.to_string(), "one"));
    }
    let counts = recent.counts();
    assert!((1_000..5_000).contains(&counts.apps), "{counts:?}");
    assert_eq!(
        counts.get(RecentCounter::Evicted),
        10_000 - counts.logs as u64
    );
    assert_eq!(texts(&recent.logs("9999")), ["one"]);
    assert!(recent.logs("0").is_empty());
    assert!(counts.bytes <= 2 << 20);
}
