//! Real syslog servers as drains: Debian's rsyslog and syslog-ng, started here on loopback. Each gets
//! every line once, in order for each app, and finds the fields that we meant.

mod rsyslog;
mod syslog_ng;

use crate::certificates::Authority;
use crate::emitters::{TcpEmitter, UdpEmitter};
use crate::envelopes::{framed, v1_log};
use crate::process::{Server, run, wait_until};
use hydrant_rpc::tls::TlsFiles;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command};

const APPS: u64 = 10;
const LINES: u64 = 100_000;
/// Lines that are sent together.
const ROUND: u64 = 1_000;
/// Lines that the receiver may be behind before the emitter waits: some 4 MiB of them, half of an
/// outbox, for a receiver that is slower than we are must not cost a line here.
const AHEAD_MAX: u64 = 10_000;
/// Lines for a receiver that takes none.
const FEW: u64 = 10;
/// The line of number n was written n microseconds after this.
const START_MICROS: u64 = 1_700_000_000_000_000;

/// Where receivers are, in the URLs of drains and in their certificates.
const HOST: &str = "127.0.0.1";
const HOSTNAME: &str = "org.space.app";

/// A syslog server that writes the fields that it finds, a line for each message: priority, time,
/// host, app, process, message id, structured data, message, with `|` between them.
struct Receiver {
    child: Child,
    port: u16,
    output: PathBuf,
}

impl Receiver {
    /// Waits until it has written so many lines.
    fn wait_for(&self, count: u64) {
        let mut output = BufReader::new(File::open(&self.output).unwrap());
        let (mut written, mut bytes) = (0, Vec::new());
        wait_until("the receiver", || {
            while output.read_until(b'\n', &mut bytes).unwrap() > 0 && bytes.ends_with(b"\n") {
                bytes.clear();
                written += 1;
            }
            written >= count
        });
    }

    /// Ends it in order; gives all that it has written.
    fn stop(&mut self) -> String {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").arg(&process).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap();
        fs::read_to_string(&self.output).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Certificates of a receiver, of the drain, and of neither.
struct Certificates {
    receiver: TlsFiles,
    drain: TlsFiles,
}

impl Certificates {
    fn new() -> Self {
        let authority = Authority::new();
        Self {
            receiver: authority.files(HOST),
            drain: authority.files("drain"),
        }
    }

    /// What the drain trusts and shows.
    fn keys(&self) -> String {
        let TlsFiles {
            cert_file,
            key_file,
            ..
        } = &self.drain;
        self.trust() + &format!("cert_file = {cert_file:?}\nkey_file = {key_file:?}\n")
    }

    /// What the drain trusts, and nothing that it could show.
    fn trust(&self) -> String {
        format!("ca_file = {:?}\n", self.drain.ca_file)
    }
}

/// A server with one drain; `keys` are more of the drain's.
fn serve(scheme: &str, receiver: &Receiver, keys: &str) -> Server {
    let port = receiver.port;
    let url = format!("{scheme}://{HOST}:{port}?drain-data=all");
    Server::start(&format!(
        "\n[[syslog.drains]]\nurl = \"{url}\"\nhostname = \"{HOSTNAME}\"\n{keys}"
    ))
}

fn plain(receiver: Receiver) {
    let server = serve("syslog", &receiver, "");
    deliver(server, receiver);
}

fn under_tls(receiver: Receiver, certificates: &Certificates) {
    let server = serve("syslog-tls", &receiver, &certificates.keys());
    deliver(server, receiver);
}

fn deliver(server: Server, mut receiver: Receiver) {
    let mut tcp = TcpEmitter::new(server.tcp_v1);
    for first in (0..LINES).step_by(usize::try_from(ROUND).unwrap()) {
        let frames = (first..first + ROUND).flat_map(|number| framed(&log(number)));
        tcp.send(&frames.collect::<Vec<_>>());
        wait_until("the drain", || {
            server.count(DELIVERED) + AHEAD_MAX > first + ROUND
        });
    }
    receiver.wait_for(LINES);
    let ledger = server.stop();
    let all = format!("selected {LINES} delivered {LINES} waiting 0");
    assert!(ledger.contains(&all), "{ledger}");
    check(&receiver.stop());
}

/// A receiver that demands a certificate gets nothing without one, and the drain says why.
fn nothing_without_a_certificate(mut receiver: Receiver, certificates: &Certificates) {
    let server = serve("syslog-tls", &receiver, &certificates.trust());
    let mut udp = UdpEmitter::new(&server);
    (0..FEW).for_each(|number| udp.send(&log(number)));
    let operator = format!("http://{}", server.operator);
    let drain = || {
        let shown = run(&["drains", "--operator", &operator, "--json"]);
        let drains: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        drains[0].clone()
    };
    wait_until("a refusal", || drain()["last_error"] != "");
    let drain = drain();
    let why = "it asked for a certificate, and there is none for it";
    for key in ["state", "last_error"] {
        assert!(drain[key].as_str().unwrap().contains(why), "{drain}");
    }
    assert_eq!(drain["delivered"], 0, "{drain}");
    assert_eq!(drain["waiting"], FEW, "{drain}");
    drop(server); // In order, it would try for ten seconds more.
    assert_eq!(receiver.stop(), "");
}

const DELIVERED: &str = "hydrant_session_delivered_total";

fn log(number: u64) -> Vec<u8> {
    let app = format!("app-{}", number % APPS);
    let nanos = i64::try_from((START_MICROS + number) * 1_000).unwrap();
    v1_log(&app, &format!("line {number} of it"), nanos)
}

/// Each app's numbers are there once and in order.
fn check(text: &str) {
    let mut next: Vec<_> = (0..APPS).collect();
    for line in text.lines() {
        let fields: Vec<_> = line.split('|').collect();
        let app = fields[3].strip_prefix("app-").unwrap();
        let number = &mut next[app.parse::<usize>().unwrap()];
        check_fields(&fields, *number);
        *number += APPS;
    }
    let ends: Vec<_> = (LINES..LINES + APPS).collect();
    assert_eq!(next, ends);
}

fn check_fields(fields: &[&str], number: u64) {
    let micros = i64::try_from(START_MICROS + number).unwrap();
    let time = jiff::Timestamp::from_microsecond(micros).unwrap();
    let reported: jiff::Timestamp = fields[1].parse().unwrap();
    assert_eq!((fields[0], reported, fields[2]), ("14", time, HOSTNAME));
    assert_eq!((fields[4], fields[5]), ("[APP/0]", "-"));
    assert!(fields[6].starts_with("[tags@47450 ") && fields[6].contains("origin=\"test\""));
    assert_eq!(fields[7].trim_start(), format!("line {number} of it"));
}
