//! What a newcomer types, and what they get wrong.

use crate::process::{HYDRANT, PATIENCE, Server, file, run, wait_until};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

#[test]
fn an_emitted_line_appears_in_tail_within_a_second() {
    let server = Server::start("");
    let url = format!("ws://{}", server.websocket);
    let mut tail = Command::new(HYDRANT)
        .args(["tail", "A", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for_session("/apps/A/stream");
    let emitted_at = Instant::now();
    let mut emit = Command::new(HYDRANT)
        .args(["emit", "--app", "A", "--to", &server.udp.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    emit.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert!(emit.wait().unwrap().success());
    let (lines, line) = mpsc::channel();
    let stdout = BufReader::new(tail.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .take(1)
            .for_each(|line| lines.send(line).unwrap());
    });
    let line = line.recv_timeout(PATIENCE).unwrap();
    let elapsed = emitted_at.elapsed();
    assert!(
        line.ends_with("OUT hello") && line.contains("[APP/0]"),
        "{line}"
    );
    assert!(elapsed.as_secs_f64() < 1.0, "the line took {elapsed:?}");
    tail.kill().unwrap();
    tail.wait().unwrap();
    reader.join().unwrap();
    let said = server.stop();
    assert!(said.contains("received 1 = decoded 1\n"), "{said}");
}

#[test]
fn a_signal_dumps_every_thread() {
    let mut server = Server::start("");
    server.signal("USR1");
    let dump = server.read_until("the ledger balances");
    for expected in [
        "thread shard-0: core",
        "lane to websocket:",
        "thread websocket:",
        "turns ",
    ] {
        assert!(dump.contains(expected), "{expected} is not in {dump}");
    }
    server.stop();
}

#[test]
fn the_operator_sees_metrics_and_health() {
    let server = Server::start("");
    let health = server.get("/health");
    assert!(
        health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"),
        "{health}"
    );
    let metrics = server.get("/metrics");
    for expected in [
        "hydrant_shard_received_total{shard=\"0\"",
        "hydrant_lost_total{stage=\"shard\",reason=\"malformed_wire\"",
        "hydrant_lost_total{stage=\"lane\",reason=\"lane_full\"",
        "hydrant_lane_depth_bytes{",
        "hydrant_shard_turn_seconds_bucket{",
        "# EOF",
    ] {
        assert!(metrics.contains(expected), "{expected} is not in {metrics}");
    }
    assert!(server.get("/elsewhere").starts_with("HTTP/1.1 404"));
    server.stop();
}

#[test]
fn check_prints_threads_and_memory() {
    let path = file("good.toml", "[engine]\ncores = [0]\n");
    let output = run(&["check", path.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for expected in ["shard-0", "core 0", "engine.lane_bytes", "in all"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_wrong_setting_is_named_and_nothing_runs() {
    for (config, expected) in [
        (
            "[engine]\ncorse = \"0\"\n",
            vec!["line 2", "corse", "`cores`"],
        ),
        (
            "[engine]\ncores = \"900\"\n",
            vec!["engine.cores: core 900 is not available"],
        ),
        (
            "[engine]\nlane_bytes = \"64 GiB\"\n",
            vec!["engine.lane_bytes", "engine.memory_max"],
        ),
        (
            "[engine]\nlane_bytes = \"3 MiB\"\n",
            vec!["engine.lane_bytes", "power of two"],
        ),
        (
            "[websocket]\naddress = \"0.0.0.0:0\"\n",
            vec!["websocket.address", "insecure"],
        ),
        (
            "[[syslog.drains]]\nurl = \"ftp://u:secret@h:1\"\n",
            vec!["syslog.drains[0].url", "ftp"],
        ),
    ] {
        let path = file("wrong.toml", config);
        for command in [vec!["check"], vec!["run", "--config"]] {
            let output = run(&[&command[..], &[path.to_str().unwrap()]].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{config}");
            assert!(
                expected.iter().all(|text| said.contains(text)),
                "{config}: {said}"
            );
            assert!(!said.contains("secret"), "{said}");
        }
    }
}

#[test]
fn a_port_in_use_is_named_and_a_second_hydrant_takes_no_share() {
    let taken = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let holder = UdpSocket::bind(taken).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start("");
    let udp = "[[engine.udp]]\naddress = \"ADDRESS\"\n";
    let websocket = "[websocket]\naddress = \"ADDRESS\"\n[engine]\nudp = []\ntcp = []\n";
    let operator = "[operator]\naddress = \"ADDRESS\"\n[websocket]\naddress = \"127.0.0.1:0\"\n\
                    [engine]\nudp = []\ntcp = []\n";
    for (config, address) in [
        (udp, holder.local_addr().unwrap()),
        (udp, server.udp),
        (websocket, listener.local_addr().unwrap()),
        (operator, listener.local_addr().unwrap()),
    ] {
        let path = file(
            "taken.toml",
            &config.replace("ADDRESS", &address.to_string()),
        );
        let output = run(&["run", "--config", path.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains(&address.to_string()), "{said}");
    }
    server.stop();
}

#[test]
fn nobody_at_the_address_is_said() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&["tail", "A", "--url", &format!("ws://{free}")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains(&free.to_string()),
        "{said}"
    );
}

#[test]
fn demo_shows_figures_and_a_balanced_ledger() {
    let output = run(&["demo", "--seconds", "2", "--rate", "2000", "--apps", "10"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("received") && said.contains("the ledger balances"),
        "{said}"
    );
    let sent = said
        .lines()
        .find_map(|line| line.strip_prefix("sent ")?.parse::<u64>().ok());
    assert!(sent.unwrap() > 1000, "{said}");
}

impl Server {
    /// Waits until somebody reads `path`.
    pub(crate) fn wait_for_session(&self, path: &str) {
        wait_until(path, || {
            self.get("/metrics")
                .contains(&format!("session=\"{path}\""))
        });
    }
}
