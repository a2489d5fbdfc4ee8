//! syslog-ng.

use super::{Certificates, Receiver, nothing_without_a_certificate, plain, under_tls};
use crate::process::{file, free_port, path, skip, wait_until};
use hydrant_rpc::tls::TlsFiles;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Takes octet-counted messages; one connection alone may have all that may wait, and it is read no
/// further while that much waits.
const CONFIG: &str = r#"@version: current
options { keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); frac-digits(6); };
source drain { syslog(ip("127.0.0.1") port(PORT) max-connections(1) TRANSPORT); };
destination lines {
    file("OUTPUT" template("${PRI}|${ISODATE}|${HOST}|${PROGRAM}|${PID}|${MSGID:--}|${SDATA}|${MESSAGE}\n"));
};
log { source(drain); destination(lines); flags(flow-control); };
"#;

/// Ports to try: one that was free a moment ago may be somebody's by now.
const TRIES: usize = 5;

fn start(certificates: Option<&TlsFiles>) -> Option<Receiver> {
    let Some(program) = program() else {
        skip("syslog-ng", "syslog-ng is not installed");
        return None;
    };
    let output = file("lines", "");
    let transport = certificates.map_or_else(|| "transport(\"tcp\")".to_owned(), tls);
    let config = CONFIG
        .replace("TRANSPORT", &transport)
        .replace("OUTPUT", output.to_str().unwrap());
    for _ in 0..TRIES {
        let port = free_port();
        let config = config.replace("PORT", &port.to_string());
        if let Some(child) = run(&program, &config) {
            return Some(Receiver {
                child,
                port,
                output,
            });
        }
    }
    panic!("syslog-ng does not start");
}

/// Runs until it takes connections; nothing if it has ended before.
fn run(program: &Path, config: &str) -> Option<Child> {
    let [said, persist, control, pid] = ["said", "persist", "control", "pid"].map(path);
    let mut child = Command::new(program)
        .args(["--foreground", "--stderr", "--no-caps", "--cfgfile"])
        .arg(file("syslog-ng.conf", config))
        .arg("--persist-file")
        .arg(persist)
        .arg("--pidfile")
        .arg(pid)
        // A socket's path must be short.
        .current_dir(control.parent().unwrap())
        .arg("--control")
        .arg(control.file_name().unwrap())
        .stderr(File::create(&said).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let is_up = || fs::read_to_string(&said).unwrap().contains("starting up");
    let mut has_ended = false;
    wait_until("syslog-ng", || {
        has_ended = child.try_wait().unwrap().is_some();
        has_ended || is_up()
    });
    (!has_ended).then_some(child)
}

/// The one that `just peers` unpacks, or one that is installed.
fn program() -> Option<PathBuf> {
    let ours = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/peers/bin/syslog-ng"
    );
    let all = [ours, "/usr/sbin/syslog-ng", "/sbin/syslog-ng"].map(PathBuf::from);
    all.into_iter().find(|path| path.exists())
}

fn tls(files: &TlsFiles) -> String {
    let TlsFiles {
        cert_file,
        key_file,
        ca_file,
        ..
    } = files;
    format!(
        "transport(\"tls\") tls(peer-verify(required-trusted) \
         ca-file({ca_file:?}) cert-file({cert_file:?}) key-file({key_file:?}))"
    )
}

#[test]
fn syslog_ng_gets_every_line_in_order_with_its_fields() {
    if let Some(syslog_ng) = start(None) {
        plain(syslog_ng);
    }
}

#[test]
fn syslog_ng_gets_every_line_under_mutual_tls() {
    let certificates = Certificates::new();
    if let Some(syslog_ng) = start(Some(&certificates.receiver)) {
        under_tls(syslog_ng, &certificates);
    }
}

#[test]
fn syslog_ng_gets_nothing_from_a_drain_without_a_certificate() {
    let certificates = Certificates::new();
    if let Some(syslog_ng) = start(Some(&certificates.receiver)) {
        nothing_without_a_certificate(syslog_ng, &certificates);
    }
}
