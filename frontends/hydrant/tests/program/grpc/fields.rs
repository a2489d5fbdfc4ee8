//! What stays as it came although its envelope does not: tags move from one field to the other for
//! readers of a reverse log proxy, and nothing else changes.

use super::{Sender, batch, block_on, channel, open};
use crate::process::Server;
use hydrant_proto::v2::{self, envelope::Message as Event, value::Data};
use hydrant_rpc::batch::elements;
use prost::Message;

/// Field 99, a varint: of a version of the protocol that is newer than ours.
const UNKNOWN: [u8; 3] = [0x98, 0x06, 0x01];

#[test]
fn zeros_keep_their_sign_where_tags_move() {
    let value = |message| match message {
        Event::Gauge(gauge) => gauge.metrics["zero"].value,
        other => panic!("no gauge: {other:?}"),
    };
    let moved = passed_on(&zero());
    let envelope = v2::Envelope::decode(&moved[..]).unwrap();
    assert_eq!(envelope.tags["key"], "old");
    assert!(value(envelope.message.unwrap()).is_sign_negative());
}

#[test]
fn fields_that_are_not_known_stay_where_tags_move() {
    let sent = [zero(), UNKNOWN.to_vec()].concat();
    let moved = passed_on(&sent);
    assert!(
        moved.windows(3).any(|window| window == UNKNOWN),
        "{moved:?} has no unknown field"
    );
}

/// A gauge of -0, with a tag to be moved.
fn zero() -> Vec<u8> {
    let metric = v2::GaugeValue {
        unit: "unit".into(),
        value: -1.0,
    };
    let metrics = [("zero".into(), metric)].into();
    let data = Some(Data::Text("old".into()));
    let envelope = v2::Envelope {
        deprecated_tags: [("key".into(), v2::Value { data })].into(),
        message: Some(Event::Gauge(v2::Gauge { metrics })),
        ..Default::default()
    };
    // The encoder leaves out -0 as it does 0: another number stood in for it.
    let mut bytes = envelope.encode_to_vec();
    let (minus_one, minus_zero) = ((-1.0_f64).to_le_bytes(), (-0.0_f64).to_le_bytes());
    let at = bytes.windows(8).position(|window| window == minus_one);
    bytes[at.unwrap()..][..8].copy_from_slice(&minus_zero);
    bytes
}

/// What a reader who prefers tags gets of it.
fn passed_on(envelope: &[u8]) -> Vec<u8> {
    let server = Server::start("");
    let gauges = v2::EgressBatchRequest {
        use_preferred_tags: true,
        selectors: vec![v2::Selector {
            source_id: String::new(),
            message: Some(v2::selector::Message::Gauge(v2::GaugeSelector::default())),
        }],
        ..Default::default()
    };
    block_on(async {
        let mut reader = open(channel(server.grpc, None).await, &gauges)
            .await
            .unwrap();
        let sender = Sender::open(channel(server.grpc, None).await);
        sender.send(batch(&[envelope.to_vec()])).await;
        let message = reader.message().await.unwrap().unwrap();
        elements(&message).next().unwrap().unwrap().to_vec()
    })
}
