//! A server as a whole.

use super::*;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;

/// Only what readers connect to, wherever the kernel likes.
fn config() -> Config {
    let mut config = Config::default();
    config.engine.udp.clear();
    config.engine.tcp.clear();
    for address in [
        &mut config.websocket.address,
        &mut config.grpc.address,
        &mut config.operator.address,
    ] {
        address.set_port(0);
    }
    config
}

/// A WebSocket that is open, and will not answer when it is closed.
fn mute_websocket(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /firehose/mute HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stream
}

#[test]
fn a_stop_takes_no_longer_than_its_deadline_however_many_hang() {
    let server = Server::start(&config()).unwrap();
    let websocket = mute_websocket(server.websocket_address().unwrap());
    let grpc = TcpStream::connect(server.grpc_address().unwrap()).unwrap();
    let connected = || {
        let worker = &server.state().grpc[0];
        worker.get(hydrant_grpc::GrpcCounter::Connections) == 1
    };
    while !connected() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let deadline = Duration::from_secs(4);
    let begun = Instant::now();
    let (_, outcome) = server.stop(deadline);
    let took = begun.elapsed();
    outcome.unwrap();
    drop((websocket, grpc));
    assert!(
        took < deadline * 2,
        "each had a deadline of its own: {took:?}"
    );
}
