//! Log Cache's syslog server, between senders and a node.

use super::{Running, certificate, failed, https, piped, unstamped};
use crate::process::{HYDRANT, Server, wait_until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn syslog_server(node: &str) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/log-cache-syslog-server/log-cache-syslog-server")
        .env_clear()
        .env("LOG_CACHE_ADDR", node)
        .env("SYSLOG_PORT", "0")
        .env("METRICS_PORT", "0");
    piped(command)
}

fn message(text: &str) -> String {
    let message = format!("<14>1 2023-11-14T22:13:20.5+00:00 h app [APP/0] - - {text}\n");
    format!("{} {message}", message.len())
}

/// Every address of the host is its own.
fn here(running: &Running) -> SocketAddr {
    let address = running.bound("syslog");
    assert!(address.ip().is_unspecified());
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

fn scrape(running: &Running) -> String {
    let line = "Metrics endpoint is listening on ";
    let address = running.said.lines().find_map(|it| it.split_once(line));
    let address: SocketAddr = address.unwrap().1.parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", address.port())).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_senders_send_is_in_the_node() {
    let node = Server::start("\n[log_cache]\naddress = \"127.0.0.1:0\"\n");
    // As upstream's default has no host.
    let address = format!(":{}", node.log_cache.port());
    let running = Running::start_until("syslog", &mut syslog_server(&address));
    let mut lines = running.said.lines();
    assert_eq!(
        lines.next().map(unstamped),
        Some("Starting Syslog Server...")
    );
    let mut stream = TcpStream::connect(here(&running)).unwrap();
    stream
        .write_all((message("one") + &message("two") + "8 nonsense").as_bytes())
        .unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    node.wait_for("hydrant_log_cache_ingress_total", 2);
    wait_until("egress", || {
        scrape(&running).contains("\nnozzle_egress 2\n")
    });
    let scraped = scrape(&running);
    for expected in [
        "ingress 2",
        "invalid_ingress 1",
        "nozzle_ingress 2",
        "nozzle_err 0",
    ] {
        assert!(scraped.contains(&format!("\n{expected}\n")), "{scraped}");
    }
    let metrics = running.metrics();
    for expected in [
        "\nhydrant_log_cache_syslog_message_malformed_total{} 1\n",
        "\nhydrant_feed_no_form_total{frontend=\"log-cache-syslog\"} 1\n",
    ] {
        assert!(metrics.contains(expected), "{metrics}");
    }
    let said = running.said.clone() + &running.stop();
    assert!(said.contains("a syslog message of 127.0.0.1:"), "{said}");
    assert!(!said.contains("nonsense"), "{said}");
    assert!(said.contains("Log Cache localhost:"), "{said}");
    assert_eq!(
        said.lines().last().map(unstamped),
        Some("Closing Syslog Server.")
    );
    node.stop();
}

#[test]
fn senders_over_tls_prove_who_they_are_and_lines_can_be_without_counts() {
    let node = Server::start("\n[log_cache]\naddress = \"127.0.0.1:0\"\n");
    let [certificate, key, authority] = certificate("syslog");
    let mut command = syslog_server(&node.log_cache.to_string());
    command
        .env("SYSLOG_TLS_CERT_PATH", &certificate)
        .env("SYSLOG_TLS_KEY_PATH", &key)
        .env("SYSLOG_CLIENT_TRUSTED_CA_FILE", &authority)
        .env("SYSLOG_NON_TRANSPARENT_FRAMING", "true")
        .env("SYSLOG_MAX_MESSAGE_LENGTH", "100")
        .env("SYSLOG_IDLE_TIMEOUT", "1h");
    let running = Running::start_until("syslog", &mut command);
    let (address, server) = (here(&running), ("syslog", authority.as_path()));
    let mut stranger = https(address, server, None).unwrap();
    let line = "<14>1 2023-11-14T22:13:20.5+00:00 h app [APP/0] - - x\n";
    stranger.write_all(line.as_bytes()).ok();
    stranger.read(&mut [0; 8]).unwrap_err();
    let mut known = https(address, server, Some([&certificate, &key])).unwrap();
    known.write_all(line.as_bytes()).unwrap();
    node.wait_for("hydrant_log_cache_ingress_total", 1);
    known.write_all(&[b'x'; 101]).unwrap();
    let too_long = "\nhydrant_log_cache_syslog_message_too_long_total{} 1\n";
    wait_until("end", || running.metrics().contains(too_long));
    running.stop();
    node.stop();
}

#[test]
fn what_upstream_dies_of_is_the_last_line() {
    let last = |name: &str, value: &str| {
        let said = failed(syslog_server("127.0.0.1:1").env(name, value));
        said.lines().last().unwrap().to_owned()
    };
    for name in ["LOG_CACHE_ADDR", "SYSLOG_PORT"] {
        let said = last(name, "");
        let missing =
            format!("invalid configuration: missing required environment variables: {name}");
        assert!(said.ends_with(&missing), "{said}");
    }
    let said = last("SYSLOG_TLS_CERT_PATH", "/no/such.crt");
    assert!(
        said.contains("unable to start syslog server: log_cache_syslog.tls: "),
        "{said}"
    );
    let said = last("CA_PATH", "/no/such.ca");
    assert!(said.contains("log_cache_syslog.node_tls: "), "{said}");
}
