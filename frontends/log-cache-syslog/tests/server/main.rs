//! The server over loopback sockets, in front of a node that keeps what it is sent; and beside
//! upstream's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod losses;
mod node;
mod rig;
mod round_trip;
mod streams;
mod tls;
mod upstream;
