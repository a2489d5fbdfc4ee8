//! How sessions end, and what becomes of what waited for them.

use super::envelopes::large_log;
use super::rig::{Client, Rig, block_on, eventually, over, session, small_outboxes};
use crate::WebsocketConfig;
use bytesize::ByteSize;
use hydrant_engine::record::Version;
use hydrant_feed::counters::{SessionCounter, SessionCounters};
use std::thread;
use std::time::Duration;
use tokio_websockets::CloseCode;

/// Bytes of a message here: enough of them fill any kernel's buffers.
const LARGE_BYTES: usize = 10_000;
/// Messages that fit into any outbox here.
const FEW: usize = 50;
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

fn large(number: usize) -> Vec<u8> {
    large_log("a", number, LARGE_BYTES)
}

fn losses(counters: &SessionCounters) -> u64 {
    let lost = SessionCounter::LOSSES.iter();
    lost.map(|loss| counters.get(*loss)).sum()
}

/// Publishes more than kernels hold for two sockets, no faster than it is read.
fn publish_much(rig: &mut Rig, count: usize) {
    for number in 0..count {
        rig.publish(Version::V1, &large(number));
        if number % FEW == 0 {
            rig.wait_until_read();
        }
    }
    rig.wait_until_read();
}

#[test]
fn a_slow_session_is_told_and_counted_while_another_loses_nothing() {
    let mut rig = Rig::with(&small_outboxes(), |timing| {
        timing.slow_after = Duration::from_millis(300);
        timing.close_within = Duration::from_secs(20);
    });
    let state = rig.state();
    block_on(async {
        let slow = Client::connect_small(rig.address(), "/firehose/slow").await;
        let mut quick = Client::connect(rig.address(), "/firehose/quick").await;
        let counts = session(&state, "/firehose/slow");
        let mut number = 0;
        while counts.note() == "connected" {
            let sent: Vec<_> = (number..number + FEW).map(large).collect();
            sent.iter()
                .for_each(|envelope| rig.publish(Version::V1, envelope));
            assert_eq!(quick.messages(FEW).await, sent);
            number += FEW;
        }
        let (received, (code, reason)) = slow.rest().await;
        assert_eq!(code, CloseCode::POLICY_VIOLATION);
        assert_eq!(
            reason,
            "slow consumer: a write did not finish within 300 ms"
        );
        let count = |counter| counts.counters.get(counter);
        assert!(count(SessionCounter::OutboxFull) > 0);
        assert!(count(SessionCounter::Slow) > 0);
        let delivered = count(SessionCounter::Delivered);
        assert!(received.len() as u64 >= delivered, "what was delivered is");
        assert_eq!(
            count(SessionCounter::Selected),
            delivered + losses(&counts.counters)
        );
        let counts = session(&state, "/firehose/quick");
        eventually(|| counts.counters.get(SessionCounter::Delivered) == number as u64);
        assert_eq!(losses(&counts.counters), 0);
    });
    rig.stop();
}

#[test]
fn a_stop_lets_sessions_take_what_waits() {
    let config = WebsocketConfig {
        outbox_bytes: ByteSize::mib(64),
        ..super::rig::config()
    };
    let mut rig = Rig::with(&config, |timing| timing.slow_after = NEVER);
    let state = rig.state();
    let count = 2_000;
    block_on(async {
        let client = Client::connect_small(rig.address(), "/firehose/a").await;
        publish_much(&mut rig, count);
        let waiting = session(&state, "/firehose/a").counters.waiting();
        assert!(waiting > 0, "the kernel does not hold it all");
        let stopping = thread::spawn(|| rig.stop());
        let (received, (code, reason)) = client.rest().await;
        assert_eq!(received.len(), count);
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(at, got)| *got == large(at))
        );
        assert_eq!(code, CloseCode::GOING_AWAY);
        assert_eq!(reason, "the server is stopping");
        stopping.join().unwrap();
    });
    assert_eq!(
        over(&state, "firehose", SessionCounter::Delivered),
        count as u64
    );
}

#[test]
fn what_is_not_taken_by_the_deadline_is_counted() {
    let mut rig = Rig::with(&small_outboxes(), |timing| timing.slow_after = NEVER);
    let state = rig.state();
    block_on(async {
        let _reads_nothing = Client::connect_small(rig.address(), "/firehose/a").await;
        publish_much(&mut rig, 2_000);
        rig.stop_within(Duration::from_millis(50));
    });
    let count = |counter| over(&state, "firehose", counter);
    assert!(count(SessionCounter::Gone) > 0);
    assert_eq!(count(SessionCounter::Slow), 0);
    assert_eq!(count(SessionCounter::Selected), 2_000);
    assert_eq!(
        count(SessionCounter::Delivered)
            + count(SessionCounter::OutboxFull)
            + count(SessionCounter::Gone),
        2_000
    );
}

#[test]
fn what_waits_for_a_peer_that_vanishes_is_counted() {
    let mut rig = Rig::with(&small_outboxes(), |timing| {
        timing.slow_after = NEVER;
    });
    let state = rig.state();
    block_on(async {
        let client = Client::connect_small(rig.address(), "/firehose/a").await;
        publish_much(&mut rig, 2_000);
        drop(client);
        eventually(|| state.sessions().is_empty());
    });
    assert!(over(&state, "firehose", SessionCounter::Gone) > 0);
    assert_eq!(over(&state, "firehose", SessionCounter::Slow), 0);
    rig.stop();
}
