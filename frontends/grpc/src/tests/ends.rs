//! How streams end: statuses and texts as upstream, and what a stop leaves.

use super::rig::{Rig, batches, block_on, logs, number, read, taken, until};
use crate::{GrpcConfig, GrpcCounter, Rules};
use bytes::Bytes;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::v2;
use hydrant_rpc::egress::EgressClient;
use prost::Message;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tonic::{Code, Status};

async fn refused(rig: &Rig, request: &v2::EgressBatchRequest) -> (Code, String) {
    let status = rig.read_v2(request).await.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[test]
fn what_upstream_does_not_implement_is_unimplemented() {
    let rig = Rig::new(Rules::Doppler);
    block_on(async {
        let status = rig.ingress().await.send(Bytes::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "this endpoint is not yet implemented");
        let mut egress = EgressClient::new(rig.channel().await);
        let status = egress.receiver(Bytes::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "use BatchedReceiver instead");
    });
    rig.stop();
}

#[test]
fn the_proxy_has_readers_only_and_wants_selectors() {
    let rig = Rig::new(Rules::ReverseLogProxy);
    block_on(async {
        let status = rig.send(batches("a", 1), 0).await;
        assert_eq!(status.code(), Code::Unimplemented);
        let nothing = v2::EgressBatchRequest::default();
        let text = "Selectors cannot be empty".to_owned();
        assert_eq!(refused(&rig, &nothing).await, (Code::InvalidArgument, text));
        assert_eq!(rig.count(GrpcCounter::RequestsInvalid), 1);
    });
    rig.stop();
}

#[test]
fn the_doppler_serves_nothing_to_who_selects_nothing() {
    let rig = Rig::new(Rules::Doppler);
    block_on(async {
        let nothing = v2::EgressBatchRequest::default();
        let mut stream = rig.read_v2(&nothing).await.unwrap();
        rig.send(batches("a", 100), 100).await;
        let more = tokio::time::timeout(Duration::from_millis(100), stream.message()).await;
        assert!(more.is_err(), "the stream stays open and silent");
    });
    rig.stop();
}

#[test]
fn too_many_sessions_are_told_so() {
    let rig = Rig::with(GrpcConfig {
        sessions_max: 2,
        ..Default::default()
    });
    block_on(async {
        let first = rig.read_v2(&logs("", "")).await.unwrap();
        let second = rig.read_v2(&logs("", "")).await.unwrap();
        let text = "unable to create stream, max egress streams reached: 2".to_owned();
        let refused = refused(&rig, &logs("", "")).await;
        assert_eq!(refused, (Code::ResourceExhausted, text));
        assert_eq!(rig.count(GrpcCounter::SessionsRejected), 1);
        drop((first, second));
        until(|| rig.session_count() == 0).await;
        rig.read_v2(&logs("", "")).await.unwrap();
    });
    rig.stop();
}

#[test]
fn a_request_that_is_none_is_refused() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut egress = EgressClient::new(rig.channel().await);
        let garbage = Bytes::from_static(b"\x0a\xff");
        let status: Status = egress.batched_receiver(garbage).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
    });
    rig.stop();
}

#[test]
fn a_reader_at_a_stop_gets_all_and_then_ok() {
    all_until_the_stop("a", |server| server);
}

/// The server has written the last of it long before that is there; what the client says about its
/// windows meanwhile must not find a closed socket.
#[test]
fn a_reader_far_away_gets_all_too() {
    all_until_the_stop(&"a".repeat(200), far_away);
}

/// A reader of twenty thousand envelopes, the server being stopped as soon as it has them.
fn all_until_the_stop(source_id: &str, way: impl FnOnce(SocketAddr) -> SocketAddr) {
    let rig = Rig::new(Rules::Both);
    let (ready, reading) = std::sync::mpsc::channel();
    let address = way(rig.address().parse().unwrap()).to_string();
    let reader = std::thread::spawn(move || {
        block_on(async {
            let channel = hydrant_rpc::channel::connect(&address, None).await.unwrap();
            let request: Bytes = logs("", "").encode_to_vec().into();
            let mut egress = EgressClient::new(channel);
            let mut stream = egress.batched_receiver(request).await.unwrap().into_inner();
            ready.send(()).unwrap();
            let mut numbers = Vec::new();
            while let Some(message) = stream.message().await.unwrap() {
                numbers.extend(taken(&message).iter().map(|envelope| number(envelope)));
            }
            numbers
        })
    });
    reading.recv().unwrap();
    block_on(rig.send(batches(source_id, 20_000), 20_000));
    rig.stop();
    assert_eq!(reader.join().unwrap(), (0..20_000).collect::<Vec<_>>());
}

/// A way to a server on which little is under way at a time: the rest waits in the server's kernel.
fn far_away(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut near, _) = listener.accept().unwrap();
        let far = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        far.set_recv_buffer_size(16 * 1024).unwrap();
        far.connect(&server.into()).unwrap();
        let mut far = TcpStream::from(far);
        let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut some = [0; 16 * 1024];
        while let Ok(count @ 1..) = far.read(&mut some) {
            near.write_all(&some[..count]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        near.shutdown(Shutdown::Write).ok();
    });
    address
}

#[test]
fn a_stop_does_not_wait_for_a_reader_that_does_not_read() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let stream = rig.read_v2(&logs("", "")).await.unwrap();
        rig.send(batches(&"a".repeat(200), 200_000), 200_000).await;
        let state = rig.states().remove(0);
        // Meanwhile the client's connection stands still: it lives on this thread.
        rig.stop_within(Duration::from_millis(200));
        let (_, over) = state.over().remove(0);
        let get = |counter| over.get(counter);
        assert_eq!(get(SessionCounter::Selected), 200_000);
        assert!(get(SessionCounter::Gone) > 0);
        drop(stream);
    });
}

#[test]
fn reading_goes_on_while_nothing_comes() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut stream = rig.read_v2(&logs("", "")).await.unwrap();
        for round in 0..20 {
            rig.send(batches("a", 1), round + 1).await;
            assert_eq!(read(&mut stream, 1).await.len(), 1);
        }
    });
    rig.stop();
}
