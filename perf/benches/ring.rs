//! The ring alone: records of 200 bytes, committed in batches of 32.

use criterion::{Criterion, Throughput};
use hydrant_engine::config::available_cores;
use hydrant_engine::engine::pin_to;
use hydrant_engine::ring::{Consumer, Producer, ring};
use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::{Duration, Instant};

const RING_BYTES: usize = 1 << 20;
const BODY: [u8; 200] = [0x55; 200];
const BATCH: u64 = 32;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_thread(&mut criterion);
    two_threads(&mut criterion);
    criterion.final_summary();
}

/// A batch in, a batch out, on one core: the instructions without the caches' traffic.
fn one_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(BATCH));
    let (mut producer, mut consumer) = ring(RING_BYTES);
    group.bench_function("one-thread", |bencher| {
        bencher.iter(|| {
            push_batch(&mut producer);
            read_all(&mut consumer)
        });
    });
    group.finish();
}

/// Producer and consumer on a core each: records a second from end to end.
fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("two-threads", |bencher| bencher.iter_custom(pass));
    group.finish();
}

/// The time for so many batches to be pushed on one thread and read on another.
fn pass(batches: u64) -> Duration {
    let (mut producer, mut consumer) = ring(RING_BYTES);
    let cores = available_cores();
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            pin(cores.get(1));
            while !consumer.is_finished() {
                if read_all(&mut consumer) == 0 {
                    spin_loop();
                }
            }
        });
        let cores = available_cores();
        let writer = scope.spawn(move || {
            pin(cores.first());
            let start = Instant::now();
            (0..batches).for_each(|_| push_batch(&mut producer));
            start
        });
        let start = writer.join();
        let read = reader.join();
        match (start, read) {
            (Ok(start), Ok(())) => start.elapsed(),
            _ => unreachable!("neither end panics"),
        }
    })
}

fn pin(core: Option<&usize>) {
    let pinned = core.map_or(Ok(()), |core| pin_to(*core));
    assert!(pinned.is_ok(), "a core of our own can be pinned to");
}

fn push_batch(producer: &mut Producer) {
    for number in 0..BATCH {
        while producer.push([number; 3], black_box(&BODY)).is_err() {
            producer.commit();
            spin_loop();
        }
    }
    producer.commit();
}

/// Reads and releases what is there; returns a figure of what was read, 0 for nothing.
fn read_all(consumer: &mut Consumer) -> u64 {
    let mut sum = 0;
    while let Some((head, body)) = consumer.read() {
        sum += 1 + head[0] + u64::from(body[0]) + u64::from(body[body.len() - 1]);
    }
    consumer.release();
    black_box(sum)
}
