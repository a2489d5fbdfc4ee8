//! The frontend from outside: real sockets on loopback, and lanes that a test feeds itself.

mod endings;
mod envelopes;
mod http;
mod keepalive;
mod rig;
mod streams;
