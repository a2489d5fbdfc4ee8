//! The ring and its bell under every interleaving of two threads.

use super::{Consumer, Doorbell, Wake, ring};
use loom::sync::{Arc, Notify};
use loom::thread;

/// Sleeps and wakes as an eventfd does: a wake before the sleep is not lost.
struct Gate(Notify);

impl Wake for Gate {
    fn wake(&self) {
        self.0.notify();
    }
}

fn take(consumer: &mut Consumer, expected: &mut u64) {
    while let Some((head, body)) = consumer.read() {
        assert_eq!(head, [*expected; 3]);
        assert_eq!(body, &expected.to_le_bytes()[..]);
        *expected += 1;
    }
    consumer.release();
}

#[test]
fn loom_records_arrive_whole_and_in_order_over_the_wrap() {
    loom::model(|| {
        // Room for one record of five words and a half: every second one skips.
        let (mut producer, mut consumer) = ring(64);
        let writer = thread::spawn(move || {
            let mut refused = 0;
            for number in 0..3_u64 {
                while producer.push([number; 3], &number.to_le_bytes()).is_err() {
                    refused += 1;
                    if refused > 2 {
                        return number;
                    }
                    thread::yield_now();
                }
                producer.commit();
            }
            3
        });
        let mut expected = 0;
        for _ in 0..3 {
            take(&mut consumer, &mut expected);
            thread::yield_now();
        }
        let written = writer.join().unwrap();
        take(&mut consumer, &mut expected);
        assert_eq!(expected, written);
        assert!(consumer.is_finished());
    });
}

#[test]
fn loom_a_batch_is_seen_whole() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(256);
        let writer = thread::spawn(move || {
            producer.push([0; 3], &0_u64.to_le_bytes()).unwrap();
            producer.push([1; 3], &1_u64.to_le_bytes()).unwrap();
            producer.commit();
        });
        let mut expected = 0;
        if !consumer.is_read_up() {
            take(&mut consumer, &mut expected);
            assert_eq!(expected, 2);
        }
        writer.join().unwrap();
        take(&mut consumer, &mut expected);
        assert_eq!(expected, 2);
    });
}

#[test]
fn loom_a_parked_reader_is_always_woken() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(256);
        let bell = Arc::new(Doorbell::new(Gate(Notify::new())));
        let writer_bell = bell.clone();
        let writer = thread::spawn(move || {
            for number in 0..2_u64 {
                producer.push([number; 3], &number.to_le_bytes()).unwrap();
                producer.commit();
                writer_bell.ring();
            }
        });
        let mut expected = 0;
        while expected < 2 {
            take(&mut consumer, &mut expected);
            bell.arm();
            if expected < 2 && consumer.is_read_up() {
                // A lost wake would deadlock here, which loom reports.
                bell.waker().0.wait();
            }
            bell.disarm();
        }
        writer.join().unwrap();
    });
}

#[test]
fn loom_the_end_is_seen_after_the_last_record() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(256);
        let writer = thread::spawn(move || {
            producer.push([0; 3], &0_u64.to_le_bytes()).unwrap();
        });
        let mut expected = 0;
        if consumer.is_finished() {
            panic!("the record is not read yet");
        }
        take(&mut consumer, &mut expected);
        writer.join().unwrap();
        take(&mut consumer, &mut expected);
        assert_eq!(expected, 1);
        assert!(consumer.is_finished());
    });
}
