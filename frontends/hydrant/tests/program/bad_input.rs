//! A million fuzzed datagrams and ten thousand corrupted streams at a running server: it goes on,
//! uses no more memory for it, and what is healthy loses nothing.

use crate::clients::Client;
use crate::emitters::{TcpEmitter, UdpEmitter};
use crate::envelopes::{Random, framed, v1_log, v2_log};
use crate::process::{Server, wait_until};
use std::io::Write;
use std::net::TcpStream;

const DATAGRAMS: u64 = 1_000_000;
const STREAMS: u64 = 10_000;
/// A healthy envelope goes out beside so many bad ones.
const HEALTHY_EACH: u64 = 1_000;
/// Streams that may wait to be accepted. The kernel drops what its queue has no room for, and a
/// client that has reset its connection by then does not come again.
const STREAMS_AHEAD: u64 = 50;
/// What became of a connection that reached the server.
const TAKEN: [&str; 2] = ["opened", "refused"];
const ENDS: [&str; 3] = ["ended", "reset", "cut"];
/// What the allocator may keep beyond what it had before: far less than the input's size.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

#[test]
fn fuzzed_datagrams_and_corrupted_streams_cost_nobody_else_anything() {
    let server = Server::start("");
    let reader = Client::counting(server.websocket, "/apps/healthy/stream");
    let mut healthy = TcpEmitter::new(server.tcp_v1);
    let healthy_frame = framed(&v1_log("healthy", "still here", 1));
    let mut random = Random(0x5eed);
    // The first part warms up what grows once: buffers, pages of the rings.
    let mut udp = UdpEmitter::new(&server);
    (0..10_000).for_each(|_| udp.send(&fuzzed(&mut random)));
    let before = server.resident_bytes();
    let mut healthy_count = 0;
    for number in 0..DATAGRAMS {
        udp.send(&fuzzed(&mut random));
        if number % HEALTHY_EACH == 0 {
            healthy.send(&healthy_frame);
            healthy_count += 1;
        }
    }
    udp.settle();
    for number in 0..STREAMS {
        corrupted_stream(&server, &mut random);
        if (number + 1).is_multiple_of(STREAMS_AHEAD) {
            let taken = number + 2; // The healthy one too.
            wait_until("streams", || connections(&server, &TAKEN) >= taken);
        }
        if number % HEALTHY_EACH == 0 {
            healthy.send(&healthy_frame);
            healthy_count += 1;
        }
    }
    wait_until("the healthy ones", || reader.count() == healthy_count);
    assert_eq!(connections(&server, &TAKEN), STREAMS + 1);
    let opened = connections(&server, &TAKEN[..1]);
    wait_until("all ends but the healthy one's", || {
        connections(&server, &ENDS) == opened - 1
    });
    assert!(server.count("hydrant_lost_total stage=\"shard\"") > DATAGRAMS / 2);
    assert_eq!(server.count("hydrant_lost_total stage=\"lane\""), 0);
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "grown by {growth} bytes");
    assert!(server.get("/health").contains("ok"));
    reader.stop();
    server.stop();
}

fn connections(server: &Server, what: &[&str]) -> u64 {
    what.iter()
        .map(|what| server.count(&format!("hydrant_shard_connections_{what}_total")))
        .sum()
}

/// Noise, or a valid envelope with a few bytes changed, cut or doubled.
fn fuzzed(random: &mut Random) -> Vec<u8> {
    let mut bytes = v1_log("fuzzed", "a message of some length, with ümläuts", 17);
    match random.below(4) {
        0 => {
            bytes = (0..random.below(100))
                .map(|_| random.next().to_le_bytes()[0])
                .collect();
        }
        1 => bytes.truncate(random.below(bytes.len())),
        2 => {
            let part = bytes[random.below(bytes.len())..].to_vec();
            bytes.splice(random.below(bytes.len()).., part);
        }
        _ => {
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.next().to_le_bytes()[0];
            }
        }
    }
    bytes
}

/// Good frames, then something wrong: a length, bytes, an end in the middle, a reset.
fn corrupted_stream(server: &Server, random: &mut Random) {
    let (address, envelope) = match random.below(2) {
        0 => (server.tcp_v1, v1_log("stream", "a good one", 3)),
        _ => (server.tcp_v2, v2_log("stream", "a good one")),
    };
    let mut bytes = framed(&envelope).repeat(random.below(4));
    match random.below(4) {
        0 => bytes.extend(u32::MAX.to_le_bytes()),
        1 => bytes.extend(framed(&fuzzed(random))),
        2 => bytes.extend(&framed(&envelope)[..random.below(envelope.len())]),
        _ => bytes.extend((0..64).map(|_| random.next().to_le_bytes()[0])),
    }
    let mut stream = TcpStream::connect(address).unwrap();
    // The server may have closed it after the first wrong byte.
    stream.write_all(&bytes).ok();
    if random.below(8) == 0 {
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}
