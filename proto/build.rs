//! Compiles `protos/` to Rust types and to a descriptor set. Needs no protoc.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use prost::Message as _;

const ROOT: &str = "protos";

const FILES: &[&str] = &[
    "events.proto",
    "logcache/v1/egress.proto",
    "logcache/v1/ingress.proto",
    "logcache/v1/promql.proto",
    "loggregator/v2/egress.proto",
    "loggregator/v2/envelope.proto",
    "loggregator/v2/ingress.proto",
    "plumbing/doppler.proto",
];

const LOG_CACHE: &str = "logcache.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let mut files = protox::compile(FILES, [ROOT])?;
    // Log Cache's messages hold envelopes, which are those of `v2` in lib.rs. What this pass makes
    // of the others is written again by the next one, which has their types.
    generator()
        .extern_path(".loggregator.v2", "crate::v2")
        .compile_fds(files.clone())?;
    let mut others = files.clone();
    others.file.retain(|file| file.package() != LOG_CACHE);
    generator().compile_fds(others)?;

    for file in &mut files.file {
        file.source_code_info = None; // comments serve rustdoc only
    }
    let out_dir = env::var("OUT_DIR")?;
    fs::write(
        Path::new(&out_dir).join("descriptors.bin"),
        files.encode_to_vec(),
    )?;
    Ok(())
}

/// Ordered maps make the bytes of an envelope a function of its contents.
fn generator() -> prost_build::Config {
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    config
}
