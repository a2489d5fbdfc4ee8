//! Any bytes as a v2 envelope: from bytes to bytes it becomes what it becomes with objects between.

#![no_main]

use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_feed::convert::V1Form;
use hydrant_proto::convert::to_v1;
use hydrant_proto::v2;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|envelope: &[u8]| {
    let Ok(checked) = decode::envelope(envelope, Version::V2, SourceRule::DeploymentJob) else {
        return;
    };
    let header = checked.header(UnixNanos(0));
    let mut given = Vec::new();
    V1Form::default().messages(&Record { header, envelope }, |message| {
        given.push(message.to_vec());
    });
    let envelope = v2::Envelope::decode(envelope).expect("the engine took it");
    let expected = to_v1(envelope).into_iter();
    assert!(expected.map(|message| message.encode_to_vec()).eq(given));
});
