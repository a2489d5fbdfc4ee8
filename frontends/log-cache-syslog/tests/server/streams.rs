//! What comes over connections, whole and broken.

use crate::rig::{Rig, counted, is_closed, log};
use hydrant_log_cache_syslog::{Framing, SyslogCounter};
use hydrant_proto::v2::envelope::Message;
use std::io::Write;
use std::net::Shutdown;

fn texts(rig: &Rig, count: usize) -> Vec<String> {
    let envelopes = rig.node.wait_for(count);
    let text = |message| match message {
        Some(Message::Log(log)) => String::from_utf8(log.payload.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    envelopes.into_iter().map(|it| text(it.message)).collect()
}

#[test]
fn messages_come_in_order_however_they_are_cut() {
    let rig = Rig::start(|_| ());
    let expected: Vec<_> = (0..500).map(|number| format!("line {number}")).collect();
    let mut bytes = Vec::new();
    for (number, text) in expected.iter().enumerate() {
        bytes.extend(counted(log("app", text)));
        // A line feed between messages is gone over.
        bytes.extend((number % 3 == 0).then_some(b'\n'));
    }
    let mut stream = rig.connect();
    for piece in bytes.chunks(701) {
        stream.write_all(piece).unwrap();
    }
    assert_eq!(texts(&rig, 500), expected);
    assert_eq!(rig.count(SyslogCounter::Connections), 1);
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(is_closed(&mut stream));
    assert_eq!(rig.stop(), 500);
}

#[test]
fn what_is_no_frame_or_no_message_closes_its_connection_alone() {
    let rig = Rig::start(|config| config.message_bytes_max = bytesize::ByteSize::b(1000));
    let good = counted(log("app", "good"));
    let mut other = rig.send(&good);
    for (bytes, counter) in [
        (b"x".to_vec(), SyslogCounter::FramingMalformed),
        (b"1001 ".to_vec(), SyslogCounter::MessageTooLong),
        (counted("<14>1 nonsense"), SyslogCounter::MessageMalformed),
    ] {
        let bytes = [&good[..], &bytes, &good].concat();
        let mut stream = rig.send(&bytes);
        assert!(is_closed(&mut stream));
        assert_eq!(rig.count(counter), 1, "{}", counter.name());
    }
    other.write_all(&good).unwrap();
    assert_eq!(texts(&rig, 5), ["good"; 5]);
    assert!(rig.told().contains("is refused: "), "{}", rig.told());
    assert!(!rig.told().contains("nonsense"), "{}", rig.told());
    assert_eq!(rig.stop(), 5);
}

#[test]
fn what_is_no_envelope_costs_itself_alone() {
    let rig = Rig::start(|_| ());
    let head = "<14>1 2023-11-14T22:13:20Z h";
    let mut bytes = Vec::new();
    for message in [
        format!("{head} app - - - x"),
        format!("{head} - [1] - - x"),
        // This one ends upstream's process.
        "<14>1 - h app [1] - - x".to_owned(),
        format!("{head} app [1] - [other] x"),
        format!("{head} app [1] - [gauge value=\"1\"] x"),
        format!("{head} app [1] - -"),
    ] {
        bytes.extend(counted(message));
    }
    bytes.extend(counted(log("app", "good")));
    let _stream = rig.send(&bytes);
    assert_eq!(texts(&rig, 1), ["good"]);
    for counter in [
        SyslogCounter::ProcIdMissing,
        SyslogCounter::AppNameMissing,
        SyslogCounter::TimestampMissing,
        SyslogCounter::ElementUnknown,
        SyslogCounter::ParameterInvalid,
        SyslogCounter::MessageEmpty,
    ] {
        assert_eq!(rig.count(counter), 1, "{}", counter.name());
    }
    assert_eq!(rig.stop(), 1);
}

#[test]
fn a_message_that_is_cut_off_is_counted_and_silence_is_not() {
    let rig = Rig::start(|_| ());
    let bytes = counted(log("app", "cut"));
    drop(rig.send(&bytes[..bytes.len() - 1]));
    rig.wait_for(SyslogCounter::MessageCut, 1);
    // As health checks do.
    drop(rig.connect());
    drop(rig.send(&[&bytes[..], b"\n"].concat()));
    rig.wait_for(SyslogCounter::Connections, 3);
    assert_eq!(texts(&rig, 1), ["cut"]);
    let half = rig.send(&bytes[..9]);
    rig.wait_for(SyslogCounter::Connections, 4);
    let counters = rig.server.counters.clone();
    assert_eq!(rig.stop(), 1);
    drop(half);
    assert!(counters.invalid() <= 2, "{counters:?}");
}

#[test]
fn who_is_silent_or_slow_is_closed() {
    let rig = Rig::start(|config| config.idle_timeout_ms = 50);
    let mut silent = rig.connect();
    assert!(is_closed(&mut silent));
    let mut half = rig.send(b"9 <14>");
    assert!(is_closed(&mut half));
    assert_eq!(rig.count(SyslogCounter::IdleClosed), 2);
    assert_eq!(rig.count(SyslogCounter::MessageCut), 1);
    rig.stop();
}

#[test]
fn lines_end_with_line_feeds_if_that_is_agreed() {
    let rig = Rig::start(|config| {
        config.framing = Framing::NonTransparent;
        config.message_bytes_max = bytesize::ByteSize::b(1000);
    });
    let bytes = [&log("app", "one"), "nonsense\n", &log("app", "two")].concat();
    let stream = rig.send(bytes.as_bytes());
    assert_eq!(texts(&rig, 2), ["one", "two"]);
    drop(stream);
    let mut long = rig.send(&[b'x'; 1001]);
    assert!(is_closed(&mut long));
    drop(rig.send(b"<14>1 cut"));
    rig.wait_for(SyslogCounter::MessageCut, 1);
    assert_eq!(rig.count(SyslogCounter::MessageMalformed), 1);
    assert_eq!(rig.count(SyslogCounter::MessageTooLong), 1);
    assert_eq!(rig.stop(), 2);
}

#[test]
fn white_space_stays_if_it_is_to() {
    let rig = Rig::start(|config| config.trim_whitespace = false);
    let _stream = rig.send(&counted(log("app", "  x \t")));
    assert_eq!(texts(&rig, 1), ["  x \t"]);
    rig.stop();
}

#[test]
fn connections_are_as_many_as_they_may_be() {
    let rig = Rig::start(|config| config.connections_max = 1);
    let first = rig.send(&counted(log("app", "first")));
    assert_eq!(texts(&rig, 1), ["first"]);
    let second = rig.send(&counted(log("app", "second")));
    assert_eq!(rig.count(SyslogCounter::Connections), 1);
    drop(first);
    assert_eq!(texts(&rig, 2), ["first", "second"]);
    drop(second);
    assert_eq!(rig.stop(), 2);
}
