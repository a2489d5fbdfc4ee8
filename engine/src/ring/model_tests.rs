//! The ring against a `VecDeque`: any sequence of operations, and two real threads.

use super::{Full, Head, record_bytes, ring};
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Operation {
    Push(Vec<u8>),
    Commit,
    Read,
    Release,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Operation::Push),
        2 => Just(Operation::Commit),
        4 => Just(Operation::Read),
        2 => Just(Operation::Release),
    ]
}

proptest! {
    #[test]
    fn behaves_as_a_queue_of_committed_records(
        operations in proptest::collection::vec(operation(), 1..400),
        size in 6_u32..10,
    ) {
        let (mut producer, mut consumer) = ring(1 << size);
        let mut pending = VecDeque::new();
        let mut committed = VecDeque::new();
        let mut number = 0_u64;
        for operation in operations {
            match operation {
                Operation::Push(body) => {
                    let head = [number, !number, body.len() as u64];
                    number += 1;
                    match producer.push(head, &body) {
                        Ok(()) => pending.push_back((head, body)),
                        // Refused only when there is a reason: something is in the way.
                        Err(Full) => prop_assert!(
                            producer.gauge().depth_bytes() > 0
                                || !pending.is_empty()
                                || record_bytes(body.len()) > (1 << size) / 2
                        ),
                    }
                }
                Operation::Commit => {
                    prop_assert_eq!(producer.commit(), !pending.is_empty());
                    committed.append(&mut pending);
                }
                Operation::Read => {
                    let expected: Option<(Head, Vec<u8>)> = committed.pop_front();
                    let read = consumer.read().map(|(head, body)| (head, body.to_vec()));
                    prop_assert_eq!(read, expected);
                }
                Operation::Release => consumer.release(),
            }
        }
    }
}

#[test]
fn half_a_ring_fits_into_an_empty_one_wherever_it_stands() {
    let (mut producer, mut consumer) = ring(256);
    let body = [7; 128 - 32];
    for _ in 0..100 {
        producer.push([1, 2, 3], &body).unwrap();
        producer.push([0; 3], &[]).unwrap();
        producer.commit();
        assert_eq!(consumer.read(), Some(([1, 2, 3], &body[..])));
        assert_eq!(consumer.read(), Some(([0; 3], &[][..])));
        consumer.release();
    }
}

#[test]
fn a_full_ring_refuses_and_goes_on() {
    let (mut producer, mut consumer) = ring(64);
    producer.push([1; 3], b"abc").unwrap();
    assert_eq!(producer.push([2; 3], b"defghijklmnopqrstuvwxyz"), Err(Full));
    producer.commit();
    assert_eq!(consumer.read(), Some(([1; 3], &b"abc"[..])));
    consumer.release();
    producer.push([3; 3], b"d").unwrap();
    producer.commit();
    assert_eq!(consumer.read(), Some(([3; 3], &b"d"[..])));
}

#[test]
fn finishes_when_the_producer_is_gone_and_all_is_read() {
    let (mut producer, mut consumer) = ring(64);
    producer.push([1; 3], b"x").unwrap();
    assert!(!consumer.is_finished());
    drop(producer);
    assert!(!consumer.is_finished());
    assert!(consumer.read().is_some());
    assert!(consumer.is_finished());
}

#[test]
fn two_threads_agree_on_every_record() {
    let (mut producer, mut consumer) = ring(4096);
    let count = 200_000_u64;
    let writer = std::thread::spawn(move || {
        for number in 0..count {
            let body = vec![number.to_le_bytes()[0]; usize::try_from(number % 97).unwrap()];
            while producer.push([number; 3], &body).is_err() {
                producer.commit();
                std::thread::yield_now();
            }
            if number % 7 == 0 {
                producer.commit();
            }
        }
    });
    let mut expected = 0;
    while !consumer.is_finished() {
        while let Some((head, body)) = consumer.read() {
            assert_eq!(head, [expected; 3]);
            assert_eq!(body.len() as u64, expected % 97);
            assert!(body.iter().all(|byte| *byte == expected.to_le_bytes()[0]));
            expected += 1;
        }
        consumer.release();
        std::thread::yield_now();
    }
    writer.join().unwrap();
    assert_eq!(expected, count);
}
