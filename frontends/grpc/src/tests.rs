//! The frontend against clients of the same stubs, over plaintext on loopback.

mod abuse;
mod ends;
mod groups;
mod limits;
mod passing;
mod rig;
