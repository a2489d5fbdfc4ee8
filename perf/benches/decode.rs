//! The structural check of one envelope, by kind.

use criterion::{Criterion, Throughput};
use hydrant_engine::decode;
use hydrant_engine::record::SourceRule;
use hydrant_perf::samples::Sample;
use std::hint::black_box;

const LINE_BYTES: usize = 76;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for sample in Sample::ALL {
        let bytes = sample.encode(3, 0, LINE_BYTES);
        group.bench_function(sample.name(), |bencher| {
            bencher.iter(|| {
                let bytes = black_box(&bytes[..]);
                decode::envelope(bytes, sample.version(), SourceRule::DeploymentJob)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
