//! The server against clients that see every byte.

mod plain;
mod rig;
mod secure;
