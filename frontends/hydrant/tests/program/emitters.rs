//! Those who send, at a pace that a server can keep: what they send is received or counted.

use crate::process::{Server, wait_until};
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};

/// Datagrams in flight at most, so that the kernel drops none even with a small receive buffer.
const WINDOW: u64 = 100;

/// Sends datagrams, and waits for the server to have taken them, a window at a time.
pub(crate) struct UdpEmitter<'s> {
    socket: UdpSocket,
    server: &'s Server,
    before: u64,
    sent: u64,
}

impl<'s> UdpEmitter<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.udp).unwrap();
        let before = server.count(DATAGRAMS);
        Self {
            socket,
            server,
            before,
            sent: 0,
        }
    }

    pub(crate) fn send(&mut self, datagram: &[u8]) {
        self.socket.send(datagram).unwrap();
        self.sent += 1;
        if self.sent.is_multiple_of(WINDOW) {
            self.settle();
        }
    }

    /// Waits until all that was sent has been received.
    pub(crate) fn settle(&self) {
        let all = self.before + self.sent;
        wait_until("datagrams", || self.server.count(DATAGRAMS) >= all);
    }
}

const DATAGRAMS: &str = "hydrant_shard_datagrams_total";

/// Sends frames over one connection.
pub(crate) struct TcpEmitter(TcpStream);

impl TcpEmitter {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).unwrap())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }
}
