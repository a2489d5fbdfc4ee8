//! What is no stream.

use super::envelopes::log;
use super::rig::{Client, Rig, ask, block_on, config, dial, eventually, exchange, open, over};
use super::rig::{read_to_end, upgrade};
use crate::{Feed, Parts, StartError, WebsocketConfig, start};
use hydrant_engine::config::available_cores;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::record::Version;
use hydrant_feed::counters::SessionCounter;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn other_paths_are_not_found() {
    let rig = Rig::new();
    for (method, path) in [
        ("GET", "/firehose"),
        ("GET", "/firehose/"),
        ("GET", "/firehose/a/b"),
        ("POST", "/apps/x/recentlogs/"),
        ("GET", "/apps/x/containermetric"),
        ("GET", "/apps/stream"),
    ] {
        let request = upgrade(path).replacen("GET", method, 1);
        let (status, headers, body) = ask(rig.address(), &request);
        assert_eq!(status, "http/1.1 404 not found", "{path}");
        let expected = [
            "connection: close",
            "content-length: 19",
            "content-type: text/plain; charset=utf-8",
            "x-content-type-options: nosniff",
        ];
        assert_eq!(headers, expected);
        assert_eq!(body, "404 page not found\n");
    }
    assert!(rig.stop().over().is_empty());
}

#[test]
fn what_does_not_open_a_websocket_is_refused() {
    let rig = Rig::new();
    let good = upgrade("/firehose/a");
    for (from, to, status, text) in [
        (
            "Upgrade: websocket\r\n",
            "",
            "400 bad request",
            "Bad Request\n",
        ),
        (
            "Connection: Upgrade",
            "Connection: close",
            "400 bad request",
            "Bad Request\n",
        ),
        (
            "Version: 13",
            "Version: 12",
            "400 bad request",
            "Bad Request\n",
        ),
        (
            "GET",
            "PUT",
            "405 method not allowed",
            "Method Not Allowed\n",
        ),
    ] {
        let (line, headers, body) = ask(rig.address(), &good.replacen(from, to, 1));
        assert_eq!(line, format!("http/1.1 {status}"));
        assert_eq!(body, text);
        for header in [
            "sec-websocket-version: 13",
            "content-type: text/plain; charset=utf-8",
            "x-content-type-options: nosniff",
        ] {
            assert!(headers.iter().any(|line| line == header), "{headers:?}");
        }
    }
    assert!(rig.stop().over().is_empty());
}

#[test]
fn a_session_too_many_is_turned_away_until_another_ends() {
    let rig = Rig::with(
        &WebsocketConfig {
            sessions_max: 1,
            ..config()
        },
        |_| (),
    );
    let state = rig.state();
    block_on(async {
        let client = Client::connect(rig.address(), "/firehose/a").await;
        let (status, headers, body) = ask(rig.address(), &upgrade("/apps/x/stream"));
        assert_eq!(status, "http/1.1 503 service unavailable");
        assert_eq!(headers, ["connection: close", "content-length: 0"]);
        assert_eq!(body, "");
        drop(client);
        eventually(|| state.sessions().is_empty());
        Client::connect(rig.address(), "/apps/x/stream").await;
    });
    rig.stop();
}

#[test]
fn garbage_costs_nobody_else_anything() {
    let mut rig = Rig::new();
    block_on(async {
        let mut reader = Client::connect(rig.address(), "/firehose/a").await;
        for garbage in [
            &b""[..],
            b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /firehose/a HTTP/9.9\r\n\r\n",
            b"GET /firehose/\xff HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &vec![0; 100_000],
            &vec![b'a'; 100_000],
        ] {
            let mut stream = dial(rig.address());
            // The server may break off while we still write.
            stream.write_all(garbage).ok();
            stream.shutdown(std::net::Shutdown::Write).ok();
            let answer = read_to_end(&mut stream);
            assert!(!answer.starts_with(b"HTTP/1.1 101"), "{garbage:?}");
        }
        rig.publish(Version::V1, &log("a", 1));
        assert_eq!(reader.message().await, log("a", 1));
        Client::connect(rig.address(), "/firehose/b").await;
    });
    rig.stop();
}

#[test]
fn garbage_after_the_upgrade_ends_only_its_session() {
    let mut rig = Rig::new();
    block_on(async {
        let mut reader = Client::connect(rig.address(), "/firehose/a").await;
        let oversize = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        for (garbage, code) in [
            (&[0xff; 64][..], 1002_u16),
            (&[0x82, 0x05, 1, 2, 3], 1002),
            (&[0x80, 0x80, 0, 0, 0, 0], 1002),
            (&oversize, 1009),
        ] {
            let mut stream = open(rig.address(), "/firehose/b");
            stream.write_all(garbage).unwrap();
            let said = read_to_end(&mut stream);
            // A ping, then a close frame.
            assert!(said.starts_with(&[0x89, 0, 0x88]), "{said:?}");
            assert_eq!(said[4..6], code.to_be_bytes());
        }
        rig.publish(Version::V1, &log("a", 1));
        assert_eq!(reader.message().await, log("a", 1));
    });
    rig.stop();
}

#[test]
fn frames_that_come_with_the_request_are_read() {
    let rig = Rig::new();
    let mut stream = dial(rig.address());
    let mut request = upgrade("/firehose/a").into_bytes();
    request.extend([0x89, 0x82, 0, 0, 0, 0, b'h', b'i']); // A masked ping.
    stream.write_all(&request).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(&[0x8a, 2, b'h', b'i']) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    drop(stream);
    rig.stop();
}

#[test]
fn a_connection_that_asks_nothing_ends() {
    let rig = Rig::with(&config(), |timing| {
        timing.head_within = Duration::from_millis(50);
    });
    assert_eq!(exchange(rig.address(), b""), b"");
    assert_eq!(
        exchange(rig.address(), b"GET /firehose/a HTTP/1.1\r\n"),
        b""
    );
    let state = rig.stop();
    assert_eq!(over(&state, "firehose", SessionCounter::Selected), 0);
}

#[test]
fn what_stands_in_the_way_of_starting_is_named() {
    let rig = Rig::new();
    let start = |config: &WebsocketConfig, core| {
        let parts = Parts {
            feed: Feed::Lanes(LaneReader::new().unwrap()),
            core,
            log_stream: None,
            on_slow: None,
        };
        start(config, parts).map(|websocket| websocket.address())
    };
    let taken = WebsocketConfig {
        address: rig.address(),
        ..config()
    };
    let error = start(&taken, None).unwrap_err();
    let expected = format!("websocket.address: cannot listen on {}: ", rig.address());
    assert!(error.to_string().starts_with(&expected), "{error}");
    let refused = WebsocketConfig {
        sessions_max: 0,
        ..config()
    };
    assert!(matches!(start(&refused, None), Err(StartError::Config(_))));
    assert!(matches!(
        start(&config(), Some(1023)),
        Err(StartError::Worker(_))
    ));
    let core = available_cores()[0];
    assert_ne!(start(&config(), Some(core)).unwrap().port(), 0);
    rig.stop();
}
