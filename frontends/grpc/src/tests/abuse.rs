//! What goes wrong costs whoever did it, is counted by name, and nobody else notices.

use super::rig::{Rig, batch_of, batches, block_on, logs, numbered, read, until};
use crate::{GrpcConfig, GrpcCounter, Rules};
use bytes::{BufMut, Bytes, BytesMut};
use bytesize::ByteSize;
use futures_util::stream::iter;
use hydrant_engine::counters::Loss;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::v1;
use hydrant_rpc::batch::push;
use hydrant_rpc::egress::EgressClient;
use hydrant_rpc::server::streaming;
use prost::Message;
use std::future::poll_fn;
use tonic::codegen::Service;
use tonic::codegen::http::Request;
use tonic::{Code, Status};

const BATCH_SENDER: &str = "/loggregator.v2.Ingress/BatchSender";

#[test]
fn a_malformed_envelope_costs_itself() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut out = rig.read_v2(&logs("", "")).await.unwrap();
        let invalid_utf8 = b"\x12\x01\xff".to_vec();
        let cut = numbered("a", 7)[..4].to_vec();
        let envelopes = [
            numbered("a", 1),
            invalid_utf8,
            numbered("a", 2),
            cut,
            numbered("a", 3),
        ];
        let mut truncated = BytesMut::from(&batch_of(&[numbered("a", 4), numbered("a", 5)])[..]);
        truncated.truncate(truncated.len() - 1);
        let messages = vec![
            batch_of(&envelopes),
            truncated.freeze(),
            batch_of(&[numbered("a", 6)]),
        ];
        let status = rig.send(messages, 8).await;
        assert_eq!(status.message(), "EOF", "the stream goes on to its end");
        let expected = [1, 2, 3, 4, 6].map(|at| numbered("a", at));
        assert_eq!(read(&mut out, 5).await, expected);
        assert_eq!(rig.lost(Loss::Utf8), 1);
        assert_eq!(rig.lost(Loss::Wire), 1);
        assert_eq!(rig.lost(Loss::Batch), 1);
    });
    rig.stop();
}

#[test]
fn a_v1_envelope_without_what_it_must_have_costs_itself() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let no_origin = b"\x10\x05".to_vec();
        let good = v1::Envelope {
            origin: "o".into(),
            event_type: 6,
            ..Default::default()
        };
        let messages = [
            batch_of(&[no_origin]),
            Bytes::new(),
            batch_of(&[good.encode_to_vec()]),
        ];
        let mut client = rig.ingestor().await;
        client.pusher(iter(messages)).await.unwrap();
        assert_eq!(rig.lost(Loss::Required), 2);
        assert_eq!(rig.received(), 3);
    });
    rig.stop();
}

#[test]
fn a_message_over_the_limit_ends_its_stream_only() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut out = rig.read_v2(&logs("", "")).await.unwrap();
        let limit = 10 * 1024 * 1024;
        let mut exact = BytesMut::new();
        push(&mut exact, &numbered("a", 1));
        // An unknown field fills it up; its length takes four bytes.
        let filling = limit - exact.len() - 5;
        exact.put_u8(0x12);
        for shift in [0, 7, 14] {
            exact.put_u8((filling >> shift).to_le_bytes()[0] | 0x80);
        }
        exact.put_u8((filling >> 21).to_le_bytes()[0]);
        exact.resize(limit, 0);
        let status = rig.send(vec![exact.clone().freeze()], 1).await;
        assert_eq!(status.message(), "EOF");
        exact.resize(limit + 1, 0);
        let status = rig.send(vec![exact.freeze()], 2).await;
        assert_eq!(status.code(), Code::ResourceExhausted);
        let text = "grpc: received message larger than max (10485761 vs. 10485760)";
        assert_eq!(status.message(), text);
        assert_eq!(rig.lost(Loss::MessageOversize), 1);
        assert_eq!(rig.count(GrpcCounter::StreamsCut), 1);
        rig.send(batches("a", 1), 3).await;
        assert_eq!(
            read(&mut out, 2).await,
            [numbered("a", 1), numbered("a", 0)]
        );
    });
    rig.stop();
}

#[test]
fn a_stream_that_ends_inside_a_message_is_counted() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let cut_message = b"\0\0\0\0\x05abc";
        let status = send_bytes(&rig, cut_message).await;
        assert_eq!(status, (Code::Internal, "unexpected EOF".to_owned()));
        assert_eq!(rig.lost(Loss::FrameCut), 1);
        let cut_prefix = b"\0\0\0";
        let status = send_bytes(&rig, cut_prefix).await;
        assert_eq!(status, (Code::Unknown, "EOF".to_owned()));
        assert_eq!(rig.lost(Loss::FrameCut), 2);
        assert_eq!(rig.received(), 2);
        assert_eq!(rig.count(GrpcCounter::StreamsReset), 2);
    });
    rig.stop();
}

#[test]
fn a_compressed_message_is_refused_and_counted() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let (code, text) = send_bytes(&rig, b"\x01\0\0\0\x01a").await;
        assert_eq!(code, Code::Internal);
        let expected = "grpc: compressed flag set with identity or empty encoding";
        assert_eq!(text, expected);
        assert_eq!((rig.lost(Loss::Batch), rig.received()), (1, 1));
        assert_eq!(rig.count(GrpcCounter::StreamsCut), 1);
    });
    rig.stop();
}

/// Sends bytes as they are in a stream of a sender; how it ends.
async fn send_bytes(rig: &Rig, bytes: &'static [u8]) -> (Code, String) {
    let body = streaming(iter([Bytes::from_static(bytes)])).into_body();
    let request = Request::post(format!("http://{}{BATCH_SENDER}", rig.address()))
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let mut channel = rig.channel().await;
    poll_fn(|context| channel.poll_ready(context))
        .await
        .unwrap();
    let response = channel.call(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).expect("it has no messages");
    (status.code(), status.message().to_owned())
}

#[test]
fn streams_opened_and_reset_touch_nobody_else() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut out = rig.read_v2(&logs("", "")).await.unwrap();
        let abuse = async {
            let request: Bytes = logs("g", "x").encode_to_vec().into();
            let mut refused = 0;
            let mut client = EgressClient::new(rig.channel().await);
            for number in 0..10_000 {
                let opening = client.batched_receiver(request.clone());
                match number % 2 {
                    0 => drop(opening.await),
                    // Reset before the answer: nobody waits for it.
                    _ => drop(tokio::time::timeout(std::time::Duration::ZERO, opening).await),
                }
                if number % 1000 == 999 {
                    refused += 1;
                    client = EgressClient::new(rig.channel().await);
                }
            }
            refused
        };
        let sending = rig.send(batches("a", 10_000), 10_000);
        let reading = read(&mut out, 10_000);
        let (_, status, read) = tokio::join!(abuse, sending, reading);
        assert_eq!(status.message(), "EOF");
        assert_eq!(read.len(), 10_000);
        until(|| rig.session_count() == 1).await;
        assert!(rig.count(GrpcCounter::SessionsOpened) >= 5_000);
    });
    rig.stop();
}

#[test]
fn a_slow_reader_loses_its_oldest_and_nobody_else_anything() {
    const COUNT: u64 = 300_000;
    let rig = Rig::with(GrpcConfig {
        outbox_bytes: ByteSize::mib(1),
        ..Default::default()
    });
    block_on(async {
        let mut slow = rig.read_v2(&logs("slow", "")).await.unwrap();
        let mut healthy = rig.read_v2(&logs("healthy", "")).await.unwrap();
        let app = "a".repeat(200);
        let batches = batches(&app, COUNT);
        let sending = async {
            // As fast as the healthy one reads: it shares this thread.
            let mut sent = 0;
            for some in batches.chunks(20) {
                sent += 20 * 100;
                rig.send(some.to_vec(), sent).await;
                read(&mut healthy, 2_000).await;
            }
        };
        sending.await;
        assert_eq!(rig.sessions(SessionCounter::Selected), 2 * COUNT);
        let lost = rig.sessions(SessionCounter::OutboxFull);
        assert!(lost > 0, "windows and outbox hold less than all");
        let left = usize::try_from(COUNT - lost).unwrap();
        let last = read(&mut slow, left).await;
        assert_eq!(last.len(), left, "what is not counted as lost arrives");
        assert_eq!(last.last(), Some(&numbered(&app, COUNT - 1)));
    });
    rig.stop();
}
