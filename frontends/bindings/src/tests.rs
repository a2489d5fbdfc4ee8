//! Over real sockets and mutual TLS.

mod rig;
mod source;
