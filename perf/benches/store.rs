//! Log Cache's store: what keeping an envelope costs, in time and in memory.

use criterion::{Criterion, Throughput};
use hydrant_engine::decode;
use hydrant_engine::record::{Kind, KindSet, SourceRule, Version, source_hash};
use hydrant_log_cache::store::{Bounds, Query, Store};
use hydrant_perf::mixes::{Generator, Mix};
use mimalloc::MiMalloc;
use std::hint::black_box;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SOURCES: usize = 1000;
const ENVELOPES: usize = 300_000;
const MEMORY_BYTES: usize = 64 << 20;

struct Arrived {
    source_hash: u64,
    source_id: String,
    kind: Kind,
    timestamp: i64,
    bytes: Vec<u8>,
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("store");
    for mix in Mix::ALL {
        let envelopes = envelopes(mix);
        let mut store = Store::new(bounds());
        let mut next = envelopes.iter().cycle();
        say_memory(mix, &envelopes);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("put/{}", mix.name()), |bencher| {
            bencher.iter(|| next.next().map(|envelope| put(&mut store, envelope)));
        });
        let newest = Query {
            start: 0,
            end: i64::MAX,
            limit: 100,
            kinds: KindSet::ALL,
            descending: true,
            names: None,
        };
        let mut batch = Vec::new();
        let mut next = envelopes.iter().cycle();
        group.bench_function(format!("newest-100/{}", mix.name()), |bencher| {
            bencher.iter(|| {
                batch.clear();
                let envelope = next.next();
                envelope.map(|envelope| {
                    let id = envelope.source_id.as_bytes();
                    black_box(store.read(envelope.source_hash, id, &newest, &mut batch))
                })
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

const fn bounds() -> Bounds {
    Bounds {
        memory_bytes: MEMORY_BYTES,
        count_per_source: 100_000,
    }
}

fn put(store: &mut Store, envelope: &Arrived) {
    let id = envelope.source_id.as_bytes();
    let Arrived {
        source_hash,
        kind,
        timestamp,
        ..
    } = *envelope;
    store.put(source_hash, id, kind, timestamp, &envelope.bytes);
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a figure of the benchmark"
)]
fn say_memory(mix: Mix, envelopes: &[Arrived]) {
    let mut store = Store::new(Bounds {
        memory_bytes: usize::MAX,
        count_per_source: u64::MAX,
    });
    for envelope in envelopes {
        put(&mut store, envelope);
    }
    let arrived: usize = envelopes.iter().map(|envelope| envelope.bytes.len()).sum();
    let count = envelopes.len() as f64;
    println!(
        "store/memory/{}: {:.0} bytes kept of an envelope of {:.0}",
        mix.name(),
        store.memory_bytes() as f64 / count,
        arrived as f64 / count,
    );
}

fn envelopes(mix: Mix) -> Vec<Arrived> {
    let mut generator = Generator::new(mix, 7, 1_700_000_000_000_000_000, 3_000_000);
    let arrived = |number: usize| {
        let bytes = generator.encode(number * 7919 % SOURCES);
        let checked = decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob);
        let checked = checked.expect("a sample is an envelope");
        let (kind, timestamp) = (checked.kind, checked.timestamp);
        let source_id = hydrant_perf::samples::app_guid(number * 7919 % SOURCES);
        Arrived {
            source_hash: source_hash(source_id.as_bytes()),
            source_id,
            kind,
            timestamp,
            bytes,
        }
    };
    (0..ENVELOPES).map(arrived).collect()
}
