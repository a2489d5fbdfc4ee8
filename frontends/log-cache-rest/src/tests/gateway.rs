//! The gateway, asked as clients ask it.

use super::node::{Asked, Node};
use super::rig::{ask, get, post};
use crate::{GatewayConfig, RestCounter, Server, VERSION, start_gateway};
use bytes::Bytes;
use hydrant_proto::logcache::prom_ql::{
    InstantQueryRequest, InstantQueryResult, RangeQueryRequest, Scalar, instant_query_result,
};
use hydrant_proto::logcache::{MetaInfo, MetaRequest, MetaResponse, ReadRequest, ReadResponse};
use hydrant_proto::v2::envelope::Message as Content;
use hydrant_proto::v2::{Envelope, EnvelopeBatch, Log};
use prost::Message;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;
use tonic::{Code, Status};

pub(super) fn gateway(node: SocketAddr) -> (Server, SocketAddr) {
    let config = GatewayConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        node_address: node.to_string(),
        ..GatewayConfig::default()
    };
    let server = start_gateway(&config).unwrap();
    let address = server.address().unwrap();
    (server, address)
}

fn read(change: impl FnOnce(&mut ReadRequest)) -> Asked {
    let mut request = ReadRequest::default();
    change(&mut request);
    Asked::Read(request)
}

#[test]
fn what_the_cf_cli_asks_is_answered() {
    let node = Node::new(|_| {
        let log = Log {
            payload: "hello".into(),
            r#type: 0,
        };
        let envelope = Envelope {
            timestamp: 1,
            source_id: "guid".into(),
            message: Some(Content::Log(log)),
            ..Envelope::default()
        };
        let envelopes = Some(EnvelopeBatch {
            batch: vec![envelope],
        });
        Ok(ReadResponse { envelopes }.encode_to_vec().into())
    });
    let (server, address) = gateway(node.address);
    let info = get(address, "/api/v1/info");
    assert_eq!(info.status, 200);
    assert!(
        info.has("content-type: text/plain; charset=utf-8"),
        "{info:?}"
    );
    let start = format!("{{\"version\":\"{VERSION}\",\"vm_uptime\":\"");
    let uptime = info.body.strip_prefix(&start).unwrap();
    let uptime = uptime.strip_suffix("\"}\n").unwrap();
    assert!(uptime.parse::<u64>().unwrap() > 0);
    let recent = "/api/v1/read/guid?descending=true&envelope_types=LOG&limit=1000\
                  &start_time=-6795364578871345152";
    let answer = get(address, recent);
    assert_eq!(answer.status, 200);
    assert!(answer.has("content-type: application/json"), "{answer:?}");
    assert!(answer.has("grpc-metadata-content-type: application/grpc"));
    let length = format!("content-length: {}", answer.body.len());
    assert!(answer.has(&length), "{answer:?}");
    let expected = r#"{"envelopes":{"batch":[{"timestamp":"1","source_id":"guid","instance_id":"","deprecated_tags":{},"tags":{},"log":{"payload":"aGVsbG8=","type":"OUT"}}]}}"#;
    assert_eq!(answer.body, format!("{expected}\n"));
    let asked = read(|it| {
        it.source_id = "guid".into();
        it.descending = true;
        it.envelope_types = vec![1];
        it.limit = 1000;
        it.start_time = -6_795_364_578_871_345_152;
    });
    assert_eq!(node.asked(), [asked]);
    let tail = "/api/v1/read/my%20app?descending=true&end_time=9&envelope_types=ANY&limit=10\
                &name_filter=&start_time=0";
    assert_eq!(get(address, tail).status, 200);
    let asked = read(|it| {
        it.source_id = "my app".into();
        it.descending = true;
        it.envelope_types = vec![0];
        it.limit = 10;
        it.end_time = 9;
    });
    assert_eq!(node.asked(), [asked]);
    assert_eq!(server.state().get(RestCounter::Succeeded), 3);
    server.stop(Duration::from_secs(5)).unwrap();
}

#[test]
fn sources_queries_and_forms() {
    let node = Node::new(|asked| {
        Ok(match asked {
            Asked::Meta(_) => {
                let info = MetaInfo {
                    count: 9,
                    expired: 0,
                    oldest_timestamp: 1,
                    newest_timestamp: 9,
                };
                let meta = [("all".to_owned(), info)].into();
                MetaResponse { meta }.encode_to_vec().into()
            }
            Asked::Query(_) => {
                let time = "1795345101.000".to_owned();
                let scalar = Scalar { time, value: 63.0 };
                let result = Some(instant_query_result::Result::Scalar(scalar));
                InstantQueryResult { result }.encode_to_vec().into()
            }
            Asked::Read(_) | Asked::QueryRange(_) => Bytes::new(),
        })
    });
    let (_server, address) = gateway(node.address);
    let meta = get(address, "/api/v1/meta?local_only=true").body;
    let expected = r#"{"meta":{"all":{"count":"9","expired":"0","oldest_timestamp":"1","newest_timestamp":"9"}}}"#;
    assert_eq!(meta, format!("{expected}\n"));
    assert_eq!(
        node.asked(),
        [Asked::Meta(MetaRequest { local_only: true })]
    );
    let path = "/api/v1/query?query=m%7Bsource_id%3D%22a%22%7D&time=1795345101.000";
    let answer = get(address, path);
    let expected =
        r#"{"status":"success","data":{"resultType":"scalar","result":[1795345101.000,"63"]}}"#;
    assert_eq!(answer.body, format!("{expected}\n"));
    let query = "m{source_id=\"a\"}".to_owned();
    let time = "1795345101.000".to_owned();
    assert_eq!(
        node.asked(),
        [Asked::Query(InstantQueryRequest { query, time })]
    );
    let form = "query=m&start=1.000&end=2.000";
    let answer = post(address, "/api/v1/query_range?step=1m", "", form);
    let empty = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}\n";
    assert_eq!((answer.status, answer.body.as_str()), (200, empty));
    let [query, start, end, step] = ["m", "1.000", "2.000", "1m"].map(str::to_owned);
    let range = RangeQueryRequest {
        query,
        start,
        end,
        step,
    };
    assert_eq!(node.asked(), [Asked::QueryRange(range)]);
    // Forms are read of every resource, and both say the same of a field at most once.
    let answer = post(address, "/api/v1/read/a", "", "limit=5");
    assert_eq!(answer.body, "{\"envelopes\":{\"batch\":[]}}\n");
    let answer = post(address, "/api/v1/read/a?limit=2", "", "limit=1");
    let expected =
        r#"{"code":3,"message":"too many values for field \"limit\": 1, 2","details":[]}"#;
    assert_eq!((answer.status, answer.body), (400, format!("{expected}\n")));
    let answer = post(address, "/api/v1/read/a", "", &"x".repeat((1 << 20) + 1));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("http: POST too large"), "{answer:?}");
    assert_eq!(node.asked().len(), 1);
}

#[test]
fn what_is_not_there_and_what_is_not_done() {
    let node = Node::empty();
    let (server, address) = gateway(node.address);
    let not_found = "{\"code\":5,\"message\":\"Not Found\",\"details\":[]}\n";
    for path in [
        "/",
        "/foo",
        "/api/v1/info/",
        "/api/v1/labels",
        "/api/v1/shard_groups",
        "/v1/read/x",
    ] {
        let answer = get(address, path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (404, not_found),
            "{path}"
        );
        assert!(answer.has("content-type: application/json"), "{answer:?}");
    }
    let not_allowed = "{\"code\":12,\"message\":\"Method Not Allowed\",\"details\":[]}\n";
    for (method, path) in [("POST", "/api/v1/read/a"), ("PUT", "/api/v1/meta")] {
        let answer = ask(address, method, path, "Content-Length: 0\r\n");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (501, not_allowed),
            "{path}"
        );
    }
    assert_eq!(ask(address, "HEAD", "/api/v1/meta", "").status, 501);
    let not_allowed =
        "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"Method Not Allowed\"}\n";
    let answer = ask(address, "DELETE", "/api/v1/query", "");
    assert_eq!((answer.status, answer.body.as_str()), (501, not_allowed));
    let form = "X-HTTP-Method-Override: delete\r\n";
    assert_eq!(post(address, "/api/v1/meta", form, "").status, 501);
    // What we are is told whoever asks how.
    assert_eq!(ask(address, "DELETE", "/api/v1/info", "").status, 200);
    let answer = get(address, "/api//v1/../v1/read/a%2Fb?x=1&y=2");
    assert_eq!(answer.status, 307);
    assert!(
        answer.has("location: /api/v1/read/a%2fb?x=1&y=2"),
        "{answer:?}"
    );
    let link = "<a href=\"/api/v1/read/a%2Fb?x=1&amp;y=2\">Temporary Redirect</a>.\n\n";
    assert_eq!(answer.body, link);
    assert_eq!(get(address, "/api/v1/read/%zz").status, 400);
    assert_eq!(node.asked(), []);
    let state = server.state();
    let sum = [
        RestCounter::Succeeded,
        RestCounter::Refused,
        RestCounter::Failed,
    ];
    let sum: u64 = sum.into_iter().map(|counter| state.get(counter)).sum();
    assert_eq!(state.get(RestCounter::Requests), sum);
    assert_eq!(state.get(RestCounter::Failed), 5);
}

#[test]
fn errors_of_the_node_are_passed_on() {
    let node = Node::new(|asked| {
        Err(match asked {
            Asked::Meta(_) => Status::unavailable("away"),
            Asked::Read(_) => Status::unknown("limit (1001) must be 1000 or less"),
            _ => Status::unknown("parse error: <&>"),
        })
    });
    let (_server, address) = gateway(node.address);
    let answer = get(address, "/api/v1/read/a?limit=1001");
    let expected =
        "{\"code\":2,\"message\":\"limit (1001) must be 1000 or less\",\"details\":[]}\n";
    assert_eq!((answer.status, answer.body.as_str()), (500, expected));
    let answer = get(address, "/api/v1/meta");
    let expected = "{\"code\":14,\"message\":\"away\",\"details\":[]}\n";
    assert_eq!((answer.status, answer.body.as_str()), (503, expected));
    let expected = "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"parse error: \\u003c\\u0026\\u003e\"}\n";
    for path in ["/api/v1/query", "/api/v1/query_range"] {
        let answer = get(address, path);
        assert_eq!((answer.status, answer.body.as_str()), (500, expected));
    }
    assert_eq!(node.asked().len(), 4);
    let answer = get(address, "/api/v1/read/%ff");
    assert_eq!(answer.status, 500);
    assert!(
        answer
            .body
            .starts_with("{\"code\":13,\"message\":\"grpc: error while marshaling")
    );
}

#[test]
fn an_answer_beyond_50_mib_is_429() {
    let large = Bytes::from(vec![0; (50 << 20) + 1]);
    let node = Node::new(move |_| Ok(large.clone()));
    let (_server, address) = gateway(node.address);
    let answer = get(address, "/api/v1/read/a");
    let expected = "{\"code\":8,\"message\":\"grpc: received message larger than max (52428801 vs. 52428800)\",\"details\":[]}\n";
    assert_eq!((answer.status, answer.body.as_str()), (429, expected));
    // As upstream, whose node had begun to answer.
    assert!(answer.has("grpc-metadata-content-type: application/grpc"));
}

#[test]
fn a_node_that_is_away_is_503_until_it_is_back() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let (_server, address) = gateway(nobody);
    for _ in 0..2 {
        let answer = get(address, "/api/v1/read/a");
        let dialing = "connection error: desc = \\\"transport: Error while dialing: \
                       dial tcp 127.0.0.1:1: connect: connection refused\\\"";
        let expected = format!("{{\"code\":14,\"message\":\"{dialing}\",\"details\":[]}}\n");
        assert_eq!((answer.status, answer.body), (503, expected));
    }
}

#[test]
fn the_client_says_how_long_it_waits() {
    let node = Node::new(|_| {
        sleep(Duration::from_millis(300));
        Err(Status::new(Code::Unknown, "late"))
    });
    let (_server, address) = gateway(node.address);
    let answer = ask(address, "GET", "/api/v1/read/a", "Grpc-Timeout: 20m\r\n");
    let expected = "{\"code\":4,\"message\":\"context deadline exceeded\",\"details\":[]}\n";
    assert_eq!((answer.status, answer.body.as_str()), (504, expected));
    let answer = ask(address, "GET", "/api/v1/read/a", "Grpc-Timeout: -1S\r\n");
    assert_eq!((answer.status, answer.body.as_str()), (504, expected));
    let answer = ask(address, "GET", "/api/v1/read/a", "Grpc-Timeout: soon\r\n");
    let expected = "{\"code\":3,\"message\":\"invalid grpc-timeout: soon\",\"details\":[]}\n";
    assert_eq!((answer.status, answer.body.as_str()), (400, expected));
    let answer = ask(address, "GET", "/api/v1/read/a", "Grpc-Timeout: 1M\r\n");
    assert_eq!(answer.status, 500);
}

#[test]
fn who_is_away_is_said() {
    let away = "grpc-metadata-hydrant-away: 10.0.0.2:8080, 10.0.0.3:8080";
    let node = Node::without("10.0.0.2:8080, 10.0.0.3:8080");
    let (server, address) = gateway(node.address);
    for path in ["/api/v1/read/guid", "/api/v1/meta"] {
        let said = get(address, path);
        assert_eq!(said.status, 200);
        assert!(said.has(away), "{said:?}");
    }
    server.stop(Duration::from_secs(5)).unwrap();
    let node = Node::empty();
    let (server, address) = gateway(node.address);
    let said = get(address, "/api/v1/meta");
    assert!(!said.head.contains("away"), "{said:?}");
    server.stop(Duration::from_secs(5)).unwrap();
}
