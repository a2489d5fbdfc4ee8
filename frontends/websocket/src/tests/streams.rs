//! Who gets what.

use super::envelopes::{container, counter, log, v2_envelope};
use super::rig::{Client, Rig, block_on, over, without_recent};
use hydrant_engine::record::Version;
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_proto::convert::to_v1;
use hydrant_proto::v2::envelope::Message as V2Message;
use hydrant_proto::{v1, v2};
use prost::Message;
use tokio_websockets::{CloseCode, Message as Frame};

fn numbered(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| log("a", number)).collect()
}

#[test]
fn a_firehose_passes_v1_on_byte_for_byte() {
    let mut rig = Rig::new();
    let mut odd = log("a", 1);
    // A field that no generation knows, and the origin once more: nobody would encode it like this.
    odd.extend([0xa2, 0x06, 1, b'?', 0x0a, 4, b't', b'e', b's', b't']);
    let sent = [odd, log("b", 2), counter("c", "n")];
    let received = block_on(async {
        let mut client = Client::connect(rig.address(), "/firehose/one?").await;
        sent.iter()
            .for_each(|envelope| rig.publish(Version::V1, envelope));
        client.messages(sent.len()).await
    });
    assert_eq!(received, sent);
    let state = rig.stop();
    assert_eq!(state.feed.get(FeedCounter::Messages), 3);
    assert_eq!(over(&state, "firehose", SessionCounter::Delivered), 3);
}

#[test]
fn what_came_as_v2_arrives_as_v1() {
    let gauge = |name: &str| (name.to_owned(), v2::GaugeValue::default());
    let log = v2_envelope(
        "a",
        V2Message::Log(v2::Log {
            payload: "hello".into(),
            ..Default::default()
        }),
    );
    let gauge = v2_envelope(
        "a",
        V2Message::Gauge(v2::Gauge {
            metrics: [gauge("one"), gauge("two")].into(),
        }),
    );
    let event = v2_envelope("a", V2Message::Event(v2::Event::default()));
    let mut rig = Rig::new();
    let received = block_on(async {
        let mut client = Client::connect(rig.address(), "/firehose/one").await;
        for envelope in [&event, &gauge, &log] {
            rig.publish(Version::V2, &envelope.encode_to_vec());
        }
        client.messages(3).await
    });
    let expected: Vec<_> = [gauge, log]
        .into_iter()
        .flat_map(to_v1)
        .map(|envelope| envelope.encode_to_vec())
        .collect();
    assert_eq!(received, expected);
    let last = v1::Envelope::decode(&*received[2]).unwrap();
    assert_eq!(last.log_message.unwrap().app_id(), "a");
    let state = rig.stop();
    let count = |counter| state.feed.get(counter);
    assert_eq!(
        (count(FeedCounter::Messages), count(FeedCounter::Extra)),
        (3, 1)
    );
    assert_eq!(
        (count(FeedCounter::NoForm), count(FeedCounter::Unselected)),
        (1, 0)
    );
}

#[test]
fn sessions_of_a_subscription_get_each_message_once_between_them() {
    let mut rig = Rig::new();
    let sent = numbered(3_000);
    let (shares, whole) = block_on(async {
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(Client::connect(rig.address(), "/firehose/shared").await);
        }
        let alone = Client::connect(rig.address(), "/firehose/alone").await;
        sent.iter()
            .for_each(|envelope| rig.publish(Version::V1, envelope));
        let stopping = std::thread::spawn(|| rig.stop());
        let mut shares = Vec::new();
        for client in clients {
            shares.push(client.rest().await.0);
        }
        let whole = alone.rest().await.0;
        let state = stopping.join().unwrap();
        assert_eq!(over(&state, "firehose", SessionCounter::Delivered), 6_000);
        (shares, whole)
    });
    assert_eq!(whole, sent);
    assert!(
        shares.iter().all(|share| share.len() > 800),
        "they share evenly"
    );
    let mut together = shares.concat();
    let mut expected = sent;
    together.sort_unstable();
    expected.sort_unstable();
    assert_eq!(together, expected);
}

#[test]
fn filters_of_a_subscription_do_not_share() {
    let mut rig = Rig::new();
    block_on(async {
        let address = rig.address();
        let mut all = Client::connect(address, "/firehose/s").await;
        let mut logs = Client::connect(address, "/firehose/s?filter-type=logs").await;
        let mut metrics = Client::connect(address, "/firehose/s?filter-type=metrics").await;
        let (line, count) = (log("a", 1), counter("a", "n"));
        for _ in 0..50 {
            rig.publish(Version::V1, &line);
            rig.publish(Version::V1, &count);
        }
        assert_eq!(logs.messages(50).await, vec![line.clone(); 50]);
        assert_eq!(metrics.messages(50).await, vec![count.clone(); 50]);
        assert_eq!(all.messages(100).await, vec![[line, count]; 50].concat());
    });
    let state = rig.stop();
    assert_eq!(over(&state, "firehose", SessionCounter::Selected), 200);
}

#[test]
fn an_app_stream_gets_its_app_and_everybody_a_copy() {
    let mut rig = Rig::with(&without_recent(), |_| ());
    let (of_x, of_y) = ([log("x", 1), container("x")], [log("y", 2)]);
    let (first, second, other) = block_on(async {
        let first = Client::connect(rig.address(), "/apps/x/stream").await;
        let second = Client::connect(rig.address(), "/apps/x/stream?").await;
        let other = Client::connect(rig.address(), "/apps/y/stream").await;
        for envelope in [
            &of_x[0],
            &of_y[0],
            &counter("x", "n"),
            &log("z", 3),
            &of_x[1],
        ] {
            rig.publish(Version::V1, envelope);
        }
        let stopping = std::thread::spawn(|| rig.stop());
        let received = (first.rest().await, second.rest().await, other.rest().await);
        let state = stopping.join().unwrap();
        assert_eq!(over(&state, "stream", SessionCounter::Delivered), 5);
        assert_eq!(
            state.feed.get(FeedCounter::Read),
            3,
            "nobody wanted the rest"
        );
        received
    });
    assert_eq!((&first.0[..], &second.0[..]), (&of_x[..], &of_x[..]));
    assert_eq!(other.0, of_y);
    assert_eq!(first.1.0, CloseCode::GOING_AWAY);
}

#[test]
fn the_stream_of_the_system_gets_what_belongs_to_no_app() {
    let mut rig = Rig::new();
    let sent = [log("x", 1), counter("x", "n")];
    block_on(async {
        let mut client = Client::connect(rig.address(), "/apps/system/stream").await;
        sent.iter()
            .for_each(|envelope| rig.publish(Version::V1, envelope));
        assert_eq!(client.message().await, sent[1]);
    });
    let state = rig.stop();
    let count = |counter| state.feed.get(counter);
    assert_eq!(
        (count(FeedCounter::Messages), count(FeedCounter::Unselected)),
        (1, 1)
    );
}

#[test]
fn a_record_that_comes_after_its_reader_left_is_unselected() {
    let mut rig = Rig::new();
    let state = rig.state();
    block_on(async {
        let mut client = Client::connect(rig.address(), "/firehose/a").await;
        rig.publish(Version::V1, &log("a", 1));
        client.message().await;
        client
            .send(Frame::close(Some(CloseCode::NORMAL_CLOSURE), ""))
            .await;
        assert_eq!(client.rest().await.1.0, CloseCode::NORMAL_CLOSURE);
    });
    super::rig::eventually(|| state.sessions().is_empty());
    rig.publish_late(Version::V1, &log("a", 2));
    let state = rig.stop();
    assert_eq!(state.feed.get(FeedCounter::Unselected), 1);
    assert_eq!(over(&state, "firehose", SessionCounter::Selected), 1);
}

#[test]
fn what_clients_say_is_ignored() {
    let mut rig = Rig::new();
    block_on(async {
        let mut client = Client::connect(rig.address(), "/firehose/a").await;
        client.send(Frame::text("hello")).await;
        client.send(Frame::binary(vec![0; 1000])).await;
        rig.publish(Version::V1, &log("a", 1));
        assert_eq!(client.message().await, log("a", 1));
    });
    rig.stop();
}
