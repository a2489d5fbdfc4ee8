//! A Traffic Controller before two zones of two routers each, each a process of its own: one client
//! has what all of them have, and outlives any.

use crate::clients::Collector;
use crate::grpc::{Sender, block_on, channel, until};
use crate::process::Server;
use std::net::SocketAddr;
use std::ops::Range;

/// Envelopes of each router, in halves.
const HALF: u64 = 12_500;
const FIRST: Range<u64> = 0..HALF;
const SECOND: Range<u64> = HALF..2 * HALF;

/// Nothing but what is added.
const BARE: &str = r#"
[engine]
udp = []
tcp = []
lane_bytes = "2 MiB"

[operator]
address = "127.0.0.1:0"
"#;

fn router(address: SocketAddr) -> Server {
    Server::run(&format!(
        "{BARE}\n[websocket]\nenabled = false\n[grpc]\naddress = \"{address}\"\nrules = \"doppler\""
    ))
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A Traffic Controller and nothing else.
fn traffic_controller(routers: &[Server; 4]) -> Server {
    let [a, b, c, d] = routers.each_ref().map(|router| router.grpc);
    Server::run(&format!(
        r#"{BARE}
[grpc]
enabled = false

[websocket]
address = "127.0.0.1:0"

[[routers.zones]]
name = "north"
addresses = ["{a}", "{b}"]

[[routers.zones]]
name = "south"
addresses = ["{c}", "{d}"]
"#
    ))
}

async fn send(router: &Server, source_id: &str, numbers: Range<u64>) {
    let sender = Sender::open(channel(router.grpc, None).await);
    sender.send_numbers(source_id, numbers).await;
    assert_eq!(sender.end().await.message(), "EOF");
}

/// Streams that a router has open for the controller: those of its clients, and that for what is
/// kept of apps.
fn streams(router: &Server) -> [usize; 2] {
    let metrics = router.get("/metrics");
    let open = |call: &str| {
        let name = format!("hydrant_session_waiting{{frontend=\"grpc\",session=\"{call} shard_id");
        metrics.matches(&name).count()
    };
    [open("batch_subscribe"), open("batched_receiver")]
}

/// Waits until a router knows of the firehose beside what is kept of apps.
async fn until_asked(router: &Server) {
    until(|| streams(router) == [1, 1]).await;
}

#[test]
fn a_router_that_dies_and_returns_costs_what_it_held() {
    let routers = [(); 4].map(|()| router(any_port()));
    let controller = traffic_controller(&routers);
    let mut client = Collector::open(controller.websocket, "/firehose/nozzle");
    let names = ["a", "b", "c", "d"];
    let victim = format!("router {} has been away for ", routers[3].grpc);
    let routers = block_on(async {
        for (router, name) in routers.iter().zip(names) {
            until_asked(router).await;
            send(router, name, FIRST).await;
        }
        client.until(|numbers| names.iter().all(|name| numbers.has(name, &FIRST)));

        // It is killed while the others' envelopes are under way.
        let address = routers[3].grpc;
        let sender = Sender::open(channel(routers[0].grpc, None).await);
        let half = SECOND.start + HALF / 2;
        sender.send_numbers("a", SECOND.start..half).await;
        let [a, b, c, d] = routers;
        drop(d);
        sender.send_numbers("a", half..SECOND.end).await;
        assert_eq!(sender.end().await.message(), "EOF");
        send(&b, "b", SECOND).await;
        send(&c, "c", SECOND).await;
        until(|| controller.get("/health").contains(&victim)).await;
        let health = controller.get("/health");
        assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
        assert!(health.contains("\nzone \"south\": router "), "{health}");

        let d = router(address);
        until_asked(&d).await;
        send(&d, "d", SECOND).await;
        client.until(|numbers| names.iter().all(|name| numbers.has(name, &SECOND)));
        until(|| !controller.get("/health").contains(&victim)).await;
        [a, b, c, d]
    });
    assert_eq!(client.twice(), 0);
    let count = |metric: &str, router: &Server| {
        controller.count(&format!(
            "hydrant_router_{metric}_total router=\"{}\"",
            router.grpc
        ))
    };
    for router in &routers[..3] {
        assert_eq!(count("disconnects", router), 0);
        assert_eq!(count("away_in_all_ms", router), 0);
    }
    assert!(count("disconnects", &routers[3]) > 0);
    assert!(count("away_in_all_ms", &routers[3]) > 0);
    client.leave();
    block_on(async {
        // The firehose's streams end with their client; what is kept of apps goes on.
        for router in &routers {
            until(|| streams(router) == [0, 1]).await;
        }
    });
    controller.stop();
    routers.into_iter().for_each(|router| drop(router.stop()));
}

#[test]
fn recent_logs_are_those_of_all_routers() {
    let routers = [(); 4].map(|()| router(any_port()));
    let controller = traffic_controller(&routers);
    let open = "hydrant_router_open_streams";
    block_on(async {
        until(|| controller.count(open) == 4).await;
        for (number, router) in (0_u64..).zip(&routers) {
            until(|| router.get("/metrics").contains("hydrant_session_waiting{")).await;
            send(router, "app", number..number + 1).await;
        }
        until(|| controller.count("hydrant_recent_logs") == 4).await;
    });
    let answer = controller.websocket_get("/apps/app/recentlogs");
    let numbers = crate::clients::parts(&answer);
    let mut numbers: Vec<_> = numbers
        .iter()
        .map(|part| crate::clients::number(part))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3]);
    controller.stop();
}

#[test]
fn a_controller_without_any_router_is_not_well() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nowhere.local_addr().unwrap();
    drop(nowhere);
    let controller = Server::run(&format!(
        "{BARE}\n[grpc]\nenabled = false\n[websocket]\naddress = \"127.0.0.1:0\"\n\
         [[routers.zones]]\nname = \"z\"\naddresses = [\"{address}\"]"
    ));
    block_on(async {
        until(|| controller.get("/health").starts_with("HTTP/1.1 503 ")).await;
        let health = controller.get("/health");
        assert!(health.contains("no router can be reached"), "{health}");
        assert!(health.contains("Connection refused"), "{health}");
    });
    controller.stop();
}
