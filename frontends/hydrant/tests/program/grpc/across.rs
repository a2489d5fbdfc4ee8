//! In by one protocol and out by another, all in one program.

use super::{Reader, Sender, Tally, block_on, channel, logs};
use crate::emitters::{TcpEmitter, UdpEmitter};
use crate::envelopes::{framed, v1_log};
use crate::process::Server;
use bytes::Bytes;
use futures_util::future::join3;
use futures_util::{StreamExt, stream};
use hydrant_proto::{plumbing, v1};
use hydrant_rpc::batch::elements;
use hydrant_rpc::doppler::DopplerClient;
use hydrant_rpc::doppler_ingestor::DopplerIngestorClient;
use prost::Message;
use std::ops::Range;
use tokio_websockets::ClientBuilder;
use tonic::Streaming;

/// Numbers by the way that they come in.
const UDP: Range<u64> = 0..3_000;
const TCP: Range<u64> = 3_000..13_000;
const PUSHED: Range<u64> = 13_000..23_000;
const SENT: Range<u64> = 23_000..33_000;
const COUNT: u64 = SENT.end;

#[test]
fn whatever_way_an_envelope_comes_in_it_leaves_each_way_once() {
    let server = Server::start_grpc("workers = 2", "");
    block_on(async {
        let connection = channel(server.grpc, None).await;
        let mut v2 = Reader::open(connection.clone(), &logs("g", "")).await;
        let mut v1 = subscribe(&server).await;
        let url = format!("ws://{}/firehose/g", server.websocket);
        let builder = ClientBuilder::new().uri(&url).unwrap();
        let (mut frames, _) = builder.connect().await.unwrap();
        emit(&server);
        let pushed: Vec<_> = PUSHED.map(pushed).collect();
        let mut pusher = DopplerIngestorClient::new(connection.clone());
        pusher.pusher(stream::iter(pushed)).await.unwrap();
        let sender = Sender::open(connection);
        sender.send_numbers("app", SENT).await;
        assert_eq!(sender.end().await.message(), "EOF");
        let from_v2 = async {
            let mut tally = Tally::new(COUNT);
            v2.read_into(&mut tally, COUNT).await;
            tally
        };
        let from_v1 = async {
            let mut tally = Tally::new(COUNT);
            while tally.count < COUNT {
                let batch = v1.message().await.unwrap().unwrap();
                elements(&batch).for_each(|log| tally.see(v1_number(log.unwrap())));
            }
            tally
        };
        let from_websocket = async {
            let mut tally = Tally::new(COUNT);
            while tally.count < COUNT {
                let frame = frames.next().await.unwrap().unwrap();
                // The rest is pings.
                if frame.is_binary() {
                    tally.see(v1_number(frame.as_payload()));
                }
            }
            tally
        };
        let (v2, v1, websocket) = join3(from_v2, from_v1, from_websocket).await;
        for tally in [v2, v1, websocket] {
            tally.assert_each_once(0..COUNT);
        }
    });
    let said = server.stop();
    let received = format!("received {COUNT} = decoded {COUNT}\n");
    assert!(said.contains(&received), "{said}");
}

/// What comes in as v1 over UDP and TCP.
fn emit(server: &Server) {
    let mut udp = UdpEmitter::new(server);
    UDP.for_each(|number| udp.send(&v1_numbered(number)));
    udp.settle();
    let mut tcp = TcpEmitter::new(server.tcp_v1);
    TCP.for_each(|number| tcp.send(&framed(&v1_numbered(number))));
    server.wait_for(
        "hydrant_shard_received_total",
        UDP.end + TCP.end - TCP.start,
    );
}

async fn subscribe(server: &Server) -> Streaming<Bytes> {
    let request = plumbing::SubscriptionRequest {
        shard_id: "g".into(),
        filter: None,
    };
    let mut client = DopplerClient::new(channel(server.grpc, None).await);
    let request: Bytes = request.encode_to_vec().into();
    client.batch_subscribe(request).await.unwrap().into_inner()
}

fn v1_numbered(number: u64) -> Vec<u8> {
    v1_log("app", &number.to_string(), i64::try_from(number).unwrap())
}

/// An `EnvelopeData`.
fn pushed(number: u64) -> Bytes {
    let payload = v1_numbered(number).into();
    plumbing::EnvelopeData { payload }.encode_to_vec().into()
}

fn v1_number(envelope: &[u8]) -> u64 {
    let envelope = v1::Envelope::decode(envelope).unwrap();
    let message = envelope.log_message.unwrap().message;
    std::str::from_utf8(&message).unwrap().parse().unwrap()
}
