//! The server's side of gRPC over HTTP/2, by bytes: a request's messages are given out as they lie in
//! its frames, and an answer's leave as they were put together. tonic's codecs would copy both.
//!
//! Statuses and texts are grpc-go's, which upstream's servers are made of.

mod answer;
mod messages;
mod unfinished;

pub use answer::{answer, refusal, single, streaming};
pub use messages::{Broken, Messages};
pub use unfinished::Unfinished;

/// Of each message: a flag, and its length in four bytes, big-endian.
pub const PREFIX_BYTES: usize = 5;

/// The prefix of a message of so many bytes, which are fewer than 2³².
#[inline]
pub fn prefix(message_bytes: usize) -> [u8; PREFIX_BYTES] {
    let length = u32::try_from(message_bytes).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    [0, a, b, c, d]
}
