//! Who may read, and what those are told who may not.

use super::envelopes::log;
use super::rig::{Client, Rig, ask, block_on, config, eventually, exchange, upgrade};
use crate::{HttpCounter, WebsocketConfig};
use hydrant_access::fakes::{FakeCapi, FakeUaa, Manner, access_config};
use hydrant_engine::record::Version;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const APP: &str = "deadbeef-dead-dead-dead-deaddeafbeef";

/// A frontend that asks.
struct Guarded {
    rig: Rig,
    uaa: FakeUaa,
    capi: FakeCapi,
}

impl Guarded {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: WebsocketConfig) -> Self {
        let (uaa, capi) = (FakeUaa::new(), FakeCapi::new());
        uaa.know("admin", &["doppler.firehose"]);
        uaa.know("nobody", &["openid", "logs.admin"]);
        capi.know("bearer developer");
        capi.show(APP);
        let config = WebsocketConfig {
            access: Some(access_config(&uaa, &capi)),
            ..config
        };
        let rig = Rig::with(&config, |_| ());
        Self { rig, uaa, capi }
    }

    /// Status line, headers and body for a request with these lines more.
    fn ask(&self, path: &str, lines: &str) -> (String, Vec<String>, String) {
        let request = upgrade(path).replacen("\r\n", &format!("\r\n{lines}"), 1);
        ask(self.rig.address(), &request)
    }

    fn status(&self, path: &str, token: &str) -> String {
        let lines = match token {
            "" => String::new(),
            token => format!("Authorization: {token}\r\n"),
        };
        self.ask(path, &lines).0
    }

    fn opens(&self, path: &str, lines: &str) -> bool {
        let request = upgrade(path).replacen("\r\n", &format!("\r\n{lines}"), 1);
        let mut stream = super::rig::dial(self.rig.address());
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut start = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut start).unwrap();
        &start == b"HTTP/1.1 101"
    }
}

const UNAUTHORIZED: &str = "http/1.1 401 unauthorized";
const BASIC: &str = "www-authenticate: basic";

#[test]
fn the_firehose_is_for_its_scope() {
    let guarded = Guarded::new();
    assert!(guarded.opens("/firehose/a", "Authorization: bearer admin\r\n"));
    assert!(guarded.opens("/firehose/a", "Cookie: authorization=bearer+admin\r\n"));
    for (path, lines, reason) in [
        ("/firehose/a", "", "authorization not provided"),
        (
            "/firehose/a?authorization=bearer%20admin",
            "",
            "authorization not provided",
        ),
        (
            "/firehose/a",
            "Authorization: bearer nobody\r\n",
            "invalid authorization",
        ),
        (
            "/firehose/a",
            "Authorization: bearer unknown\r\n",
            "invalid authorization",
        ),
        (
            "/firehose/a",
            "Authorization: Bearer admin\r\n",
            "invalid authorization",
        ),
    ] {
        let (status, headers, body) = guarded.ask(path, lines);
        assert_eq!(status, UNAUTHORIZED);
        assert!(headers.iter().any(|line| line == BASIC), "{headers:?}");
        assert_eq!(body, format!("You are not authorized. {reason}"), "{lines}");
    }
    guarded.uaa.expire("admin");
    assert!(
        guarded.opens("/firehose/b", "Authorization: bearer admin\r\n"),
        "remembered"
    );
    guarded.rig.stop();
}

#[test]
fn an_apps_logs_are_for_whom_the_cloud_controller_shows_them() {
    let guarded = Guarded::new();
    let other = "00000000-0000-0000-0000-000000000000";
    guarded.capi.say(other, "403 Forbidden");
    let failing = "11111111-1111-1111-1111-111111111111";
    guarded.capi.say(failing, "502 Bad Gateway");
    let stream = |app: &str| format!("/apps/{app}/stream");
    assert!(guarded.opens(&stream(APP), "Authorization: bearer developer\r\n"));
    for (app, token, expected) in [
        (APP, "", UNAUTHORIZED),
        (APP, "bearer stranger", UNAUTHORIZED),
        ("some-app", "bearer developer", UNAUTHORIZED),
        (other, "bearer developer", "http/1.1 404 not found"),
        (
            failing,
            "bearer developer",
            "http/1.1 500 internal server error",
        ),
    ] {
        for path in [
            stream(app),
            format!("/apps/{app}/recentlogs"),
            format!("/apps/{app}/containermetrics"),
        ] {
            assert_eq!(guarded.status(&path, token), expected, "{path} {token}");
        }
    }
    let (_, headers, body) =
        guarded.ask(&stream("some-app"), "Authorization: bearer developer\r\n");
    assert!(!headers.iter().any(|line| line == BASIC), "{headers:?}");
    assert_eq!(body, "");
    let (_, headers, body) = guarded.ask(&stream(APP), "");
    assert!(headers.iter().any(|line| line == BASIC), "{headers:?}");
    assert_eq!(body, "");
    guarded.rig.stop();
}

#[test]
fn the_first_generation_is_told_in_its_own_words() {
    let guarded = Guarded::new();
    let token = "authorization=bearer%20developer";
    assert!(guarded.opens(&format!("/tail/?app={APP}&{token}"), ""));
    assert!(guarded.opens(
        &format!("/dump/?app={APP}"),
        "Authorization: bearer developer\r\n"
    ));
    let recent = guarded.status(&format!("/recent?app={APP}&{token}"), "");
    assert_eq!(recent, "http/1.1 200 ok");
    for (path, reason) in [
        (format!("/tail/?{token}"), "Error: Invalid target"),
        (
            format!("/recent?app={APP}"),
            "Error: Authorization not provided",
        ),
        (
            format!("/tail/?app={APP}&authorization=x"),
            "Error: Invalid authorization",
        ),
        (
            format!("/recent?app=my-app&{token}"),
            "Error: Invalid authorization",
        ),
    ] {
        let (status, headers, body) = guarded.ask(&path, "");
        assert_eq!(status, UNAUTHORIZED);
        assert!(headers.iter().any(|line| line == BASIC), "{headers:?}");
        let start = format!("You are not authorized. message:\"{reason}\" message_type:ERR ");
        assert!(body.starts_with(&start), "{body}");
    }
    for session in guarded.rig.state().sessions() {
        assert!(!session.name.contains("developer"), "{}", session.name);
    }
    guarded.rig.stop();
}

#[test]
fn who_cannot_be_asked_lets_nobody_in_and_disturbs_nobody() {
    let mut guarded = Guarded::new();
    let address = guarded.rig.address();
    block_on(async {
        let path = "/firehose/a";
        let mut reader = Client::connect_with(address, path, "bearer admin").await;
        guarded.uaa.set_manner(Manner::Down);
        guarded.capi.set_manner(Manner::Down);
        let (status, _, body) = guarded.ask("/firehose/b", "Authorization: bearer other\r\n");
        assert_eq!(status, UNAUTHORIZED);
        assert_eq!(body, "You are not authorized. invalid authorization");
        let stream = format!("/apps/{APP}/stream");
        let status = guarded.status(&stream, "bearer developer");
        assert_eq!(status, "http/1.1 500 internal server error");
        guarded.rig.publish(Version::V1, &log("a", 1));
        assert_eq!(reader.message().await, log("a", 1));
    });
    guarded.rig.stop();
}

#[test]
fn wrong_tokens_by_the_thousand_cost_healthy_clients_nothing() {
    let mut guarded = Guarded::new();
    let address = guarded.rig.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let flood = || {
            let mut number = 0;
            while number < 250 || !done.load(Ordering::Relaxed) {
                let line =
                    format!("\r\nConnection: close\r\nAuthorization: bearer wrong{number}\r\n");
                let request = upgrade("/firehose/x").replacen("\r\n", &line, 1);
                let answer = exchange(address, request.as_bytes());
                assert!(answer.starts_with(b"HTTP/1.1 401 "), "{answer:?}");
                number += 1;
            }
        };
        for _ in 0..4 {
            scope.spawn(flood);
        }
        block_on(async {
            let mut reader = Client::connect_with(address, "/firehose/a", "bearer admin").await;
            for number in 0..1_000 {
                guarded.rig.publish(Version::V1, &log("a", number));
                assert_eq!(reader.message().await, log("a", number));
            }
        });
        done.store(true, Ordering::Relaxed);
    });
    let http = guarded.rig.websocket.http_state();
    assert!(http.http.get(HttpCounter::Unauthorized) >= 1_000);
    guarded.rig.stop();
}

#[test]
fn an_oversized_token_is_refused_and_nobody_is_asked() {
    let guarded = Guarded::new();
    let token = "x".repeat(200 * 1024);
    let request = upgrade("/firehose/a").replacen(
        "\r\n",
        &format!("\r\nAuthorization: bearer {token}\r\n"),
        1,
    );
    let answer = exchange(guarded.rig.address(), request.as_bytes());
    let start = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
    assert!(start.is_empty() || start == "HTTP/1.1 431", "{start}");
    assert_eq!(guarded.uaa.asked(), 0);
    guarded.rig.stop();
}

#[test]
fn every_request_is_in_the_security_log_and_no_token_is() {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("hydrant-security-{}.log", std::process::id()));
    let guarded = Guarded::with(WebsocketConfig {
        security_event_log: Some(file.clone()),
        security_event_host: Some("10.0.0.9".to_owned()),
        ..config()
    });
    guarded.status("/firehose/a?filter-type=logs", "bearer secret");
    guarded.status("/tail/?app=x&authorization=bearer%20secret", "");
    guarded.status("/nothing", "");
    let read = || fs::read_to_string(&file).unwrap_or_default();
    eventually(|| read().lines().count() == 3);
    let log = read();
    let start = "CEF:0|cloud_foundry|loggregator_trafficcontroller|1.0|\
                 GET /firehose/a?filter-type=logs|GET /firehose/a?filter-type=logs|0|rt=";
    assert!(log.starts_with(start), "{log}");
    let port = guarded.rig.address().port();
    let end = format!(" dst=10.0.0.9 dpt={port}");
    assert!(log.lines().all(|line| line.ends_with(&end)), "{log}");
    assert!(!log.contains("secret"), "{log}");
    guarded.rig.stop();
    fs::remove_file(file).unwrap();
}
