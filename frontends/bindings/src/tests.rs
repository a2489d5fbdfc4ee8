//! Over real sockets and mutual TLS.

mod cache;
mod input;
mod rig;
mod source;
