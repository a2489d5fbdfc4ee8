//! The real ring over real sockets, with too little of everything: it counts, and goes on.

use hydrant_engine::config::{Cores, EngineConfig, Secret, TcpConfig, UdpConfig, available_cores};
use hydrant_engine::counters::{Counter, LaneCounter, Loss, ShardCounters};
use hydrant_engine::engine::Engine;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::limits::FRAME_BYTES_MAX;
use hydrant_engine::record::Version;
use hydrant_engine::route::Demand;
use hydrant_tests::envelopes::Maker;
use hydrant_tests::wire;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// A running engine of one shard and what reads its lane.
struct Rig {
    engine: Engine,
    reader: LaneReader,
    read: u64,
}

impl Rig {
    fn start(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = EngineConfig {
            cores: Cores::of(&available_cores()[..1]),
            ..EngineConfig::default()
        };
        config.udp[0].address = loopback;
        config.tcp = vec![TcpConfig {
            address: loopback,
            version: Version::V2,
        }];
        change(&mut config);
        let mut readers = [LaneReader::new().unwrap()];
        readers[0].publish_demand(Demand::all());
        let engine = Engine::start(&config, &mut readers).unwrap();
        let [reader] = readers;
        Self {
            engine,
            reader,
            read: 0,
        }
    }

    fn counters(&self) -> &ShardCounters {
        &self.engine.shards()[0].counters
    }

    fn get(&self, counter: Counter) -> u64 {
        self.counters().get(counter)
    }

    /// Reads the lane until something holds.
    fn wait(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < Duration::from_secs(30), "still: {what}");
            self.read += self.reader.read(1024, |_, _| ()) as u64;
            std::thread::yield_now();
        }
    }

    /// Stops the engine and balances the books.
    fn stop(mut self) {
        let shard = self.engine.shards()[0].clone();
        self.engine.stop().unwrap();
        while !self.reader.is_finished() {
            self.read += self.reader.read(1024, |_, _| ()) as u64;
        }
        let (counters, lane) = (&shard.counters, &shard.lanes[0].counters);
        let decoded = counters.get(Counter::Decoded);
        assert_eq!(
            counters.get(Counter::Received),
            decoded + counters.malformed()
        );
        let lanes: u64 = LaneCounter::ALL.iter().map(|of| lane.get(*of)).sum();
        assert_eq!(decoded, lanes);
        assert_eq!(self.read, lane.get(LaneCounter::Published));
    }
}

fn frames(count: usize) -> Vec<u8> {
    let mut maker = Maker::new(fastrand::Rng::with_seed(5), 0);
    let mut stream = Vec::new();
    for _ in 0..count {
        wire::frame(&mut stream, &maker.valid(Version::V2));
    }
    stream
}

#[test]
fn two_small_buffers_serve_fifty_connections() {
    let mut rig = Rig::start(|config| {
        config.tcp_buffers = 2;
        config.tcp_buffer_bytes = bytesize::ByteSize::kib(1);
    });
    let address = rig.engine.tcp_addresses()[0];
    let stream = frames(200);
    let mut connections: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for part in stream.chunks(stream.len() / 7) {
        for connection in &mut connections {
            connection.write_all(part).unwrap();
        }
    }
    rig.wait("frames", |rig| rig.get(Counter::Decoded) == 50 * 200);
    assert!(rig.get(Counter::NoBuffers) > 0);
    drop(connections);
    rig.wait("ends", |rig| rig.get(Counter::ConnectionsEnded) == 50);
    assert_eq!(rig.counters().malformed(), 0);
    rig.stop();
}

#[test]
fn a_full_table_refuses_and_takes_the_next_when_there_is_room() {
    let mut rig = Rig::start(|config| config.connections_max = 2);
    let address = rig.engine.tcp_addresses()[0];
    let (first, second) = (
        TcpStream::connect(address).unwrap(),
        TcpStream::connect(address).unwrap(),
    );
    rig.wait("two", |rig| rig.get(Counter::ConnectionsOpened) == 2);
    let mut third = TcpStream::connect(address).unwrap();
    rig.wait("no", |rig| rig.get(Counter::ConnectionsRefused) == 1);
    // It was closed: there is nothing to read.
    assert!(matches!(third.read(&mut [0]), Ok(0) | Err(_)));
    drop(first);
    rig.wait("room", |rig| rig.get(Counter::ConnectionsEnded) == 1);
    let mut fourth = TcpStream::connect(address).unwrap();
    fourth.write_all(&frames(3)).unwrap();
    rig.wait("frames", |rig| rig.get(Counter::Decoded) == 3);
    drop((second, fourth));
    rig.stop();
}

#[test]
fn every_way_to_end_a_stream_is_told_apart() {
    let mut rig = Rig::start(|_| ());
    let address = rig.engine.tcp_addresses()[0];
    let connect = || TcpStream::connect(address).unwrap();
    let mut healthy = connect();
    let mut ended = connect();
    ended.write_all(&frames(1)).unwrap();
    drop(ended);
    let mut cut_short = connect();
    cut_short.write_all(&frames(1)[..9]).unwrap();
    drop(cut_short);
    rig.wait("ends", |rig| rig.get(Counter::ConnectionsEnded) == 2);
    let reset = connect();
    rig.wait("four", |rig| rig.get(Counter::ConnectionsOpened) == 4);
    let socket = socket2::SockRef::from(&reset);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(reset);
    rig.wait("reset", |rig| rig.get(Counter::ConnectionsReset) == 1);
    let mut oversize = connect();
    let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
    oversize
        .write_all(&[&frames(2)[..], &length, &frames(2)].concat())
        .unwrap();
    rig.wait("cut", |rig| rig.get(Counter::ConnectionsCut) == 1);
    healthy.write_all(&frames(4)).unwrap();
    rig.wait("healthy", |rig| rig.get(Counter::Decoded) == 1 + 2 + 4);
    assert_eq!(rig.counters().lost(Loss::FrameCut), 1);
    assert_eq!(rig.counters().lost(Loss::FrameOversize), 1);
    drop(healthy);
    rig.stop();
}

#[test]
fn only_what_is_signed_with_the_secret_passes() {
    let mut rig = Rig::start(|config| {
        config.udp[0] = UdpConfig {
            shared_secret: Some(Secret::new("secret")),
            ..config.udp[0].clone()
        };
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(rig.engine.udp_addresses()[0]).unwrap();
    let good = Maker::new(fastrand::Rng::with_seed(9), 0).valid(Version::V1);
    let with = |secret| [wire::signature(secret, &good), good.clone()].concat();
    let (signed, forged) = (with("secret"), with("other"));
    for datagram in [&signed, &forged, &good, &signed[..31].to_vec(), &Vec::new()] {
        socket.send(datagram).unwrap();
    }
    rig.wait("five", |rig| rig.get(Counter::Received) == 5);
    assert_eq!(rig.get(Counter::Decoded), 1);
    assert_eq!(rig.counters().lost(Loss::Signature), 4);
    rig.stop();
}
