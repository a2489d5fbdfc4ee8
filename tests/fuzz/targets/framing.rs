//! A TCP stream in any pieces: the frames are those of the whole.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (cuts, stream) = input.split_at(input.len().min(8));
    hydrant_engine::framing::fuzz_framing(stream, cuts);
});
