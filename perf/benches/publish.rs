//! Route and publish of one checked envelope of 250 bytes, by how many lanes want it.

use criterion::{BatchSize, Criterion, Throughput};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::lanes::{LaneReader, Lanes, connect};
use hydrant_engine::record::{Header, SourceRule, source_hash};
use hydrant_engine::route::{Demand, Routes};
use hydrant_perf::samples::{Sample, app_guid};
use std::hint::black_box;
use std::io;

const LANE_BYTES: usize = 1 << 20;
const ENVELOPE_BYTES: usize = 250;
const BATCH: u64 = 64;

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let everything = Demand::all;
    bench(&mut criterion, "one-lane", &[everything()])?;
    bench(
        &mut criterion,
        "four-lanes",
        &[(); 4].map(|()| everything()),
    )?;
    let sources = (0..1000).fold(Demand::none(), |demand, app| {
        let kinds = hydrant_engine::record::KindSet::ALL;
        demand.with_source(source_hash(app_guid(app).as_bytes()), kinds)
    });
    bench(&mut criterion, "one-lane-of-1000-sources", &[sources])?;
    bench(&mut criterion, "unwanted", &[Demand::none()])?;
    criterion.final_summary();
    Ok(())
}

fn bench(criterion: &mut Criterion, name: &str, demands: &[Demand]) -> io::Result<()> {
    let mut readers = demands
        .iter()
        .map(|_| LaneReader::new())
        .collect::<io::Result<Vec<_>>>()?;
    for (reader, demand) in readers.iter().zip(demands) {
        reader.publish_demand(demand.clone());
    }
    let cells: Vec<_> = readers.iter().map(LaneReader::demand).collect();
    let routes = Routes::new(&cells);
    let mut lanes = connect(&mut readers, LANE_BYTES);
    let (header, bytes) = envelope();
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            || readers.iter_mut().for_each(read_up),
            |()| publish(&routes, &mut lanes, &header, &bytes),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    Ok(())
}

/// A checked envelope, as its header and its bytes.
fn envelope() -> (Header, Vec<u8>) {
    let line = Sample::LogV2.line_bytes(ENVELOPE_BYTES).unwrap_or(0);
    let bytes = Sample::LogV2.encode(7, 0, line);
    let version = Sample::LogV2.version();
    let header = match decode::envelope(&bytes, version, SourceRule::DeploymentJob) {
        Ok(envelope) => envelope.header(UnixNanos(1)),
        Err(loss) => unreachable!("the sample passes: {loss:?}"),
    };
    (header, bytes)
}

fn publish(routes: &Routes, lanes: &mut Lanes, header: &Header, bytes: &[u8]) {
    for _ in 0..BATCH {
        let header = black_box(header);
        lanes.publish(routes.of(header), header, black_box(bytes));
    }
    lanes.commit();
}

fn read_up(reader: &mut LaneReader) {
    while reader.read(usize::MAX, |_, record| _ = black_box(record)) > 0 {}
}
