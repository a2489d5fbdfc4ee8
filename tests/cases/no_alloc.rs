//! After its start a shard takes no memory, whatever comes in. Allocations are counted on the
//! shard's own thread alone.

use allocation_counter::measure;
use hydrant_engine::config::{EngineConfig, TcpConfig, UdpConfig};
use hydrant_engine::counters::{Counter, Loss, ShardCounters};
use hydrant_engine::kernel::Kernel;
use hydrant_engine::record::{KindSet, Version};
use hydrant_engine::ring::EventFd;
use hydrant_engine::route::Demand;
use hydrant_engine::uring::{Sockets, Uring};
use hydrant_tests::envelopes::Maker;
use hydrant_tests::random::Rng;
use hydrant_tests::rig::Rig;
use hydrant_tests::script::{Recorder, Script};
use hydrant_tests::sim::{self, Dials, SimKernel};
use hydrant_tests::wire;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const ENVELOPES: u64 = 100_000;

/// Allocations of this thread in `turn_count` turns with their reading.
fn allocations(rig: &mut Rig<impl Kernel>, turn_count: usize) -> u64 {
    let mut bytes = 0;
    let info = measure(|| {
        for _ in 0..turn_count {
            rig.shard.turn().expect("the kernel works");
            rig.reader
                .read(usize::MAX, |_, record| bytes += record.envelope.len());
        }
    });
    info.count_total
}

/// Turns until so many envelopes have come in and `is_enough` says so; what they allocated.
fn allocations_over_envelopes(
    rig: &mut Rig<impl Kernel>,
    is_enough: impl Fn(&ShardCounters) -> bool,
) -> u64 {
    let start = rig.counters.get(Counter::Received);
    let mut count = 0;
    for _ in 0..20_000 {
        if rig.counters.get(Counter::Received) >= start + ENVELOPES && is_enough(&rig.counters) {
            return count;
        }
        count += allocations(rig, 10);
    }
    panic!("it never came: {:?}", rig.counters)
}

#[test]
fn the_counter_counts() {
    let of_one = measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(of_one.count_total, 1);
    assert_eq!(measure(|| ()).count_total, 0);
}

#[test]
fn the_counter_does_not_count_other_threads() {
    let done = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let count = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(std::hint::black_box(vec![1_u8]));
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        let info = measure(|| while done.load(Ordering::Relaxed) < 100 {});
        is_over.store(true, Ordering::Relaxed);
        info.count_total
    });
    assert_eq!(count, 0);
}

/// All that a simulation comes up with: trains, streams in pieces, resets, every loss.
#[test]
fn a_shard_in_bad_weather_takes_no_memory() {
    let config = sim::config();
    let mut random = Rng::with_seed(61);
    let dials = Dials {
        malformed_percent: 30,
        oversize_per_mille: 10,
        huge_per_mille: 5,
        ..Dials::turned(&mut random)
    };
    let kernel = Recorder::new(SimKernel::new(random, dials, 1));
    let mut recording = Rig::new(kernel, &config, 1 << 20);
    for _ in 0..500 {
        recording.shard.turn().unwrap();
    }
    let lines = recording.shard.kernel_mut().take_lines();

    let mut rig = Rig::new(Script::endless(lines), &config, 1 << 20);
    allocations(&mut rig, 100); // What threads set up for themselves at first use.
    let has_every_loss = |counters: &ShardCounters| {
        let is_seen = |loss: &Loss| counters.lost(*loss) > 0 || Loss::OF_MESSAGES.contains(loss);
        Loss::ALL.iter().all(is_seen)
    };
    assert_eq!(allocations_over_envelopes(&mut rig, has_every_loss), 0);
    rig.reader
        .publish_demand(Demand::none().with_source(1, KindSet::ALL));
    assert_eq!(allocations_over_envelopes(&mut rig, has_every_loss), 0);
}

/// The real kernel, over loopback.
#[test]
fn a_shard_over_io_uring_takes_no_memory() {
    let (config, sockets, addresses) = listen();
    let bell = Arc::new(EventFd::new().unwrap());
    let kernel = Uring::new(&config, sockets, bell).unwrap();
    let mut rig = Rig::new(kernel, &config, 1 << 22);
    let is_over = Arc::new(AtomicBool::new(false));
    let senders = addresses.map(|address| {
        let is_over = is_over.clone();
        thread::spawn(move || send(address, &is_over))
    });
    allocations(&mut rig, 200);
    let has_all = |counters: &ShardCounters| {
        counters.get(Counter::Datagrams) > 1000
            && counters.get(Counter::ConnectionsEnded) > 2
            && counters.lost(Loss::Wire) > 0
            && counters.lost(Loss::FrameCut) > 0
    };
    assert_eq!(allocations_over_envelopes(&mut rig, has_all), 0);
    is_over.store(true, Ordering::Relaxed);
    drop(rig); // Senders that wait for us find their connections closed.
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
}

/// Where a sender goes.
#[derive(Clone, Copy)]
enum Address {
    Udp(SocketAddr, Version),
    Tcp(SocketAddr, Version),
}

fn listen() -> (EngineConfig, Sockets, [Address; 4]) {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut sockets = Sockets::default();
    let mut config = EngineConfig {
        udp: Vec::new(),
        tcp: Vec::new(),
        ..EngineConfig::default()
    };
    for version in [Version::V1, Version::V2] {
        config.udp.push(UdpConfig {
            address: sockets.open_udp(loopback, 1 << 20).unwrap(),
            version,
            shared_secret: None,
        });
        config.tcp.push(TcpConfig {
            address: sockets.open_tcp(loopback).unwrap(),
            version,
        });
    }
    let addresses = [
        Address::Udp(config.udp[0].address, Version::V1),
        Address::Udp(config.udp[1].address, Version::V2),
        Address::Tcp(config.tcp[0].address, Version::V1),
        Address::Tcp(config.tcp[1].address, Version::V2),
    ];
    (config, sockets, addresses)
}

/// Valid envelopes and every tenth one cut short.
fn envelopes(version: Version) -> Vec<Vec<u8>> {
    let mut maker = Maker::new(Rng::with_seed(71), 10);
    let mut envelopes: Vec<_> = (0..200).map(|_| maker.valid(version)).collect();
    for envelope in envelopes.iter_mut().step_by(10) {
        envelope.push(0x80);
    }
    envelopes
}

fn send(address: Address, is_over: &AtomicBool) {
    match address {
        Address::Udp(address, version) => send_datagrams(address, version, is_over),
        Address::Tcp(address, version) => send_streams(address, version, is_over),
    }
}

fn send_datagrams(address: SocketAddr, version: Version, is_over: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let envelopes = envelopes(version);
    while !is_over.load(Ordering::Relaxed) {
        for envelope in &envelopes {
            // The shard may be gone already.
            socket.send_to(envelope, address).ok();
        }
    }
}

/// Connections of 2,000 frames each, which end within one more.
fn send_streams(address: SocketAddr, version: Version, is_over: &AtomicBool) {
    let mut stream = Vec::new();
    for envelope in envelopes(version) {
        wire::frame(&mut stream, &envelope);
    }
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut connection) = TcpStream::connect(address) else {
            continue;
        };
        let patience = Some(Duration::from_secs(10));
        connection.set_write_timeout(patience).unwrap();
        for _ in 0..10 {
            if connection.write_all(&stream).is_err() {
                break;
            }
        }
        connection.write_all(&[9, 0, 0, 0, 1]).ok();
    }
}
