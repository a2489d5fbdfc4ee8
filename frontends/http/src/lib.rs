//! The server end of HTTP and HTTPS that frontends share: who connects gets one of so many places,
//! shakes hands under Loggregator's TLS, and asks over HTTP/1.1 or, where TLS agrees on it, HTTP/2.
//! What requests get is for the frontend to say. And the client's end, for who asks Cloud Foundry's
//! services: [`client`].
//!
//! As Go's server, which upstream serves with: TCP keep-alive after 15 s, no certificate of the
//! client, ALPN `h2` and `http/1.1`, and plain words for who speaks HTTP where HTTPS is spoken. Not
//! as Go's server: connections have a limit, and one that has nothing to ask is closed as soon as
//! one whose head does not come.

mod answers;
pub mod client;
mod connection;
mod files;
mod server;
mod stopping;
mod tls;

pub use files::HttpsFiles;
pub use server::{HEAD_TIMEOUT, Limits, Watch, serve};
pub use stopping::{Stopper, Stopping, stopping};

#[cfg(test)]
mod tests;
