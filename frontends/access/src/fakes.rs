//! UAA and the Cloud Controller for tests: HTTP servers on loopback that say what a test has them
//! say, and count what they are asked.

mod api;
mod capi;
mod peer;
mod signer;
mod uaa;

pub use api::FakeApi;
pub use capi::FakeCapi;
pub use peer::{Manner, Peer};
pub use signer::Signer;
pub use uaa::FakeUaa;

use crate::AccessConfig;

/// A frontend's table `access` that names these two.
pub fn access_config(uaa: &FakeUaa, capi: &FakeCapi) -> AccessConfig {
    AccessConfig {
        uaa: uaa.config(),
        capi: capi.config(),
        skip_cert_verify: false,
        cache_ms: None,
    }
}
