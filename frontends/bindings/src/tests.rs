//! Over real sockets and mutual TLS.

mod cache;
mod rig;
mod source;
