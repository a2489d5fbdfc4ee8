//! Requests that get no stream.

use super::client::{Client, Whole, ask, dial, open, request};
use super::provider::Manner;
use super::rig::{Rig, config, hurried};
use crate::{GatewayConfig, GatewayCounter, StartError, start, start_with};
use std::net::TcpListener;
use std::time::{Duration, Instant};

pub(super) fn refused(status: u16, error: &str, message: &str) -> Whole {
    let body = format!("{{\"message\":\"{message}\",\"error\":\"{error}\"}}\n\n");
    Whole {
        status,
        headers: plain(body.len()),
        body,
    }
}

fn plain(length: usize) -> Vec<String> {
    vec![
        format!("content-length: {length}"),
        "content-type: text/plain; charset=utf-8".to_owned(),
        "x-content-type-options: nosniff".to_owned(),
    ]
}

#[test]
fn other_paths_are_not_found() {
    let rig = Rig::new();
    let paths = [
        "/",
        "/v2",
        "/v2/read/",
        "/v2/reads?log",
        "/V2/read?log",
        "/v1/read",
    ];
    for (path, method) in paths
        .iter()
        .flat_map(|path| [(path, "GET"), (path, "POST")])
    {
        let expected = Whole {
            status: 404,
            headers: plain(19),
            body: "404 page not found\n".to_owned(),
        };
        assert_eq!(ask(rig.address(), method, path, ""), expected, "{path}");
    }
    rig.await_count(GatewayCounter::NoSuchPath, 12);
    assert!(rig.provider.is_uncalled());
}

#[test]
fn only_get_reads() {
    let rig = Rig::new();
    let expected = refused(405, "method_not_allowed", "method not allowed");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(ask(rig.address(), method, "/v2/read?log", ""), expected);
        // The method counts before the query.
        assert_eq!(ask(rig.address(), method, "/v2/read", ""), expected);
    }
    let head = ask(rig.address(), "HEAD", "/v2/read?log", "");
    assert_eq!((head.status, head.headers), (405, expected.headers));
    rig.await_count(GatewayCounter::Malformed, 11);
}

#[test]
fn a_query_says_what_is_wanted() {
    let rig = Rig::new();
    let empty = refused(400, "empty_query", "query cannot be empty");
    let missing = "query must provide at least one envelope type";
    let no_kind = refused(400, "missing_envelope_type", missing);
    for (path, expected) in [
        ("/v2/read", &empty),
        ("/v2/read?", &empty),
        ("/v2/read?log;counter", &empty),
        ("/v2/read?source_id=a", &no_kind),
        ("/v2/read?shard_id=a&logs", &no_kind),
    ] {
        assert_eq!(&ask(rig.address(), "GET", path, ""), expected, "{path}");
    }
    assert!(rig.provider.is_uncalled());
}

#[test]
fn a_connection_takes_one_request_after_another() {
    let rig = Rig::new();
    let mut client = Client::new(dial(rig.address()), &request("GET", "/v2/read", ""));
    assert_eq!(client.head().0, 400);
    let both = request("GET", "/", "").repeat(2);
    let mut client = Client::new(dial(rig.address()), &both);
    assert_eq!(client.head().0, 404);
}

#[test]
fn without_a_provider_streaming_is_unavailable() {
    let expected = refused(
        503,
        "streaming_unavailable",
        "streaming is temporarily unavailable",
    );
    // Nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let rig = Rig::with(Manner::Prompt, |config| {
        config.provider.address = address.to_string();
    });
    for _ in 0..2 {
        assert_eq!(ask(rig.address(), "GET", "/v2/read?log", ""), expected);
    }
    rig.await_count(GatewayCounter::Unavailable, 2);
    assert_eq!(rig.gateway.state().streams_open(), 0);
}

#[test]
fn a_provider_that_comes_back_is_found() {
    let mut rig = Rig::new();
    let mut first = open(rig.address(), "/v2/read?log");
    let _call = rig.provider.call();
    let address = rig.provider.address;
    let gone = std::mem::replace(
        &mut rig.provider,
        super::provider::Provider::new(Manner::Prompt),
    );
    drop(gone);
    assert_eq!(first.event(), None);
    rig.await_count(GatewayCounter::ProviderFailed, 1);
    assert_eq!(ask(rig.address(), "GET", "/v2/read?log", "").status, 503);
    // Another takes its place, under its address.
    let listener = TcpListener::bind(address).unwrap();
    let behind = rig.provider.address;
    std::thread::spawn(move || super::tls::pass_on(&listener, behind, |stream| stream));
    let _second = open(rig.address(), "/v2/read?log");
    rig.provider.call();
}

#[test]
fn there_are_only_so_many_streams() {
    let rig = Rig::with(Manner::Prompt, |config| config.streams_max = 2);
    let mut first = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    let _second = open(rig.address(), "/v2/read?log");
    assert_eq!(ask(rig.address(), "GET", "/v2/read?log", "").status, 503);
    assert_eq!(rig.gateway.state().streams_open(), 2);
    drop(call);
    assert_eq!(first.event(), None);
    let _third = open(rig.address(), "/v2/read?log");
}

#[test]
fn a_head_has_to_come_soon() {
    let rig = Rig::new();
    let asked_at = Instant::now();
    let mut client = Client::new(dial(rig.address()), "GET /v2/read?log HTTP/1.1\r\n");
    client.rest();
    let waited = asked_at.elapsed();
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
    assert!(rig.provider.is_uncalled());
}

#[test]
fn what_stands_in_the_way_of_a_start_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(taken.local_addr().unwrap());
    config.address = taken.local_addr().unwrap();
    let error = start(&config).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("gateway.address: cannot listen on 127.0.0.1:")
    );
    config.heartbeat_ms = 0;
    let error = start(&config).unwrap_err().to_string();
    assert!(error.starts_with("gateway.heartbeat_ms: "), "{error}");
    let text = "[tls]\ncert_file = \"no-such-file\"\nkey_file = \"k\"";
    let config: GatewayConfig = toml::from_str(text).unwrap();
    let error = start_with(&config, hurried(&config), None)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("gateway.tls: no-such-file: "), "{error}");
}
