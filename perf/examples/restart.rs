//! A node of Log Cache with five million envelopes is stopped and started again: how long until it
//! answers, and whether all is there.

use bytesize::ByteSize;
use hydrant_engine::record::KindSet;
use hydrant_log_cache::store::Query;
use hydrant_log_cache::{LogCacheConfig, Node, NodeCounter, start};
use hydrant_perf::mixes::{Generator, Mix};
use hydrant_perf::samples::app_guid;
use mimalloc::MiMalloc;
use std::error::Error;
use std::iter::once;
use std::process::ExitCode;
use std::time::Instant;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ENVELOPES: usize = 5_000_000;
const SOURCES: usize = 5_000;
const READ_SOURCES: usize = 100;
const BEGIN_NS: i64 = 1_700_000_000_000_000_000;
const STEP_NS: i64 = 180_000;
/// Until it answers, in seconds.
const TARGET_S: f64 = 5.0;

#[expect(clippy::print_stdout, reason = "a table")]
fn main() -> Result<ExitCode, Box<dyn Error>> {
    let name = format!("hydrant-restart-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let config = LogCacheConfig {
        address: ([127, 0, 0, 1], 0).into(),
        memory: ByteSize::gib(2),
        directory: Some(directory.clone()),
        ..LogCacheConfig::default()
    };
    let node = start(&config, None, None)?;
    let mut generator = Generator::new(Mix::Foundation, 7, BEGIN_NS, STEP_NS);
    for number in 0..ENVELOPES {
        let envelope = generator.encode(number * 7919 % SOURCES);
        node.partitions.put(once(&envelope));
    }
    let before = (node.partitions.standing().count, read_some(&node));
    let begin = Instant::now();
    node.stop()?;
    let stopped = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let node = start(&config, None, None)?;
    read_some(&node);
    let started = begin.elapsed().as_secs_f64();
    let restored = node.counters.get(NodeCounter::Restored);
    let after = (node.partitions.standing().count, read_some(&node));
    node.stop()?;
    let bytes = directory_bytes(&directory)?;
    std::fs::remove_dir_all(&directory)?;
    println!("{restored} of {ENVELOPES} envelopes are there again; {bytes} bytes on the disk");
    println!("stopped in {stopped:.2} s, reads answered {started:.2} s after the start");
    let is_good = before == after && before.0 == ENVELOPES as u64 && started <= TARGET_S;
    println!(
        "{}",
        if is_good {
            "as it should be"
        } else {
            "NOT as it should be"
        }
    );
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// All of some sources, as they are.
fn read_some(node: &Node) -> Vec<Vec<u8>> {
    let query = Query {
        start: 0,
        end: i64::MAX,
        limit: usize::MAX,
        kinds: KindSet::ALL,
        descending: false,
        names: None,
    };
    let read = |number| {
        let mut batch = Vec::new();
        let id = app_guid(number);
        node.partitions.read(id.as_bytes(), &query, &mut batch);
        batch
    };
    (0..READ_SOURCES).map(read).collect()
}

fn directory_bytes(directory: &std::path::Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
