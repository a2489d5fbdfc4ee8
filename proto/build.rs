//! Compiles `protos/` to Rust types and to a descriptor set. Needs no protoc.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use prost::Message as _;

const ROOT: &str = "protos";

const FILES: &[&str] = &[
    "events.proto",
    "loggregator/v2/egress.proto",
    "loggregator/v2/envelope.proto",
    "loggregator/v2/ingress.proto",
    "plumbing/doppler.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let mut files = protox::compile(FILES, [ROOT])?;
    // Ordered maps make the bytes of an envelope a function of its contents.
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .compile_fds(files.clone())?;

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
