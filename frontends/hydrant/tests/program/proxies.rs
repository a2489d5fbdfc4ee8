//! A deployment in small: two routers, a reverse log proxy that reads both, a gateway before it,
//! each a process of its own.

use crate::grpc::{Reader, Sender, Tally, batch, block_on, channel, logs, until};
use crate::process::{PATIENCE, Server};
use hydrant_proto::v2;
use prost::Message;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;

/// Envelopes of each router, in parts: what the proxies pass on before, while and after one router
/// is away.
const PART: u64 = 10_000;
const NORTH: [Range<u64>; 3] = [0..PART, PART..2 * PART, 2 * PART..3 * PART];
const SOUTH: [Range<u64>; 2] = [3 * PART..4 * PART, 4 * PART..5 * PART];
const COUNT: u64 = 5 * PART;

/// Nothing but what is added.
const BARE: &str = r#"
[engine]
udp = []
tcp = []
lane_bytes = "2 MiB"

[websocket]
enabled = false

[operator]
address = "127.0.0.1:0"
"#;

fn bare(more: &str) -> Server {
    Server::run(&format!("{BARE}\n{more}"))
}

fn router(address: SocketAddr) -> Server {
    bare(&format!(
        "[grpc]\naddress = \"{address}\"\nrules = \"doppler\""
    ))
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A reverse log proxy with a zone for each router.
fn proxy(north: SocketAddr, south: SocketAddr) -> Server {
    bare(&format!(
        r#"
[grpc]
address = "127.0.0.1:0"
rules = "reverse-log-proxy"

[[routers.zones]]
name = "north"
addresses = ["{north}"]

[[routers.zones]]
name = "south"
addresses = ["{south}"]
"#
    ))
}

fn gateway(provider: SocketAddr) -> Server {
    bare(&format!(
        r#"
[grpc]
enabled = false

[gateway]
address = "127.0.0.1:0"

[gateway.provider]
address = "{provider}"
"#
    ))
}

/// Sends in a stream of its own, until the router has all of it.
async fn send(router: &Server, source_id: &str, numbers: Range<u64>) {
    let sender = Sender::open(channel(router.grpc, None).await);
    sender.send_numbers(source_id, numbers).await;
    assert_eq!(sender.end().await.message(), "EOF");
}

/// Waits until the proxy's subscriptions are open: all, or those of one zone.
async fn until_open(proxy: &Server, zone: &str, count: u64) {
    let metric = format!("hydrant_router_open_streams zone=\"{zone}");
    until(|| proxy.count(&metric) == count).await;
}

/// A stream to a router is open before the router has heard of it: waits for that.
async fn until_subscribed(router: &Server) {
    until(|| router.get("/metrics").contains("hydrant_session_waiting{")).await;
}

#[test]
fn a_proxy_has_what_its_routers_have_and_outlives_them() {
    let (north, south) = (router(any_port()), router(any_port()));
    let proxy = proxy(north.grpc, south.grpc);
    let address = south.grpc;
    let south = block_on(async {
        let mut tally = Tally::new(COUNT);
        let mut reader = Reader::open(channel(proxy.grpc, None).await, &logs("g", "")).await;
        until_open(&proxy, "", 2).await;
        until_subscribed(&north).await;
        until_subscribed(&south).await;
        send(&north, "n", NORTH[0].clone()).await;
        send(&south, "s", SOUTH[0].clone()).await;
        reader.read_into(&mut tally, 2 * PART).await;
        assert_eq!(disconnects(&proxy, "south"), 0);

        // It is killed while the other's envelopes are under way.
        let sender = Sender::open(channel(north.grpc, None).await);
        sender
            .send_numbers("n", NORTH[1].start..NORTH[1].start + PART / 2)
            .await;
        drop(south);
        sender
            .send_numbers("n", NORTH[1].start + PART / 2..NORTH[1].end)
            .await;
        reader.read_into(&mut tally, PART).await;
        assert_eq!(sender.end().await.message(), "EOF");
        until(|| disconnects(&proxy, "south") >= 1).await;

        let south = router(address);
        until_open(&proxy, "south", 1).await;
        until_subscribed(&south).await;
        send(&south, "s", SOUTH[1].clone()).await;
        send(&north, "n", NORTH[2].clone()).await;
        reader.read_into(&mut tally, 2 * PART).await;
        tally.assert_each_once(0..COUNT);
        assert_eq!(disconnects(&proxy, "north"), 0);
        proxy.signal("TERM");
        assert_eq!(reader.read().await, None, "an end in order");
        south
    });
    let said = proxy.stop();
    let received = format!("south {address}: received {0} = decoded {0}\n", 2 * PART);
    assert!(said.contains(&received), "{said}");
    south.stop();
    north.stop();
}

fn disconnects(proxy: &Server, zone: &str) -> u64 {
    proxy.count(&format!("hydrant_router_disconnects_total zone=\"{zone}\""))
}

#[test]
fn a_gateway_gives_the_logs_of_all_routers_as_events() {
    let (north, south) = (router(any_port()), router(any_port()));
    let proxy = proxy(north.grpc, south.grpc);
    let gateway = gateway(proxy.grpc);
    let mut events = Events::open(gateway.gateway, "/v2/read?log&shard_id=g");
    block_on(async {
        until_open(&proxy, "", 2).await;
        until_subscribed(&north).await;
        until_subscribed(&south).await;
        send(&north, "north-app", 0..1_000).await;
        send(&south, "south-app", 1_000..2_000).await;
        let others = Sender::open(channel(north.grpc, None).await);
        others.send(batch(&[counter(), tagged()])).await;
        assert_eq!(others.end().await.message(), "EOF");
    });
    let mut numbers = BTreeSet::new();
    let mut last = Value::Null;
    while numbers.len() < 2_001 {
        for envelope in events.next() {
            let number: u64 = text(&envelope["timestamp"]).parse().unwrap();
            let source = match number {
                0..1_000 => "north-app",
                1_000..2_000 => "south-app",
                _ => "tagged",
            };
            assert_eq!(envelope["source_id"], source);
            assert_eq!(envelope["log"]["type"], "OUT");
            assert!(numbers.insert(number), "{number} came twice");
            if number == 2_000 {
                last = envelope;
            }
        }
    }
    // "all of it", in base64; the deprecated tag is a tag like others.
    assert_eq!(last["log"]["payload"], "YWxsIG9mIGl0");
    assert_eq!(last["instance_id"], "7");
    let tags: Value = serde_json::from_str(r#"{"größe": "1.5", "key": "välue"}"#).unwrap();
    assert_eq!(last["tags"], tags);
    drop(events);
    for server in [gateway, proxy, north, south] {
        server.stop();
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// No log: nobody asks for it.
fn counter() -> Vec<u8> {
    let counter = v2::Counter::default();
    v2::Envelope {
        message: Some(v2::envelope::Message::Counter(counter)),
        ..Default::default()
    }
    .encode_to_vec()
}

fn tagged() -> Vec<u8> {
    let log = v2::Log {
        payload: "all of it".into(),
        r#type: 0,
    };
    let data = Some(v2::value::Data::Decimal(1.5));
    v2::Envelope {
        timestamp: 2_000,
        source_id: "tagged".into(),
        instance_id: "7".into(),
        deprecated_tags: [("größe".into(), v2::Value { data })].into(),
        tags: [("key".into(), "välue".into())].into(),
        message: Some(v2::envelope::Message::Log(log)),
    }
    .encode_to_vec()
}

/// Server-sent events, read as any client does: a line after the other.
struct Events(BufReader<TcpStream>);

impl Events {
    /// In HTTP/1.0, whose answers are not chunked.
    fn open(gateway: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(gateway).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: h\r\n\r\n").unwrap();
        let mut events = Self(BufReader::new(stream));
        assert!(events.line().contains(" 200 "));
        let mut is_events = false;
        loop {
            match events.line().to_lowercase().as_str() {
                "" => break,
                line => is_events |= line.starts_with("content-type: text/event-stream"),
            }
        }
        assert!(is_events);
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
        line.trim_end().to_owned()
    }

    /// The envelopes of the next event; none if it is a heartbeat.
    fn next(&mut self) -> Vec<Value> {
        let mut batch = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                None if line.is_empty() => return batch,
                Some(("data", data)) if data.starts_with('{') => {
                    let mut event: Value = serde_json::from_str(data).unwrap();
                    batch = serde_json::from_value(event["batch"].take()).unwrap();
                }
                _ => {}
            }
        }
    }
}
