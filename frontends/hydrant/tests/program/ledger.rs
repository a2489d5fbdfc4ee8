//! A million envelopes over UDP and TCP, one in a hundred malformed, three sessions of which one
//! never reads: every envelope is accounted for.

use crate::clients::{Client, never_reading};
use crate::emitters::{TcpEmitter, UdpEmitter};
use crate::envelopes::{framed, v1_log, v2_log};
use crate::process::{Server, wait_until};

const ROUNDS: u64 = 1_000;
/// Each round: over UDP, over TCP as v1, over TCP as v2.
const UDP: u64 = 100;
const TCP: u64 = 450;
/// Of each hundred one is bad.
const EACH: u64 = 100;
/// Messages that the healthy readers may be behind before the emitters wait for them.
const AHEAD_MAX: u64 = 20_000;

#[test]
fn a_million_envelopes_balance_to_one() {
    // A small outbox and little patience, so that the one that never reads is noticed.
    let server = Server::start_with("outbox_bytes = \"4 MiB\"\nslow_after_ms = 2000", "");
    let first = Client::counting(server.websocket, "/firehose/first");
    let second = Client::counting(server.websocket, "/firehose/second?filter-type=logs");
    let slow = never_reading(server.websocket, "/firehose/slow");
    let mut udp = UdpEmitter::new(&server);
    let (mut v1, mut v2) = (
        TcpEmitter::new(server.tcp_v1),
        TcpEmitter::new(server.tcp_v2),
    );
    let mut valid = 0;
    for round in 0..ROUNDS {
        let number = |index: u64| round * (UDP + 2 * TCP) + index;
        for index in 0..UDP {
            udp.send(&datagram(number(index), &mut valid));
        }
        let frames = |count: u64, envelope: fn(u64, &mut u64) -> Vec<u8>, valid: &mut u64| {
            (0..count)
                .flat_map(|index| framed(&envelope(number(index), valid)))
                .collect::<Vec<_>>()
        };
        v1.send(&frames(TCP, datagram, &mut valid));
        v2.send(&frames(TCP, frame_v2, &mut valid));
        wait_until("the readers", || {
            first.count().min(second.count()) + AHEAD_MAX > valid
        });
    }
    let sent = ROUNDS * (UDP + 2 * TCP);
    assert_eq!(sent, 1_000_000);
    server.wait_for("hydrant_shard_received_total", sent);
    wait_until("the readers", || {
        first.count() == valid && second.count() == valid
    });
    assert_eq!(server.count("hydrant_lost_total stage=\"kernel\""), 0);
    assert_eq!(server.count("hydrant_lost_total stage=\"lane\""), 0);
    assert_eq!(server.count("hydrant_shard_decoded_total"), valid);
    assert_eq!(
        server.count("hydrant_lost_total stage=\"shard\""),
        sent - valid
    );
    // The slow one is told apart: what it lost is counted under the reason.
    wait_until("the slow session's end", || {
        server.count("hydrant_lost_total reason=\"slow_consumer\"") > 0
    });
    drop(slow);
    assert_eq!((first.stop(), second.stop()), (valid, valid));
    let said = server.stop();
    assert!(
        said.contains(&format!("received {sent} = decoded {valid}")),
        "{said}"
    );
    let over = said
        .lines()
        .find(|line| line.contains("firehose, over"))
        .unwrap();
    let of = |name: &str| count_of(over, name);
    assert_eq!(
        of("selected"),
        of("delivered") + of("outbox_full") + of("slow_consumer") + of("session_gone")
    );
    assert!(of("slow_consumer") > 0, "{over}");
}

/// The number behind a name in a line of the ledger; 0 if it is not there.
pub(crate) fn count_of(line: &str, name: &str) -> u64 {
    let mut words = line.split(' ').skip_while(|word| *word != name).skip(1);
    words.next().map_or(0, |number| number.parse().unwrap())
}

fn datagram(number: u64, valid: &mut u64) -> Vec<u8> {
    let mut bytes = v1_log(
        app(number),
        "one of a million",
        i64::try_from(number).unwrap(),
    );
    if is_bad(number) {
        bytes.truncate(bytes.len() - 3);
    } else {
        *valid += 1;
    }
    bytes
}

fn frame_v2(number: u64, valid: &mut u64) -> Vec<u8> {
    let mut bytes = v2_log(app(number), "one of a million");
    if is_bad(number) {
        bytes.push(0xff);
    } else {
        *valid += 1;
    }
    bytes
}

fn is_bad(number: u64) -> bool {
    number.is_multiple_of(EACH)
}

fn app(number: u64) -> &'static str {
    ["app-a", "app-b", "app-c"][usize::try_from(number % 3).unwrap()]
}
