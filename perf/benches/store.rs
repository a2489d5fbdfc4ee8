//! Log Cache's store: what keeping an envelope costs, in time and in memory.

use hydrant_engine::decode;
use hydrant_engine::record::{Kind, KindSet, SourceRule, Version, source_hash};
use hydrant_log_cache::store::{Arrived, Bounds, Query, Store};
use hydrant_perf::mixes::{Generator, Mix};
use mimalloc::MiMalloc;
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SOURCES: usize = 1000;
const ENVELOPES: usize = 300_000;
const MEMORY_BYTES: usize = 32 << 20;

struct Sample {
    source_hash: u64,
    source_id: String,
    kind: Kind,
    timestamp: i64,
    bytes: Vec<u8>,
}

/// Rounds of putting all envelopes; the least is told, because others only add to it.
const ROUNDS: usize = 5;
const READS: usize = 2000;
const BATCH: usize = 100;

#[expect(clippy::print_stdout, reason = "a table")]
fn main() {
    println!("mix         arrived B  kept B  put ns  newest 100 us");
    // `cargo bench --bench store -- apps` measures that mix alone.
    let asked: Vec<_> = std::env::args().skip(1).collect();
    let is_asked = |mix: &Mix| asked.iter().any(|name| name == mix.name());
    let is_any_asked = Mix::ALL.iter().any(is_asked);
    for mix in Mix::ALL {
        if is_any_asked && !is_asked(&mix) {
            continue;
        }
        let envelopes = envelopes(mix);
        let count = envelopes.len();
        let arrived: usize = envelopes.iter().map(|envelope| envelope.bytes.len()).sum();
        let mut store = Store::new(bounds());
        let put = least(ROUNDS, || put_all(&mut store, &envelopes));
        let read = least(ROUNDS, || read_some(&store, &envelopes));
        println!(
            "{:<11} {:>9} {:>7} {:>7} {:>14}",
            mix.name(),
            arrived / count,
            kept_bytes(&envelopes) / count,
            put.as_nanos() / count as u128,
            read.as_micros() / READS as u128,
        );
    }
}

/// CPU time of this thread.
fn least(rounds: usize, mut act: impl FnMut()) -> Duration {
    let rounds = (0..rounds).map(|_| {
        let before = cpu_time();
        act();
        cpu_time().saturating_sub(before)
    });
    rounds.min().unwrap_or_default()
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.map(Duration::from).unwrap_or_default()
}

/// In batches, as they come.
fn put_all(store: &mut Store, envelopes: &[Sample]) {
    let mut batch = Vec::with_capacity(BATCH);
    for envelopes in envelopes.chunks(BATCH) {
        batch.clear();
        batch.extend(envelopes.iter().map(Sample::arrived));
        store.put(&batch);
    }
}

fn read_some(store: &Store, envelopes: &[Sample]) {
    let mut batch = Vec::new();
    let newest = Query {
        start: 0,
        end: i64::MAX,
        limit: 100,
        kinds: KindSet::ALL,
        descending: true,
        names: None,
    };
    for envelope in envelopes.iter().take(READS) {
        batch.clear();
        let id = envelope.source_id.as_bytes();
        black_box(store.read(envelope.source_hash, id, &newest, &mut batch));
    }
}

const fn bounds() -> Bounds {
    Bounds {
        memory_bytes: MEMORY_BYTES,
        count_per_source: 100_000,
    }
}

impl Sample {
    const fn arrived(&self) -> Arrived<'_> {
        Arrived {
            source_hash: self.source_hash,
            source_id: self.source_id.as_bytes(),
            kind: self.kind,
            timestamp: self.timestamp,
            bytes: self.bytes.as_slice(),
        }
    }
}

/// Memory of all of them.
fn kept_bytes(envelopes: &[Sample]) -> usize {
    let mut store = Store::new(Bounds {
        memory_bytes: usize::MAX,
        count_per_source: u64::MAX,
    });
    put_all(&mut store, envelopes);
    store.memory_bytes()
}

fn envelopes(mix: Mix) -> Vec<Sample> {
    let mut generator = Generator::new(mix, 7, 1_700_000_000_000_000_000, 3_000_000);
    let arrived = |number: usize| {
        let bytes = generator.encode(number * 7919 % SOURCES);
        let checked = decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob);
        let checked = checked.expect("a sample is an envelope");
        let (kind, timestamp) = (checked.kind, checked.timestamp);
        let source_id = hydrant_perf::samples::app_guid(number * 7919 % SOURCES);
        Sample {
            source_hash: source_hash(source_id.as_bytes()),
            source_id,
            kind,
            timestamp,
            bytes,
        }
    };
    (0..ENVELOPES).map(arrived).collect()
}
