//! Any bytes as a gRPC batch: what comes out of it, put together again, comes out of that.

#![no_main]

use bytes::BytesMut;
use hydrant_rpc::batch::{elements, push};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|batch: &[u8]| {
    let taken: Vec<_> = elements(batch).map_while(Result::ok).collect();
    let bytes: usize = taken.iter().map(|element| element.len()).sum();
    assert!(bytes <= batch.len());
    let mut again = BytesMut::new();
    taken.iter().for_each(|element| push(&mut again, element));
    assert!(elements(&again).eq(taken.into_iter().map(Ok)));
});
