//! `hydrant tail`, `recent` and `firehose` against a Cloud Foundry, and against the real server.

use crate::certificates::Authority;
use crate::envelopes::v1_log;
use crate::foundation::{Asked, Foundation, Frame, Reply};
use crate::process::{Server, file, path};
use crate::reader::Reader;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;

const APP: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

fn log(message: &str, timestamp: i64) -> Frame {
    Frame::Binary(v1_log(APP, message, timestamp))
}

/// A stream that sends one line and stays.
fn one_line(message: &str) -> Reply {
    Reply::Stream(vec![log(message, 1), Frame::Ping, Frame::Hold])
}

fn multipart(messages: &[(&str, i64)]) -> Reply {
    let mut body = Vec::new();
    for (message, timestamp) in messages {
        body.extend(b"--b0\r\n\r\n");
        body.extend(v1_log(APP, message, *timestamp));
        body.extend(b"\r\n");
    }
    body.extend(b"--b0--\r\n");
    let head = "Content-Type: multipart/x-protobuf; boundary=b0\r\n".to_owned();
    Reply::Http(200, head, body)
}

/// A home with cf's config in it.
fn cf_home(api: &Foundation, token: &str) -> (PathBuf, String) {
    let home = path("cf-home");
    fs::create_dir_all(home.join(".cf")).unwrap();
    let (address, space) = (api.address, "s-1");
    let config = format!(
        r#"{{"ConfigVersion":4,"Target":"http://{address}","DopplerEndPoint":"ws://{address}",
            "UaaEndpoint":"http://{address}","AccessToken":"bearer {token}",
            "RefreshToken":"ref-old","SpaceFields":{{"GUID":"{space}"}},"SSLDisabled":false}}"#
    );
    fs::write(home.join(".cf/config.json"), &config).unwrap();
    (home, config)
}

fn whats(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| &*asked.what).collect()
}

#[test]
fn an_api_leads_to_logs_and_knows_apps_by_name() {
    let foundation = Foundation::start(|_, _| one_line("found"));
    let says = format!(
        r#"{{"links":{{"self":null,"logging":{{"href":"ws://{}"}}}}}}"#,
        foundation.address
    );
    let api = Foundation::start(move |asked, _| match &*asked.what {
        "GET /" => Reply::json(&*says),
        "GET /v3/apps?names=my+app&space_guids=s-2" => {
            Reply::json(format!(r#"{{"resources":[{{"guid":"{APP}"}}]}}"#))
        }
        _ => Reply::status(404, ""),
    });
    let url = format!("http://{}", api.address);
    let arguments = ["tail", "my app", "--space", "s-2", "--api", &url];
    let reader = Reader::start(&arguments, &[("CF_ACCESS_TOKEN", "tok-new")]);
    let line = reader.line();
    assert!(line.ends_with("[APP/0]    OUT found"), "{line}");
    let ended = reader.interrupt();
    assert!(ended.is_success, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("1 envelopes, 0 gaps, 0.0 s without connection"),
        "{}",
        ended.stderr
    );
    let stream = &foundation.asked()[0];
    assert_eq!(stream.what, format!("GET /apps/{APP}/stream"));
    let tokens: Vec<_> = api.asked().into_iter().map(|asked| asked.token).collect();
    let token = Some("bearer tok-new".to_owned());
    // The root is open to everybody, so it gets no token.
    assert_eq!(tokens, [token.clone(), None]);
    assert_eq!(stream.token, token);
}

#[test]
fn an_api_of_before_2017_says_it_in_its_info() {
    let foundation = Foundation::start(|_, _| one_line("found"));
    let says = format!(
        r#"{{"logging_endpoint":"ws://old","doppler_logging_endpoint":"ws://{}"}}"#,
        foundation.address
    );
    let api = Foundation::start(move |asked, _| match &*asked.what {
        "GET /v2/info" => Reply::json(&*says),
        _ => Reply::status(404, "no"),
    });
    let url = format!("http://{}", api.address);
    let reader = Reader::start(&["firehose", "--subscription", "a/b"], &[("CF_API", &url)]);
    assert!(reader.line().ends_with("found"));
    assert!(reader.interrupt().is_success);
    assert_eq!(whats(&foundation.asked()), ["GET /firehose/a%2Fb"]);
    let nothing = Foundation::start(|_, _| Reply::json("{}"));
    let url = format!("http://{}", nothing.address);
    let ended = Reader::run(&["firehose", "--api", &url], &[]);
    assert!(!ended.is_success);
    assert!(
        ended.stderr.contains("neither at / nor at /v2/info"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_stale_token_is_renewed_and_cfs_file_stays_as_it_is() {
    let foundation = Foundation::start(|asked, _| match (&*asked.what, asked.token.as_deref()) {
        ("POST /oauth/token", None) => Reply::json(
            r#"{"access_token":"tok-new","token_type":"bearer","refresh_token":"ref-new"}"#,
        ),
        (_, Some("bearer tok-new")) => one_line("renewed"),
        _ => Reply::status(401, "You are not authorized: bearer tok-old"),
    });
    let (home, config) = cf_home(&foundation, "tok-old");
    let variables = [
        ("CF_HOME", home.to_str().unwrap()),
        ("CF_API", "https://unused"),
    ];
    let reader = Reader::start(&["tail", APP, "--cf"], &variables);
    assert!(reader.line().ends_with("renewed"));
    assert!(reader.interrupt().is_success);
    let form = &foundation.asked()[1].body;
    assert_eq!(
        form,
        "grant_type=refresh_token&refresh_token=ref-old&client_id=cf&client_secret="
    );
    assert_eq!(
        fs::read_to_string(home.join(".cf/config.json")).unwrap(),
        config
    );
}

#[test]
fn a_token_that_is_not_renewed_ends_it_and_is_not_told() {
    let foundation = Foundation::start(|asked, _| match &*asked.what {
        "POST /oauth/token" => Reply::status(
            400,
            r#"{"error":"invalid_token","error_description":"expired: ref-old"}"#,
        ),
        _ => Reply::status(401, "You are not authorized: bearer tok-old"),
    });
    let (home, _) = cf_home(&foundation, "tok-old");
    let variables = [("CF_HOME", home.to_str().unwrap())];
    let ended = Reader::run(&["tail", "web", "--cf"], &variables);
    assert!(!ended.is_success);
    assert!(
        ended.stderr.contains("invalid_token); log in again"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        whats(&foundation.asked()),
        [
            "GET /v3/apps?names=web&space_guids=s-1",
            "POST /oauth/token"
        ]
    );
    let url = format!("ws://{}", foundation.address);
    let variables = [("CF_ACCESS_TOKEN", "tok-old")];
    let ended = Reader::run(&["firehose", "--url", &url], &variables);
    assert!(!ended.is_success);
    assert!(
        ended
            .stderr
            .contains("401 Unauthorized: You are not authorized: bearer [token]"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("does not allow it"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_closed_stream_is_a_gap_and_the_next_goes_on() {
    let foundation = Foundation::start(|_, before| match before {
        0 => Reply::Stream(vec![log("one", 1), Frame::Close(1008, "slow reader")]),
        1 => Reply::status(503, "busy"),
        2 => Reply::Http(
            404,
            "X-Cf-RouterError: unknown_route\r\n".into(),
            Vec::new(),
        ),
        _ => one_line("two"),
    });
    let url = format!("ws://{}", foundation.address);
    let reader = Reader::start(&["tail", "A", "--url", &url], &[]);
    assert!(reader.line().ends_with("one") && reader.line().ends_with("two"));
    let ended = reader.interrupt();
    assert!(ended.is_success, "{}", ended.stderr);
    for expected in [
        "the server closed the stream: 1008 slow reader; connecting again\n",
        "503 Service Unavailable: busy; again in 1 s\n",
        "connected again; a gap of ",
        "2 envelopes, 1 gaps, ",
        "1 × the server closed the stream: 1008 slow reader\n",
    ] {
        assert!(
            ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
    }
    assert_eq!(foundation.asked().len(), 4);
}

#[test]
fn what_is_refused_for_good_ends_it() {
    for (status, expected) in [
        (404, "there is no such app"),
        (401, "no token was sent"),
        (403, "403 Forbidden"),
    ] {
        let foundation = Foundation::start(move |_, before| match before {
            0 => Reply::Stream(vec![log("one", 1), Frame::Close(1001, "")]),
            _ => Reply::status(status, ""),
        });
        let url = format!("ws://{}", foundation.address);
        let ended = Reader::run(&["tail", "A", "--url", &url], &[]);
        assert!(!ended.is_success);
        for expected in [expected, "1 envelopes, 1 gaps, "] {
            assert!(
                ended.stderr.contains(expected),
                "{expected}: {}",
                ended.stderr
            );
        }
        assert_eq!(foundation.asked().len(), 2);
    }
}

#[test]
fn silence_is_noticed_and_a_stream_can_end_for_good() {
    let foundation = Foundation::start(|_, _| one_line("one"));
    let url = format!("ws://{}", foundation.address);
    let arguments = [
        "tail",
        "A",
        "--url",
        &url,
        "--idle-seconds",
        "1",
        "--no-reconnect",
    ];
    let ended = Reader::run(&arguments, &[]);
    assert!(!ended.is_success && ended.stdout.ends_with("one"));
    assert!(
        ended
            .stderr
            .contains("nothing came for 1 s, not even a ping"),
        "{}",
        ended.stderr
    );
}

#[test]
fn recent_logs_come_in_the_order_of_time() {
    let foundation = Foundation::start(|asked, _| match asked.what.contains("/apps/none/") {
        true => Reply::status(404, "404 page not found\n"),
        false => multipart(&[
            ("two", 2_000_000_000),
            ("one", 1_000_000_000),
            ("three", 3_000_000_000),
        ]),
    });
    let url = format!("ws://{}", foundation.address);
    let ended = Reader::run(&["recent", "A", "--url", &url], &[]);
    assert!(ended.is_success, "{}", ended.stderr);
    let words: Vec<_> = ended
        .stdout
        .lines()
        .map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(words, [Some("one"), Some("two"), Some("three")]);
    let ended = Reader::run(&["recent", "A", "--url", &url, "--lines", "1"], &[]);
    assert!(ended.stdout.ends_with("three") && ended.stdout.lines().count() == 1);
    let ended = Reader::run(&["recent", "none", "--url", &url], &[]);
    assert!(
        !ended.is_success && ended.stderr.contains("keep no recent logs"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        whats(&foundation.asked()),
        [
            "GET /apps/A/recentlogs",
            "GET /apps/A/recentlogs?limit=1",
            "GET /apps/none/recentlogs"
        ]
    );
}

#[test]
fn tls_is_verified_unless_it_is_said_not_to_be() {
    let files = Authority::new().files("localhost");
    let foundation = Foundation::start_tls(&files, |asked, _| match &*asked.what {
        "GET /" => Reply::json(r#"{"links":{"logging":{"href":"ws://127.0.0.1:1"}}}"#),
        _ => multipart(&[("secure", 1)]),
    });
    let url = format!("wss://localhost:{}", foundation.address.port());
    let ca_file = files.ca_file.to_str().unwrap();
    let ended = Reader::run(&["recent", "A", "--url", &url, "--ca-file", ca_file], &[]);
    assert!(ended.stdout.ends_with("secure"), "{}", ended.stderr);
    let ended = Reader::run(
        &["recent", "A", "--url", &url, "--skip-ssl-validation"],
        &[],
    );
    assert!(ended.stdout.ends_with("secure"), "{}", ended.stderr);
    assert!(ended.stderr.contains("not verified"), "{}", ended.stderr);
    let other = Authority::new().files("localhost").ca_file;
    let other = other.to_str().unwrap();
    let variables = [("CF_ACCESS_TOKEN", "tok-new"), ("SSL_CERT_FILE", other)];
    for more in [&["--ca-file", other][..], &[]] {
        let arguments = [&["recent", "A", "--url", &url][..], more].concat();
        let ended = Reader::run(&arguments, &variables);
        assert!(
            !ended.is_success && ended.stderr.contains("--ca-file names"),
            "{}",
            ended.stderr
        );
    }
    let before = foundation.asked().len();
    let api = format!("https://localhost:{}", foundation.address.port());
    let arguments = ["tail", APP, "--api", &api, "--ca-file", ca_file];
    let ended = Reader::run(&arguments, &[("CF_ACCESS_TOKEN", "tok-new")]);
    assert!(
        !ended.is_success && ended.stderr.contains("without TLS"),
        "{}",
        ended.stderr
    );
    assert_eq!(foundation.asked().len(), before + 1);
}

#[test]
fn a_variables_token_goes_nowhere_else() {
    let foundation = Foundation::start(|_, _| multipart(&[("one", 1)]));
    let url = format!("ws://{}", foundation.address);
    let variables = [
        ("CF_ACCESS_TOKEN", "tok-new"),
        ("CF_API", "https://api.example"),
    ];
    let ended = Reader::run(&["recent", "A", "--url", &url], &variables);
    assert!(
        ended.is_success && ended.stderr.contains("is not sent elsewhere"),
        "{}",
        ended.stderr
    );
    let file = file("token", "bearer ref-old\n");
    let file = file.to_str().unwrap();
    Reader::run(
        &["recent", "A", "--url", &url, "--token-file", file],
        &variables,
    );
    let tokens: Vec<_> = foundation
        .asked()
        .into_iter()
        .map(|asked| asked.token)
        .collect();
    assert_eq!(tokens, [None, Some("bearer ref-old".to_owned())]);
}

#[test]
fn the_real_server_is_followed_as_json_and_sorted_out() {
    let server = Server::start("");
    let url = format!("ws://{}", server.websocket);
    let arguments = [
        "firehose",
        "--subscription",
        "s",
        "--url",
        &url,
        "--json",
        "--source-type",
        "app",
    ];
    let reader = Reader::start(&arguments, &[]);
    server.wait_for_session("/firehose/s");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let value = {
        use hydrant_proto::v1::{Envelope, ValueMetric};
        use prost::Message as _;
        Envelope {
            origin: "test".into(),
            event_type: 6,
            value_metric: Some(ValueMetric::default()),
            ..Envelope::default()
        }
        .encode_to_vec()
    };
    socket.send_to(&value, server.udp).unwrap();
    socket
        .send_to(&v1_log(APP, "hello", 1), server.udp)
        .unwrap();
    let object: serde_json::Value = serde_json::from_str(&reader.line()).unwrap();
    assert_eq!(
        object,
        serde_json::json!({
            "type": "log", "timestamp": "1970-01-01T00:00:00.000000001Z", "source_id": APP,
            "instance": "0", "origin": "test", "tags": {}, "stream": "out", "source_type": "APP",
            "message": "hello",
        })
    );
    let ended = reader.interrupt();
    assert!(ended.is_success);
    assert!(
        ended.stderr.contains("2 envelopes (1 shown), 0 gaps"),
        "{}",
        ended.stderr
    );
    server.stop();
}

#[test]
fn the_real_server_is_found_as_an_api_and_keeps_recent_logs() {
    let server = Server::start("");
    let api = format!("http://{}", server.websocket);
    let reader = Reader::start(&["tail", APP, "--api", &api], &[]);
    server.wait_for_session(&format!("/apps/{APP}/stream"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (message, timestamp) in [("second", 2), ("first", 1)] {
        let envelope = v1_log(APP, message, timestamp);
        socket.send_to(&envelope, server.udp).unwrap();
        assert!(reader.line().ends_with(message));
    }
    let ended = Reader::run(&["recent", APP, "--api", &api, "--json"], &[]);
    assert!(ended.is_success, "{}", ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].contains("first") && lines[1].contains("second") && lines.len() == 2);
    let ended = Reader::run(&["tail", "web", "--api", &api], &[]);
    assert!(
        !ended.is_success && ended.stderr.contains("--id takes APP"),
        "{}",
        ended.stderr
    );
    assert!(reader.interrupt().is_success);
    server.stop();
}
