# What one does here. `.ci/run` runs `just ci`.

# List the recipes.
default:
    @just --list

# Build everything.
build:
    cargo build --workspace

# Start the server on built-in defaults.
run *arguments:
    cargo run --release -- {{arguments}}

# Format and lint, warnings denied.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# The README's test command. Peers that are not installed are skipped aloud.
test:
    cargo test

# Install the peers that tests talk to: rsyslog and prometheus (Debian), syslog-ng (Debian; unpacked, for it conflicts with rsyslog), Python's client of dropsonde and its gRPC (PyPI).
peers:
    ./.ci/peers

# A drain that is away for so long, at 1,000 lines a second, and a `kill -9` meanwhile.
away seconds="600":
    HYDRANT_AWAY_S={{seconds}} cargo test -p hydrant --test program a_drain_is_away -- --nocapture

# A gibibyte of Log Cache, 20 million envelopes, one source of 5,000 a flood: memory, fill, what quiet sources lose.
flood:
    cargo run --release -p hydrant-perf --example flood

# A Log Cache of five million envelopes that is stopped and started again: how long, and whether all is there.
restart:
    cargo run --release -p hydrant-perf --example restart

# The ring and its bell under every interleaving.
loom:
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p hydrant-engine --lib loom_

# Each fuzz target for some seconds (needs cargo-fuzz).
fuzz seconds="10":
    #!/usr/bin/env bash
    set -eu
    cd tests/fuzz
    for target in $(cargo fuzz list --fuzz-dir .); do
        cargo fuzz run --fuzz-dir . -s none "$target" -- -max_total_time={{seconds}} -rss_limit_mb=4096
    done

# Replay one seed of the simulation.
sim seed:
    HYDRANT_SIM_SEED={{seed}} cargo test -p hydrant-tests simulation

# Engine against the bare kernel, or `just bench grpc|websocket|syslog|logcache`: gRPC in, that out. Pinned apart.
bench *arguments:
    cargo run --release -p hydrant-perf --bin hydrant-bench -- {{arguments}}

# Criterion: ring, decode, route and publish.
micro *arguments:
    cargo bench -p hydrant-perf {{arguments}}

# Instructions per envelope, under callgrind (needs valgrind).
icount *arguments:
    cargo run --release -p hydrant-perf --bin hydrant-icount -- {{arguments}}

# All that has to pass before a change lands.
ci: lint build loom (fuzz "10") (bench "--smoke") (bench "grpc" "--smoke") (bench "websocket" "--smoke") (bench "syslog" "--smoke") (bench "logcache" "--smoke") test
