//! The binding cache, between a Cloud Controller, an agent that asks and one that takes logs.

use super::{Running, certificate, failed, https_get, piped};
use crate::certificates::{Authority, table};
use crate::process::{HYDRANT, Server, file, wait_until};
use bytes::Bytes;
use http_body_util::Full;
use hydrant_http::{Limits, Stopper, Watch, serve, stopping};
use hydrant_rpc::tls::{ServerTls, TlsFiles};
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// By these variables upstream's is started, with certificates that are all the same.
pub(super) fn binding_cache([certificate, key, authority]: &[PathBuf; 3]) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/binding-cache/binding-cache")
        .env_clear()
        .env("API_URL", "https://127.0.0.1:1")
        .env("API_COMMON_NAME", "cloud-controller")
        .env("API_POLLING_INTERVAL", "50ms")
        .env("API_BATCH_SIZE", "1000")
        .env("API_DISABLE_KEEP_ALIVES", "true")
        .env("AGGREGATE_DRAINS_FILE", file("aggregate.yml", "--- []\n"))
        .env("CACHE_PORT", "0")
        .env("CACHE_COMMON_NAME", "binding-cache")
        .env("CACHE_CIPHER_SUITES", "ignored:as:upstream")
        .env("METRICS_PORT", "0")
        .env("DEBUG_METRICS", "false")
        .env("PPROF_PORT", "0")
        .env("USE_RFC3339", "true")
        .env("LOGGREGATOR_AGENT_HOST", "127.0.0.1")
        .env("LOGGREGATOR_AGENT_PORT", "1")
        .env("BLACKLISTED_SYSLOG_RANGES", "10.0.0.0-10.255.255.255")
        .env("WARN_ON_INVALID_DRAINS", "true");
    for prefix in ["API", "CACHE", "METRICS", "LOGGREGATOR_AGENT"] {
        command
            .env(format!("{prefix}_CERT_FILE_PATH"), certificate)
            .env(format!("{prefix}_KEY_FILE_PATH"), key)
            .env(format!("{prefix}_CA_FILE_PATH"), authority);
    }
    piped(command)
}

pub(super) fn with_files(command: &mut Command, prefix: &str, files: &TlsFiles) {
    command
        .env(format!("{prefix}_CERT_FILE_PATH"), &files.cert_file)
        .env(format!("{prefix}_KEY_FILE_PATH"), &files.key_file)
        .env(format!("{prefix}_CA_FILE_PATH"), &files.ca_file);
}

/// Counts nothing.
struct Nobody;

impl Watch for Nobody {
    fn connection(&self) {}
    fn tls_failed(&self) {}
    fn plain_http(&self) {}
}

/// A Cloud Controller whose list is `page`, until it is dropped.
pub(super) fn cloud_controller(files: &TlsFiles, page: &'static str) -> (SocketAddr, Stopper) {
    let tls = ServerTls::load(files).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stopping) = stopping();
    let service = move |request: Request<Incoming>, _| {
        let expected = "/internal/v5/syslog_drain_urls?batch_size=1000&next_id=0";
        let is_it = request
            .uri()
            .path_and_query()
            .is_some_and(|it| it == expected);
        let body = if is_it { page } else { "" };
        ready(Response::new(Full::new(Bytes::from(body))))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let watch = Arc::new(Nobody);
            serve(
                listener,
                Some(tls),
                Limits::new(16),
                watch,
                service,
                stopping,
            )
            .await;
        });
    });
    (address, stopper)
}

const PAGE: &str = r#"{"results":[
    {"url":"syslog://127.0.0.1:1?drain-data=all&token=hush","credentials":[{"cert":"","key":"","ca":"","apps":[
        {"hostname":"org.space.one","app_id":"app-1"},{"hostname":"org.space.two","app_id":"app-2"}]}]},
    {"url":"syslog://user:hush@10.1.2.3:514?hush","credentials":[{"apps":[{"hostname":"org.space.one","app_id":"app-1"}]}]},
    {"url":"ftp://user:hush@h","credentials":[{"apps":[{"hostname":"org.space.two","app_id":"app-2"}]}]}
],"next_id":0}"#;

const SERVED: &str = concat!(
    r#"[{"url":"syslog://127.0.0.1:1?drain-data=all\u0026token=hush","credentials":[{"cert":"","key":"","ca":"","apps":["#,
    r#"{"hostname":"org.space.one","app_id":"app-1"},{"hostname":"org.space.two","app_id":"app-2"}]}]}]"#,
    "\n"
);

/// What an app reads in its own logs, once.
fn told(agent: &Server, app: &str, message: &str) {
    let path = format!("/apps/{app}/recentlogs");
    let logs = || String::from_utf8_lossy(&agent.websocket_get(&path)).into_owned();
    wait_until("log", || logs().contains(message));
    let logs = logs();
    assert!(logs.contains("LGR") && !logs.contains("hush"), "{logs}");
    assert_eq!(logs.matches(message).count(), 1, "{logs}");
}

/// Upstream's metrics, where it says that they are.
fn counted(running: &Running, scrape: impl Fn(SocketAddr) -> String) {
    let scraped = running
        .said
        .lines()
        .find_map(|line| line.split_once("Metrics endpoint is listening on "));
    let scraped: SocketAddr = scraped.unwrap().1.parse().unwrap();
    wait_until("counts", || {
        scrape(scraped).contains("\nhydrant_app_logs_told_total{} 2\n")
    });
    let metrics = scrape(scraped);
    for line in [
        "binding_refresh_error{} 0",
        "last_binding_refresh_count{} 2",
        "cached_bindings{} 2",
        "invalid_drains{unit=\"total\"} 2",
        "blacklisted_drains{unit=\"total\"} 1",
        "hydrant_app_logs_lost_total{} 0",
    ] {
        assert!(
            metrics.contains(&format!("\n{line}\n")),
            "{line}: {metrics}"
        );
    }
}

#[test]
fn bindings_are_served_counted_and_told_as_upstream_does() {
    let [api, cache, agents] = [(); 3].map(|()| Authority::new());
    let (api_address, _api) = cloud_controller(&api.files("cloud-controller"), PAGE);
    let agent = Server::start(&table("grpc.tls", &agents.files("metron")));
    let files = cache.files("binding-cache");
    let files = [files.cert_file, files.key_file, files.ca_file];
    let mut command = binding_cache(&files);
    with_files(&mut command, "API", &api.files("client"));
    with_files(&mut command, "LOGGREGATOR_AGENT", &agents.files("client"));
    command
        .env("API_URL", format!("https://{api_address}"))
        .env("LOGGREGATOR_AGENT_PORT", agent.grpc.port().to_string());
    let mut running = Running::start_until("cache", &mut command);
    let bound = running.bound("cache");
    let mut lines = running.said.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .ends_with("Z starting syslog-binding-cache")
    );
    assert!(lines.next().unwrap().starts_with("FIELD NAME: "));
    assert!(bound.ip().is_unspecified());
    let address = SocketAddr::from(([127, 0, 0, 1], bound.port()));
    let [certificate, key, authority] = &files;
    let server = ("binding-cache", authority.as_path());
    let get = |path| https_get(address, server, Some([certificate, key]), path).unwrap();
    wait_until("bindings", || {
        get("/v2/bindings").starts_with("HTTP/1.1 200 ")
    });
    let answer = get("/v2/bindings");
    assert!(answer.ends_with(&format!("\r\n\r\n{SERVED}")), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(get("/v2/aggregate").ends_with("\r\n\r\nnull\n"));
    let answer = get("/bindings");
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n404 page not found\n")
    );
    https_get(address, server, None, "/v2/bindings").unwrap_err();
    let blacklisted =
        "Resolved ip address for syslog drain with url syslog://10.1.2.3:514 is blacklisted";
    let scheme = "Invalid Scheme ftp for syslog drain url ftp://h";
    told(&agent, "app-1", blacklisted);
    told(&agent, "app-2", scheme);
    counted(&running, |scraped| {
        https_get(scraped, server, Some([certificate, key]), "/metrics").unwrap()
    });
    let said = running.said.clone() + &running.read_until(&format!("Z {scheme} for app app-2"));
    assert!(
        said.contains(&format!("Z {blacklisted} for app app-1\n")),
        "{said}"
    );
    let said = said + &running.stop();
    assert!(
        said.ends_with("Z stopping syslog-binding-cache\n"),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");
    agent.stop();
}

#[test]
fn an_api_that_is_not_there_is_counted_and_nothing_is_served() {
    let files = certificate("binding-cache");
    let mut command = binding_cache(&files);
    let mut running = Running::start_until("cache", command.arg0("syslog-binding-cache"));
    running.read_until(
        "failed to get page 0 from internal bindings endpoint: cannot connect to 127.0.0.1:1: ",
    );
    let counted = "\nbinding_refresh_error{} ";
    let is_zero = |metrics: &str| metrics.contains(&format!("{counted}0\n"));
    assert!(running.metrics().contains(counted) && !is_zero(&running.metrics()));
    let address = SocketAddr::from(([127, 0, 0, 1], running.bound("cache").port()));
    let [certificate, key, authority] = &files;
    let server = ("binding-cache", authority.as_path());
    let answer = https_get(address, server, Some([certificate, key]), "/v2/bindings").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    running.stop();
}

#[test]
fn what_upstream_dies_of_is_the_last_line() {
    let files = certificate("binding-cache");
    let last = |name: &str, value: &str| {
        let said = failed(binding_cache(&files).env(name, value));
        said.lines().last().unwrap().to_owned()
    };
    let said = last("CACHE_PORT", "");
    let missing = "Failed to load config from environment: missing required environment variables: CACHE_PORT";
    assert!(said.ends_with(missing), "{said}");
    let said = last("BLACKLISTED_SYSLOG_RANGES", "10.0.0.9-10.0.0.1");
    assert!(
        said.ends_with("invalid Blacklist IP Range: Start 10.0.0.9 has to be before End 10.0.0.1"),
        "{said}"
    );
    let said = last("AGGREGATE_DRAINS_FILE", "/no/such.yml");
    assert!(said.contains("/no/such.yml: cannot be read: "), "{said}");
    let said = last("CACHE_KEY_FILE_PATH", "/no/such.key");
    assert!(said.contains("binding_cache.tls: /no/such.key: "), "{said}");
}
