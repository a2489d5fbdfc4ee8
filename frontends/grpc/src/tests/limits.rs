//! What one client can make us do or hold is bounded, and costs nobody else anything.

use super::rig::{Rig, batch_of, batches, block_on, logs, number, numbered, read, until};
use crate::{GrpcConfig, GrpcCounter, Rules};
use bytes::Bytes;
use bytesize::ByteSize;
use futures_util::stream::{iter, once, pending, repeat};
use futures_util::{Stream, StreamExt};
use hydrant_engine::counters::Loss;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::v2;
use hydrant_rpc::server::{prefix, streaming};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::codegen::Service;
use tonic::codegen::http::Request;
use tonic::{Code, Status};

/// A call with these bytes, and the status of its answer.
async fn call(
    rig: &Rig,
    path: &str,
    bytes: impl Stream<Item = Bytes> + Send + Unpin + 'static,
) -> JoinHandle<Status> {
    let mut channel = rig.channel().await;
    let request = Request::post(format!("http://{}{path}", rig.address()))
        .header("content-type", "application/grpc")
        .body(streaming(bytes).into_body())
        .unwrap();
    tokio::spawn(async move {
        poll_fn(|context| channel.poll_ready(context))
            .await
            .unwrap();
        let answer = channel.call(request).await.unwrap();
        let status = Status::from_header_map(answer.headers());
        status.expect("an answer without messages")
    })
}

/// A call to a reader's service whose request does not come.
async fn silent_call(rig: &Rig) -> JoinHandle<Status> {
    let path = "/loggregator.v2.Egress/BatchedReceiver";
    call(rig, path, pending()).await
}

#[test]
fn calls_that_wait_for_their_request_have_a_place_too() {
    let rig = Rig::with(GrpcConfig {
        sessions_max: 2,
        ..Default::default()
    });
    block_on(async {
        let mut calls = Vec::new();
        for _ in 0..5 {
            calls.push(silent_call(&rig).await);
        }
        until(|| rig.count(GrpcCounter::SessionsRejected) == 3).await;
        let refused = rig.read_v2(&logs("", "")).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        calls.iter().for_each(JoinHandle::abort);
    });
    rig.stop();
}

#[test]
fn a_stop_does_not_wait_for_a_request() {
    let rig = Rig::with(GrpcConfig {
        sessions_max: 1,
        ..Default::default()
    });
    block_on(async {
        let call = silent_call(&rig).await;
        // Until the call has the only place.
        while rig.read_v2(&logs("", "")).await.is_ok() {}
        let stopping = std::thread::spawn(|| rig.stop());
        let status = call.await.unwrap();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "the server is stopping");
        stopping.join().unwrap();
    });
}

#[test]
fn who_asks_for_too_much_is_told_so() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let selector = |at: usize| logs("", &at.to_string()).selectors.remove(0);
        let request = v2::EgressBatchRequest {
            shard_id: "g".repeat(4096),
            selectors: (0..10_001).map(selector).collect(),
            ..Default::default()
        };
        let status = rig.read_v2(&request).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let text = "the request is too large: 10001 selectors, at most 10000";
        assert_eq!(status.message(), text);
        assert_eq!(rig.count(GrpcCounter::RequestsInvalid), 1);
        let mut most = request;
        most.selectors.pop();
        let mut stream = rig.read_v2(&most).await.unwrap();
        rig.send(batches("77", 1), 1).await;
        assert_eq!(read(&mut stream, 1).await, [numbered("77", 0)]);
    });
    rig.stop();
}

#[test]
fn requests_are_bounded_all_together() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        // Each takes more than three MiB.
        let large = v2::EgressBatchRequest {
            shard_id: String::new(),
            ..logs("", &"a".repeat(3 << 20))
        };
        let mut streams = Vec::new();
        while rig.count(GrpcCounter::SessionsRejected) == 0 && streams.len() < 100 {
            streams.push(rig.read_v2(&large).await);
        }
        assert_eq!(streams.len(), 43, "128 MiB and one");
        streams.clear();
        until(|| rig.session_count() == 0).await;
        rig.read_v2(&large).await.unwrap();
    });
    rig.stop();
}

/// As upstream: each selector is a subscription.
#[test]
fn the_same_selector_twice_is_everything_twice() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut request = logs("", "a");
        request.selectors.extend(logs("", "a").selectors);
        let mut stream = rig.read_v2(&request).await.unwrap();
        rig.send(batches("a", 2), 2).await;
        let read = read(&mut stream, 4).await;
        let numbers: Vec<_> = read.iter().map(|envelope| number(envelope)).collect();
        assert_eq!(numbers, [0, 0, 1, 1]);
    });
    rig.stop();
}

#[test]
fn readers_that_read_nothing_cost_a_healthy_one_nothing() {
    const COUNT: u64 = 60_000;
    let rig = Rig::with(GrpcConfig {
        outbox_bytes: ByteSize::mib(2),
        outboxes_bytes: ByteSize::mib(6),
        ..Default::default()
    });
    block_on(async {
        let mut stalled = Vec::new();
        for _ in 0..5 {
            stalled.push(rig.read_v2(&logs("", "")).await.unwrap());
        }
        let mut healthy = rig.read_v2(&logs("", "")).await.unwrap();
        let batches = batches(&"a".repeat(500), COUNT);
        let mut numbers = Vec::new();
        for (round, some) in (1..).zip(batches.chunks(5)) {
            rig.send(some.to_vec(), round * 500).await;
            let read = read(&mut healthy, 500).await;
            numbers.extend(read.iter().map(|envelope| number(envelope)));
        }
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
        assert!(rig.sessions(SessionCounter::OutboxFull) > 5 * COUNT / 2);
        drop(stalled);
    });
    rig.stop();
}

/// A message of many turns.
fn long_message() -> Bytes {
    let envelopes: Vec<_> = (0..50_000).map(|at| numbered("a", at)).collect();
    batch_of(&envelopes)
}

#[test]
fn what_is_left_of_a_message_when_its_stream_is_reset_is_counted() {
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let mut reset = 0;
        while rig.lost(Loss::FrameCut) == 0 {
            let mut client = rig.ingress().await;
            let stream = iter([long_message()]).chain(pending());
            let before = rig.received();
            let sending = tokio::spawn(async move { client.batch_sender(stream).await });
            until(|| rig.received() > before).await;
            sending.abort();
            reset += 1;
            until(|| rig.count(GrpcCounter::StreamsReset) == reset).await;
            assert_eq!(rig.received(), reset * 50_000);
        }
    });
    rig.stop();
}

#[test]
fn a_stop_does_not_cut_a_message() {
    let rig = Rig::new(Rules::Both);
    let shards = rig.shards();
    std::thread::scope(|scope| {
        // The clients would be too busy to see it begin.
        scope.spawn(|| {
            while rig.received() == 0 {
                std::thread::yield_now();
            }
            rig.stop_input();
        });
        block_on(async {
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(rig.ingress().await);
            }
            for mut client in clients {
                let stream = repeat(long_message());
                tokio::spawn(async move { client.batch_sender(stream).await });
            }
            until(|| shards.iter().all(|shard| !shard.is_running())).await;
        });
    });
    assert!(rig.received() > 0 && rig.received().is_multiple_of(50_000));
    assert_eq!(rig.lost(Loss::FrameCut), 0);
    rig.stop();
}

/// Twenty senders each begin a message of nine MiB.
#[test]
fn messages_that_do_not_end_wait_in_their_senders() {
    const MIB: usize = 1 << 20;
    let rig = Rig::new(Rules::Both);
    block_on(async {
        let taken = Arc::<AtomicUsize>::default();
        let (gate, gates) = watch::channel(false);
        let mut calls = Vec::new();
        for _ in 0..20 {
            // An unknown field, which costs nothing to skip; its length takes four bytes.
            let start = [&prefix(5 + 9 * MIB)[..], &[0x12, 0x80, 0x80, 0xc0, 0x04]].concat();
            let start = iter([Bytes::from(start)]);
            let taken = taken.clone();
            let chunk = Bytes::from(vec![0; MIB / 16]);
            let last = iter([chunk.clone()]);
            let chunks = iter(1..9 * 16).map(move |_| {
                taken.fetch_add(MIB / 16, Relaxed);
                chunk.clone()
            });
            let mut open = gates.clone();
            let end = once(Box::pin(async move {
                open.wait_for(|is_open| *is_open).await.unwrap();
                Bytes::new()
            }));
            let bytes = start.chain(chunks).chain(end).chain(last);
            calls.push(call(&rig, "/loggregator.v2.Ingress/BatchSender", bytes).await);
        }
        until(|| taken.load(Relaxed) > 40 * MIB).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        // What is kept, and of each stream its window and what its client has ready.
        assert!(taken.load(Relaxed) < (32 + 10 + 20 * 2) * MIB);
        gate.send_replace(true);
        for call in calls {
            assert_eq!(call.await.unwrap().message(), "EOF");
        }
        assert_eq!(rig.received(), 0);
    });
    rig.stop();
}
