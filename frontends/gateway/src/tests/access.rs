//! Who may read.

use super::client::{ask, open_with};
use super::provider::Manner;
use super::refusals::refused;
use super::rig::{Rig, SECOND};
use crate::{GatewayConfig, GatewayCounter, Latency};
use hydrant_access::fakes::Peer;
use hydrant_access::{AccessConfig, CapiConfig, Secret, UaaConfig};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const GUID: &str = "deadbeef-dead-dead-dead-deaddeafbeef";
const OTHER: &str = "01234567-89AB-cdef-0123-456789abcdef";
const ADMIN: &str = r#"{"scope":["cloud_controller.read","logs.admin"]}"#;
const NOBODY: &str = r#"{"error":"invalid_token"}"#;
const BEARER: &str = "Authorization: bearer token\r\n";

/// A gateway with a UAA and a Cloud Controller.
struct Guarded {
    rig: Rig,
    uaa: Peer,
    capi: Peer,
}

impl Guarded {
    fn new(uaa: Peer, capi: Peer) -> Self {
        let (uaa_address, capi_address) = (uaa.address(), capi.address());
        let rig = Rig::with(Manner::Prompt, |config| {
            guard(config, uaa_address, capi_address);
        });
        Self { rig, uaa, capi }
    }

    /// For an administrator, or not, whom the Cloud Controller refuses.
    fn of(uaa: (&'static str, &str)) -> Self {
        let capi = Peer::saying("404 Not Found", "{}");
        Self::new(Peer::saying(uaa.0, uaa.1), capi)
    }

    fn status(&self, query: &str, headers: &str) -> u16 {
        let path = format!("/v2/read?{query}");
        let mut client = super::client::Client::new(
            super::client::dial(self.rig.address()),
            &super::client::request("GET", &path, headers),
        );
        client.head().0
    }

    fn latency(&self, latency: Latency) -> u64 {
        self.rig.gateway.state().latency_nanos(latency)
    }
}

pub(super) fn guard(config: &mut GatewayConfig, uaa: SocketAddr, capi: SocketAddr) {
    config.access = Some(AccessConfig {
        uaa: UaaConfig {
            address: format!("http://{uaa}/some/path"),
            client_id: "doppler".to_owned(),
            client_secret: Secret::new("se:cret"),
            ca_file: None,
        },
        capi: CapiConfig {
            address: format!("http://{capi}"),
            external_address: Some(format!("http://{capi}/external/")),
            tls: None,
            server_name: String::new(),
        },
        skip_cert_verify: false,
        cache_ms: None,
    });
}

/// The value of a header of a request that a peer has seen.
fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let mut lines = request.lines();
    lines.find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[test]
fn without_a_token_there_is_nothing() {
    let guarded = Guarded::of(("200 OK", ADMIN));
    let expected = refused(404, "not_found", "resource not found");
    for headers in [
        "",
        "Authorization: \r\n",
        "Cookie: authorization=bearer token\r\n",
    ] {
        for (method, path) in [
            ("GET", "/v2/read?log"),
            ("POST", "/v2/read"),
            ("GET", "/v2/read"),
        ] {
            assert_eq!(ask(guarded.rig.address(), method, path, headers), expected);
        }
    }
    // Other paths say so to everybody.
    let other = ask(guarded.rig.address(), "GET", "/", "");
    assert_eq!(other.body, "404 page not found\n");
    assert!(guarded.uaa.requests().is_empty());
    guarded.rig.await_count(GatewayCounter::Denied, 9);
}

#[test]
fn uaa_is_asked_as_it_wants_to_be() {
    let guarded = Guarded::of(("200 OK", ADMIN));
    assert_eq!(
        guarded.status("log", "Authorization: bearer  to&k=n \r\n"),
        200
    );
    let requests = guarded.uaa.requests();
    let request = &requests[0];
    assert!(
        request.starts_with("POST /check_token HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(
        header(request, "host"),
        Some(&*guarded.uaa.address().to_string())
    );
    // "doppler:se:cret".
    let credentials = "Basic ZG9wcGxlcjpzZTpjcmV0";
    assert_eq!(header(request, "authorization"), Some(credentials));
    let form = "application/x-www-form-urlencoded";
    assert_eq!(header(request, "content-type"), Some(form));
    assert!(request.ends_with("\r\n\r\ntoken=to%26k%3Dn"), "{request}");
    assert!(guarded.latency(Latency::Uaa) > 0);
    assert_eq!(guarded.latency(Latency::LogAccess), 0);
}

#[test]
fn an_administrator_reads_everything() {
    for scope in ["doppler.firehose", "logs.admin"] {
        let guarded = Guarded::of(("200 OK", &format!("{{\"scope\":[\"{scope}\"]}}")));
        for query in [
            "log",
            "log&source_id=no-guid",
            &format!("log&source_id={GUID}"),
        ] {
            assert_eq!(guarded.status(query, BEARER), 200);
        }
        // And is told what is wrong.
        assert_eq!(guarded.status("", BEARER), 400);
        assert_eq!(
            ask(guarded.rig.address(), "PUT", "/v2/read", BEARER).status,
            405
        );
        assert!(guarded.capi.requests().is_empty());
    }
}

#[test]
fn others_name_sources_that_are_theirs() {
    let uaa = || Peer::saying("200 OK", r#"{"scope":["cloud_controller.read"]}"#);
    let guarded = Guarded::new(uaa(), Peer::saying("200 OK", "{}"));
    let both = format!("source_id={GUID}&log&source_id={OTHER}");
    assert_eq!(
        guarded.status(&both, "authorization: Bearer  token\r\n"),
        200
    );
    let requests = guarded.capi.requests();
    assert_eq!(requests.len(), 2);
    for (request, guid) in requests.iter().zip([GUID, OTHER]) {
        let line = format!("GET /internal/v4/log_access/{guid} HTTP/1.1\r\n");
        assert!(request.starts_with(&line), "{request}");
        assert_eq!(header(request, "authorization"), Some("Bearer  token"));
    }
    let unnamed = ["log", "log&source_id=", "log&source_id=no-guid"];
    let traversal = "log&source_id=../../v3/apps?";
    for query in unnamed.into_iter().chain([traversal]) {
        assert_eq!(guarded.status(query, BEARER), 404, "{query}");
    }
    assert_eq!(guarded.status(&format!("{both}&source_id=x"), BEARER), 404);
    assert!(guarded.latency(Latency::LogAccess) > 0);
    assert_eq!(guarded.latency(Latency::ServiceInstances), 0);
    assert_eq!(guarded.latency(Latency::Apps), 0);
}

#[test]
fn a_service_instance_is_a_source_too() {
    let external = |request: &str| {
        let is_external = request.starts_with("GET /external/v3/service_instances/");
        let status = if is_external {
            "200 OK"
        } else {
            "403 Forbidden"
        };
        Some((status, "{}".to_owned()))
    };
    let guarded = Guarded::new(Peer::saying("200 OK", "{}"), Peer::new(external));
    assert_eq!(
        guarded.status(&format!("log&source_id={GUID}"), BEARER),
        200
    );
    let requests = guarded.capi.requests();
    assert_eq!(requests.len(), 2);
    let line = format!("GET /external/v3/service_instances/{GUID} HTTP/1.1\r\n");
    assert!(requests[1].starts_with(&line), "{}", requests[1]);
    assert_eq!(header(&requests[1], "authorization"), Some("bearer token"));
    assert!(guarded.latency(Latency::ServiceInstances) > 0);
}

#[test]
fn one_source_of_somebody_else_spoils_all() {
    let capi = Peer::new(|request| {
        let is_theirs = request.contains(OTHER);
        let status = if is_theirs { "404 Not Found" } else { "200 OK" };
        Some((status, String::new()))
    });
    let guarded = Guarded::new(Peer::saying("200 OK", "{}"), capi);
    assert_eq!(
        guarded.status(&format!("log&source_id={GUID}"), BEARER),
        200
    );
    let both = format!("log&source_id={GUID}&source_id={OTHER}");
    assert_eq!(guarded.status(&both, BEARER), 404);
}

#[test]
fn who_uaa_refuses_is_no_administrator() {
    for uaa in [("400 Bad Request", NOBODY), ("401 Unauthorized", ADMIN)] {
        let capi = Peer::saying("200 OK", "");
        let guarded = Guarded::new(Peer::saying(uaa.0, uaa.1), capi);
        assert_eq!(guarded.status("log", BEARER), 404);
        assert_eq!(
            guarded.status(&format!("log&source_id={GUID}"), BEARER),
            200
        );
    }
}

#[test]
fn what_uaa_should_not_say_denies() {
    let redirect = "302 Found\r\nLocation: http://127.0.0.1:1/";
    for (status, body) in [
        ("200 OK", ""),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"scope":"logs.admin"}"#),
        (redirect, ""),
        ("500 Internal Server Error", "oops"),
    ] {
        let guarded = Guarded::new(Peer::saying(status, body), Peer::saying("200 OK", ""));
        assert_eq!(
            guarded.status(&format!("log&source_id={GUID}"), BEARER),
            404
        );
        assert!(guarded.capi.requests().is_empty());
        assert!(guarded.rig.provider.is_uncalled());
    }
}

#[test]
fn a_peer_that_is_down_denies() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let capi = Peer::saying("200 OK", "");
    let nobody = Peer::saying("200 OK", "{}");
    let expected = refused(404, "not_found", "resource not found");
    let path = format!("/v2/read?log&source_id={GUID}");
    for (uaa, capi) in [(closed, capi.address()), (nobody.address(), closed)] {
        let rig = Rig::with(Manner::Prompt, |config| guard(config, uaa, capi));
        assert_eq!(ask(rig.address(), "GET", &path, BEARER), expected);
        assert!(rig.gateway.state().latency_nanos(Latency::Uaa) > 0);
    }
}

#[test]
fn a_peer_that_is_slow_denies_and_holds_up_nobody() {
    let slow = Peer::new(|request| {
        let is_slow = request.ends_with("token=slow");
        (!is_slow).then(|| ("200 OK", ADMIN.to_owned()))
    });
    let guarded = Guarded::new(slow, Peer::saying("200 OK", ""));
    let address = guarded.rig.address();
    let asked_at = Instant::now();
    let waiting = std::thread::spawn(move || {
        ask(
            address,
            "GET",
            "/v2/read?log",
            "Authorization: bearer slow\r\n",
        )
        .status
    });
    let _quick = open_with(address, "/v2/read?log", BEARER);
    assert!(asked_at.elapsed() < Duration::from_millis(300));
    assert_eq!(waiting.join().unwrap(), 404);
    let waited = asked_at.elapsed();
    assert!(
        waited >= Duration::from_millis(300) && waited < 5 * SECOND,
        "{waited:?}"
    );
}
