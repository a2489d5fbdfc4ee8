mod rig;

use super::*;
use hydrant_engine::counters::Loss;
use rig::{Collector, FakeRouter, log, routers, wait_until};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn collect(routers: &Routers) -> (Arc<Collector>, Subscription) {
    let collector = Arc::new(Collector::default());
    let sink: Arc<dyn Sink> = collector.clone();
    let request = Request::V2(Bytes::from_static(b"request"));
    let subscription = routers.subscribe(&request, &sink);
    (collector, subscription)
}

fn connected_by(router: &FakeRouter, connections_per_router: u16) -> RoutersConfig {
    RoutersConfig {
        zones: vec![ZoneConfig {
            name: "z".to_owned(),
            addresses: vec![router.address.clone()],
        }],
        connections_per_router,
        ..Default::default()
    }
}

async fn wait_for_streams(router: &FakeRouter, count: u64) {
    let are_there = || router.streams() == count;
    wait_until(&format!("{count} streams"), are_there).await;
}

async fn wait_for_envelopes(collector: &Collector, count: usize) {
    let are_there = || collector.count() >= count;
    wait_until(&format!("{count} envelopes"), are_there).await;
}

fn state(routers: &Routers, index: usize) -> &RouterState {
    routers.states().nth(index).unwrap()
}

#[tokio::test]
async fn all_envelopes_of_all_zones_arrive() {
    let (east, west, far) = (
        FakeRouter::start(),
        FakeRouter::start(),
        FakeRouter::start(),
    );
    let routers = routers(&[&[&east.address, &west.address], &[&far.address]]);
    let (collector, _subscription) = collect(&routers);
    for router in [&east, &west, &far] {
        wait_for_streams(router, 1).await;
        let requests = router.script.requests.lock().unwrap();
        assert!(matches!(&requests[..], [Request::V2(message)] if message == "request"));
    }
    for number in 0..100 {
        east.send(&[&format!("{number:03}"), "twice"]);
        far.send(&[&format!("{number:03}")]);
    }
    west.send(&["once"]);
    wait_for_envelopes(&collector, 301).await;

    let mut expected = vec![(0, log("twice")); 100];
    expected.extend((0..100).map(|number| (0, log(&format!("{number:03}")))));
    expected.push((1, log("once")));
    expected.extend((0..100).map(|number| (2, log(&format!("{number:03}")))));
    expected.sort();
    assert_eq!(collector.sorted(), expected);
    assert_eq!(collector.flushes.load(Ordering::Relaxed), 201);
    let zones: Vec<_> = routers.states().map(RouterState::zone).collect();
    assert_eq!(zones, ["z0", "z0", "z1"]);
    assert_eq!(state(&routers, 0).get(RouterCounter::Batches), 100);
    assert_eq!(state(&routers, 0).get(RouterCounter::Received), 200);
    assert_eq!(state(&routers, 0).get(RouterCounter::Decoded), 200);
    assert_eq!(state(&routers, 1).address(), west.address);
}

#[tokio::test]
async fn v1_comes_from_the_other_service() {
    let router = FakeRouter::start();
    let routers = routers(&[&[&router.address]]);
    let collector = Arc::new(Collector::default());
    let sink: Arc<dyn Sink> = collector.clone();
    let request = Request::V1(Bytes::from_static(b"v1"));
    let _subscription = routers.subscribe(&request, &sink);
    wait_for_streams(&router, 1).await;
    let requests = router.script.requests.lock().unwrap().clone();
    assert!(matches!(&requests[..], [Request::V1(message)] if message == "v1"));
    // The origin, and the type of an event that is not there; then one without the type.
    let valid = b"\x0a\x01o\x10\x05".to_vec();
    router.send_bytes(&[b"\x0a\x01o".to_vec(), valid.clone()]);
    wait_for_envelopes(&collector, 1).await;
    assert_eq!(collector.sorted(), [(0, valid)]);
    assert_eq!(state(&routers, 0).lost(Loss::Required), 1);
}

#[tokio::test]
async fn a_router_that_dies_is_used_again_and_disturbs_nobody() {
    let (mut mortal, other) = (FakeRouter::start(), FakeRouter::start());
    let routers = routers(&[&[&mortal.address], &[&other.address]]);
    let (collector, _subscription) = collect(&routers);
    wait_for_streams(&mortal, 1).await;
    wait_for_streams(&other, 1).await;
    mortal.send(&["before"]);
    wait_for_envelopes(&collector, 1).await;

    mortal.kill();
    wait_until("the loss is noticed", || {
        state(&routers, 0).open_streams() == 0
    })
    .await;
    other.send(&["meanwhile"]);
    wait_for_envelopes(&collector, 2).await;
    wait_until("it is tried", || {
        state(&routers, 0).get(RouterCounter::Failures) > 0
    })
    .await;
    let error = state(&routers, 0).last_error().unwrap();
    assert!(error.contains("Connection refused"), "{error}");
    assert!(state(&routers, 0).away().is_some());
    assert!(state(&routers, 1).away().is_none());

    mortal.run();
    wait_for_streams(&mortal, 1).await;
    mortal.send(&["after"]);
    wait_for_envelopes(&collector, 3).await;
    assert!(state(&routers, 0).away().is_none());
    assert!(!state(&routers, 0).away_in_all().is_zero());
    assert!(state(&routers, 1).away_in_all().is_zero());
    let expected = [(0, log("after")), (0, log("before")), (1, log("meanwhile"))];
    assert_eq!(collector.sorted(), expected);
    let counts = |index, counter| state(&routers, index).get(counter);
    assert_eq!(counts(0, RouterCounter::Connects), 2);
    assert_eq!(counts(0, RouterCounter::Disconnects), 1);
    assert_eq!(counts(1, RouterCounter::Connects), 1);
    assert_eq!(counts(1, RouterCounter::Disconnects), 0);
    assert_eq!(other.script.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn dropping_a_subscription_ends_its_streams_and_no_others() {
    let (east, west) = (FakeRouter::start(), FakeRouter::start());
    let routers = routers(&[&[&east.address, &west.address]]);
    let (dropped, subscription) = collect(&routers);
    let (kept, _subscription) = collect(&routers);
    for router in [&east, &west] {
        wait_for_streams(router, 2).await;
    }
    let start = Instant::now();
    drop(subscription);
    for router in [&east, &west] {
        wait_for_streams(router, 1).await;
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    east.send(&["late"]);
    wait_for_envelopes(&kept, 1).await;
    assert_eq!(dropped.count(), 0);
    assert_eq!(state(&routers, 0).open_streams(), 1);
    assert_eq!(state(&routers, 0).get(RouterCounter::Disconnects), 0);
}

#[tokio::test]
async fn what_is_malformed_is_counted_and_costs_only_itself() {
    let router = FakeRouter::start();
    let routers = routers(&[&[&router.address]]);
    let (collector, _subscription) = collect(&routers);
    wait_for_streams(&router, 1).await;
    let no_text = b"\x12\x01\xff".to_vec(); // A source id that is not UTF-8.
    router.send_bytes(&[log("a"), b"\xff".to_vec(), log("b"), no_text, log("c")]);
    let mut cut = Vec::from(*b"\x0a\x05\x12\x03app");
    cut.extend(b"\x0a\x7fcut");
    router.send_batch(Bytes::from(cut));
    router.send_batch(Bytes::new());
    router.send(&["d"]);
    wait_for_envelopes(&collector, 5).await;

    let mut expected: Vec<_> = ["a", "b", "c", "d"].map(|text| (0, log(text))).into();
    expected.push((0, b"\x12\x03app".to_vec()));
    expected.sort();
    assert_eq!(collector.sorted(), expected);
    assert_eq!(collector.flushes.load(Ordering::Relaxed), 4);
    let state = state(&routers, 0);
    assert_eq!(state.get(RouterCounter::Batches), 4);
    assert_eq!(state.get(RouterCounter::BatchesMalformed), 1);
    assert_eq!(state.get(RouterCounter::Received), 7);
    assert_eq!(state.get(RouterCounter::Decoded), 5);
    assert_eq!((state.lost(Loss::Wire), state.lost(Loss::Utf8)), (1, 1));
    assert_eq!(state.get(RouterCounter::Disconnects), 0);
}

#[tokio::test]
async fn an_address_where_nobody_listens_disturbs_nobody() {
    let (vacant, _reserved) = rig::vacant();
    let router = FakeRouter::start();
    let routers = routers(&[&[&vacant, "localhost:1"], &[&router.address]]);
    let (collector, subscription) = collect(&routers);
    wait_for_streams(&router, 1).await;
    router.send(&["all the same"]);
    wait_for_envelopes(&collector, 1).await;
    wait_until("attempts", || {
        state(&routers, 0).get(RouterCounter::Failures) >= 3
    })
    .await;
    assert_eq!(state(&routers, 0).get(RouterCounter::Connects), 0);
    assert_eq!(state(&routers, 0).open_streams(), 0);
    assert_eq!(collector.sorted(), [(2, log("all the same"))]);
    assert!(state(&routers, 0).away().is_some());
    drop(subscription);
    wait_until("nobody asks", || state(&routers, 0).away().is_none()).await;
}

#[tokio::test]
async fn a_router_that_ends_streams_at_once_is_not_hammered() {
    let router = FakeRouter::with(true);
    let routers = Routers::new(&connected_by(&router, 1), None).unwrap();
    let (_, _subscription) = collect(&routers);
    tokio::time::sleep(Duration::from_millis(500)).await;
    // After 1, 10, 100 ms and 1 s, each shortened by a half at most.
    let asked = router.script.asked.load(Ordering::Relaxed);
    assert!((3..=5).contains(&asked), "{asked}");
    assert_eq!(router.script.accepted.load(Ordering::Relaxed), 1);
    let error = state(&routers, 0).last_error().unwrap();
    assert_eq!(error, "the router ended the stream");
}

#[tokio::test]
async fn a_batch_over_the_limit_costs_its_stream_only() {
    let router = FakeRouter::start();
    let routers = routers(&[&[&router.address]]);
    let (collector, _subscription) = collect(&routers);
    wait_for_streams(&router, 1).await;
    router.send_bytes(&vec![log(&"x".repeat(1 << 20)); 9]);
    wait_for_envelopes(&collector, 9).await;
    router.send_bytes(&vec![log(&"x".repeat(1 << 20)); 11]);
    let asked = || router.script.asked.load(Ordering::Relaxed);
    wait_until("the stream is begun again", || asked() == 2).await;
    router.send(&["small"]);
    wait_for_envelopes(&collector, 10).await;
    assert_eq!(state(&routers, 0).get(RouterCounter::Disconnects), 1);
    let error = state(&routers, 0).last_error().unwrap();
    assert!(error.contains("10485760"), "{error}");
}

#[tokio::test]
async fn connections_are_shared_up_to_their_number() {
    let router = FakeRouter::start();
    let one = Routers::new(&connected_by(&router, 1), None).unwrap();
    let subscriptions: Vec<_> = (0..50).map(|_| collect(&one)).collect();
    wait_for_streams(&router, 50).await;
    assert_eq!(router.script.accepted.load(Ordering::Relaxed), 1);
    assert_eq!(state(&one, 0).open_streams(), 50);
    drop(subscriptions);
    wait_for_streams(&router, 0).await;

    let four = Routers::new(&connected_by(&router, 4), None).unwrap();
    let _subscriptions: Vec<_> = (0..100).map(|_| collect(&four)).collect();
    wait_for_streams(&router, 100).await;
    assert_eq!(router.script.accepted.load(Ordering::Relaxed), 5);
}

#[test]
fn certificates_are_those_of_the_config() {
    let mut config = RoutersConfig {
        connections_per_router: 0,
        ..Default::default()
    };
    let error = Routers::new(&config, None).unwrap_err();
    assert_eq!(error.key, "routers.connections_per_router");
    config.connections_per_router = 1;
    config.tls = Some(hydrant_rpc::tls::TlsFiles {
        cert_file: "a".into(),
        key_file: "b".into(),
        ca_file: "c".into(),
        suites: Vec::new(),
    });
    let error = Routers::new(&config, None).unwrap_err();
    assert_eq!(error.key, "routers.tls");
}
