//! v2 envelopes read from their bytes, without objects between.

pub mod read;

pub mod fields;

pub mod sorted;
