//! The proxy, between a gateway of ours, a UAA and a Cloud Controller.

use super::gateway::gateway;
use super::node::{Asked, Node};
use super::rig::{Said, ask, get, post};
use crate::proxy::start_with;
use crate::{ProxyConfig, Report, RestCounter, Server};
use bytes::Bytes;
use hydrant_access::fakes::{FakeApi, FakeUaa, Peer, Signer};
use hydrant_proto::logcache::prom_ql::InstantQueryRequest;
use hydrant_proto::logcache::{MetaInfo, MetaResponse};
use prost::Message;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

struct Rig {
    node: Node,
    _gateway: Server,
    _uaa: FakeUaa,
    api: FakeApi,
    proxy: Server,
    address: SocketAddr,
    signer: Signer,
}

fn start(change: impl FnOnce(&mut ProxyConfig)) -> (Server, SocketAddr, FakeUaa, FakeApi, Signer) {
    let (uaa, api) = (FakeUaa::new(), FakeApi::new());
    uaa.publish("key-1", "HS256", "secret");
    let mut config = ProxyConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        gateway_address: "http://127.0.0.1:1".to_owned(),
        gateway_ca_file: None,
        uaa: uaa.config(),
        capi: api.config(),
        skip_cert_verify: false,
        promql_unimplemented: false,
        security_event_log: None,
        internal_ip: "0.0.0.0".to_owned(),
        insecure: false,
    };
    change(&mut config);
    let proxy = start_with(&config, Report::new(|_| ()), Duration::from_millis(1)).unwrap();
    let address = loop {
        match proxy.address() {
            Some(address) => break address,
            None => sleep(Duration::from_millis(1)),
        }
    };
    (proxy, address, uaa, api, Signer::secret("key-1", "secret"))
}

impl Rig {
    fn new() -> Self {
        let node = Node::new(|asked| {
            let info = MetaInfo {
                count: 1,
                ..MetaInfo::default()
            };
            let all = ["app-1", "app-2", "doppler"].map(|id| (id.to_owned(), info));
            Ok(match asked {
                Asked::Meta(_) => MetaResponse { meta: all.into() }.encode_to_vec().into(),
                _ => Bytes::new(),
            })
        });
        let (gateway, gateway_address) = gateway(node.address);
        let url = format!("http://{gateway_address}");
        let (proxy, address, uaa, api, signer) = start(|config| config.gateway_address = url);
        api.app("app-1", "one");
        Self {
            node,
            _gateway: gateway,
            _uaa: uaa,
            api,
            proxy,
            address,
            signer,
        }
    }

    fn user(&self) -> String {
        format!("Authorization: {}\r\n", self.signer.bearer(&["openid"]))
    }

    fn admin(&self) -> String {
        let bearer = self.signer.bearer(&["doppler.firehose"]);
        format!("Authorization: {bearer}\r\n")
    }

    fn get(&self, path: &str, headers: &str) -> Said {
        ask(self.address, "GET", path, headers)
    }
}

fn is_nothing(said: &Said) -> bool {
    said.status == 404 && said.body.is_empty()
}

#[test]
fn sources_are_read_by_who_may() {
    let rig = Rig::new();
    let empty = "{\"envelopes\":{\"batch\":[]}}\n";
    assert_eq!(
        rig.get("/api/v1/read/app-1?limit=1", &rig.user()).body,
        empty
    );
    assert!(is_nothing(&rig.get("/api/v1/read/app-2", &rig.user())));
    assert_eq!(rig.get("/api/v1/read/a%2Fb", &rig.admin()).body, empty);
    let read: Vec<_> = rig.node.asked();
    let ids = read.iter().map(|asked| match asked {
        Asked::Read(request) => request.source_id.as_str(),
        _ => "",
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["app-1", "a/b"]);
    // Whoever has no token, or none that is one, learns nothing.
    let wrong = "Authorization: bearer x.y.z\r\n";
    for path in ["/api/v1/read/app-1", "/api/v1/meta"] {
        assert!(is_nothing(&get(rig.address, path)), "{path}");
        assert!(is_nothing(&rig.get(path, wrong)), "{path}");
    }
    for path in [
        "/",
        "/api/v1/read/",
        "/api/v1/read/a/b",
        "/api/v1/querypath",
        "/api/v1/info/",
    ] {
        let said = rig.get(path, &rig.admin());
        assert_eq!(
            (said.status, said.body.as_str()),
            (404, "404 page not found\n")
        );
        assert!(said.has("x-content-type-options: nosniff"), "{said:?}");
    }
    assert_eq!(get(rig.address, "/api/v1/info").status, 200);
    let state = rig.proxy.state();
    assert_eq!(state.get(RestCounter::Succeeded), 3);
}

#[test]
fn metas_are_those_that_the_client_may_see() {
    let rig = Rig::new();
    let said = rig.get("/api/v1/meta?local_only=x", &rig.user());
    assert_eq!(said.body, "{\"meta\":{\"app-1\":{\"count\":\"1\"}}}\n");
    assert!(
        said.has("content-type: text/plain; charset=utf-8"),
        "{said:?}"
    );
    let said = rig.get("/api/v1/meta", &rig.admin());
    let all = r#"{"meta":{"app-1":{"count":"1"},"app-2":{"count":"1"},"doppler":{"count":"1"}}}"#;
    assert_eq!(said.body, format!("{all}\n"));
}

#[test]
fn queries_are_rewritten_for_who_may() {
    let rig = Rig::new();
    let asked = |rig: &Rig| match rig.node.asked().as_slice() {
        [Asked::Query(InstantQueryRequest { query, time })] => (query.clone(), time.clone()),
        other => panic!("{other:?}"),
    };
    let path = "/api/v1/query?time=1.000&query=m%7Bsource_id%3D%22one%22%7D";
    assert_eq!(rig.get(path, &rig.user()).status, 200);
    let expected = ("m{source_id=\"app-1\"}".to_owned(), "1.000".to_owned());
    assert_eq!(asked(&rig), expected);
    // The administrator's name of a source may be one.
    assert_eq!(rig.get(path, &rig.admin()).status, 200);
    assert_eq!(asked(&rig).0, "m{source_id=~\"app-1|one\"}");
    // What cannot be read of an URL is passed over.
    let odd = format!("{path}&a=%zz&b=1;c=2");
    assert_eq!(rig.get(&odd, &rig.user()).status, 200);
    assert_eq!(asked(&rig), expected);
    let form = "query=m%7Bsource_id%3D%22app-1%22%7D&time=2";
    let said = post(rig.address, "/api/v1/query", &rig.user(), form);
    assert_eq!(said.status, 200);
    assert_eq!(
        asked(&rig),
        ("m{source_id=\"app-1\"}".to_owned(), "2".to_owned())
    );
    let other = "/api/v1/query?query=m%7Bsource_id%3D~%22one%7Capp-2%22%7D";
    assert!(is_nothing(&rig.get(other, &rig.user())));
    assert!(is_nothing(&get(rig.address, "/api/v1/query?query=1")));
    let none = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"query does not request any source_ids\"}\n";
    let said = rig.get("/api/v1/query_range?query=1", "Authorization: x\r\n");
    assert_eq!((said.status, said.body.as_str()), (400, none));
    assert!(said.has("content-type: application/json"), "{said:?}");
    let said = rig.get("/api/v1/query", &rig.user());
    assert_eq!(said.status, 400);
    assert!(
        said.body.contains("no expression found in input"),
        "{said:?}"
    );
    assert_eq!(rig.node.asked(), []);
    assert!(rig.api.requests()[0].starts_with("/v3/apps?names=one&"));
}

#[test]
fn requests_are_passed_on_as_they_are() {
    let gateway = Peer::new(|_| Some(("418 I'm a teapot", "tea".to_owned())));
    let url = format!("http://{}", gateway.address());
    let (_proxy, address, _uaa, _api, signer) = start(|config| config.gateway_address = url);
    let bearer = signer.bearer(&["logs.admin"]);
    let headers = format!(
        "Authorization: {bearer}\r\nX-Forwarded-For: 10.0.0.7\r\nTE: trailers\r\nX-Other: kept\r\n"
    );
    let said = ask(address, "PUT", "/api/v1/read/a%2Fb?c=d%20e", &headers);
    assert_eq!((said.status, said.body.as_str()), (418, "tea"));
    let request = gateway.requests().remove(0).to_ascii_lowercase();
    assert!(
        request.starts_with("put /api/v1/read/a%2fb?c=d%20e http/1.1\r\n"),
        "{request}"
    );
    for line in [
        "host: log-cache.example",
        "x-forwarded-for: 10.0.0.7, 127.0.0.1",
        "x-other: kept",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
    assert!(request.contains("\r\nauthorization: bearer ") && !request.contains("\r\nte: "));
    // What it says of itself is not what a gateway says.
    let said = ask(address, "GET", "/api/v1/meta", &headers);
    assert_eq!((said.status, said.body.as_str()), (502, ""));
}

#[test]
fn a_gateway_that_is_away_is_502_and_metrics_may_be_refused() {
    let (_proxy, address, _uaa, _api, signer) = start(|config| config.promql_unimplemented = true);
    let said = get(address, "/api/v1/info");
    assert_eq!((said.status, said.body.as_str()), (502, ""));
    let admin = format!("Authorization: {}\r\n", signer.bearer(&["logs.admin"]));
    let said = ask(address, "GET", "/api/v1/meta", &admin);
    assert_eq!((said.status, said.body.as_str()), (502, ""));
    let said = get(address, "/api/v1/query_range");
    let body = "{\n\t\t\t\t\"status\": \"error\",\n\t\t\t\t\"errorType\": \"bad_data\",\n\t\t\t\t\"error\": \"Metrics not available\"\n\t\t\t}";
    assert_eq!((said.status, said.body.as_str()), (501, body));
    assert!(
        said.has("content-type: text/plain; charset=utf-8"),
        "{said:?}"
    );
}
