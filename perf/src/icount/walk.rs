//! What is counted: the engine's own code over envelopes in memory. The two functions that are not
//! inlined are what callgrind counts; whatever runs outside them (building envelopes, reading the
//! lane) is not.

use super::{Case, Stretch};
use crate::consumer::Read;
use crate::pool::{Pool, PoolConfig};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::config::{EngineConfig, TcpConfig, UdpConfig};
use hydrant_engine::decode::{self, SourceMemo};
use hydrant_engine::ingest::Ingest;
use hydrant_engine::intake::Intake;
use hydrant_engine::kernel::{ConnectionIndex, Event, Kernel, ListenerIndex, Verdict};
use hydrant_engine::lanes::{LaneReader, Lanes, connect};
use hydrant_engine::record::{SourceRule, Version};
use hydrant_engine::route::{Demand, Routes};
use hydrant_engine::shard::Shard;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const LANE_BYTES: usize = 1 << 20;
/// As many envelopes as a train has datagrams, and between two commits of the bare path.
const BATCH: usize = 64;
/// A chunk of a stream: the default size of a receive buffer.
const CHUNK_BYTES: usize = 32 * 1024;
/// Completions that a turn finds at hand.
const COMPLETIONS_PER_TURN: usize = 4;

/// Takes at least `envelopes` envelopes through the case's steps; returns what the lane's consumer
/// read, which is all of them.
///
/// # Errors
/// If there is no eventfd for the lane, or the case's envelopes cannot be built.
pub fn walk(case: Case, envelopes: usize) -> io::Result<Read> {
    let config = PoolConfig {
        sample: case.sample,
        bytes: super::LOG_BYTES,
        apps: 100,
        malformed_period: 0,
        framed: case.stretch == Stretch::Tcp,
    };
    let pool = Pool::new(&config).map_err(io::Error::other)?;
    let reader = LaneReader::new()?;
    reader.publish_demand(Demand::all());
    if case.stretch == Stretch::Path {
        Ok(walk_path(&pool, case.sample.version(), reader, envelopes))
    } else {
        walk_shard(pool, case, reader, envelopes)
    }
}

fn walk_path(pool: &Pool, version: Version, reader: LaneReader, envelopes: usize) -> Read {
    let demand = reader.demand();
    let mut readers = [reader];
    let mut path = Path {
        sources: SourceMemo::default(),
        lanes: connect(&mut readers, LANE_BYTES),
        routes: Routes::new(&[demand]),
        version,
    };
    let mut read = Read::default();
    let mut first = 0;
    while read.records < envelopes as u64 {
        path_of_a_batch(&mut path, pool.slice(first, BATCH), pool.stride());
        first = (first + BATCH) % pool.count();
        drain(&mut readers, &mut read);
    }
    read
}

struct Path {
    sources: SourceMemo,
    routes: Routes,
    lanes: Lanes,
    version: Version,
}

/// Counted.
#[inline(never)]
fn path_of_a_batch(path: &mut Path, envelopes: &[u8], stride: usize) {
    for bytes in envelopes.chunks_exact(stride) {
        if let Ok(envelope) = decode::envelope(bytes, path.version, SourceRule::DeploymentJob) {
            let source_hash = path.sources.hash(&envelope.source);
            let header = envelope.header_with(UnixNanos(1), source_hash);
            let lanes = path.routes.of(&header);
            path.lanes.publish(lanes, &header, envelope.bytes);
        }
    }
    path.lanes.commit();
}

fn walk_shard(pool: Pool, case: Case, reader: LaneReader, envelopes: usize) -> io::Result<Read> {
    let demand = reader.demand();
    let mut readers = [reader];
    let lanes = connect(&mut readers, LANE_BYTES);
    let config = listening(case);
    let replay = Replay {
        pool,
        first: 0,
        is_open: case.stretch == Stretch::Udp,
    };
    let mut shard = Shard::new(
        replay,
        Ingest::new(&config),
        Intake::new(Routes::new(&[demand]), lanes, Arc::default()),
    );
    turn_of_a_shard(&mut shard)?; // Opens the connection.
    let mut read = Read::default();
    while read.records < envelopes as u64 {
        turn_of_a_shard(&mut shard)?;
        drain(&mut readers, &mut read);
    }
    Ok(read)
}

/// Counted.
#[inline(never)]
fn turn_of_a_shard(shard: &mut Shard<Replay>) -> io::Result<usize> {
    shard.turn()
}

fn drain(readers: &mut [LaneReader; 1], read: &mut Read) {
    while readers[0].read(usize::MAX, |_, record| read.add(&record)) > 0 {}
}

fn listening(case: Case) -> EngineConfig {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let version = case.sample.version();
    EngineConfig {
        udp: vec![UdpConfig {
            address,
            version,
            shared_secret: None,
        }],
        tcp: vec![TcpConfig { address, version }],
        connections_max: 1,
        ..EngineConfig::default()
    }
}

/// A kernel that has the pool's bytes at hand again and again.
struct Replay {
    pool: Pool,
    first: usize,
    is_open: bool,
}

impl Replay {
    /// The stream in chunks that end where they end; its frames are whole at the pool's end.
    fn chunk(&mut self) -> &[u8] {
        let all = self.pool.slice(0, self.pool.count());
        let from = self.first;
        let to = all.len().min(from + CHUNK_BYTES);
        self.first = to % all.len();
        &all[from..to]
    }

    fn train(&mut self) -> &[u8] {
        let from = self.first;
        self.first = (from + BATCH) % self.pool.count();
        self.pool.slice(from, BATCH)
    }

    fn is_framed(&self) -> bool {
        self.pool.is_framed()
    }
}

impl Kernel for Replay {
    fn now(&mut self) -> UnixNanos {
        UnixNanos(1)
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn reap(&mut self, _max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize {
        let (connection, listener) = (ConnectionIndex(0), ListenerIndex(0));
        if !self.is_open {
            self.is_open = true;
            expect_keep(handler(Event::Opened {
                connection,
                listener,
            }));
            return 1;
        }
        for _ in 0..COMPLETIONS_PER_TURN {
            let segment_bytes = self.pool.stride();
            expect_keep(if self.is_framed() {
                let bytes = self.chunk();
                handler(Event::Chunk { connection, bytes })
            } else {
                handler(Event::Datagrams {
                    listener,
                    bytes: self.train(),
                    segment_bytes,
                    truncated: false,
                })
            });
        }
        COMPLETIONS_PER_TURN
    }

    fn dropped(&mut self, _ask: bool) -> u64 {
        0
    }

    fn stop_accepting(&mut self) {}
}

fn expect_keep(verdict: Verdict) {
    assert_eq!(verdict, Verdict::Keep, "the pool's frames are in order");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_goes_all_the_way() {
        for case in Case::all() {
            let read = walk(case, 2000).unwrap();
            assert!(read.records >= 2000, "{case:?}");
            let bytes = read.bytes / read.records;
            assert!((150..600).contains(&bytes), "{case:?}: {bytes} bytes");
        }
    }
}
