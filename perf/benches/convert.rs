//! A v2 envelope brought into v1, from bytes to bytes and with objects between.

use criterion::{Criterion, Throughput};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_feed::convert::V1Form;
use hydrant_perf::icount::LOG_BYTES;
use hydrant_perf::samples::Sample;
use hydrant_proto::convert::to_v1;
use hydrant_proto::v2;
use mimalloc::MiMalloc;
use prost::Message;
use std::hint::black_box;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("convert");
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
        let mut form = V1Form::default();
        group.bench_function(format!("{}/bytes", sample.name()), |bencher| {
            bencher.iter(|| form.messages(black_box(&record), |message| _ = black_box(message)));
        });
        group.bench_function(format!("{}/objects", sample.name()), |bencher| {
            bencher.iter(|| with_objects(black_box(&envelope)));
        });
    }
    group.finish();
    criterion.final_summary();
}

fn with_objects(envelope: &[u8]) {
    let envelope = v2::Envelope::decode(envelope).expect("a sample is an envelope");
    let mut bytes = Vec::new();
    for converted in to_v1(envelope) {
        bytes.clear();
        converted.encode_raw(&mut bytes);
        _ = black_box(&bytes);
    }
}
