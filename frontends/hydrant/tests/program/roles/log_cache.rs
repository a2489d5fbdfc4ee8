//! Log Cache's gateway and the proxy in front of it, between a node, a UAA and a Cloud Controller.

mod recorded;

use super::{Running, certificate, failed, piped};
use crate::certificates::Authority;
use crate::process::{HYDRANT, file, wait_until};
use bytes::Bytes;
use hydrant_access::fakes::{FakeApi, FakeUaa, Manner, Signer};
use hydrant_proto::logcache::{MetaInfo, MetaResponse};
use hydrant_rpc::logcache::egress::{Egress, EgressServer};
use hydrant_rpc::tls::TlsFiles;
use prost::Message;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Knows two sources, and nothing of them.
struct Node;

#[tonic::async_trait]
impl Egress for Node {
    async fn read(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        Ok(Response::new(Bytes::new()))
    }

    async fn meta(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let info = |count| MetaInfo {
            count,
            ..MetaInfo::default()
        };
        let meta = [("app-1".to_owned(), info(1)), ("app-2".to_owned(), info(2))].into();
        let meta = MetaResponse { meta };
        Ok(Response::new(meta.encode_to_vec().into()))
    }
}

fn node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let server = Server::builder().add_service(EgressServer::new(Node));
            server
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
                .unwrap();
        });
    });
    address
}

fn gateway(node: SocketAddr) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/log-cache-gateway/log-cache-gateway")
        .env_clear()
        .env("ADDR", "127.0.0.1:0")
        .env("LOG_CACHE_ADDR", node.to_string())
        .env("METRICS_PORT", "0");
    piped(command)
}

fn proxy(gateway: SocketAddr, uaa: &FakeUaa, api: &FakeApi) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/log-cache-cf-auth-proxy/log-cache-cf-auth-proxy")
        .env_clear()
        .env("ADDR", "127.0.0.1:0")
        .env("LOG_CACHE_GATEWAY_ADDR", format!("http://{gateway}"))
        .env("CAPI_ADDR", api.config().address)
        .env("UAA_ADDR", uaa.config().address)
        .env("UAA_CLIENT_ID", "hydrant")
        .env("UAA_CLIENT_SECRET", "hush")
        .env("METRICS_PORT", "0");
    piped(command)
}

/// A request with more headers, each with its end; the answer, whole.
fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn scrape(running: &Running) -> String {
    let line = "Metrics endpoint is listening on ";
    let address = running.said.lines().find_map(|it| it.split_once(line));
    let address: SocketAddr = address.unwrap().1.parse().unwrap();
    // Without files it is for everybody.
    assert!(address.ip().is_unspecified());
    get(
        SocketAddr::from(([127, 0, 0, 1], address.port())),
        "/metrics",
        "",
    )
}

#[test]
fn who_may_reads_through_both() {
    let (uaa, api) = (FakeUaa::new(), FakeApi::new());
    uaa.publish("key-1", "HS256", "hush-hush");
    let signer = Signer::secret("key-1", "hush-hush");
    api.app("app-1", "one");
    let gateway = Running::start_until("http", &mut gateway(node()));
    let mut lines = gateway.said.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .ends_with(" Starting Log Cache Gateway...")
    );
    let log = file("access.log", "");
    let mut command = proxy(gateway.bound("http"), &uaa, &api);
    command
        .env("SECURITY_EVENT_LOG", &log)
        .env("INTERNAL_IP", "10.1.2.3");
    let proxy = Running::start_until("http", &mut command);
    let address = proxy.bound("http");
    let info = get(address, "/api/v1/info", "");
    assert!(
        info.contains("{\"version\":\"3.2.12\",\"vm_uptime\":\""),
        "{info}"
    );
    let user = format!("Authorization: {}\r\n", signer.bearer(&["openid"]));
    let admin = format!("Authorization: {}\r\n", signer.bearer(&["logs.admin"]));
    let recent = "?descending=true&envelope_types=LOG&limit=1000&start_time=-6795364578871345152";
    let answer = get(address, &format!("/api/v1/read/app-1{recent}"), &user);
    assert!(
        answer.ends_with("\r\n\r\n{\"envelopes\":{\"batch\":[]}}\n"),
        "{answer}"
    );
    let answer = get(address, &format!("/api/v1/read/app-2{recent}"), &user);
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    let answer = get(address, &format!("/api/v1/read/app-2{recent}"), &admin);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = get(address, "/api/v1/meta", &user);
    assert!(
        answer.ends_with("\r\n\r\n{\"meta\":{\"app-1\":{\"count\":\"1\"}}}\n"),
        "{answer}"
    );
    let metrics = scrape(&proxy);
    let gauge = "\ncf_auth_proxy_last_capiv3_apps_latency{unit=\"nanoseconds\"} ";
    assert!(
        metrics.contains(gauge) && !metrics.contains(&format!("{gauge}0\n")),
        "{metrics}"
    );
    let expected = "promhttp_metric_handler_errors_total{cause=\"encoding\"} 0\n";
    assert!(scrape(&gateway).contains(expected));
    let counted = "\nhydrant_log_cache_auth_proxy_refused_total{} 1\n";
    wait_until("count", || proxy.metrics().contains(counted));
    let succeeded = "\nhydrant_log_cache_gateway_succeeded_total{} ";
    assert!(gateway.metrics().contains(succeeded));
    let said = proxy.said.clone() + &proxy.stop();
    assert!(
        said.ends_with(" Closing Log Cache CF Auth Reverse Proxy.\n"),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");
    let log = std::fs::read_to_string(log).unwrap();
    let first = "CEF:0|cloud_foundry|log_cache|1.0|GET /api/v1/info|GET /api/v1/info|0|rt=";
    assert!(
        log.starts_with(first) && log.contains(" dst=10.1.2.3 dpt="),
        "{log}"
    );
    assert_eq!(log.lines().count(), 5);
    assert!(gateway.stop().ends_with(" Closing Log Cache Gateway.\n"));
}

#[test]
fn the_proxy_waits_for_uaa_and_can_be_stopped_meanwhile() {
    let (uaa, api) = (FakeUaa::new(), FakeApi::new());
    uaa.set_manner(Manner::Down);
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut command = proxy(nobody, &uaa, &api);
    let mut proxy = Running::start(command.arg0("cf-auth-proxy"));
    let said = proxy.read_until("Not ready to start: failed to get token keys from UAA: ");
    assert!(
        !said.contains("http bound to: ") && !said.contains("hush"),
        "{said}"
    );
    proxy.stop();
}

#[test]
fn the_gateway_serves_https_and_asks_over_mutual_tls() {
    let authority = Authority::new();
    let TlsFiles {
        cert_file,
        key_file,
        ca_file,
        ..
    } = authority.files("log-cache");
    let mut command = gateway(node());
    command
        .env("PROXY_CERT_PATH", &cert_file)
        .env("PROXY_KEY_PATH", &key_file)
        .env("CA_PATH", &ca_file)
        .env("CERT_PATH", &cert_file)
        .env("KEY_PATH", &key_file);
    let gateway = Running::start_until("http", &mut command);
    let address = gateway.bound("http");
    let server = ("log-cache", ca_file.as_path());
    let answer = super::https_get(address, server, None, "/api/v1/meta").unwrap();
    // This node speaks no TLS.
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let answer = get(address, "/api/v1/meta", "");
    assert!(
        answer.starts_with("HTTP/1.0 400 Bad Request\r\n"),
        "{answer}"
    );
    gateway.stop();
}

#[test]
fn what_upstream_dies_of_is_the_last_line() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let last = |command: &mut Command, name: &str, value: &str| {
        let said = failed(command.env(name, value));
        said.lines().last().unwrap().to_owned()
    };
    for name in ["ADDR", "LOG_CACHE_ADDR"] {
        let said = last(&mut gateway(nobody), name, "");
        let missing =
            format!("invalid configuration: missing required environment variables: {name}");
        assert!(said.ends_with(&missing), "{said}");
    }
    let said = last(&mut gateway(nobody), "CA_PATH", "/no/such.ca");
    assert!(said.contains("log_cache_gateway.node_tls: "), "{said}");
    let (uaa, api) = (FakeUaa::new(), FakeApi::new());
    for name in ["ADDR", "LOG_CACHE_GATEWAY_ADDR", "CAPI_ADDR", "UAA_ADDR"] {
        let said = last(&mut proxy(nobody, &uaa, &api), name, "");
        let missing =
            format!("failed to load config: missing required environment variables: {name}");
        assert!(said.ends_with(&missing), "{said}");
    }
    let [certificate, _, _] = certificate("proxy");
    let certificate = certificate.to_string_lossy().into_owned();
    let said = last(
        &mut proxy(nobody, &uaa, &api),
        "EXTERNAL_CERT",
        &certificate,
    );
    assert!(said.contains("log_cache_auth_proxy.tls: "), "{said}");
}
