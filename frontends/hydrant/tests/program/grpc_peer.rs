//! A gRPC client that we did not write: PyPI's `grpcio`, which is gRPC's C core, over mutual TLS.
//! What it does and compares is in `grpc_peer.py`.

use crate::certificates::{Authority, DOPPLER, table};
use crate::process::{Server, file, path, skip};
use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = include_str!("grpc_peer.py");
const PROTOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/protos");

/// What it has compared: envelopes that came as they were sent, and statuses.
const COMPARED: &str = "\
eof 5
batched_preferred 100
batched_deprecated 100
receiver_preferred 100
batched_doppler 100
logs 20
v2_as_v1 100
subscribe 100
batch_subscribe 100
v1_as_v2 100
ten_mebibytes 105
oversize 1
empty 1
kindless 1
send 1
method 1
service 1
receiver 1
silent 1
nobody 1
";

#[test]
fn a_client_of_grpcs_c_core_has_back_what_it_sent() {
    let Some(python) = python() else {
        return skip(
            "grpc_peer",
            "Python with grpcio and grpcio-tools is not installed",
        );
    };
    let authority = Authority::new();
    let tls = table("grpc.tls", &authority.files(DOPPLER));
    let both = Server::start(&tls);
    let doppler = Server::start_grpc("rules = \"doppler\"", &tls);
    let client = authority.files("peer");
    let output = Command::new(python)
        .arg(file("grpc_peer.py", SCRIPT))
        .args([both.grpc.to_string(), doppler.grpc.to_string()])
        .args([PathBuf::from(PROTOS), path("stubs")])
        .args([client.cert_file, client.key_file, client.ca_file])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, COMPARED, "{complained}");
    assert_eq!(both.count("hydrant_grpc_tls_failed_total"), 1, "nobody's");
    let ledger = doppler.stop();
    let received = "received 306 = decoded 305 + message_oversize 1\n";
    assert!(ledger.contains(received), "{ledger}");
    let ledger = both.stop();
    assert!(ledger.contains("received 100 = decoded 100\n"), "{ledger}");
}

/// The interpreter that `just peers` sets up, or any that has the packages.
fn python() -> Option<PathBuf> {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/bin/python");
    let has_packages = |python: &PathBuf| {
        let output = Command::new(python)
            .args(["-c", "import grpc, grpc_tools.protoc"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    [PathBuf::from(ours), PathBuf::from("python3")]
        .into_iter()
        .find(has_packages)
}
