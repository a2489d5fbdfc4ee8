//! The program in the place of upstream's Traffic Controller.

use super::{Running, certificate, failed, https, https_get, piped, unstamped};
use crate::certificates::{Authority, DOPPLER, table};
use crate::emitters::TcpEmitter;
use crate::envelopes::{framed, v2_log};
use crate::process::{HYDRANT, Server, path, wait_until};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// As upstream's suite starts it: by these variables, and nothing else. Its router is not there.
fn traffic_controller([certificate, key, authority]: &[PathBuf; 3]) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/loggregator_trafficcontroller/trafficcontroller")
        .env_clear()
        .env("USE_RFC339", "false")
        .env("TRAFFIC_CONTROLLER_IP", "127.0.0.1")
        .env("TRAFFIC_CONTROLLER_API_HOST", "http://127.0.0.1:1")
        .env("TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT", "0")
        .env("TRAFFIC_CONTROLLER_SYSTEM_DOMAIN", "vcap.me")
        .env("TRAFFIC_CONTROLLER_SKIP_CERT_VERIFY", "true")
        .env("TRAFFIC_CONTROLLER_UAA_HOST", "http://127.0.0.1:1")
        .env("TRAFFIC_CONTROLLER_UAA_CLIENT", "bob")
        .env("TRAFFIC_CONTROLLER_UAA_CLIENT_SECRET", "hush")
        .env("TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG", "")
        .env("TRAFFIC_CONTROLLER_PPROF_PORT", "0")
        .env("TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL", "0s")
        .env("TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL", "true")
        .env("ROUTER_ADDRS", "127.0.0.1:1")
        .env("CC_SERVER_NAME", "cloud-controller")
        .env("AGENT_GRPC_ADDRESS", "localhost:0");
    for (file, names) in [
        (
            certificate,
            "TRAFFIC_CONTROLLER_OUTGOING_CERT_FILE CC_CERT_FILE ROUTER_CERT_FILE",
        ),
        (
            key,
            "TRAFFIC_CONTROLLER_OUTGOING_KEY_FILE CC_KEY_FILE ROUTER_KEY_FILE",
        ),
        (
            authority,
            "TRAFFIC_CONTROLLER_UAA_CA_CERT CC_CA_FILE ROUTER_CA_FILE",
        ),
    ] {
        command.envs(names.split(' ').map(|name| (name, file)));
    }
    piped(command)
}

#[test]
fn a_traffic_controller_starts_and_stops_as_upstreams_suite_has_it() {
    let files = certificate("trafficcontroller");
    let running = Running::start(&mut traffic_controller(&files));
    let (ws, pprof) = (running.bound("ws"), running.bound("pprof"));
    assert!(ws.ip().is_unspecified() && pprof.ip().is_loopback());
    let lines = running.said.lines().skip(1 + 26).map(unstamped);
    let expected = [
        "Startup: Setting up the loggregator traffic controller".to_owned(),
        format!("ws bound to: {ws}"),
        format!("pprof bound to: {pprof}"),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert!(!running.said.contains("hush"));
    let address = SocketAddr::from(([127, 0, 0, 1], ws.port()));
    let server = ("trafficcontroller", files[2].as_path());
    let answer = https_get(address, server, None, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let metrics = running.metrics();
    let counter = "\nloggregator_trafficcontroller_doppler_proxy_slow_consumer_total";
    assert!(metrics.contains(counter), "{metrics}");
    let said = running.stop();
    let last = said.lines().last().map(unstamped);
    assert_eq!(last, Some("Shutting down"), "{said}");
}

#[test]
fn what_a_router_takes_in_comes_out_as_a_firehose_over_tls() {
    let authority = Authority::new();
    let router = Server::start(&table("grpc.tls", &authority.files(DOPPLER)));
    let files = authority.files("trafficcontroller");
    let files = [files.cert_file, files.key_file, files.ca_file];
    let security_events = path("security_events.log");
    let mut command = traffic_controller(&files);
    command
        .env("ROUTER_ADDRS", router.grpc.to_string())
        .env("TRAFFIC_CONTROLLER_IP", "192.0.2.7")
        .env("TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG", &security_events)
        .env("HYDRANT_RECENT_LOGS", "false");
    let running = Running::start(&mut command);
    let address = SocketAddr::from(([127, 0, 0, 1], running.bound("ws").port()));
    let server = ("trafficcontroller", files[2].as_path());
    let mut firehose = https(address, server, None).unwrap();
    write!(
        firehose,
        "GET /firehose/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let moment = Some(Duration::from_millis(100));
    firehose.sock.set_read_timeout(moment).unwrap();
    // What comes before the router has heard of the firehose is for nobody.
    let mut emitter = TcpEmitter::new(router.tcp_v2);
    let log = framed(&v2_log("some-app", "sent to the router"));
    let mut read = Vec::new();
    wait_until("log", || {
        emitter.send(&log);
        read_some(&mut firehose, &mut read);
        String::from_utf8_lossy(&read).contains("sent to the router")
    });
    let none = "_egress_total{metric_version=\"2.0\",endpoint=\"firehose\"} 0\n";
    wait_until("count", || !running.metrics().contains(none));
    let connects = format!(
        "hydrant_router_connects_total{{zone=\"routers\",router=\"{}\"}} 1\n",
        router.grpc
    );
    assert!(running.metrics().contains(&connects));
    let firehoses = "_doppler_proxy_firehoses{metric_version=\"2.0\"} 1.0\n";
    assert!(running.metrics().contains(firehoses));
    let said = fs::read_to_string(&security_events).unwrap();
    assert!(said.contains("|GET /firehose/a|0|"), "{said}");
    assert!(said.contains(" dst=192.0.2.7 dpt="), "{said}");
    drop(firehose);
    running.stop();
    router.stop();
}

/// Reads what comes within a moment.
fn read_some(stream: &mut impl Read, read: &mut Vec<u8>) {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes) {
        Ok(count) => {
            assert!(count > 0, "{}", String::from_utf8_lossy(read));
            read.extend_from_slice(&bytes[..count]);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
    }
}

#[test]
fn it_dies_without_uaas_certificate_although_it_asks_nobody() {
    let files = certificate("trafficcontroller");
    let mut command = traffic_controller(&files);
    command
        .env("TRAFFIC_CONTROLLER_UAA_HOST", "")
        .env("TRAFFIC_CONTROLLER_UAA_CA_CERT", "");
    let said = failed(&mut command);
    let last = said.lines().last().map(unstamped).unwrap();
    let expected = "Unable to create UAA HTTP Client: failed to read certificate(s) at path \"\": ";
    assert!(last.starts_with(expected), "{said}");
}
