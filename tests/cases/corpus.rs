//! What the fuzzers start from: small valid inputs, so that they need not find the formats first.
//!
//! `HYDRANT_WRITE_CORPUS=1` writes the seeds anew.

use hydrant_engine::config::EngineConfig;
use hydrant_engine::decode;
use hydrant_engine::framing::Framing;
use hydrant_engine::record::{Kind, SourceRule, Version};
use hydrant_tests::envelopes::Maker;
use hydrant_tests::random::Rng;
use hydrant_tests::source::workspace_path;
use hydrant_tests::wire;
use std::fs;
use std::path::PathBuf;

const SEED_BYTES_MAX: usize = 300;
/// Bytes in front of a stream by which the framing target cuts it.
const CUTS: &[u8; 8] = &[1, 2, 3, 5, 8, 13, 21, 34];

const CONFIG: &str = r#"cores = "0"
lane_bytes = "1 MiB"
udp_buffers = 16
tcp_buffers = 16
tcp_buffer_bytes = "32 KiB"
udp_receive_bytes = "1 MiB"
connections_max = 64
memory_max = "1 GiB"

[[udp]]
address = "127.0.0.1:3457"
version = "v1"
shared_secret = "hush"

[[tcp]]
address = "[::1]:3459"
version = "v2"
"#;

fn folder(target: &str) -> PathBuf {
    workspace_path("tests/fuzz/corpus").join(target)
}

fn seed(target: &str, name: &str) -> Vec<u8> {
    let path = folder(target).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Every version with every kind that it has.
fn kinds() -> Vec<(Version, Kind)> {
    let of = |version| Kind::ALL.map(|kind| (version, kind));
    let mut kinds = [of(Version::V1), of(Version::V2)].concat();
    kinds.retain(|pair| {
        !matches!(
            pair,
            (Version::V1, Kind::Event | Kind::Empty) | (Version::V2, Kind::Error)
        )
    });
    kinds
}

fn seed_name(version: Version, kind: Kind) -> String {
    format!("seed-{version:?}-{kind:?}").to_lowercase()
}

fn make(maker: &mut Maker, version: Version, kind: Kind) -> Vec<u8> {
    let is_fit = |bytes: &Vec<u8>| {
        let envelope = decode::envelope(bytes, version, SourceRule::Origin);
        bytes.len() <= SEED_BYTES_MAX && envelope.is_ok_and(|envelope| envelope.kind == kind)
    };
    let mut made = std::iter::repeat_with(|| maker.valid(version));
    made.find(is_fit).expect("it goes on until one fits")
}

fn write() {
    let mut maker = Maker::new(Rng::with_seed(81), 5);
    let mut stream = CUTS.to_vec();
    fs::create_dir_all(folder("fuzz_decode")).unwrap();
    for (version, kind) in kinds() {
        let envelope = make(&mut maker, version, kind);
        let path = folder("fuzz_decode").join(seed_name(version, kind));
        fs::write(path, &envelope).unwrap();
        wire::frame(&mut stream, &envelope);
    }
    fs::create_dir_all(folder("fuzz_framing")).unwrap();
    fs::write(folder("fuzz_framing").join("seed-stream"), stream).unwrap();
    fs::create_dir_all(folder("fuzz_config")).unwrap();
    fs::write(folder("fuzz_config").join("seed-every-key"), CONFIG).unwrap();
}

#[test]
fn seeds_are_valid() {
    if std::env::var_os("HYDRANT_WRITE_CORPUS").is_some() {
        write();
    }
    for (version, kind) in kinds() {
        let bytes = seed("fuzz_decode", &seed_name(version, kind));
        let envelope = decode::envelope(&bytes, version, SourceRule::Origin);
        assert_eq!(envelope.map(|envelope| envelope.kind), Ok(kind));
    }
    let stream = seed("fuzz_framing", "seed-stream");
    let mut framing = Framing::default();
    let mut frame_count = 0;
    let outcome = framing.frames(&stream[CUTS.len()..], |_| frame_count += 1);
    assert_eq!((outcome, frame_count), (Ok(()), kinds().len()));
    assert!(!framing.is_inside());
    let text = String::from_utf8(seed("fuzz_config", "seed-every-key")).unwrap();
    let config: EngineConfig = toml::from_str(&text).unwrap();
    assert_eq!(config.connections_max, 64);
}
