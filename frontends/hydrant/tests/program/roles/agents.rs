//! The program in the place of the agents, in a chain as on a host: over UDP to the UDP forwarder, from
//! there to the forwarder agent, to the agent, to a Doppler.

use super::{Running, failed, https_get, piped};
use crate::certificates::{Authority, DOPPLER, table};
use crate::envelopes::v1_log;
use crate::grpc::{Reader, Sender, Tally, block_on, channel, logs, number, open};
use crate::process::{HYDRANT, Server, file, path, wait_until};
use hydrant_proto::v2;
use hydrant_rpc::batch::elements;
use hydrant_rpc::tls::{ClientTls, TlsFiles};
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

const AGENT: &str = "metron";

fn agent(program: &str, files: &TlsFiles, prefix: &str) -> Command {
    let mut command = Command::new(HYDRANT);
    let suffix = if prefix == "AGENT" && program.ends_with("loggregator-agent") {
        ""
    } else {
        "_PATH"
    };
    let TlsFiles {
        cert_file,
        key_file,
        ca_file,
        ..
    } = files;
    command.arg0(program).env_clear();
    for (kind, file) in [("CERT", cert_file), ("KEY", key_file), ("CA", ca_file)] {
        command.env(format!("{prefix}_{kind}_FILE{suffix}"), file);
        command.env(format!("METRICS_{kind}_FILE_PATH"), file);
    }
    command.env("METRICS_PORT", "0");
    piped(command)
}

fn loggregator_agent(files: &TlsFiles, router: SocketAddr) -> Command {
    let mut command = agent("/p/loggregator_agent/loggregator-agent", files, "AGENT");
    command
        .env("AGENT_PORT", "0")
        .env("AGENT_INCOMING_UDP_PORT", "0")
        .env("ROUTER_ADDR", router.to_string())
        .env("ROUTER_ADDR_WITH_AZ", format!("zone@1.{router}"))
        .env("AGENT_DEPLOYMENT", "cf")
        .env("AGENT_TAGS", "index:7,agent:loggregator");
    command
}

fn forwarder_agent(files: &TlsFiles, pattern: &str) -> Command {
    let mut command = agent("/p/forwarder-agent/forwarder-agent", files, "AGENT");
    command
        .env("AGENT_PORT", "0")
        .env("DOWNSTREAM_INGRESS_PORT_GLOB", pattern)
        .env("AGENT_TAGS", "agent:forwarder");
    command
}

fn udp_forwarder(files: &TlsFiles, to: SocketAddr) -> Command {
    let mut command = agent("/p/udp-forwarder/udp-forwarder", files, "LOGGREGATOR_AGENT");
    command
        .env("UDP_PORT", "0")
        .env("LOGGREGATOR_AGENT_ADDR", to.to_string())
        .env("DEPLOYMENT", "dep")
        .env("JOB", "job")
        .env("INDEX", "index")
        .env("IP", "10.0.0.1");
    command
}

/// Jobs that want what the forwarder has; gives the pattern.
fn downstream(files: &[&str]) -> String {
    let folder: PathBuf = path("jobs");
    for (number, text) in files.iter().enumerate() {
        let config = folder.join(number.to_string()).join("config");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("ingress_port.yml"), text).unwrap();
    }
    format!("{}/*/config/ingress_port.yml", folder.display())
}

/// What it shows a scraper.
fn scraped(running: &Running, files: &TlsFiles) -> String {
    let line = "Metrics endpoint is listening on ";
    let address = running.said.lines().find_map(|said| said.split_once(line));
    let address: SocketAddr = address.unwrap().1.parse().unwrap();
    let identity = Some([&files.cert_file, &files.key_file]);
    https_get(address, (AGENT, &files.ca_file), identity, "/metrics").unwrap()
}

fn balanced(said: &str) {
    let balances = said.contains("the ledger balances; 0 under way");
    assert!(balances, "{said}");
}

#[test]
fn what_comes_over_udp_goes_through_all_agents_to_a_reader_and_nothing_is_lost() {
    const COUNT: u64 = 500;
    let authority = Authority::new();
    let (files, client) = (authority.files(AGENT), authority.client());
    let router = Server::start_grpc("", &table("grpc.tls", &authority.files(DOPPLER)));
    let metron = Running::start_until("grpc", &mut loggregator_agent(&files, router.grpc));
    let port = metron.bound("grpc").port();
    let pattern = downstream(&[&format!("ingress: {port}\n"), "other: 1\n"]);
    let forwarder = Running::start_until("grpc", &mut forwarder_agent(&files, &pattern));
    let notice = "No ingress port defined in ";
    assert!(forwarder.said.contains(notice), "{}", forwarder.said);
    let to = forwarder.bound("grpc");
    let udp = Running::start_until("udp", &mut udp_forwarder(&files, to));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    block_on(async {
        let mut reader = open(channel(router.grpc, Some(&client)).await, &logs("", "app"))
            .await
            .unwrap();
        for number in 0..COUNT {
            let log = v1_log("app", &number.to_string(), 7);
            socket.send_to(&log, udp.bound("udp")).unwrap();
        }
        let mut tally = Tally::new(COUNT);
        while tally.count < COUNT {
            let batch = reader.message().await.unwrap().unwrap();
            for envelope in elements(&batch).map(Result::unwrap) {
                tally.see(number(envelope));
                let tags = v2::Envelope::decode(envelope).unwrap().tags;
                let tag = |name: &str| tags[name].as_str();
                // What is there is kept, and the first who has a tag sets it.
                assert_eq!((tag("deployment"), tag("job")), ("dep", "job"));
                assert_eq!((tag("index"), tag("agent")), ("index", "forwarder"));
            }
        }
        tally.assert_each_once(0..COUNT);
    });
    let text = scraped(&udp, &files);
    assert!(
        text.contains("\ningress{metric_version=\"1.0\"} 500\n"),
        "{text}"
    );
    let text = scraped(&forwarder, &files);
    assert!(text.contains("\ningress 500\n"), "{text}");
    let text = scraped(&metron, &files);
    for line in [
        "ingress{metric_version=\"2.0\"} 500",
        "egress{metric_version=\"2.0\"} 500",
        "doppler_connections{metric_version=\"2.0\"} 10",
        "doppler_v1_streams{metric_version=\"2.0\"} 5",
        "doppler_v2_streams{metric_version=\"2.0\"} 5",
        "dropped{direction=\"egress\",metric_version=\"2.0\"} 0",
        "dropped{direction=\"all\",metric_version=\"1.0\"} 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    for running in [udp, forwarder, metron] {
        let said = running.stop();
        balanced(&said);
        assert!(
            said.contains("selected 500 delivered 500 waiting 0"),
            "{said}"
        );
    }
    drop(router.stop());
}

#[test]
fn v1_stays_v1_through_the_agent() {
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let router = Server::start_grpc("", &table("grpc.tls", &authority.files(DOPPLER)));
    let metron = Running::start_until("grpc", &mut loggregator_agent(&files, router.grpc));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        let log = v1_log("app", "m", 7);
        socket.send_to(&log, metron.bound("udp")).unwrap();
    }
    socket.send_to(b"none", metron.bound("udp")).unwrap();
    router.wait_for("hydrant_shard_decoded_total", 3);
    let text = scraped(&metron, &files);
    for line in [
        "ingress{metric_version=\"1.0\"} 4",
        "dropped{direction=\"all\",metric_version=\"1.0\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    balanced(&metron.stop());
    drop(router.stop());
}

#[test]
fn a_dead_destination_of_the_forwarder_costs_the_other_one_nothing_and_is_counted() {
    const COUNT: u64 = 1_000;
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let live = Server::start_grpc("", &table("grpc.tls", &files));
    // Bound and not listened to: nobody else gets the port.
    let dead = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    dead.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let dead_port = dead.local_addr().unwrap().as_socket().unwrap().port();
    let live_port = live.grpc.port();
    let pattern = downstream(&[
        &format!("ingress: {dead_port}\n"),
        &format!("ingress: \"{live_port}\"\n"),
        "ingress: 4317\nprotocol: otelcol\n",
    ]);
    let forwarder = Running::start_until("grpc", &mut forwarder_agent(&files, &pattern));
    let otel = "the protocol otelcol is not supported: nothing is sent to 127.0.0.1:4317";
    assert!(forwarder.said.contains(otel), "{}", forwarder.said);
    block_on(async {
        let tls = ClientTls::load(&files, AGENT).unwrap();
        let sender = Sender::open(channel(forwarder.bound("grpc"), Some(&tls)).await);
        let request = logs("", "");
        let reader = channel(live.grpc, Some(&tls)).await;
        let mut reader = Reader::open(reader, &request).await;
        sender.send_numbers("app", 0..COUNT).await;
        let mut tally = Tally::new(COUNT);
        reader.read_into(&mut tally, COUNT).await;
        tally.assert_each_once(0..COUNT);
    });
    let text = scraped(&forwarder, &files);
    let of = |port| format!("{{destination=\"127.0.0.1:{port}\",protocol=\"loggregator\"}} 0\n");
    for port in [dead_port, live_port] {
        let expired = format!("\negress_expired_total{}", of(port));
        assert!(text.contains(&expired), "{text}");
    }
    let said = forwarder.stop();
    balanced(&said);
    assert!(
        said.contains("selected 1000 session_gone 1000 waiting 0"),
        "{said}"
    );
    assert!(
        said.contains("selected 1000 delivered 1000 waiting 0"),
        "{said}"
    );
    drop(live.stop());
}

#[test]
fn a_doppler_that_is_away_costs_nothing_as_long_as_the_outbox_holds() {
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let metron = Running::start_until("grpc", &mut loggregator_agent(&files, address));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..10 {
        let log = v1_log("app", "m", 7);
        socket.send_to(&log, metron.bound("udp")).unwrap();
    }
    wait_until("datagrams", || {
        scraped(&metron, &files).contains("\ningress{metric_version=\"1.0\"} 10\n")
    });
    let tls = table("grpc.tls", &authority.files(DOPPLER));
    let config = format!(
        "[engine]\nudp = []\ntcp = []\n[websocket]\nenabled = false\n[operator]\naddress = \
         '127.0.0.1:0'\n[grpc]\naddress = '{address}'\n{tls}"
    );
    let router = Server::run(&config);
    router.wait_for("hydrant_shard_decoded_total", 10);
    balanced(&metron.stop());
    drop(router.stop());
}

#[test]
fn the_config_file_forwards_too_and_the_ledger_has_a_line_for_it() {
    let to = Server::start("");
    let forward = format!(
        "[forward]\ntags = {{ t = 'v' }}\n[[forward.destinations]]\naddress = '{}'\n",
        to.grpc
    );
    let from = Server::start(&forward);
    assert!(
        from.start.contains("forward.outbox_bytes"),
        "{}",
        from.start
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..5 {
        socket.send_to(&v1_log("app", "m", 7), from.udp).unwrap();
    }
    to.wait_for("hydrant_shard_decoded_total", 5);
    wait_until("flush", || {
        from.count("hydrant_session_delivered_total frontend=\"forward\"") == 5
    });
    assert_eq!(from.count("hydrant_forward_open_streams"), 1);
    let ledger = from.stop();
    let line = "forward: decoded 5 = published 5 + unwanted 0 + lane_full 0\n";
    assert!(ledger.contains(line), "{ledger}");
    let session = format!(
        "  forward v2 {}: selected 5 delivered 5 waiting 0\n",
        to.grpc
    );
    assert!(ledger.contains(&session), "{ledger}");
    drop(to.stop());
}

#[test]
fn what_upstreams_agents_die_of_ends_ours_with_their_words_and_codes() {
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let mut command = loggregator_agent(&files, ([127, 0, 0, 1], 1).into());
    let said = failed(command.env("ROUTER_ADDR", ""));
    let expected = "Unable to parse config: RouterAddr is required\n";
    assert!(said.ends_with(expected), "{said}");
    let mut command = forwarder_agent(&files, "");
    let output = command.env("AGENT_KEY_FILE_PATH", "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "panic: Failed to load config from environment: missing required environment \
                    variables: AGENT_KEY_FILE_PATH\n";
    assert_eq!(said, expected);
    let broken = file("ingress_port.yml", "ingress: [1");
    let said = failed(&mut forwarder_agent(&files, broken.to_str().unwrap()));
    assert!(said.contains(" Unmarshal: "), "{said}");
    let mut command = udp_forwarder(&files, ([127, 0, 0, 1], 1).into());
    let said = failed(command.env("UDP_PORT", "x"));
    assert!(
        said.ends_with("strconv.ParseInt: parsing \"x\": invalid syntax\n"),
        "{said}"
    );
}

#[test]
fn logs_can_be_disabled() {
    let authority = Authority::new();
    let files = authority.files(AGENT);
    let router = Server::start_grpc("", &table("grpc.tls", &authority.files(DOPPLER)));
    let mut command = loggregator_agent(&files, router.grpc);
    command
        .env("LOGS_DISABLED", "true")
        .env("AGENT_DISABLE_UDP", "true");
    let metron = Running::start_until("grpc", &mut command);
    assert!(!metron.said.contains("udp bound to"), "{}", metron.said);
    block_on(async {
        let tls = ClientTls::load(&files, AGENT).unwrap();
        let sender = Sender::open(channel(metron.bound("grpc"), Some(&tls)).await);
        let counter = v2::Envelope {
            message: Some(v2::envelope::Message::Counter(v2::Counter {
                name: "c".to_owned(),
                delta: 1,
                total: 0,
            })),
            tags: BTreeMap::new(),
            ..Default::default()
        };
        sender.send_numbers("app", 0..5).await;
        sender
            .send(crate::grpc::batch(&[counter.encode_to_vec()]))
            .await;
        sender.end().await;
    });
    router.wait_for("hydrant_shard_decoded_total", 1);
    let said = metron.stop();
    balanced(&said);
    assert!(said.contains("unselected 5"), "{said}");
    drop(router.stop());
}
