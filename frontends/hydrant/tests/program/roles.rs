//! The program in the place of upstream's executables: told by its name and environment alone, and
//! read by what it says on stderr.

mod agents;
mod binding_cache;
mod log_cache;
mod log_cache_node;
mod log_cache_syslog;
mod syslog_agent;
mod traffic_controller;

use crate::process::{HYDRANT, PATIENCE, file, wait_until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Arc;

/// A certificate for `name` that its own authority signed: certificate, key, authority.
fn certificate(name: &str) -> [PathBuf; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    [
        file("leaf.crt", &leaf.pem()),
        file("leaf.key", &key.serialize_pem()),
        file("ca.crt", &authority_pem),
    ]
}

/// As upstream's router suite starts its router: by these variables, and nothing else.
fn router(changes: &[(&str, &str)]) -> Command {
    let [certificate, key, authority] = certificate("doppler");
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/doppler/doppler")
        .env_clear()
        .env("ROUTER_PORT", "0")
        .env("ROUTER_CERT_FILE", certificate)
        .env("ROUTER_KEY_FILE", key)
        .env("ROUTER_CA_FILE", authority)
        .env("ROUTER_CIPHER_SUITES", "")
        .env("INGRESS_BUFFER_SIZE", "10000")
        .env("EGRESS_BUFFER_SIZE", "1000")
        .env("USE_RFC339", "false")
        .env("ROUTER_PPROF_PORT", "0")
        .env("AGENT_GRPC_ADDRESS", "127.0.0.1:0")
        .env("ROUTER_METRIC_BATCH_INTERVAL_MILLISECONDS", "10")
        .env("ROUTER_METRIC_SOURCE_ID", "")
        .envs(changes.iter().copied());
    piped(command)
}

fn failed(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

/// A reverse log proxy, fed by nobody yet.
fn proxy(routers: &str) -> Command {
    let [certificate, key, authority] = certificate("reverselogproxy");
    let mut command = Command::new(HYDRANT);
    command
        .arg0("rlp")
        .env_clear()
        .env("RLP_CERT_FILE", certificate)
        .env("RLP_KEY_FILE", key)
        .env("RLP_CA_FILE", authority)
        .env("RLP_PPROF_PORT", "0")
        .env("ROUTER_ADDRS", routers)
        .env("AGENT_ADDR", "localhost:0")
        .env("RLP_METRIC_EMITTER_INTERVAL", "0s");
    piped(command)
}

/// A gateway whose provider and judges are not there.
fn gateway([certificate, key, authority]: [PathBuf; 3]) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("rlp-gateway")
        .env_clear()
        .env("GATEWAY_ADDR", "localhost:0")
        .env("LOGS_PROVIDER_ADDR", "127.0.0.1:1")
        .env("LOG_ACCESS_ADDR", "https://127.0.0.1:1")
        .env("LOG_ACCESS_ADDR_EXTERNAL", "https://127.0.0.1:1")
        .env("LOG_ACCESS_COMMON_NAME", "cloud-controller")
        .env("LOG_ADMIN_ADDR", "https://127.0.0.1:1")
        .env("LOG_ADMIN_CLIENT_ID", "doppler")
        .env("LOG_ADMIN_CLIENT_SECRET", "hush");
    for (file, names) in [
        (
            certificate,
            "LOGS_PROVIDER_CLIENT_CERT_PATH LOG_ACCESS_CERT_PATH HTTP_CERT_PATH \
             METRICS_CERT_FILE_PATH",
        ),
        (
            key,
            "LOGS_PROVIDER_CLIENT_KEY_PATH LOG_ACCESS_KEY_PATH HTTP_KEY_PATH \
             METRICS_KEY_FILE_PATH",
        ),
        (
            authority,
            "LOGS_PROVIDER_CA_PATH LOG_ACCESS_CA_PATH LOG_ADMIN_CA_PATH METRICS_CA_FILE_PATH",
        ),
    ] {
        command.envs(names.split(' ').map(|name| (name, &file)));
    }
    piped(command)
}

fn piped(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A role that runs; killed if a test drops it.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// The report and the lines of the start.
    said: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self::start_until("pprof", command)
    }

    /// Waits for the line that says where `last` is bound.
    fn start_until(last: &str, command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self {
            child,
            stderr,
            said: String::new(),
        };
        running.said = running.read_until(&format!("{last} bound to: "));
        running
    }

    fn read_until(&mut self, text: &str) -> String {
        let mut said = String::new();
        while !said.lines().any(|line| line.contains(text)) {
            let count = self.stderr.read_line(&mut said).unwrap();
            assert!(count > 0, "it ended: {said}");
        }
        said
    }

    /// The address at the end of a line of the start.
    fn bound(&self, what: &str) -> SocketAddr {
        let start = format!("{what} bound to: ");
        let address = self.said.lines().find_map(|line| line.split_once(&start));
        address.unwrap().1.parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success());
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.bound("pprof")).unwrap();
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What it says until it ends in order.
    fn stop(mut self) -> String {
        self.signal("TERM");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A line of Go's log without its `2006/01/02 15:04:05.000000 `.
fn unstamped(line: &str) -> &str {
    let (stamp, message) = line.split_at(27);
    let pattern: String = stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(pattern, "0000/00/00 00:00:00.000000 ");
    message
}

#[test]
fn a_router_starts_and_stops_as_upstreams_suite_has_it() {
    let router = Running::start(&mut router(&[]));
    let (grpc, pprof) = (router.bound("grpc"), router.bound("pprof"));
    assert!(grpc.ip().is_unspecified() && grpc.port() > 0);
    assert!(pprof.ip().is_loopback() && pprof.port() > 0);
    let mut lines = router.said.lines();
    let title = lines.next().unwrap();
    assert!(title.starts_with("FIELD NAME: ") && title.ends_with("VALUE:"));
    assert_eq!(
        lines
            .by_ref()
            .take(12)
            .filter(|row| row.ends_with("(OMITTED)"))
            .count(),
        12
    );
    let expected = [
        "Startup: Setting up the router server".to_owned(),
        format!("grpc bound to: {grpc}"),
        "Startup: router server started.".to_owned(),
        "MessageRouter:Starting".to_owned(),
        format!("Starting gRPC server on {grpc}"),
        format!("pprof bound to: {pprof}"),
    ];
    assert_eq!(lines.map(unstamped).collect::<Vec<_>>(), expected);
    // In our place as in upstream's: who connects is heard.
    TcpStream::connect(("127.0.0.1", grpc.port())).unwrap();
    wait_until("connection", || {
        router
            .metrics()
            .contains("hydrant_grpc_connections_total{worker=\"0\"} 1\n")
    });
    assert!(
        router
            .metrics()
            .contains("\nloggregator_doppler_egress_total")
    );
    let said = router.stop();
    let last = said.lines().last().map(unstamped);
    assert_eq!(last, Some("the ledger balances; 0 under way"), "{said}");
}

#[test]
fn a_role_can_be_named_and_reads_certificates_anew() {
    let [certificate, key, authority] = certificate("doppler");
    let mut command = router(&[("USE_RFC339", "true")]);
    command
        .arg0("hydrant")
        .args(["role", "router"])
        .env("ROUTER_CERT_FILE", &certificate)
        .env("ROUTER_KEY_FILE", &key)
        .env("ROUTER_CA_FILE", &authority);
    let mut router = Running::start(&mut command);
    let line = router.said.lines().last().unwrap();
    assert_eq!(
        line.find("Z pprof bound to: "),
        Some("2006-01-02T15:04:05.000000000".len())
    );
    fs::write(&certificate, "none").unwrap();
    router.signal("HUP");
    router.read_until(&certificate.to_string_lossy());
    router.signal("USR1");
    let dump = router.read_until("the ledger balances");
    assert!(dump.contains("Z thread grpc"), "{dump}");
    router.stop();
}

#[test]
fn arguments_of_an_executable_of_upstreams_are_ignored() {
    let router = Running::start(router(&[]).args(["--config", "x", "--help"]));
    router.stop();
}

#[test]
fn what_upstream_dies_of_is_the_last_line() {
    let last = |changes: &[(&str, &str)]| {
        let said = failed(&mut router(changes));
        said.lines().last().unwrap().to_owned()
    };
    let said = last(&[("ROUTER_CA_FILE", "")]);
    let expected = "Unable to parse config: invalid router config, no GRPC.CAFile provided";
    assert!(said.ends_with(expected), "{said}");
    let said = last(&[("ROUTER_KEY_FILE", "/nowhere/doppler.key")]);
    assert!(said.contains(" Failed to create router server: "), "{said}");
    assert!(said.contains("/nowhere/doppler.key"), "{said}");
}

#[test]
fn a_proxy_starts_and_stops() {
    let proxy = Running::start(&mut proxy("127.0.0.1:1"));
    let (grpc, pprof) = (proxy.bound("grpc"), proxy.bound("pprof"));
    let lines = proxy.said.lines().skip(1 + 12).map(unstamped);
    let expected = [
        format!("grpc bound to: {grpc}"),
        format!("pprof bound to: {pprof}"),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert!(
        proxy
            .metrics()
            .contains("\nloggregator_rlp_log_router_connects_total{} 0\n")
    );
    proxy.stop();
}

#[test]
fn a_proxy_needs_routers() {
    let said = failed(proxy("").arg0("reverse_log_proxy"));
    let missing = "missing required environment variables: ROUTER_ADDRS";
    assert!(
        said.ends_with(&format!(" Failed to load config: {missing}\n")),
        "{said}"
    );
}

/// What is at /metrics for who has a certificate, or has none.
fn scrape(
    address: SocketAddr,
    [certificate, key, authority]: &[PathBuf; 3],
    has_certificate: bool,
) -> io::Result<String> {
    let identity = [certificate, key];
    let identity = has_certificate.then_some(identity);
    https_get(address, ("gateway", authority), identity, "/metrics")
}

/// What an HTTPS server says of a path.
fn https_get(
    address: SocketAddr,
    server: (&'static str, &Path),
    identity: Option<[&PathBuf; 2]>,
    path: &str,
) -> io::Result<String> {
    let mut stream = https(address, server, identity)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // The server closes without TLS's farewell.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// A connection to an HTTPS server, which must have a certificate of that name, signed by that
/// authority.
fn https(
    address: SocketAddr,
    (name, authority): (&'static str, &Path),
    identity: Option<[&PathBuf; 2]>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut authorities = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(authority).unwrap();
    authorities.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authorities);
    let config = if let Some([certificate, key]) = identity {
        let certificate = CertificateDer::from_pem_file(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    } else {
        config.with_no_client_auth()
    };
    let client = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(StreamOwned::new(client, stream))
}

#[test]
fn a_gateway_starts_and_stops() {
    let files = certificate("gateway");
    let gateway = Running::start_until("http", &mut gateway(files.clone()));
    assert!(gateway.bound("http").ip().is_loopback());
    let unstamped = |line: &str| line.split_at("2006/01/02 15:04:05 ".len()).1.to_owned();
    let lines: Vec<_> = gateway.said.lines().skip(1 + 26).map(unstamped).collect();
    assert_eq!(lines[0], "starting RLP gateway");
    let scraped = lines[1].strip_prefix("Metrics endpoint is listening on ");
    let address: SocketAddr = scraped.unwrap().parse().unwrap();
    let metrics = scrape(address, &files, true).unwrap();
    assert!(metrics.contains("LastUAALatency{} 0"), "{metrics}");
    scrape(address, &files, false).unwrap_err();
    assert!(!gateway.said.contains("hush"));
    let said = gateway.stop();
    assert!(said.ends_with(" stopping RLP gateway\n"), "{said}");
}
