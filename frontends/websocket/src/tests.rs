//! The frontend from outside: real sockets on loopback, and lanes that a test feeds itself.

mod access;
mod endings;
mod envelopes;
mod http;
mod keepalive;
mod pages;
mod rig;
mod streams;
