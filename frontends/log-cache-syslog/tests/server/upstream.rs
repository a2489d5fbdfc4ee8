//! Beside upstream's syslog server: the same bytes, and what each makes of them.
//!
//! What upstream's makes of them is recorded in `upstream/golden.txt`. `HYDRANT_UPSTREAM_SYSLOG_SERVER`
//! names its executable; it is then asked again, and with `HYDRANT_RECORD` recorded anew.

mod cases;

use crate::node::{Node, PATIENCE, wait_until};
use crate::rig::{Rig, counted, log};
use cases::{Case, cases};
use hydrant_proto::v2::Envelope;
use hydrant_proto::v2::envelope::Message;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where we differ, and what we make of it.
const DIFFERENCES: &[(&str, &str)] = &[
    // Names are as long as they are; what RFC 5424 forgets at the end anyway closes no connection.
    ("header host 256", "1700000000123456000 \"2\" {} Out b\"x\""),
    (
        "header message id 33",
        "1700000000123456000 \"2\" {} Out b\"x\"",
    ),
    (
        "process 129",
        concat!(
            "1700000000123456000 \"ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp",
            "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp\" {} Out b\"x\""
        ),
    ),
    ("source 49", "1700000000123456000 \"2\" {} Out b\"x\""),
    (
        "tags id 33",
        "1700000000123456000 \"2\" {\"a\": \"b\"} Out b\"x\"",
    ),
    (
        "tags name 33",
        "1700000000123456000 \"2\" {\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\": \"b\"} Out b\"x\"",
    ),
    // Upstream's overflows.
    ("time beyond 64 bits", ""),
    ("time year 0", ""),
    // Upstream's process ends.
    ("time nil", ""),
    ("time nil metric", ""),
    // The same number: the writer leaves out what equals the default.
    (
        "gauge minus zero",
        "1700000000123456000 \"2\" {} Gauge(Gauge { metrics: {\"g\": GaugeValue { unit: \"u\", value: 0.0 }} })",
    ),
];

fn golden_file() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/server/upstream/golden.txt")
}

/// Sends each case over a connection of its own, followed by a message that is good: whether this one
/// comes says whether the connection was closed.
fn outcomes(address: SocketAddr, node: &Node, cases: &[Case]) -> BTreeMap<&'static str, String> {
    let mut lasts = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = counted(log(&format!("last-{number}"), "x"));
        // It may be closed before all is sent.
        stream.write_all(&[&case.bytes[..], &last].concat()).ok();
        stream.shutdown(std::net::Shutdown::Write).ok();
        stream.read_to_end(&mut Vec::new()).ok();
        lasts.push(format!("last-{number}"));
    }
    // By now all of them are read; one more says when they have come.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&counted(log("the-end", "x"))).unwrap();
    let has = |envelopes: &[Envelope], id: &str| envelopes.iter().any(|it| it.source_id == id);
    wait_until("the end", || has(&node.envelopes(), "the-end"));
    // Upstream sends batches beside each other.
    std::thread::sleep(std::time::Duration::from_millis(700));
    let envelopes = node.envelopes();
    let mut outcomes = BTreeMap::new();
    for (case, last) in cases.iter().zip(&lasts) {
        let mut outcome = match has(&envelopes, last) {
            true => String::new(),
            false => "closed ".to_owned(),
        };
        for envelope in envelopes.iter().filter(|it| it.source_id == case.source_id) {
            outcome += &shown(envelope);
        }
        let known = outcomes.insert(case.name, outcome);
        assert_eq!(known, None, "{} is there twice", case.name);
    }
    outcomes
}

/// All fields, in one line. NaN is equal to itself then, too.
fn shown(envelope: &Envelope) -> String {
    let Envelope {
        timestamp,
        instance_id,
        tags,
        message,
        ..
    } = envelope;
    assert!(envelope.deprecated_tags.is_empty());
    let message = match message {
        Some(Message::Log(log)) => format!("{:?} {:?}", log.r#type(), log.payload),
        Some(other) => format!("{other:?}"),
        None => "nothing".to_owned(),
    };
    let mut text = format!("{timestamp} {instance_id:?} {tags:?} {message}");
    if text.len() > 400 {
        let cut: String = text.chars().take(400).collect();
        text = format!("{cut}… {} bytes", text.len());
    }
    text
}

fn recorded() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(golden_file()).unwrap();
    let line = |line: &str| {
        line.split_once(": ")
            .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn ours_makes_of_each_what_upstreams_does() {
    let (cases, rig) = (cases(), Rig::start(|_| ()));
    assert!(cases.len() >= 150, "{}", cases.len());
    let ours = outcomes(rig.server.address, &rig.node, &cases);
    rig.stop();
    let (upstreams, mut wrong) = (recorded(), String::new());
    for (name, outcome) in &ours {
        let upstream = upstreams.get(*name).map_or("not recorded", |it| it);
        let known = DIFFERENCES.iter().find(|(known, _)| known == name);
        let expected = known.map_or(upstream, |(_, ours)| ours);
        if outcome.trim() != expected.trim() {
            writeln!(
                wrong,
                "{name}:\n  ours     {outcome}\n  expected {expected}"
            )
            .unwrap();
        }
        assert!(
            known.is_none_or(|(_, ours)| ours.trim() != upstream.trim()),
            "{name} does not differ"
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Upstream's server; killed if it is dropped.
struct Upstream(Child);

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn upstreams_makes_of_each_what_is_recorded() {
    let Some(program) = std::env::var_os("HYDRANT_UPSTREAM_SYSLOG_SERVER") else {
        let text = "SKIPPED upstreams_makes_of_each_what_is_recorded: HYDRANT_UPSTREAM_SYSLOG_SERVER is not set\n";
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    };
    let (node, node_address) = Node::start();
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let (address, metrics) = (free(), free());
    let upstream = Command::new(program)
        .env_clear()
        .env("LOG_CACHE_ADDR", node_address.to_string())
        .env("SYSLOG_PORT", address.port().to_string())
        .env("METRICS_PORT", metrics.port().to_string())
        .stderr(Stdio::null())
        .spawn();
    let _upstream = Upstream(upstream.unwrap());
    wait_until("upstream", || TcpStream::connect(address).is_ok());
    // It ends of what it cannot take.
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|case| !case.kills_upstream)
        .collect();
    let upstreams = outcomes(address, &node, &cases);
    let mut text = "What upstream's syslog server makes of each case, a line each: whether the connection is closed,\n\
                    then the envelope, if it is one: time, instance, tags, message.\n\n".to_owned();
    for (name, outcome) in upstreams {
        writeln!(text, "{name}: {outcome}").unwrap();
    }
    if std::env::var_os("HYDRANT_RECORD").is_some() {
        std::fs::write(golden_file(), text).unwrap();
    } else {
        let golden = std::fs::read_to_string(golden_file()).unwrap();
        let lines = golden.lines().zip(text.lines());
        let other: Vec<_> = lines.filter(|(golden, now)| golden != now).collect();
        assert!(golden == text, "{other:?}");
    }
}
