//! The kernel in life: one io_uring per shard, one system call a turn.
//!
//! UDP comes by multishot recvmsg, one buffer a train (UDP_GRO); TCP by multishot accept into direct
//! descriptors and multishot recv. All buffers are provided in rings and go back to the kernel in
//! the turn in which they came.

mod buffers;
mod connections;
mod control;
mod sockets;
mod start;

use crate::clock::UnixNanos;
use crate::config::{EngineConfig, UDP_BUFFER_BYTES};
use crate::kernel::{ConnectionIndex, End, Event, Kernel, ListenerIndex, Verdict};
use crate::ring::EventFd;
use buffers::BufferRing;
use connections::{Connections, State};
use control::Control;
use io_uring::types::{Fd, Fixed, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
pub use sockets::{Sockets, receive_bytes_of};
pub use start::{RingError, probe};
use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

/// Room for control messages: UDP_GRO's segment size and SO_RXQ_OVFL's count, with their heads.
const CONTROL_BYTES: usize = 64;
const DATAGRAM_GROUP: u16 = 0;
const CHUNK_GROUP: u16 = 1;
const SUBMISSION_ENTRIES: u32 = 256;
const COMPLETION_ENTRIES: u32 = 4096;

/// A shard's io_uring and the sockets that it serves. Made and used on the shard's own thread.
pub struct Uring {
    // The ring goes first, so that the kernel lets go of the buffers before they are unmapped.
    ring: IoUring,
    datagrams: BufferRing,
    chunks: BufferRing,
    /// What every recvmsg asks for; the kernel reads it whenever one is armed.
    message: Box<libc::msghdr>,
    udp: Vec<UdpEnd>,
    tcp: Vec<TcpListener>,
    connections: Connections,
    /// What the submission queue had no room for.
    unsubmitted: VecDeque<squeue::Entry>,
    now: UnixNanos,
    bell: Arc<EventFd>,
    overflow_seen: u32,
    is_accepting: bool,
}

struct UdpEnd {
    socket: UdpSocket,
    dropped: u64,
}

/// What a completion is about, as its `user_data`: a kind and an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Datagrams(u32),
    Accept(u32),
    Receive(u32),
    Close(u32),
    Cancel,
    Bell,
}

impl Uring {
    /// A ring over these sockets. Must be called on the thread that will use it.
    ///
    /// # Errors
    /// Which step the kernel refused, and what to do about it.
    pub fn new(
        config: &EngineConfig,
        sockets: Sockets,
        bell: Arc<EventFd>,
    ) -> Result<Self, RingError> {
        let ring = start::build(SUBMISSION_ENTRIES, COMPLETION_ENTRIES)?;
        let slots = config.connections_max;
        ring.submitter()
            .register_files_sparse(slots)
            .map_err(|error| RingError::setup("a table of direct descriptors", error))?;
        let mut chunk_bytes = config.tcp_buffer_bytes.as_u64().next_multiple_of(64);
        chunk_bytes = chunk_bytes.min(1 << 20);
        let buffers = |group, count, bytes| {
            BufferRing::new(&ring, group, count, bytes)
                .map_err(|error| RingError::setup("a ring of provided buffers", error))
        };
        let mut uring = Self {
            datagrams: buffers(DATAGRAM_GROUP, config.udp_buffers, UDP_BUFFER_BYTES)?,
            chunks: buffers(
                CHUNK_GROUP,
                config.tcp_buffers,
                usize::try_from(chunk_bytes).unwrap_or(1 << 20),
            )?,
            ring,
            message: Box::new(control::message_header(CONTROL_BYTES)),
            udp: sockets
                .udp
                .into_iter()
                .map(|socket| UdpEnd { socket, dropped: 0 })
                .collect(),
            tcp: sockets.tcp,
            connections: Connections::new(slots),
            unsubmitted: VecDeque::with_capacity(SUBMISSION_ENTRIES as usize),
            now: UnixNanos::now(),
            bell,
            overflow_seen: 0,
            is_accepting: true,
        };
        uring.arm_all();
        Ok(uring)
    }

    fn arm_all(&mut self) {
        self.arm(Token::Bell);
        for index in 0..u32::try_from(self.udp.len()).unwrap_or(u32::MAX) {
            self.arm(Token::Datagrams(index));
        }
        for index in 0..u32::try_from(self.tcp.len()).unwrap_or(u32::MAX) {
            self.arm(Token::Accept(index));
        }
    }

    /// Queues the operation that the token stands for.
    fn arm(&mut self, token: Token) {
        let entry = match token {
            Token::Datagrams(index) => {
                let socket = Fd(self.udp[index as usize].socket.as_raw_fd());
                opcode::RecvMsgMulti::new(socket, &raw const *self.message, DATAGRAM_GROUP).build()
            }
            Token::Accept(index) => {
                let listener = Fd(self.tcp[index as usize].as_raw_fd());
                opcode::AcceptMulti::new(listener)
                    .allocate_file_index(true)
                    .build()
            }
            Token::Receive(slot) => opcode::RecvMulti::new(Fixed(slot), CHUNK_GROUP).build(),
            Token::Close(slot) => opcode::Close::new(Fixed(slot)).build(),
            Token::Bell => {
                let events = u32::from(libc::POLLIN.cast_unsigned());
                let bell = Fd(self.bell.as_fd().as_raw_fd());
                opcode::PollAdd::new(bell, events).multi(true).build()
            }
            Token::Cancel => return,
        };
        self.push(entry.user_data(token.pack()));
    }

    fn push(&mut self, entry: squeue::Entry) {
        self.unsubmitted.push_back(entry);
        self.fill();
    }

    /// Takes what waits into the submission queue, and hands that over when it is full. What the
    /// kernel does not take now (it wants its completions reaped first) is for the next turn.
    fn fill(&mut self) {
        while let Some(entry) = self.unsubmitted.front() {
            // SAFETY: what the entry points to (the message header, sockets, the bell) is owned by
            // `self` and neither moves nor goes before the ring does.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                self.unsubmitted.pop_front();
            } else if self.ring.submit().is_err() {
                return;
            }
        }
    }

    fn complete(
        &mut self,
        completion: &cqueue::Entry,
        handler: &mut impl FnMut(Event<'_>) -> Verdict,
    ) {
        let has_more = cqueue::more(completion.flags());
        let result = completion.result();
        match Token::unpack(completion.user_data()) {
            Some(Token::Datagrams(index)) => {
                self.datagrams(index, completion, handler);
                self.rearm_unless(has_more, Token::Datagrams(index));
            }
            Some(Token::Receive(slot)) => self.received(slot, completion, handler),
            Some(Token::Accept(index)) => {
                self.accepted(index, result, handler);
                self.rearm_unless(has_more || !self.is_accepting, Token::Accept(index));
            }
            Some(Token::Close(slot)) => self.closed(slot),
            Some(Token::Bell) => {
                self.bell.clear();
                tell(handler, Event::Woken);
                self.rearm_unless(has_more, Token::Bell);
            }
            Some(Token::Cancel) | None => {}
        }
    }

    fn rearm_unless(&mut self, has_more: bool, token: Token) {
        if !has_more {
            self.arm(token);
        }
    }

    #[inline]
    fn datagrams(
        &mut self,
        index: u32,
        completion: &cqueue::Entry,
        handler: &mut impl FnMut(Event<'_>) -> Verdict,
    ) {
        let Some((buffer, length)) = buffer_of(completion) else {
            let result = completion.result();
            let is_exhausted = result == -libc::ENOBUFS;
            tell(
                handler,
                if is_exhausted {
                    Event::NoBuffers
                } else {
                    Event::Failed
                },
            );
            return;
        };
        let bytes = self.datagrams.bytes(buffer, length);
        match RecvMsgOut::parse(bytes, &self.message) {
            Ok(parts) => {
                let control = Control::parse(parts.control_data());
                let train = parts.payload_data();
                self.udp[index as usize].note_dropped(control.dropped);
                tell(
                    handler,
                    Event::Datagrams {
                        listener: ListenerIndex(index as usize),
                        bytes: train,
                        segment_bytes: control.segment_bytes.unwrap_or(train.len()).max(1),
                        truncated: parts.is_payload_truncated(),
                    },
                );
            }
            Err(()) => tell(handler, Event::Failed),
        }
        self.datagrams.give_back(buffer);
    }

    fn accepted(
        &mut self,
        index: u32,
        result: i32,
        handler: &mut impl FnMut(Event<'_>) -> Verdict,
    ) {
        let Ok(slot) = u32::try_from(result) else {
            if result != -libc::ECANCELED {
                tell(handler, Event::Refused);
            }
            return;
        };
        self.connections.set(slot, State::Open);
        let listener = ListenerIndex(index as usize);
        tell(
            handler,
            Event::Opened {
                connection: ConnectionIndex(slot),
                listener,
            },
        );
        self.arm(Token::Receive(slot));
    }

    #[inline]
    fn received(
        &mut self,
        slot: u32,
        completion: &cqueue::Entry,
        handler: &mut impl FnMut(Event<'_>) -> Verdict,
    ) {
        let result = completion.result();
        let has_more = cqueue::more(completion.flags());
        if let Some((buffer, length)) = buffer_of(completion) {
            if length > 0 && self.connections.heard(slot) {
                let bytes = self.chunks.bytes(buffer, length);
                let connection = ConnectionIndex(slot);
                if handler(Event::Chunk { connection, bytes }) == Verdict::Close {
                    self.cut(slot);
                }
            }
            self.chunks.give_back(buffer);
        }
        if has_more {
            return;
        }
        match result {
            _ if self.connections.state(slot) == State::Cut => self.close(slot, result, handler),
            1.. => self.arm(Token::Receive(slot)),
            _ if result == -libc::ECANCELED => self.arm(Token::Receive(slot)), // It was quiet.
            _ if result == -libc::ENOBUFS => {
                tell(handler, Event::NoBuffers);
                self.arm(Token::Receive(slot));
            }
            _ => self.close(slot, result, handler),
        }
    }

    /// Makes the connection's receive end; the rest of its bytes is not looked at.
    ///
    /// By cancelling it and not by `shutdown`, which the kernel carries out later on a thread of its
    /// own, when the slot may be somebody else's.
    fn cut(&mut self, slot: u32) {
        self.connections.set(slot, State::Cut);
        self.cancel(Token::Receive(slot));
    }

    fn cancel(&mut self, token: Token) {
        let entry = opcode::AsyncCancel::new(token.pack()).build();
        self.push(entry.user_data(Token::Cancel.pack()));
    }

    fn close(&mut self, slot: u32, result: i32, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        let end = match self.connections.state(slot) {
            State::Cut => End::Cut,
            _ if result == 0 => End::Ended,
            _ => End::Reset,
        };
        self.connections.set(slot, State::Closing);
        tell(
            handler,
            Event::Closed {
                connection: ConnectionIndex(slot),
                end,
            },
        );
        self.arm(Token::Close(slot));
    }

    /// The slot may have been taken again before this completion was seen.
    fn closed(&mut self, slot: u32) {
        if self.connections.state(slot) == State::Closing {
            self.connections.set(slot, State::Free);
        }
    }

    /// Lets the receives of quiet connections end, to arm them again and so look at the socket.
    ///
    /// When bytes and a reset come close together, the kernel can miss the second one's wake-up and
    /// a multishot receive then never ends (seen on Linux 6.18: 1 of 1,000 resets).
    fn look_at_quiet(&mut self) {
        for slot in self.connections.due(self.now) {
            if self.connections.look(slot) {
                self.cancel(Token::Receive(slot));
            }
        }
    }

    /// Completions that found the queue full: kept aside by the kernel, or even lost.
    fn overflowed(&mut self) -> u32 {
        let is_kept_aside = self.ring.submission().cq_overflow();
        let lost = self.ring.completion().overflow();
        let count = lost.wrapping_sub(self.overflow_seen) + u32::from(is_kept_aside);
        self.overflow_seen = lost;
        count
    }
}

impl Kernel for Uring {
    fn now(&mut self) -> UnixNanos {
        self.now = UnixNanos::now();
        self.now
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.fill();
        let has_room = self.unsubmitted.is_empty();
        let timeout = if has_room { timeout } else { Duration::ZERO };
        let timeout = Timespec::from(timeout);
        let arguments = SubmitArgs::new().timespec(&timeout);
        match self.ring.submitter().submit_with_args(1, &arguments) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Nothing came in time; a signal; completions must be taken first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn reap(&mut self, max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize {
        let overflow_count = self.overflowed();
        if overflow_count > 0 {
            tell(handler, Event::CqOverflow(overflow_count));
        }
        let mut count = 0;
        while count < max {
            let Some(completion) = self.ring.completion().next() else {
                break;
            };
            self.complete(&completion, handler);
            count += 1;
        }
        self.look_at_quiet();
        self.datagrams.commit();
        self.chunks.commit();
        count
    }

    fn dropped(&mut self, ask: bool) -> u64 {
        if ask {
            self.udp.iter_mut().for_each(UdpEnd::ask_dropped);
        }
        self.udp.iter().map(|end| end.dropped).sum()
    }

    fn stop_accepting(&mut self) {
        self.is_accepting = false;
        for index in 0..u32::try_from(self.tcp.len()).unwrap_or(u32::MAX) {
            self.cancel(Token::Accept(index));
        }
    }
}

impl UdpEnd {
    /// Takes the kernel's 32-bit count over into ours, which does not wrap.
    fn note_dropped(&mut self, count: Option<u32>) {
        if let Some(count) = count {
            let low = self.dropped.to_le_bytes();
            let seen = u32::from_le_bytes([low[0], low[1], low[2], low[3]]);
            self.dropped += u64::from(count.wrapping_sub(seen));
        }
    }

    fn ask_dropped(&mut self) {
        let count = sockets::dropped_of(&self.socket);
        self.note_dropped(count);
    }
}

impl Token {
    fn pack(self) -> u64 {
        let (kind, index) = match self {
            Self::Datagrams(index) => (0, index),
            Self::Accept(index) => (1, index),
            Self::Receive(slot) => (2, slot),
            Self::Close(slot) => (3, slot),
            Self::Cancel => (4, 0),
            Self::Bell => (5, 0),
        };
        kind << 32 | u64::from(index)
    }

    fn unpack(user_data: u64) -> Option<Self> {
        let [b0, b1, b2, b3, ..] = user_data.to_le_bytes();
        let index = u32::from_le_bytes([b0, b1, b2, b3]);
        match user_data >> 32 {
            0 => Some(Self::Datagrams(index)),
            1 => Some(Self::Accept(index)),
            2 => Some(Self::Receive(index)),
            3 => Some(Self::Close(index)),
            4 => Some(Self::Cancel),
            5 => Some(Self::Bell),
            _ => None,
        }
    }
}

/// The buffer that a completion used and how much of it, if it used one.
#[inline]
fn buffer_of(completion: &cqueue::Entry) -> Option<(u16, usize)> {
    let length = usize::try_from(completion.result()).ok()?;
    cqueue::buffer_select(completion.flags()).map(|buffer| (buffer, length))
}

/// Gives the handler an event on which it has nothing to decide.
fn tell(handler: &mut impl FnMut(Event<'_>) -> Verdict, event: Event<'_>) {
    match handler(event) {
        Verdict::Keep | Verdict::Close => {}
    }
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring")
            .field("udp", &self.udp.len())
            .field("tcp", &self.tcp.len())
            .field("connections", &self.connections.open_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_packing() {
        for token in [
            Token::Datagrams(3),
            Token::Accept(u32::MAX),
            Token::Receive(7),
            Token::Close(9),
            Token::Cancel,
            Token::Bell,
        ] {
            assert_eq!(Token::unpack(token.pack()), Some(token));
        }
        assert_eq!(Token::unpack(99 << 32), None);
    }

    #[test]
    fn the_kernels_count_of_drops_may_wrap() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut end = UdpEnd { socket, dropped: 0 };
        end.note_dropped(Some(u32::MAX - 1));
        end.note_dropped(Some(3));
        assert_eq!(end.dropped, u64::from(u32::MAX) + 1 + 3);
        end.note_dropped(None);
        assert_eq!(end.dropped, u64::from(u32::MAX) + 1 + 3);
    }
}
