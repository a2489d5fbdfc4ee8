//! Log Cache beside everything else: what comes in over dropsonde, and over its own gRPC, is read from
//! it.

use crate::emitters::{TcpEmitter, UdpEmitter};
use crate::envelopes::{framed, v1_log, v2_log};
use crate::grpc::{block_on, channel};
use crate::process::{Server, path, wait_until};
use bytes::Bytes;
use hydrant_log_cache::node_of;
use hydrant_proto::logcache::{MetaResponse, ReadRequest, ReadResponse, SendRequest};
use hydrant_proto::v2::{Envelope, EnvelopeBatch};
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::ingress::IngressClient;
use prost::Message;
use std::net::TcpListener;

/// What a restart finds.
const RESTORED: &str = "hydrant_log_cache_restored_total";

const CONFIG: &str = "\n[log_cache]\naddress = \"127.0.0.1:0\"\nmax_per_source = 150\n";

fn send(server: &Server, numbers: std::ops::Range<i64>) {
    let envelope = |number| Envelope {
        timestamp: number,
        source_id: "app".to_owned(),
        ..Envelope::decode(&v2_log("app", &format!("line {number}"))[..]).unwrap()
    };
    let request = SendRequest {
        envelopes: Some(EnvelopeBatch {
            batch: numbers.map(envelope).collect(),
        }),
        local_only: false,
    };
    block_on(async {
        let channel = channel(server.log_cache, None).await;
        let request = Bytes::from(request.encode_to_vec());
        IngressClient::new(channel).send(request).await.unwrap();
    });
}

fn read(server: &Server, request: &ReadRequest) -> Vec<Envelope> {
    let request = Bytes::from(request.encode_to_vec());
    let answer = block_on(async {
        let channel = channel(server.log_cache, None).await;
        EgressClient::new(channel).read(request).await.unwrap()
    });
    let response = ReadResponse::decode(answer.into_inner()).unwrap();
    response.envelopes.unwrap().batch
}

#[test]
fn what_comes_in_anywhere_is_read_from_the_log_cache() {
    let server = Server::start(CONFIG);
    let mut udp = UdpEmitter::new(&server);
    for number in 0..200 {
        udp.send(&v1_log("app", &format!("line {number}"), 1_000 + number));
    }
    let mut tcp = TcpEmitter::new(server.tcp_v2);
    let over_tcp = Envelope {
        timestamp: 2_000,
        ..Envelope::decode(&v2_log("app", "over TCP")[..]).unwrap()
    };
    tcp.send(&framed(&over_tcp.encode_to_vec()));
    server.wait_for("hydrant_feed_messages_total frontend=\"log-cache\"", 201);
    let sent = Envelope {
        timestamp: 3_000,
        source_id: "component".to_owned(),
        ..Default::default()
    };
    let request = SendRequest {
        envelopes: Some(EnvelopeBatch {
            batch: vec![sent.clone()],
        }),
        local_only: false,
    };
    let meta = block_on(async {
        let channel = channel(server.log_cache, None).await;
        let request = Bytes::from(request.encode_to_vec());
        IngressClient::new(channel.clone())
            .send(request)
            .await
            .unwrap();
        EgressClient::new(channel).meta(Bytes::new()).await.unwrap()
    });
    let meta = MetaResponse::decode(meta.into_inner()).unwrap().meta;
    let counts = meta
        .iter()
        .map(|(id, meta)| (&id[..], meta.count, meta.expired));
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts, [("app", 150, 51), ("component", 1, 0)]);

    let request = ReadRequest {
        source_id: "app".to_owned(),
        limit: 3,
        descending: true,
        ..Default::default()
    };
    let newest = read(&server, &request);
    let timestamps: Vec<_> = newest.iter().map(|envelope| envelope.timestamp).collect();
    assert_eq!(timestamps, [2_000, 1_199, 1_198]);
    assert_eq!(newest[1].tags["origin"], "test");
    let component = ReadRequest {
        source_id: "component".to_owned(),
        ..Default::default()
    };
    assert_eq!(read(&server, &component), [sent]);
    assert_eq!(server.count("hydrant_log_cache_egress_total"), 4);
    assert_eq!(server.count("hydrant_log_cache_sources"), 2);
    let said = server.stop();
    assert!(
        said.contains("log-cache: decoded 201 = published 201"),
        "{said}"
    );
}

#[test]
fn what_it_kept_is_there_after_a_restart_and_after_a_crash_but_for_what_came_last() {
    let directory = path("log-cache");
    let config = format!(
        "\n[log_cache]\naddress = \"127.0.0.1:0\"\nwrite_interval_s = 1\ndirectory = \"{}\"\n",
        directory.display()
    );
    let all = ReadRequest {
        source_id: "app".to_owned(),
        limit: 1000,
        ..Default::default()
    };
    let server = Server::start(&config);
    send(&server, 1..301);
    let kept = read(&server, &all);
    assert_eq!(kept.len(), 300);
    server.stop();

    let server = Server::start(&config);
    assert_eq!(server.count(RESTORED), 300);
    assert_eq!(read(&server, &all), kept);
    // The new file, which has it all, takes the place of the old one.
    send(&server, 301..401);
    let kept = read(&server, &all);
    let written = || {
        let files = std::fs::read_dir(&directory).unwrap();
        let bytes = files.map(|file| file.unwrap().metadata().unwrap().len());
        let bytes: Vec<_> = bytes.filter(|bytes| *bytes > 0).collect();
        bytes
    };
    wait_until("the disk", || {
        let before = written();
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        before.len() == 1 && before == written()
    });
    server.signal("KILL");
    drop(server);

    let server = Server::start(&config);
    assert_eq!(server.count(RESTORED), 400);
    assert_eq!(read(&server, &all), kept);
    server.stop();
    std::fs::remove_dir_all(directory).ok();
}

#[test]
fn what_comes_in_is_kept_by_the_node_that_has_to() {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = ports
        .each_ref()
        .map(|it| it.local_addr().unwrap().to_string());
    drop(ports);
    let config = |index: usize| {
        let address = &addresses[index];
        format!(
            "\n[log_cache]\naddress = {address:?}\nnodes = {addresses:?}\nnode_index = {index}\n\
             peer_batch_count = 10\npeer_batch_ms = 20\n"
        )
    };
    let nodes = [0, 1].map(|index| Server::start(&config(index)));
    let sources = ["src-zero", "other-src"];
    assert_eq!(sources.map(|it| node_of(it.as_bytes(), 2)), [0, 1]);
    let mut udp = UdpEmitter::new(&nodes[0]);
    for number in 0..200 {
        udp.send(&v1_log(sources[0], "ours", 1_000 + number));
        udp.send(&v1_log(sources[1], "the other's", 1_000 + number));
    }
    let kept = "hydrant_log_cache_envelopes";
    wait_until("envelope at its node", || {
        nodes.iter().all(|node| node.count(kept) == 200)
    });
    let request = |source_id: &str| ReadRequest {
        source_id: source_id.to_owned(),
        limit: 1000,
        ..Default::default()
    };
    for node in &nodes {
        for source_id in sources {
            assert_eq!(read(node, &request(source_id)).len(), 200, "{source_id}");
        }
    }
    let [zero, one] = nodes;
    let said = zero.stop();
    assert!(
        said.contains("feed: read 400 extra 0 messages 400"),
        "{said}"
    );
    let sent = format!(
        "node 1 {}: selected 200 delivered 200 waiting 0",
        addresses[1]
    );
    assert!(said.contains(&sent), "{said}");
    assert!(said.contains("the ledger balances; 0 under way"), "{said}");
    one.stop();
}
