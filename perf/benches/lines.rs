//! A v2 envelope as a syslog line: found in its bytes, and written.

use criterion::{Criterion, Throughput};
use hydrant_bindings::Framing;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_perf::icount::LOG_BYTES;
use hydrant_perf::samples::Sample;
use hydrant_syslog::{Format, Views};
use mimalloc::MiMalloc;
use std::hint::black_box;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(1));
    for sample in [Sample::LogV2, Sample::GaugeV2] {
        let envelope = sample.encode(3, 0, sample.line_bytes(LOG_BYTES).unwrap_or(0));
        let checked = decode::envelope(&envelope, Version::V2, SourceRule::DeploymentJob);
        let header = checked
            .expect("a sample is an envelope")
            .header(UnixNanos(0));
        let record = Record {
            header,
            envelope: &envelope,
        };
        let format = Format::new("", true, Framing::OctetCounting);
        let mut views = Views::default();
        let mut out = Vec::with_capacity(4096);
        group.bench_function(sample.name(), |bencher| {
            bencher.iter(|| {
                out.clear();
                format.write_record(&mut views, black_box(&record), &mut out)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
