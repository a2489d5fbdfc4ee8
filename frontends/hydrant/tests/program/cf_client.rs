//! PyPI's `cloudfoundry-client`, unmodified: it finds the logs by the address of the API that it is
//! given, follows an app's stream, and asks for what was before.

use crate::process::{Server, file};
use crate::real_emitter::{python, skip_without};
use std::process::Command;

const SCRIPT: &str = r#"
import socket, sys
from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.dropsonde.envelope_pb2 import Envelope

target, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

def log(app, number):
    log = Envelope(origin="python", eventType=Envelope.LogMessage, timestamp=1700000000000000000 + number)
    log.logMessage.message = b"number %d" % number
    log.logMessage.message_type = 1
    log.logMessage.timestamp = log.timestamp
    log.logMessage.app_id = app
    return log

client = CloudFoundryClient(target)
client._access_token = "token"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

def send():
    for number in range(20):
        for app in ["mine", "other"]:
            udp.sendto(log(app, number).SerializeToString(), (host, port))

from cloudfoundry_client.doppler import websocket_envelope_reader as reader
connect = reader.WebsocketFrameReader.connect
def connect_and_send(self):
    connect(self)
    send()
reader.WebsocketFrameReader.connect = connect_and_send

streamed = []
for envelope in client.doppler.stream_logs("mine"):
    assert envelope.logMessage.app_id == "mine"
    streamed.append(envelope.logMessage.message)
    if len(streamed) == 20:
        break
recent = [envelope.logMessage.message for envelope in client.doppler.recent_logs("mine")]
assert streamed == [b"number %d" % number for number in range(20)], streamed
assert recent == streamed, recent
print("streamed", len(streamed), "recent", len(recent))
"#;

#[test]
fn a_cloud_foundry_client_finds_streams_and_recent_logs() {
    let Some(python) = python() else {
        return skip_without("cf_client");
    };
    let server = Server::start("");
    let output = Command::new(python)
        .arg(file("cf_client.py", SCRIPT))
        .arg(format!("http://{}", server.websocket))
        .args([server.udp.ip().to_string(), server.udp.port().to_string()])
        .output()
        .unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "streamed 20 recent 20\n", "{complained}");
    server.stop();
}
