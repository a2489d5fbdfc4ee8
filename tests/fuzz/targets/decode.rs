//! Any bytes as an envelope of either version.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| hydrant_engine::decode::fuzz_decode(frame));
