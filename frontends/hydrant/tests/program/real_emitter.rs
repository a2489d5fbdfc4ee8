//! A client that we did not write: PyPI's `cloudfoundry-client` builds the envelope with its
//! dropsonde classes and reads it back with its own WebSocket reader.

use crate::process::{Server, file, skip};
use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = r#"
import socket, sys, threading
from cloudfoundry_client.doppler.websocket_envelope_reader import WebsocketFrameReader
from cloudfoundry_client.dropsonde.envelope_pb2 import Envelope

host, port, websocket = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def envelopes():
    for number in range(50):
        log = Envelope(origin="python", eventType=Envelope.LogMessage, timestamp=1700000000000000000 + number)
        log.logMessage.message = b"from python, number %d \xff" % number
        log.logMessage.message_type = 1
        log.logMessage.timestamp = log.timestamp
        log.logMessage.app_id = "python-app"
        log.logMessage.source_type = "APP"
        log.logMessage.source_instance = "0"
        log.tags["key"] = "välue"
        yield log
    value = Envelope(origin="python", eventType=Envelope.ValueMetric)
    value.valueMetric.name, value.valueMetric.value, value.valueMetric.unit = "load", 1.5, "count"
    yield value
    counter = Envelope(origin="python", eventType=Envelope.CounterEvent)
    counter.counterEvent.name, counter.counterEvent.delta = "requests", 3
    yield counter
    container = Envelope(origin="python", eventType=Envelope.ContainerMetric)
    metric = container.containerMetric
    metric.applicationId, metric.instanceIndex, metric.cpuPercentage = "python-app", 0, 12.5
    metric.memoryBytes, metric.diskBytes = 1 << 20, 1 << 30
    yield container
    http = Envelope(origin="python", eventType=Envelope.HttpStartStop)
    event = http.httpStartStop
    event.startTimestamp, event.stopTimestamp = 1, 2
    event.requestId.low, event.requestId.high = 0x7243cc580bc17af4, 0x79d4c3b2a020e67e
    event.peerType, event.method, event.uri = 1, 1, "http://x/y"
    event.remoteAddress, event.userAgent, event.statusCode, event.contentLength = "r", "u", 200, 7
    yield http

sent = [envelope.SerializeToString() for envelope in envelopes()]
received = []

with WebsocketFrameReader("ws://%s/firehose/python" % websocket, lambda: "token") as reader:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for datagram in sent:
        udp.sendto(datagram, (host, port))
    for frame in reader:
        received.append(bytes(frame))
        Envelope().ParseFromString(frame)
        if len(received) == len(sent):
            break

assert received == sent, "not byte-identical"
print("identical", len(received))
"#;

#[test]
fn an_envelope_of_another_client_is_received_byte_for_byte() {
    let Some(python) = python() else {
        return skip_without("real_emitter");
    };
    let server = Server::start("");
    let output = Command::new(python)
        .arg(file("emitter.py", SCRIPT))
        .args([server.udp.ip().to_string(), server.udp.port().to_string()])
        .arg(server.websocket.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said,
        "identical 54\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let ledger = server.stop();
    assert!(ledger.contains("received 54 = decoded 54\n"), "{ledger}");
}

/// The interpreter that `just peers` sets up, or any that has the client.
pub(crate) fn python() -> Option<PathBuf> {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/bin/python");
    let has_client = |python: &PathBuf| {
        let output = Command::new(python)
            .args(["-c", "import cloudfoundry_client"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    [PathBuf::from(ours), PathBuf::from("python3")]
        .into_iter()
        .find(has_client)
}

/// Says aloud that a test has no client.
pub(crate) fn skip_without(test: &str) {
    skip(test, "Python with cloudfoundry-client is not installed");
}
