//! Streams: what is in them, and how they end.

use super::client::{Client, dial, open, request};
use super::provider::Manner;
use super::rig::{Rig, SECOND, eventually, log, logs_event};
use crate::GatewayCounter;
use bytes::{Bytes, BytesMut};
use hydrant_proto::v2::Envelope;
use hydrant_proto::v2::selector::Message as Kind;
use prost::Message;
use std::time::{Duration, Instant};
use tonic::Status;

const CLOSING: &str = "event: closing\ndata: closing due to stream timeout\n\n";

#[test]
fn the_head_comes_before_any_event() {
    let rig = Rig::new();
    let mut client = Client::new(dial(rig.address()), &request("GET", "/v2/read?log", ""));
    let expected = [
        "cache-control: no-cache",
        "connection: keep-alive",
        "content-type: text/event-stream",
        "transfer-encoding: chunked",
    ];
    assert_eq!(client.head(), (200, expected.map(str::to_owned).to_vec()));
    assert_eq!(rig.gateway.state().streams_open(), 1);
}

#[test]
fn a_provider_without_anything_to_say_does_not_hold_up_the_head() {
    let rig = Rig::with(Manner::Headless, |config| config.heartbeat_ms = 100);
    let mut client = open(rig.address(), "/v2/read?log");
    let event = client.event().unwrap();
    assert!(event.starts_with("event: heartbeat\n"), "{event}");
}

#[test]
fn the_query_reaches_the_provider() {
    let rig = Rig::new();
    let path = "/v2/read?source_id=a&log&counter.name=n&shard_id=s%20t&deterministic_name=d";
    let _client = open(rig.address(), path);
    let request = rig.provider.call().request;
    assert_eq!(request.shard_id, "s t");
    assert_eq!(request.deterministic_name, "d");
    assert!(request.use_preferred_tags);
    let sources: Vec<_> = request
        .selectors
        .iter()
        .map(|selector| &selector.source_id)
        .collect();
    assert_eq!(sources, ["a", "a"]);
    let kinds: Vec<_> = request
        .selectors
        .iter()
        .flat_map(|selector| &selector.message)
        .collect();
    assert!(
        matches!(kinds[..], [Kind::Log(_), Kind::Counter(counter)] if counter.name == "n"),
        "{kinds:?}"
    );
}

#[test]
fn a_batch_is_an_event() {
    let rig = Rig::new();
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    call.send(&[log("hello"), log("")]);
    assert_eq!(client.event().unwrap(), logs_event(&["aGVsbG8=", ""]));
    call.send(&[]);
    assert_eq!(client.event().unwrap(), "data: {\"batch\":[]}\n\n");
    rig.await_count(GatewayCounter::Batches, 2);
    rig.await_count(GatewayCounter::Envelopes, 2);
}

#[test]
fn every_envelope_arrives_in_order() {
    let rig = Rig::new();
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    let sending = std::thread::spawn(move || {
        for number in 0..2_000_i64 {
            let mut envelopes = vec![log("x"); 10];
            for (envelope, index) in envelopes.iter_mut().zip(0..) {
                envelope.timestamp = number * 10 + index;
            }
            call.send(&envelopes);
        }
    });
    let mut next = 0;
    while let Some(event) = client.event() {
        let json = event.strip_prefix("data: ").unwrap();
        let batch: serde_json::Value = serde_json::from_str(json).unwrap();
        for envelope in batch["batch"].as_array().unwrap() {
            assert_eq!(envelope["timestamp"], next.to_string());
            next += 1;
        }
    }
    assert_eq!(next, 20_000);
    sending.join().unwrap();
    rig.await_count(GatewayCounter::ClosedByProvider, 1);
}

#[test]
fn a_malformed_envelope_costs_itself() {
    let rig = Rig::new();
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    let mut batch = BytesMut::new();
    let not_utf8 = [b"\x12\x02\xff\xfe".to_vec(), log("x").encode_to_vec()].concat();
    for element in [log("a").encode_to_vec(), not_utf8, log("b").encode_to_vec()] {
        hydrant_rpc::batch::push(&mut batch, &element);
    }
    call.send_bytes(batch.freeze());
    assert_eq!(client.event().unwrap(), logs_event(&["YQ==", "Yg=="]));
    // Cut in the middle.
    let mut batch = BytesMut::new();
    hydrant_rpc::batch::push(&mut batch, &log("c").encode_to_vec());
    batch.extend_from_slice(b"\x0a\x7fcut");
    call.send_bytes(batch.freeze());
    assert_eq!(client.event().unwrap(), logs_event(&["Yw=="]));
    rig.await_count(GatewayCounter::EnvelopesMalformed, 2);
}

#[test]
fn heartbeats_come_when_nothing_else_does() {
    let rig = Rig::with(Manner::Prompt, |config| config.heartbeat_ms = 400);
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    // Data puts it off, each time anew.
    let started_at = Instant::now();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(150));
        call.send(&[log("a")]);
        assert_eq!(client.event().unwrap(), logs_event(&["YQ=="]));
    }
    for _ in 0..2 {
        let event = client.event().unwrap();
        let seconds = event.strip_prefix("event: heartbeat\ndata: ").unwrap();
        let seconds: u64 = seconds.strip_suffix("\n\n").unwrap().parse().unwrap();
        assert!(seconds > 1_700_000_000, "{event}");
    }
    let waited = started_at.elapsed();
    assert!(waited >= Duration::from_millis(1_400), "{waited:?}");
    rig.await_count(GatewayCounter::Heartbeats, 2);
}

#[test]
fn a_stream_times_out_between_heartbeats() {
    let rig = Rig::with(Manner::Prompt, |config| {
        config.heartbeat_ms = 400;
        config.stream_timeout_ms = 600;
    });
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    assert!(client.event().unwrap().starts_with("event: heartbeat"));
    assert_eq!(client.event().unwrap(), CLOSING);
    assert_eq!(client.event(), None);
    assert!(call.is_over_within(SECOND));
    rig.await_count(GatewayCounter::ClosedByTimeout, 1);
}

#[test]
fn a_stream_times_out_however_much_there_is_to_send() {
    let rig = Rig::with(Manner::Prompt, |config| config.stream_timeout_ms = 300);
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    std::thread::spawn(move || {
        let batch = Bytes::from_static(b"\x0a\x00");
        while call.batches.blocking_send(Ok(batch.clone())).is_ok() {}
    });
    let mut last = String::new();
    while let Some(event) = client.event() {
        last = event;
    }
    assert_eq!(last, CLOSING);
    assert!(rig.get(GatewayCounter::Batches) > 10);
}

#[test]
fn a_stream_ends_with_the_providers() {
    let rig = Rig::new();
    let mut client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    call.send(&[log("a")]);
    drop(call);
    assert_eq!(client.event().unwrap(), logs_event(&["YQ=="]));
    assert_eq!(client.event(), None);
    rig.await_count(GatewayCounter::ClosedByProvider, 1);
    let mut client = open(rig.address(), "/v2/read?log");
    rig.provider.call().fail(Status::unavailable("going down"));
    assert_eq!(client.event(), None);
    rig.await_count(GatewayCounter::ProviderFailed, 1);
    assert_eq!(rig.gateway.state().streams_open(), 0);
}

#[test]
fn what_the_provider_refuses_is_an_empty_stream() {
    let status = Status::resource_exhausted("unable to create stream");
    let rig = Rig::with(Manner::Refusing(status), |_| ());
    let mut client = open(rig.address(), "/v2/read?log");
    assert_eq!(client.event(), None);
    rig.await_count(GatewayCounter::ProviderFailed, 1);
}

#[test]
fn a_client_that_goes_takes_the_call_with_it() {
    let rig = Rig::new();
    let client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    drop(client);
    assert!(call.is_over_within(SECOND));
    rig.await_count(GatewayCounter::ClosedByClient, 1);
    assert_eq!(rig.gateway.state().streams_open(), 0);
}

#[test]
fn a_client_that_goes_before_the_provider_answers_does_too() {
    let rig = Rig::with(Manner::Headless, |_| ());
    let client = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    drop(client);
    assert!(call.is_over_within(SECOND));
}

#[test]
fn clients_that_do_not_read_hold_up_the_provider_and_nobody_else() {
    let rig = Rig::new();
    let stalled: Vec<_> = (0..20)
        .map(|_| {
            let client = open(rig.address(), "/v2/read?log");
            (client, rig.provider.call())
        })
        .collect();
    let envelope = Envelope {
        source_id: "s".repeat(100_000),
        ..Envelope::default()
    };
    let mut batch = BytesMut::new();
    hydrant_rpc::batch::push(&mut batch, &envelope.encode_to_vec());
    let batch = batch.freeze();
    for (_, call) in &stalled {
        // Until windows and socket buffers are full, for a while.
        let mut refused = 0;
        eventually(|| call.batches.try_send(Ok(batch.clone())).is_err());
        while refused < 20 {
            match call.batches.try_send(Ok(batch.clone())) {
                Ok(()) => refused = 0,
                Err(_) => refused += 1,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let written = rig.get(GatewayCounter::Batches);
    let mut healthy = open(rig.address(), "/v2/read?log");
    let call = rig.provider.call();
    for _ in 0..100 {
        call.send(&[log("a")]);
        assert_eq!(healthy.event().unwrap(), logs_event(&["YQ=="]));
    }
    rig.await_count(GatewayCounter::Batches, written + 100);
    // And what waits for the others is not lost.
    let (mut client, _call) = stalled.into_iter().next().unwrap();
    for _ in 0..20 {
        assert!(client.event().unwrap().len() > 100_000);
    }
}

#[test]
fn a_stop_ends_streams_in_order() {
    let rig = Rig::new();
    let mut client = open(rig.address(), "/v2/read?log");
    let mut idle = Client::new(dial(rig.address()), &request("GET", "/", ""));
    assert_eq!(idle.head().0, 404);
    let call = rig.provider.call();
    call.send(&[log("a")]);
    assert_eq!(client.event().unwrap(), logs_event(&["YQ=="]));
    let (address, state) = (rig.address(), rig.gateway.state());
    let stopped_at = Instant::now();
    rig.gateway.stop(10 * SECOND).unwrap();
    assert!(stopped_at.elapsed() < 5 * SECOND);
    assert_eq!(client.event(), None);
    assert!(client.rest().is_empty());
    assert!(call.is_over_within(SECOND));
    assert_eq!(state.get(GatewayCounter::ClosedByStop), 1);
    assert_eq!(state.streams_open(), 0);
    std::net::TcpStream::connect(address).unwrap_err();
}
