//! Sessions that share, over workers that do not talk to each other.

use super::rig::{Rig, batches, block_on, logs, number, taken, until};
use crate::GrpcConfig;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::v2;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

type Numbers = Arc<Mutex<Vec<u64>>>;

async fn reader(rig: &Rig, request: &v2::EgressBatchRequest) -> (Numbers, JoinHandle<()>) {
    let numbers = Numbers::default();
    let mut stream = rig.read_v2(request).await.unwrap();
    let into = numbers.clone();
    let task = tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            let read = taken(&message);
            let read = read.iter().map(|envelope| number(envelope));
            into.lock().unwrap().extend(read);
        }
    });
    (numbers, task)
}

fn count(readers: &[(Numbers, JoinHandle<()>)]) -> usize {
    let length = |(numbers, _): &(Numbers, _)| numbers.lock().unwrap().len();
    readers.iter().map(length).sum()
}

async fn all_read(readers: &[(Numbers, JoinHandle<()>)], total: usize) {
    while count(readers) < total {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(count(readers), total, "no more than once");
}

#[test]
fn each_envelope_goes_to_one_of_three_whatever_their_workers() {
    let rig = Rig::with(GrpcConfig {
        workers: 3,
        ..Default::default()
    });
    block_on(async {
        let mut readers = Vec::new();
        for _ in 0..3 {
            readers.push(reader(&rig, &logs("g", "")).await);
        }
        let alone = [reader(&rig, &logs("other", "")).await];
        tokio::time::sleep(Duration::from_millis(5)).await; // Memberships count from now on.
        rig.send(batches("a", 30_000), 30_000).await;
        all_read(&readers, 30_000).await;
        all_read(&alone, 30_000).await;
        let mut all = Vec::new();
        for (numbers, _) in &readers {
            let numbers = numbers.lock().unwrap();
            assert!(numbers.len().abs_diff(10_000) < 1_000, "{}", numbers.len());
            assert!(numbers.is_sorted());
            all.extend_from_slice(&numbers);
        }
        all.sort_unstable();
        assert_eq!(all, (0..30_000).collect::<Vec<_>>());
    });
    rig.stop();
}

#[test]
fn members_that_join_cost_nobody_an_envelope() {
    let rig = Rig::with(GrpcConfig {
        workers: 2,
        ..Default::default()
    });
    block_on(async {
        let mut readers = vec![reader(&rig, &logs("g", "")).await];
        let sending = async {
            for round in 1..=40 {
                rig.send(batches("a", 500), 500 * round).await;
            }
        };
        let joining = async {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(3)).await;
                readers.push(reader(&rig, &logs("g", "")).await);
            }
        };
        tokio::join!(sending, joining);
        all_read(&readers, 20_000).await;
    });
    rig.stop();
}

#[test]
fn members_that_leave_cost_nobody_an_envelope_that_is_not_counted() {
    let rig = Rig::with(GrpcConfig {
        workers: 2,
        ..Default::default()
    });
    block_on(async {
        let stays = rig.read_v2(&logs("g", "")).await.unwrap();
        let mut leave = Vec::new();
        for _ in 0..8 {
            leave.push(reader(&rig, &logs("g", "")).await);
        }
        let sending = async {
            for round in 1..=40 {
                rig.send(batches("a", 500), 500 * round).await;
            }
        };
        let leaving = async {
            for (_, task) in leave {
                tokio::time::sleep(Duration::from_millis(3)).await;
                task.abort();
            }
        };
        tokio::join!(sending, leaving);
        let selected = || rig.sessions(SessionCounter::Selected);
        until(|| selected() == 20_000).await;
        drop(stays);
    });
    rig.stop();
}

#[test]
fn names_decide_for_counters() {
    let rig = Rig::with(GrpcConfig {
        workers: 2,
        ..Default::default()
    });
    block_on(async {
        let request = |name: &str| v2::EgressBatchRequest {
            shard_id: "g".into(),
            deterministic_name: name.into(),
            selectors: vec![v2::Selector {
                source_id: String::new(),
                message: Some(v2::selector::Message::Counter(
                    v2::CounterSelector::default(),
                )),
            }],
            ..Default::default()
        };
        let mut first = rig.read_v2(&request("a")).await.unwrap();
        let mut second = rig.read_v2(&request("b")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let counter = |name: &str| {
            let counter = v2::Counter {
                name: name.into(),
                ..Default::default()
            };
            let message = Some(v2::envelope::Message::Counter(counter));
            prost::Message::encode_to_vec(&v2::Envelope {
                message,
                ..Default::default()
            })
        };
        // By upstream's vectors the first hash is even, the second odd.
        let envelopes = ["hash", "other-hash", "hash", "other-hash"].map(counter);
        rig.send(vec![super::rig::batch_of(&envelopes)], 4).await;
        let [even, odd, ..] = envelopes;
        assert_eq!(super::rig::read(&mut first, 2).await, [even.clone(), even]);
        assert_eq!(super::rig::read(&mut second, 2).await, [odd.clone(), odd]);
    });
    rig.stop();
}
