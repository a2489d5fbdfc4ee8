//! What is answered whole: what was kept of apps, cookies, where logs are.

use super::envelopes::{container, container_at, counter, large_log, log};
use super::rig::{Client, Rig, ask, block_on, config, exchange, upgrade, without_recent};
use crate::{WebsocketConfig, v0};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::record::Version;

/// The parts of a multipart answer, as the clients take it apart.
fn parts(rig: &Rig, path: &str) -> Vec<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = exchange(rig.address(), request.as_bytes());
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|it| it == what);
    let end = find(&answer, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end + 2].to_vec()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let (_, boundary) = head.split_once("multipart/x-protobuf; boundary=").unwrap();
    let (boundary, _) = boundary.split_once("\r\n").unwrap();
    assert!(boundary.len() == 60 && boundary.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let delimiter = format!("--{boundary}");
    let mut body = &answer[end + 4..];
    let mut parts = Vec::new();
    body = &body[find(body, delimiter.as_bytes()).unwrap() + delimiter.len()..];
    while let Some(part) = body.strip_prefix(b"\r\n\r\n") {
        let end = find(part, format!("\r\n{delimiter}").as_bytes()).unwrap();
        parts.push(part[..end].to_vec());
        body = &part[end + 2 + delimiter.len()..];
    }
    assert_eq!(body, b"--\r\n");
    parts
}

#[test]
fn recent_logs_come_oldest_first_and_only_the_apps() {
    let mut rig = Rig::new();
    assert!(parts(&rig, "/apps/a/recentlogs").is_empty());
    for number in 0..120 {
        rig.publish(Version::V1, &log("a", number));
        rig.publish(Version::V1, &log("b", number));
    }
    rig.publish(Version::V1, &counter("a", "c"));
    rig.publish(Version::V1, &container("a"));
    rig.wait_until_read();
    let expected: Vec<_> = (20..120).map(|number| log("a", number)).collect();
    assert_eq!(parts(&rig, "/apps/a/recentlogs"), expected);
    assert_eq!(parts(&rig, "/apps/a/recentlogs?limit=3"), expected[97..]);
    assert!(parts(&rig, "/apps/a/recentlogs?limit=0").is_empty());
    assert!(parts(&rig, "/apps/c/recentlogs").is_empty());
    let messages: Vec<_> = expected
        .iter()
        .map(|envelope| v0::log_message(envelope).unwrap().to_vec())
        .collect();
    assert_eq!(parts(&rig, "/recent?app=a"), messages);
    assert_eq!(parts(&rig, "/dump/?app=a"), messages);
    rig.stop();
}

#[test]
fn container_metrics_are_the_newest() {
    let mut rig = Rig::new();
    rig.publish(Version::V1, &log("a", 1));
    let now = UnixNanos::now();
    let minutes_ago = UnixNanos(now.0 - 600_000_000_000);
    rig.publish(Version::V1, &container_at("a", now));
    rig.publish(Version::V1, &container_at("b", now));
    rig.publish(Version::V1, &container_at("c", minutes_ago));
    rig.wait_until_read();
    let newest = container_at("a", now);
    assert_eq!(parts(&rig, "/apps/a/containermetrics"), [newest]);
    assert!(
        parts(&rig, "/apps/c/containermetrics").is_empty(),
        "too old"
    );
    rig.stop();
}

#[test]
fn what_is_not_kept_is_not_found() {
    let mut rig = Rig::with(&without_recent(), |_| ());
    for path in [
        "/apps/a/recentlogs",
        "/apps/a/containermetrics",
        "/recent?app=a",
    ] {
        let (status, _, body) = ask(rig.address(), &upgrade(path));
        assert_eq!(status, "http/1.1 404 not found", "{path}");
        assert_eq!(body, "404 page not found\n");
    }
    rig.publish(Version::V1, &log("a", 1));
    let state = rig.stop();
    let read = hydrant_feed::counters::FeedCounter::Read;
    assert_eq!(state.feed.get(read), 0, "nobody wanted it");
}

#[test]
fn a_tail_of_the_first_generation_has_its_messages() {
    let mut rig = Rig::new();
    let address = rig.address();
    block_on(async {
        let mut tail = Client::connect(address, "/tail/?app=a").await;
        let mut today = Client::connect(address, "/apps/a/stream").await;
        rig.publish(Version::V1, &container("a"));
        rig.publish(Version::V1, &log("b", 1));
        rig.publish(Version::V1, &large_log("a", 2, 10_000));
        let envelope = large_log("a", 2, 10_000);
        assert_eq!(tail.message().await, v0::log_message(&envelope).unwrap());
        assert_eq!(today.messages(2).await, [container("a"), envelope]);
        // What its clients sent to be kept alive.
        tail.send(tokio_websockets::Message::text("I'm alive!"))
            .await;
        tail.send(tokio_websockets::Message::binary(vec![42])).await;
        rig.publish(Version::V1, &log("a", 3));
        assert_eq!(tail.message().await, v0::log_message(&log("a", 3)).unwrap());
    });
    rig.stop();
}

#[test]
fn other_answers_are_upstreams() {
    let rig = Rig::new();
    let request = |method: &str, path: &str| upgrade(path).replacen("GET", method, 1);
    for (method, path, status, body) in [
        ("HEAD", "/", "200 ok", ""),
        ("HEAD", "/apps/a/stream", "200 ok", ""),
        ("HEAD", "/tail/?app=a", "200 ok", ""),
        ("HEAD", "/nothing", "404 not found", ""),
        ("GET", "/tail/", "400 bad request", "Invalid AppId\n"),
        ("GET", "/set-cookie", "400 bad request", ""),
        (
            "GET",
            "/set-cookie?CookieName=a&CookieValue=b",
            "200 ok",
            "",
        ),
        ("GET", "//firehose/x?a=b", "301 moved permanently", ""),
    ] {
        let (line, headers, said) = ask(rig.address(), &request(method, path));
        assert_eq!(line, format!("http/1.1 {status}"), "{method} {path}");
        assert_eq!(said, body, "{method} {path}");
        if status.starts_with("301") {
            let location = "location: /firehose/x?a=b".to_owned();
            assert!(headers.contains(&location), "{headers:?}");
        }
    }
    let (_, headers, _) = ask(rig.address(), &request("GET", "/apps/a/recentlogs"));
    let allowed = "access-control-allow-origin: http://elsewhere".to_owned();
    assert!(headers.contains(&allowed), "{headers:?}");
    rig.stop();
}

#[test]
fn clients_find_logs_by_the_address_that_they_have() {
    let rig = Rig::new();
    let (status, _, body) = ask(rig.address(), &upgrade("/"));
    assert_eq!(status, "http/1.1 200 ok");
    assert!(body.contains("\"logging\":{\"href\":\"ws://h\"}"), "{body}");
    let (_, _, body) = ask(rig.address(), &upgrade("/v2/info"));
    assert!(
        body.contains("\"doppler_logging_endpoint\":\"ws://h\""),
        "{body}"
    );
    rig.stop();
    let silent = WebsocketConfig {
        discovery: false,
        ..config()
    };
    let rig = Rig::with(&silent, |_| ());
    for path in ["/", "/v2/info"] {
        let (status, ..) = ask(rig.address(), &upgrade(path));
        assert_eq!(status, "http/1.1 404 not found");
    }
    rig.stop();
}
