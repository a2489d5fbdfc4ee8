//! The ring alone: records of 200 bytes, committed in batches of 32.

use criterion::{Criterion, Throughput};
use hydrant_engine::config::available_cores;
use hydrant_engine::engine::pin_to;
use hydrant_engine::ring::{Consumer, Producer, ring};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// A ring that fits the cores' own caches, and a lane's default size, which does not.
const RING_BYTES: [usize; 2] = [1 << 20, 1 << 24];
const BODY: [u8; 200] = [0x55; 200];
const BATCH: u64 = 32;
/// Records read before their room is given back: a small part of the ring, so that a writer that
/// has found it full goes on soon.
const READ_MAX: usize = 256;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(BATCH));
    let (mut producer, mut consumer) = ring(RING_BYTES[0]);
    // A batch in, a batch out, on one core: the instructions without the caches' traffic.
    group.bench_function("one-thread", |bencher| {
        bencher.iter(|| {
            push_batch(&mut producer);
            read_some(&mut consumer)
        });
    });
    for ring_bytes in RING_BYTES {
        let name = format!("two-threads-{}-mib", ring_bytes >> 20);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|batches| pass(ring_bytes, batches));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// The time for so many batches to be pushed on one core and read on another, from end to end.
///
/// Neither side tells the processor that it spins: virtual machines take that as a wish to be put
/// off, which costs tens of microseconds.
fn pass(ring_bytes: usize, batches: u64) -> Duration {
    let (mut producer, mut consumer) = ring(ring_bytes);
    let cores = available_cores();
    let (writer_core, reader_core) = (cores.first(), cores.get(1));
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            pin(reader_core);
            while !consumer.is_finished() {
                read_some(&mut consumer);
            }
        });
        let writer = scope.spawn(move || {
            pin(writer_core);
            let start = Instant::now();
            (0..batches).for_each(|_| push_batch(&mut producer));
            start
        });
        match (writer.join(), reader.join()) {
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
        }
    }
    producer.commit();
}

/// Reads and releases what is there, up to a limit; returns a figure of what was read, 0 for
/// nothing.
fn read_some(consumer: &mut Consumer) -> u64 {
    let mut sum = 0;
    for _ in 0..READ_MAX {
        let Some((head, body)) = consumer.read() else {
            break;
        };
        sum += 1 + head[0] + u64::from(body[0]) + u64::from(body[body.len() - 1]);
    }
    consumer.release();
    black_box(sum)
}
