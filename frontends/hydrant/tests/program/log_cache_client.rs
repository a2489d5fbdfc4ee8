//! `hydrant tail --recent`, `query` and `meta`: against Log Cache in one process with everything else, and
//! against a Cloud Foundry.

use crate::foundation::{Asked, Foundation, Reply};
use crate::process::{Server, file, free_port, path};
use crate::reader::Reader;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

/// A node, its gateway and its syslog server.
fn start() -> Server {
    let node = format!("127.0.0.1:{}", free_port());
    Server::start(&format!(
        "\n[log_cache]\naddress = \"{node}\"\n\
         [log_cache_gateway]\naddress = \"127.0.0.1:0\"\nnode_address = \"{node}\"\n\
         [log_cache_syslog]\naddress = \"127.0.0.1:0\"\nnode_address = \"{node}\"\n"
    ))
}

/// Sends messages of a source, each from its elements on, a microsecond apart, and waits until the node has
/// them.
fn send(server: &Server, source_id: &str, start: Timestamp, messages: &[String]) {
    let before = server.count(DELIVERED);
    let mut bytes = String::new();
    for (number, message) in (0..).zip(messages) {
        let time = start + SignedDuration::from_micros(number);
        let time = time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        let message = format!("<14>1 {time} h {source_id} [APP/2] - {message}\n");
        write!(bytes, "{} {message}", message.len()).unwrap();
    }
    let mut stream = TcpStream::connect(server.log_cache_syslog).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    server.wait_for(DELIVERED, before + messages.len() as u64);
}

const DELIVERED: &str = "hydrant_session_delivered_total frontend=\"log-cache-syslog\"";
const LOG: &str = "[tags@47450 source_type=\"APP\"]";

fn long_ago() -> Timestamp {
    "2023-11-14T22:13:20.5Z".parse().unwrap()
}

/// What a command prints of this Log Cache.
fn printed(server: &Server, command: &[&str]) -> String {
    let url = format!("http://{}", server.log_cache_gateway);
    let ended = Reader::run(&[command, &["--log-cache", &url]].concat(), &[]);
    assert!(ended.is_success, "{}", ended.stderr);
    ended.stdout
}

fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The same, with 200 logs of `app` in the node, and a gauge, a log and a counter of `other`.
fn start_full() -> Server {
    let server = start();
    let lines: Vec<_> = (0..200)
        .map(|number| format!("{LOG} line {number}"))
        .collect();
    send(&server, "app", long_ago(), &lines);
    let elements = [
        "[gauge@47450 name=\"cpu\" value=\"0.25\" unit=\"percentage\"][tags@1 a=\"b\"] ",
        "- a line",
        "[counter@47450 name=\"c\" delta=\"1\" total=\"7\"] ",
    ];
    send(&server, "other", long_ago(), &elements.map(str::to_owned));
    server
}

#[test]
fn the_last_logs_are_printed_or_what_else_is_wanted() {
    let server = start_full();
    let recent = printed(&server, &["tail", "app", "--recent", "--lines", "3"]);
    let lines: Vec<_> = recent
        .lines()
        .map(|line| line.split("OUT ").nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["line 197", "line 198", "line 199"]);
    let all = printed(&server, &["tail", "app", "--recent"]);
    assert_eq!(all.lines().count(), 200);

    let types = ["--recent", "--json", "--type", "gauge,counter"];
    let metrics = objects(&printed(
        &server,
        &[&["tail", "other"], &types[..]].concat(),
    ));
    let names: Vec<_> = metrics
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cpu", "c"]);
    assert_eq!(metrics[0]["timestamp"], "2023-11-14T22:13:20.500000000Z");
    let value = (
        &metrics[0]["value"],
        &metrics[0]["source_id"],
        &metrics[0]["tags"]["a"],
    );
    assert_eq!(value, (&json!(0.25), &json!("other"), &json!("b")));
    let log = objects(&printed(&server, &["tail", "other", "--recent", "--json"]));
    assert_eq!(
        (log.len(), &log[0]["message"], &log[0]["instance"]),
        (1, &json!("a line"), &json!("2"))
    );
    assert_eq!(printed(&server, &["tail", "nobody", "--recent"]), "");
    server.stop();
}

#[test]
fn queries_are_answered_at_one_moment_and_at_several() {
    let server = start_full();
    let query = "cpu{source_id=\"other\"} * 4";
    let value = printed(&server, &["query", query, "--time", "1700000001"]);
    assert_eq!(
        value,
        "{a=\"b\", instance_id=\"2\", source_id=\"other\"}  1"
    );
    let range = [
        "--start",
        "1700000000",
        "--end",
        "1700000002",
        "--step",
        "1",
    ];
    let values = printed(&server, &[&["query", query], &range[..]].concat());
    let expected = "\n  2023-11-14T22:13:21.000Z  1\n  2023-11-14T22:13:22.000Z  1";
    assert!(values.ends_with(expected), "{values}");
    let raw = printed(&server, &["query", query, "--json", "--time", "1700000001"]);
    let raw: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(raw["data"]["result"][0]["value"][1], "1");
    let url = format!("http://{}", server.log_cache_gateway);
    let ended = Reader::run(&["query", "cpu{", "--log-cache", &url], &[]);
    assert!(!ended.is_success);
    assert!(
        ended
            .stderr
            .contains("Log Cache answers 500 Internal Server Error (internal): "),
        "{}",
        ended.stderr
    );
    server.stop();
}

#[test]
fn sources_are_shown_with_the_noisiest_first() {
    let server = start_full();
    let meta = printed(&server, &["meta"]);
    let rows: Vec<Vec<_>> = meta
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["SOURCE", "PER", "SECOND", "KEPT", "DROPPED", "SPAN"]
    );
    assert_eq!(rows[1], ["app", "0.0", "200", "0", "0:00:00"]);
    assert_eq!(rows[2], ["other", "0.0", "3", "0", "0:00:00"]);
    let noisiest = objects(&printed(&server, &["meta", "--json", "--lines", "1"]));
    assert_eq!((noisiest.len(), &noisiest[0]["count"]), (1, &json!(200)));
    let said = server.stop();
    assert!(
        said.contains("log-cache-syslog: from other hosts"),
        "{said}"
    );
}

#[test]
fn what_comes_is_followed() {
    let server = start();
    send(&server, "app", long_ago(), &[format!("{LOG} before")]);
    let url = format!("http://{}", server.log_cache_gateway);
    let on = Reader::start(&["tail", "app", "--log-cache", &url], &[]);
    let both = ["tail", "app", "--recent", "--follow", "--log-cache", &url];
    let both = Reader::start(&both, &[]);
    assert!(both.line().ends_with("OUT before"));
    let lines: Vec<_> = (0..20)
        .map(|number| format!("{LOG} now {number}"))
        .collect();
    send(&server, "app", Timestamp::now(), &lines);
    for reader in [&on, &both] {
        for number in 0..20 {
            let line = reader.line();
            assert!(line.ends_with(&format!("OUT now {number}")), "{line}");
        }
    }
    let ended = on.interrupt();
    assert!(
        ended.is_success && ended.stderr.contains("20 envelopes, 0 gaps"),
        "{}",
        ended.stderr
    );
    let ended = both.interrupt();
    assert!(
        ended.is_success && ended.stderr.contains("21 envelopes"),
        "{}",
        ended.stderr
    );
    server.stop();
}

/// An answer with so many logs, the newest first.
fn logs(count: i64) -> Reply {
    let log = |number: i64| {
        json!({"timestamp": number.to_string(), "source_id": "s", "instance_id": "1", "tags": {},
               "log": {"payload": "aGVsbG8=", "type": "OUT"}})
    };
    let batch: Vec<_> = (0..count).rev().map(log).collect();
    Reply::json(json!({"envelopes": {"batch": batch}}).to_string())
}

fn whats(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| &*asked.what).collect()
}

#[test]
fn an_api_says_where_log_cache_is_and_who_is_asked_gets_the_token() {
    let cache = Foundation::start(|asked, before| {
        // A proxy says no more to a token that has expired.
        match (
            asked.token.as_deref(),
            before,
            asked.what.contains("limit=500"),
        ) {
            (Some("bearer tok-new"), _, true) => logs(2),
            (Some("bearer tok-new"), _, false) => Reply::status(429, "too large"),
            _ => Reply::status(404, ""),
        }
    });
    let says = format!(
        r#"{{"links":{{"log_cache":{{"href":"http://{}"}}}}}}"#,
        cache.address
    );
    let api = Foundation::start(move |asked, _| match &*asked.what {
        "GET /" => Reply::json(&*says),
        "GET /v3/apps?names=web&space_guids=s-1" => {
            Reply::json(r#"{"resources":[{"guid":"app-guid"}]}"#)
        }
        "POST /oauth/token" => Reply::json(r#"{"access_token":"tok-new"}"#),
        _ => Reply::status(404, ""),
    });
    let home = path("cf-home");
    fs::create_dir_all(home.join(".cf")).unwrap();
    let config = json!({
        "Target": format!("http://{}", api.address), "UaaEndpoint": format!("http://{}", api.address),
        "AccessToken": "bearer tok-old", "RefreshToken": "ref-old", "SpaceFields": {"GUID": "s-1"},
    });
    fs::write(home.join(".cf/config.json"), config.to_string()).unwrap();
    let variables = [("CF_HOME", home.to_str().unwrap())];
    let ended = Reader::run(&["tail", "web", "--recent", "--cf"], &variables);
    assert!(ended.is_success, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 2);
    let read = "GET /api/v1/read/app-guid?descending=true&limit=1000&envelope_types=LOG";
    let fewer = read.replace("1000", "500");
    assert_eq!(whats(&cache.asked()), [read, read, &*fewer]);
    assert_eq!(api.asked()[1].what, "GET /");
    assert_eq!(api.asked()[1].token, None);

    let token = file("token", "tok-old");
    let url = format!("http://{}", cache.address);
    let asked = [
        "meta",
        "--log-cache",
        &url,
        "--token-file",
        token.to_str().unwrap(),
    ];
    let ended = Reader::run(&asked, &[]);
    assert!(!ended.is_success);
    assert!(
        ended
            .stderr
            .contains("404 Not Found; the proxy says no more"),
        "{}",
        ended.stderr
    );
}

#[test]
fn who_does_not_say_where_is_told_how_to() {
    for command in [&["meta"][..], &["query", "1"], &["tail", "a", "--recent"]] {
        let ended = Reader::run(command, &[]);
        assert!(!ended.is_success);
        assert!(
            ended
                .stderr
                .contains("say where Log Cache is: --log-cache URL"),
            "{}",
            ended.stderr
        );
    }
    let url = "http://127.0.0.1:1";
    let ended = Reader::run(&["meta", "--log-cache", url], &[]);
    assert!(
        ended
            .stderr
            .contains("cannot connect to http://127.0.0.1:1/api/v1/meta"),
        "{}",
        ended.stderr
    );
    let nothing = Foundation::start(|_, _| Reply::json("{}"));
    let url = format!("http://{}", nothing.address);
    let ended = Reader::run(&["meta", "--api", &url], &[]);
    assert!(
        ended
            .stderr
            .contains("does not say at / where Log Cache is"),
        "{}",
        ended.stderr
    );
    let ended = Reader::run(&["tail", "a", "--recent", "--log-cache", &url], &[]);
    assert!(
        ended.stderr.contains("the answer is not Log Cache's"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_node_that_is_away_is_named() {
    let [node, absent] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let server = Server::start(&format!(
        "\n[log_cache]\naddress = \"{node}\"\nnodes = [\"{node}\", \"{absent}\"]\n\
         [log_cache_gateway]\naddress = \"127.0.0.1:0\"\nnode_address = \"{node}\"\n"
    ));
    let url = format!("http://{}", server.log_cache_gateway);
    let said = format!("a node of Log Cache is away ({absent}): what it keeps is not shown");
    let told = |command: &[&str]| {
        let ended = Reader::run(&[command, &["--log-cache", &url]].concat(), &[]);
        assert!(ended.is_success, "{}", ended.stderr);
        ended.stderr.matches(&said).count()
    };
    // It looks twice, and says it once.
    assert_eq!(told(&["meta", "--seconds", "1"]), 1);
    let apps: Vec<_> = (0..16).map(|number| format!("app-{number}")).collect();
    let counts = apps.iter().map(|app| told(&["tail", app, "--recent"]));
    let of_absent: usize = counts.sum();
    assert!((1..16).contains(&of_absent), "{of_absent}");
    server.stop();
}
