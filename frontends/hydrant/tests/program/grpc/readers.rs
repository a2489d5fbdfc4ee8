//! Readers that share, and readers that do not read.

use super::{MEMBERSHIP_DELAY, Reader, Sender, Tally, block_on, channel, logs, open, until};
use crate::process::Server;
use bytesize::ByteSize;
use futures_util::future::join_all;

#[test]
fn of_three_readers_in_a_group_each_envelope_reaches_one() {
    const COUNT: u64 = 300_000;
    const SHARE: u64 = COUNT / 3;
    let server = Server::start_grpc("workers = 2", "");
    let shares = block_on(async {
        let open = async || {
            let connection = channel(server.grpc, None).await;
            Reader::open(connection, &logs("g", "")).await
        };
        let readers = vec![open().await, open().await, open().await];
        tokio::time::sleep(MEMBERSHIP_DELAY).await;
        let reading = readers
            .into_iter()
            .map(|reader| tokio::spawn(to_the_end(reader)));
        let reading: Vec<_> = reading.collect();
        let send = async |numbers| {
            let sender = Sender::open(channel(server.grpc, None).await);
            sender.send_numbers("a", numbers).await;
            sender.end().await
        };
        let halves = [send(0..COUNT / 2), send(COUNT / 2..COUNT)];
        for status in join_all(halves).await {
            assert_eq!(status.message(), "EOF");
        }
        // The readers get what is left for them, and then their streams' end.
        server.signal("TERM");
        join_all(reading).await
    });
    let mut tally = Tally::new(COUNT);
    for share in shares {
        let share = share.unwrap();
        let size = u64::try_from(share.len()).unwrap();
        assert!(size.abs_diff(SHARE) < SHARE / 10, "{size} of {COUNT}");
        share.into_iter().for_each(|number| tally.see(number));
    }
    tally.assert_each_once(0..COUNT);
    let said = server.stop();
    let received = format!("received {COUNT} = decoded {COUNT}\n");
    assert!(said.contains(&received), "{said}");
}

async fn to_the_end(mut reader: Reader) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(numbers) = reader.read().await {
        all.extend(numbers);
    }
    all
}

/// No lanes but those of gRPC and small outboxes, so that the plan is small.
const SMALL: &str = r#"
[engine]
udp = []
tcp = []
lane_bytes = "2 MiB"

[websocket]
enabled = false

[grpc]
address = "127.0.0.1:0"
outbox_bytes = "2 MiB"
outboxes_bytes = "6 MiB"

[operator]
address = "127.0.0.1:0"
"#;

#[test]
fn a_reader_that_stops_reading_costs_itself_and_is_counted_to_one() {
    const COUNT: u64 = 200_000;
    // A quarter of an outbox.
    const AHEAD_MAX: u64 = 2_000;
    // The allocator takes huge pages of 2 MiB; two may be begun and not full.
    const BEGUN_BYTES: u64 = 4 << 20;
    let server = Server::run(SMALL);
    block_on(async {
        let mut slow = Reader::open(channel(server.grpc, None).await, &logs("slow", "")).await;
        let healthy = channel(server.grpc, None).await;
        let mut healthy = Reader::open(healthy, &logs("healthy", "")).await;
        let sender = Sender::open(channel(server.grpc, None).await);
        let (mut read, mut unread) = (Tally::new(COUNT), Tally::new(COUNT));
        let (mut before, mut most) = (0, 0);
        for start in (0..COUNT).step_by(usize::try_from(AHEAD_MAX).unwrap()) {
            sender.send_numbers("a", start..start + AHEAD_MAX).await;
            healthy.read_into(&mut read, AHEAD_MAX).await;
            most = most.max(server.resident_bytes());
            // The code that all this takes is in memory from now on.
            before = if start == 0 { most } else { before };
        }
        read.assert_each_once(0..COUNT);
        let (growth, planned) = (most - before, planned_bytes(&server));
        assert!(
            growth <= planned + BEGUN_BYTES,
            "{growth} above the plan's {planned}"
        );
        assert_eq!(sender.end().await.message(), "EOF");
        assert_eq!(lost(&server, "healthy"), 0);
        let lost = lost(&server, "slow");
        assert!(lost > COUNT / 2, "{lost} is not much");
        slow.read_into(&mut unread, COUNT - lost).await;
        assert_eq!(waiting(&server), 0);
        server.signal("TERM");
        assert_eq!(slow.read().await, None, "nothing came beside");
    });
    server.stop();
}

/// What all that has a bound may take together, as the program says at its start.
fn planned_bytes(server: &Server) -> u64 {
    let line = server.start.lines().find(|line| line.ends_with("in all"));
    let size = line.unwrap().trim().strip_suffix("in all").unwrap();
    size.trim().parse::<ByteSize>().unwrap().as_u64()
}

fn lost(server: &Server, shard_id: &str) -> u64 {
    let session = format!(r#"session="batched_receiver shard_id=\"{shard_id}\""#);
    let labels = format!(r#"stage="session",reason="outbox_full",frontend="grpc",{session}"#);
    server.count(&format!("hydrant_lost_total {labels}"))
}

fn waiting(server: &Server) -> u64 {
    server.count("hydrant_session_waiting")
}

#[test]
fn readers_who_come_and_go_cost_no_more_for_being_many_in_a_group() {
    let server = Server::start("");
    come_and_go(&server, "");
    let before = server.resident_bytes();
    come_and_go(&server, "g");
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 64 << 20, "grown by {growth} bytes");
    server.stop();
}

/// Five hundred readers, four times.
fn come_and_go(server: &Server, shard_id: &str) {
    block_on(async {
        let connection = channel(server.grpc, None).await;
        let request = logs(shard_id, "");
        for _ in 0..4 {
            let openings = (0..500).map(|_| open(connection.clone(), &request));
            let opened = join_all(openings).await;
            assert!(opened.iter().all(Result::is_ok));
            drop(opened);
            let is_open = |line: &&str| {
                line.starts_with("hydrant_session_waiting{") && !line.contains("peer=\"\"")
            };
            until(|| !server.get("/metrics").lines().any(|line| is_open(&line))).await;
        }
    });
}
