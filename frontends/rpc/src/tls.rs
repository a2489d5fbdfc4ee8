//! TLS between Loggregator's components, in the profile that all of upstream's binaries share
//! (`WithInternalServiceDefaults` of code.cloudfoundry.org/tlsconfig): TLS 1.3, and TLS 1.2 with
//! the two AES-GCM suites over ECDHE and RSA. Both ends show certificates of a CA that a file names.
//!
//! Certificates are rotated while we run: [`Reloader`] reads files anew, connections made from then
//! on use them, and those that are open stay as they are.

mod client;
mod error;
mod files;
mod loaded;
mod profile;
mod reload;
mod server;

pub use client::ClientTls;
pub use error::TlsError;
pub use files::{TlsFiles, check_authorities};
pub use reload::Reloader;
pub use server::ServerTls;

/// ALPN's name of HTTP/2, which gRPC insists on.
pub(crate) const H2: &[u8] = b"h2";

#[cfg(test)]
pub(crate) mod tests;
