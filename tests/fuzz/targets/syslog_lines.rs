//! A stream of syslog in any pieces: its messages are those of the whole, and what they become is an
//! envelope to the engine too.

#![no_main]

use hydrant_engine::decode;
use hydrant_engine::record::{SourceRule, Version};
use hydrant_log_cache_syslog::{Framer, Framing, Message, Step, envelope};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

const MESSAGE_BYTES_MAX: usize = 512;

/// The messages of a stream that comes in pieces of this size.
fn messages(framing: Framing, stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(framing, MESSAGE_BYTES_MAX);
    let (mut unread, mut found, mut is_after_message) = (Vec::new(), Vec::new(), false);
    for piece in stream.chunks(piece) {
        unread.extend_from_slice(piece);
        loop {
            if is_after_message && !unread.is_empty() {
                unread.drain(..framer.gap(&unread));
                is_after_message = false;
            }
            match framer.next(&unread) {
                Ok(Step::Message(message, end)) => {
                    assert!(message.len() <= MESSAGE_BYTES_MAX);
                    found.push(unread[message].to_vec());
                    unread.drain(..end);
                    is_after_message = true;
                }
                Ok(Step::More) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

fuzz_target!(|input: (bool, bool, u8, &[u8])| {
    let (is_counted, trims, piece, stream) = input;
    let framing = match is_counted {
        true => Framing::OctetCounting,
        false => Framing::NonTransparent,
    };
    let whole = messages(framing, stream, stream.len().max(1));
    assert_eq!(messages(framing, stream, usize::from(piece).max(1)), whole);
    for bytes in whole.iter().map(Vec::as_slice).chain([stream]) {
        let Ok(message) = Message::parse(bytes) else {
            continue;
        };
        if let Ok(envelope) = envelope(&message, trims) {
            let bytes = envelope.encode_to_vec();
            decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob).expect("it is one");
        }
    }
});
