//! One socket to send through, in the way that costs the sender least.

use super::{LoadConfig, Transport};
use crate::pool::Pool;
use hydrant_engine::limits::DATAGRAM_BYTES_MAX;
use nix::sys::socket::sockopt::UdpGsoSegment;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt};
use std::io::{self, IoSlice, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

/// Bytes of a TCP write, about.
const WRITE_BYTES: usize = 256 * 1024;
/// Plain datagrams given to the kernel in one call.
const DATAGRAMS_PER_CALL: usize = 64;
/// What a send may hold over IPv4, heads apart.
const SEND_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - 28;

/// A connected socket.
pub(super) enum Wire {
    /// Each send is cut into datagrams by the kernel.
    Trains { socket: UdpSocket, batch_max: usize },
    /// A datagram each, many in one call.
    Datagrams {
        socket: UdpSocket,
        headers: Box<MultiHeaders<SockaddrIn>>,
    },
    /// Many frames in one write.
    Stream { stream: TcpStream, batch_max: usize },
}

impl Wire {
    pub(super) fn connect(config: &LoadConfig, pool: &Pool) -> io::Result<Self> {
        match config.over {
            Transport::Tcp => Self::stream(config.address, pool),
            Transport::Udp if config.train == 1 => Ok(Self::Datagrams {
                socket: udp(config.address)?,
                headers: Box::new(MultiHeaders::preallocate(DATAGRAMS_PER_CALL, None)),
            }),
            Transport::Udp => Self::trains(config, pool),
        }
    }

    fn stream(address: SocketAddr, pool: &Pool) -> io::Result<Self> {
        Ok(Self::Stream {
            stream: TcpStream::connect(address)?,
            batch_max: (WRITE_BYTES / pool.stride()).max(1),
        })
    }

    fn trains(config: &LoadConfig, pool: &Pool) -> io::Result<Self> {
        let socket = udp(config.address)?;
        let segment_bytes = i32::try_from(pool.stride()).unwrap_or(i32::MAX);
        setsockopt(&socket, UdpGsoSegment, &segment_bytes)?;
        let batch_max = usize::from(config.train).min(SEND_BYTES_MAX / pool.stride());
        Ok(Self::Trains { socket, batch_max })
    }

    /// How many envelopes one send takes at most.
    pub(super) fn batch_max(&self) -> usize {
        match self {
            Self::Trains { batch_max, .. } | Self::Stream { batch_max, .. } => *batch_max,
            Self::Datagrams { .. } => DATAGRAMS_PER_CALL,
        }
    }

    /// Sends `count` envelopes of the pool, from the `first` on; all of them or an error.
    pub(super) fn send(&mut self, pool: &Pool, first: usize, count: usize) -> io::Result<()> {
        match self {
            Self::Trains { socket, .. } => socket.send(pool.slice(first, count)).map(|_| ()),
            Self::Stream { stream, .. } => stream.write_all(pool.slice(first, count)),
            Self::Datagrams { socket, headers } => datagrams(socket, headers, pool, first, count),
        }
    }
}

fn datagrams(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrIn>,
    pool: &Pool,
    first: usize,
    count: usize,
) -> io::Result<()> {
    const CONNECTED: [Option<SockaddrIn>; DATAGRAMS_PER_CALL] = [None; DATAGRAMS_PER_CALL];
    let bytes = pool.slice(first, count);
    let slices: Vec<_> = bytes
        .chunks(pool.stride())
        .map(|one| [IoSlice::new(one)])
        .collect();
    let mut sent = 0;
    while sent < count {
        let rest = slices[sent..].iter();
        let flags = MsgFlags::empty();
        sent += sendmmsg(socket.as_raw_fd(), headers, rest, CONNECTED, [], flags)?.count();
    }
    Ok(())
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    Ok(socket)
}
