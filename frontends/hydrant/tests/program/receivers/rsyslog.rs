//! rsyslog.

use super::{Certificates, Receiver, nothing_without_a_certificate, plain, under_tls};
use crate::process::{file, path, skip, wait_until};
use hydrant_rpc::tls::TlsFiles;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Takes octet-counted messages. Two workers would mix up the lines of a queue that grows long.
const CONFIG: &str = r#"
global(workDirectory="FOLDER")
main_queue(queue.workerThreads="1")
module(load="imtcp" TLS)
template(name="fields" type="string"
    string="%pri%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
ruleset(name="drain") { action(type="omfile" file="OUTPUT" template="fields") }
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="PORT" ruleset="drain")
"#;

/// Nobody but the drain is let in: rsyslog looks at the certificate's name.
const TLS: &str = r#"
    streamDriver.name="gtls" streamDriver.mode="1"
    streamDriver.authMode="x509/name" permittedPeer=["drain"]
"#;

/// Where rsyslog's TLS may be: Debian's place, and others'.
const DRIVERS: [&str; 2] = [
    "/usr/lib*/*/rsyslog/lmnsd_gtls.so",
    "/usr/lib*/rsyslog/lmnsd_gtls.so",
];

fn start(certificates: Option<&TlsFiles>) -> Option<Receiver> {
    let program = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].map(Path::new);
    let Some(program) = program.into_iter().find(|path| path.exists()) else {
        skip("rsyslog", "rsyslogd is not installed");
        return None;
    };
    let is_there = |driver: &str| glob::glob(driver).unwrap().next().is_some();
    if certificates.is_some() && !DRIVERS.into_iter().any(is_there) {
        skip("rsyslog under TLS", "rsyslog-gnutls is not installed");
        return None;
    }
    let (output, port_file) = (file("lines", ""), file("port", ""));
    let config = CONFIG
        .replace("FOLDER", output.parent().unwrap().to_str().unwrap())
        .replace("TLS", certificates.map_or("", |_| TLS))
        .replace("OUTPUT", output.to_str().unwrap())
        .replace("PORT", port_file.to_str().unwrap());
    let config = certificates.map(keys).unwrap_or_default() + &config;
    let child = Command::new(program)
        .args(["-n", "-i", path("pid").to_str().unwrap(), "-f"])
        .arg(file("rsyslog.conf", &config))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let port = || fs::read_to_string(&port_file).unwrap().trim().parse().ok();
    wait_until("rsyslog", || port().is_some());
    Some(Receiver {
        child,
        port: port().unwrap(),
        output,
    })
}

fn keys(files: &TlsFiles) -> String {
    let TlsFiles {
        cert_file,
        key_file,
        ca_file,
        ..
    } = files;
    format!(
        "global(defaultNetstreamDriverCAFile={ca_file:?}\n\
         defaultNetstreamDriverCertFile={cert_file:?} defaultNetstreamDriverKeyFile={key_file:?})\n"
    )
}

#[test]
fn rsyslog_gets_every_line_in_order_with_its_fields() {
    if let Some(rsyslog) = start(None) {
        plain(rsyslog);
    }
}

#[test]
fn rsyslog_gets_every_line_under_mutual_tls() {
    let certificates = Certificates::new();
    if let Some(rsyslog) = start(Some(&certificates.receiver)) {
        under_tls(rsyslog, &certificates);
    }
}

#[test]
fn rsyslog_gets_nothing_from_a_drain_without_a_certificate() {
    let certificates = Certificates::new();
    if let Some(rsyslog) = start(Some(&certificates.receiver)) {
        nothing_without_a_certificate(rsyslog, &certificates);
    }
}
