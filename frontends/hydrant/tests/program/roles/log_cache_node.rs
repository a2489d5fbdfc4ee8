//! Log Cache's node in the place of upstream's: alone, and with another one over mutual TLS.

use super::{Running, failed, piped};
use crate::certificates::Authority;
use crate::grpc::block_on;
use crate::process::{HYDRANT, path, wait_until};
use bytes::Bytes;
use hydrant_log_cache::node_of;
use hydrant_proto::logcache::{MetaResponse, ReadRequest, ReadResponse, SendRequest};
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Envelope, EnvelopeBatch, Log};
use hydrant_rpc::channel::connect;
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::ingress::IngressClient;
use hydrant_rpc::tls::{ClientTls, TlsFiles};
use prost::Message;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tonic::{Code, Status};

fn node(address: &str) -> Command {
    let mut command = Command::new(HYDRANT);
    command
        .arg0("/var/vcap/packages/log-cache/log-cache")
        .env_clear()
        .env("ADDR", address)
        .env("MEMORY_LIMIT_BYTES", "64000000")
        .env("METRICS_PORT", "0");
    piped(command)
}

/// One of a cluster.
fn node_of_all(addresses: &[String], index: usize, files: &TlsFiles) -> Running {
    let mut command = node(&addresses[index]);
    command
        .env("NODE_ADDRS", addresses.join(","))
        .env("NODE_INDEX", index.to_string())
        .env("CA_PATH", &files.ca_file)
        .env("CERT_PATH", &files.cert_file)
        .env("KEY_PATH", &files.key_file);
    Running::start_until("grpc", &mut command)
}

struct Client<'c> {
    node: SocketAddr,
    tls: Option<&'c ClientTls>,
}

impl Client<'_> {
    fn send(&self, batch: Vec<Envelope>) -> Result<(), Status> {
        let request = SendRequest {
            envelopes: Some(EnvelopeBatch { batch }),
            local_only: false,
        };
        let request = Bytes::from(request.encode_to_vec());
        block_on(async {
            let channel = connect(&self.node.to_string(), self.tls).await;
            let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
            IngressClient::new(channel).send(request).await.map(drop)
        })
    }

    fn read(&self, source_id: &str) -> Vec<Envelope> {
        let request = ReadRequest {
            source_id: source_id.to_owned(),
            ..Default::default()
        };
        let request = Bytes::from(request.encode_to_vec());
        let answer = block_on(async {
            let channel = connect(&self.node.to_string(), self.tls).await.unwrap();
            let client = EgressClient::new(channel);
            let mut client = client.max_decoding_message_size(8 << 20);
            client.read(request).await.unwrap()
        });
        let response = ReadResponse::decode(answer.into_inner()).unwrap();
        response.envelopes.unwrap().batch
    }

    fn sources(&self) -> Vec<String> {
        let answer = block_on(async {
            let channel = connect(&self.node.to_string(), self.tls).await.unwrap();
            EgressClient::new(channel).meta(Bytes::new()).await.unwrap()
        });
        let answer = MetaResponse::decode(answer.into_inner()).unwrap();
        answer.meta.into_keys().collect()
    }
}

fn log(source_id: &str, bytes: usize) -> Envelope {
    let log = Log {
        payload: vec![b'x'; bytes].into(),
        r#type: 0,
    };
    Envelope {
        timestamp: 1_000,
        source_id: source_id.to_owned(),
        message: Some(Said::Log(log)),
        ..Default::default()
    }
}

/// What is shown to upstream's scraper.
fn scraped(node: &Running) -> String {
    let said = "Metrics endpoint is listening on ";
    let mut lines = node.said.lines();
    let (_, address) = lines.find_map(|line| line.split_once(said)).unwrap();
    let port = address.parse::<SocketAddr>().unwrap().port();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_node_alone_is_as_upstreams() {
    let node = Running::start_until("grpc", &mut node("127.0.0.1:0"));
    let address = node.bound("grpc");
    assert!(
        node.said.contains(" Starting Log Cache...\n"),
        "{}",
        node.said
    );
    let row = "Config.MemoryLimitPercent              uint           MEMORY_LIMIT_PERCENT";
    assert!(node.said.contains(row), "{}", node.said);
    assert!(
        node.said.contains(": 50 % of MEMORY_LIMIT_BYTES\n"),
        "{}",
        node.said
    );
    assert!(node.said.contains(&format!(" listening on {address}...\n")));
    let client = Client {
        node: address,
        tls: None,
    };
    client.send(vec![log("app", 10), log("b", 10)]).unwrap();
    assert_eq!(client.read("app"), [log("app", 10)]);
    assert_eq!(client.sources(), ["app", "b"]);
    let refused = client.send(vec![log("app", 5 << 20)]).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let metrics = scraped(&node);
    for line in [
        "# TYPE log_cache_ingress counter\nlog_cache_ingress 2\n",
        "# TYPE log_cache_egress counter\nlog_cache_egress 1\n",
        "\nlog_cache_expired 0\n",
        "\nlog_cache_store_size{unit=\"entries\"} 2\n",
        "\nlog_cache_total_system_memory{unit=\"bytes\"} 64000000\n",
        "\nlog_cache_memory_utilization{unit=\"percentage\"} 0\n",
        "\nlog_cache_heap_in_use_memory{unit=\"bytes\"} ",
        "\nlog_cache_truncation_duration{unit=\"milliseconds\"} 0\n",
        "\nlog_cache_cache_period{unit=\"milliseconds\"} 1",
        "\nlog_cache_uptime{unit=\"seconds\"} ",
        "\nlog_cache_promql_timeout 0\n",
        "\nlog_cache_promql_instant_query_time{unit=\"milliseconds\"} 0\n",
        "\nlog_cache_promql_range_query_time{unit=\"milliseconds\"} 0\n",
        "\npromhttp_metric_handler_errors_total{cause=\"encoding\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    for absent in ["hydrant_", "ingress_dropped", "available_system_memory"] {
        assert!(!metrics.contains(absent), "{absent}: {metrics}");
    }
    let said = node.stop();
    assert!(said.contains(" Closing Log Cache.\n"), "{said}");
}

#[test]
fn with_a_directory_a_restart_loses_nothing() {
    let directory = path("log-cache");
    let run = || {
        let mut command = node("127.0.0.1:0");
        command.env("HYDRANT_DIRECTORY", &directory);
        Running::start_until("grpc", &mut command)
    };
    let client = |node: &Running| Client {
        node: node.bound("grpc"),
        tls: None,
    };
    let first = run();
    client(&first).send(vec![log("app", 10)]).unwrap();
    first.stop();
    let second = run();
    assert_eq!(client(&second).read("app"), [log("app", 10)]);
    second.stop();
    std::fs::remove_dir_all(directory).ok();
}

#[test]
fn nodes_of_a_cluster_speak_over_mutual_tls() {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = ports
        .each_ref()
        .map(|it| it.local_addr().unwrap().to_string());
    drop(ports);
    let authority = Authority::new();
    let files = authority.files("log-cache");
    let nodes = [0, 1].map(|index| node_of_all(&addresses, index, &files));
    let tls = ClientTls::load(&authority.files("client"), "log-cache").unwrap();
    let clients = nodes.each_ref().map(|node| Client {
        node: node.bound("grpc"),
        tls: Some(&tls),
    });
    let sources = ["src-zero", "other-src", "a", "c"];
    let places = sources.map(|source_id| node_of(source_id.as_bytes(), 2));
    assert_eq!(places, [0, 1, 1, 0]);
    clients[0]
        .send(sources.map(|it| log(it, 10)).into())
        .unwrap();
    // More than a node takes in plaintext.
    clients[1].send(vec![log("src-zero", 5 << 20)]).unwrap();
    wait_until("envelope at its node", || {
        scraped(&nodes[0]).contains("\nlog_cache_ingress 3\n")
            && scraped(&nodes[1]).contains("\nlog_cache_ingress 2\n")
    });
    for client in &clients {
        let read = sources.map(|source_id| client.read(source_id).len());
        assert_eq!(read, [2, 1, 1, 1]);
        assert_eq!(client.sources(), ["a", "c", "other-src", "src-zero"]);
    }
    let metrics = scraped(&nodes[0]);
    assert!(
        metrics.contains("\ningress_dropped{nodeIndex=\"1\"} 0\n"),
        "{metrics}"
    );
    let failures = "\nlog_cache_send_failures{sender=\"batched_ingress_client\"} ";
    assert!(metrics.contains(failures), "{metrics}");
    let open = Client {
        node: clients[0].node,
        tls: None,
    };
    open.send(Vec::new()).unwrap_err();
    let [zero, one] = nodes;
    one.stop();
    // What the other one would keep is lost by name, and the ledger says so.
    clients[0].send(vec![log("a", 10)]).unwrap();
    let said = zero.stop();
    assert!(
        said.contains("selected 3 delivered 2 session_gone 1 waiting 0"),
        "{said}"
    );
}

#[test]
fn what_upstream_dies_of_is_the_last_line() {
    let last = |changes: &[(&str, &str)]| {
        let said = failed(node("127.0.0.1:0").envs(changes.iter().copied()));
        said.lines().last().unwrap().to_owned()
    };
    let said = last(&[("ADDR", "")]);
    let missing = "invalid configuration: missing required environment variables: ADDR";
    assert!(said.ends_with(missing), "{said}");
    let said = last(&[("NODE_ADDRS", "a:1,b:2"), ("NODE_INDEX", "2")]);
    assert!(
        said.ends_with("NODE_INDEX 2 is none of the 2 nodes of NODE_ADDRS"),
        "{said}"
    );
    let said = last(&[("NODE_ADDRS", "a:1,a:1")]);
    assert!(
        said.contains("log_cache.nodes: \"a:1\" is there twice"),
        "{said}"
    );
    let said = last(&[("KEY_PATH", "/no/such.key")]);
    assert!(said.contains("log_cache.tls: "), "{said}");
    let said = last(&[("MAX_PER_SOURCE", "0")]);
    assert!(said.contains("log_cache.max_per_source"), "{said}");
}
