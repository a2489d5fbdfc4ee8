//! Loggregator's wire formats: generated types of v1, v2, Doppler's v1 interface and Log Cache's,
//! and the conversion between v1 and v2.
//!
//! Maps are ordered, so that equal envelopes have equal bytes.

pub mod v1 {
    //! Dropsonde, protobuf package `events`. Decoding does not enforce required fields: the
    //! engine has checked them before bytes get here, and an absent one reads as its default.
    //! Encoding writes them all.
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}

pub mod v2 {
    //! Protobuf package `loggregator.v2`.
    include!(concat!(env!("OUT_DIR"), "/loggregator.v2.rs"));
}

pub mod plumbing {
    //! Doppler's v1 interface, protobuf package `plumbing`.
    include!(concat!(env!("OUT_DIR"), "/plumbing.rs"));
}

pub mod logcache {
    //! Log Cache's interface, protobuf package `logcache.v1`.
    include!(concat!(env!("OUT_DIR"), "/logcache.v1.rs"));
}

pub mod uuid;

mod app_id;
pub use app_id::v1_app_id;

pub mod convert;

pub mod json;

/// The encoded `google.protobuf.FileDescriptorSet` of all messages and services here.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
