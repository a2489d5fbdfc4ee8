//! The sockets of a shard, opened before its thread starts so that errors are start-up errors.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

/// Connections that the kernel completes before we take them.
const BACKLOG: i32 = 1024;
/// Not in libc: asks for a socket's memory counters; the ninth is its drops.
const SO_MEMINFO: i32 = 55;
const MEMINFO_DROPS: usize = 8;

/// One shard's sockets, in the order of the config.
#[derive(Debug, Default)]
pub struct Sockets {
    /// UDP sockets, bound.
    pub udp: Vec<UdpSocket>,
    /// TCP sockets, listening.
    pub tcp: Vec<TcpListener>,
}

impl Sockets {
    /// Opens a UDP socket beside those of other shards.
    ///
    /// # Errors
    /// What the system call said.
    pub fn open_udp(
        &mut self,
        address: SocketAddr,
        receive_bytes: usize,
    ) -> io::Result<SocketAddr> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_reuse_port(true)?;
        set_receive_bytes(&socket, receive_bytes)?;
        set_flag(&socket, libc::SOL_UDP, libc::UDP_GRO)?;
        set_flag(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let bound = socket.local_addr()?;
        self.udp.push(socket);
        Ok(bound)
    }

    /// Opens a TCP listener beside those of other shards.
    ///
    /// # Errors
    /// What the system call said.
    pub fn open_tcp(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let bound = listener.local_addr()?;
        self.tcp.push(listener);
        Ok(bound)
    }

    /// Whether nobody else has the address: shards share a port, and without this look a second
    /// Hydrant would take half of the first one's traffic.
    ///
    /// # Errors
    /// What `bind` says of an address in use, or one that is not ours.
    pub fn check_free(address: SocketAddr, kind: Type) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), kind, None)?;
        if kind == Type::STREAM {
            socket.set_reuse_address(true)?; // Old connections in TIME_WAIT are nobody's.
        }
        socket.bind(&address.into())?;
        if kind == Type::STREAM {
            socket.listen(1)
        } else {
            Ok(())
        }
    }
}

/// Asks for room in the kernel: beyond the system's limit if we may, else up to it.
fn set_receive_bytes(socket: &Socket, bytes: usize) -> io::Result<()> {
    let forced = i32::try_from(bytes).unwrap_or(i32::MAX);
    let outcome = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, forced);
    if outcome.is_ok() {
        Ok(())
    } else {
        socket.set_recv_buffer_size(bytes)
    }
}

/// What the kernel really grants a socket, in bytes.
pub fn receive_bytes_of(socket: &UdpSocket) -> usize {
    // The kernel doubles what it is asked for, for its own bookkeeping.
    SockRef::from(socket).recv_buffer_size().unwrap_or(0) / 2
}

fn set_flag(socket: &Socket, level: i32, name: i32) -> io::Result<()> {
    set_option(socket, level, name, 1)
}

fn set_option(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    let pointer = (&raw const value).cast();
    // SAFETY: `pointer` and `length` describe `value`, which lives over the call; the descriptor is
    // the socket's.
    let status = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Socket buffers that the kernel dropped at this socket, modulo 2^32; nothing if it does not say.
pub(super) fn dropped_of(socket: &UdpSocket) -> Option<u32> {
    let mut counters = [0_u32; MEMINFO_DROPS + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&counters)).ok()?;
    let pointer = (&raw mut counters).cast();
    let descriptor = socket.as_raw_fd();
    // SAFETY: `pointer` and `length` describe `counters`, which lives over the call.
    let status = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            pointer,
            &raw mut length,
        )
    };
    let is_whole = usize::try_from(length) == Ok(size_of_val(&counters));
    (status == 0 && is_whole).then_some(counters[MEMINFO_DROPS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_a_port_and_strangers_are_noticed() {
        let mut sockets = Sockets::default();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let udp = sockets.open_udp(loopback, 1 << 20).unwrap();
        let tcp = sockets.open_tcp(loopback).unwrap();
        assert!(Sockets::check_free(udp, Type::DGRAM).is_err());
        assert!(Sockets::check_free(tcp, Type::STREAM).is_err());
        assert_eq!(sockets.open_udp(udp, 1 << 20).unwrap(), udp);
        assert_eq!(sockets.open_tcp(tcp).unwrap(), tcp);
        drop(sockets);
        Sockets::check_free(udp, Type::DGRAM).unwrap();
        Sockets::check_free(tcp, Type::STREAM).unwrap();
    }

    #[test]
    fn drops_of_a_full_socket_are_counted_by_the_kernel() {
        let mut sockets = Sockets::default();
        let address = sockets
            .open_udp(SocketAddr::from(([127, 0, 0, 1], 0)), 4096)
            .unwrap();
        assert_eq!(dropped_of(&sockets.udp[0]), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..200 {
            sender.send_to(&[0; 1000], address).unwrap();
        }
        assert!(dropped_of(&sockets.udp[0]).unwrap() > 0);
        assert!(receive_bytes_of(&sockets.udp[0]) >= 1024);
    }
}
