//! What a role's environment makes of our tables.

use super::*;
use crate::roles::env::Environment;
use std::path::Path;

const GATEWAY: &str = "\
LOGS_PROVIDER_ADDR=rlp:8082 LOGS_PROVIDER_CA_PATH=/p/ca LOGS_PROVIDER_CLIENT_CERT_PATH=/p/crt \
LOGS_PROVIDER_CLIENT_KEY_PATH=/p/key LOG_ACCESS_ADDR=https://cc:9023 \
LOG_ACCESS_ADDR_EXTERNAL=https://api LOG_ACCESS_CERT_PATH=/a/crt LOG_ACCESS_KEY_PATH=/a/key \
LOG_ACCESS_CA_PATH=/a/ca LOG_ACCESS_COMMON_NAME=cloud-controller LOG_ADMIN_ADDR=https://uaa:8443 \
LOG_ADMIN_CLIENT_ID=doppler LOG_ADMIN_CLIENT_SECRET=hush LOG_ADMIN_CA_PATH=/u/ca \
HTTP_CERT_PATH=/h/crt HTTP_KEY_PATH=/h/key METRICS_CA_FILE_PATH=/m/ca \
METRICS_CERT_FILE_PATH=/m/crt METRICS_KEY_FILE_PATH=/m/key";
const ROUTER: &str = "ROUTER_CERT_FILE=/c/crt ROUTER_KEY_FILE=/c/key ROUTER_CA_FILE=/c/ca \
AGENT_GRPC_ADDRESS=127.0.0.1:0";
const SUITE: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";

fn environment(base: &str, more: &str) -> Environment {
    let words = base.split(' ').chain(more.split(' '));
    words.filter_map(|word| word.split_once('=')).collect()
}

fn doppler(more: &str) -> DopplerSettings {
    DopplerSettings::read(&environment(ROUTER, more)).unwrap().0
}

fn rlp(more: &str) -> RlpSettings {
    RlpSettings::read(&environment("ROUTER_ADDRS=a:1,b:2", more))
        .unwrap()
        .0
}

fn gateway(more: &str) -> GatewaySettings {
    GatewaySettings::read(&environment(GATEWAY, more))
        .unwrap()
        .0
}

#[test]
fn the_router_serves_grpc_and_nothing_else() {
    let settings = doppler(&format!("ROUTER_PORT=8082 ROUTER_CIPHER_SUITES={SUITE}"));
    let grpc = settings.grpc();
    assert_eq!(grpc.address.port(), 8082);
    assert!(grpc.address.ip().is_unspecified());
    assert_eq!(grpc.rules, Rules::Doppler);
    assert_eq!(grpc.tls, Some(settings.tls.clone()));
    // Upstream has no limit, and two proxies may ask for 1000 streams each.
    assert_eq!(
        (grpc.sessions_max, grpc.connections_max),
        (100_000, 100_000)
    );
    grpc.check().unwrap();
    assert!(!settings.engine().has_listeners());
    settings.engine().check(1, 1).unwrap();
}

#[test]
fn boshs_small_buffers_do_not_lose_more_than_ours() {
    let (engine, grpc) = (EngineConfig::default(), GrpcConfig::default());
    let bosh = doppler("INGRESS_BUFFER_SIZE=10000 EGRESS_BUFFER_SIZE=1000");
    assert_eq!(bosh.engine().lane_bytes, engine.lane_bytes);
    assert_eq!(bosh.grpc().outbox_bytes, grpc.outbox_bytes);
    assert_eq!(bosh.grpc().outboxes_bytes, grpc.outboxes_bytes);
    let large = doppler("INGRESS_BUFFER_SIZE=100000 EGRESS_BUFFER_SIZE=1000000");
    assert_eq!(large.engine().lane_bytes, ByteSize::mib(128));
    assert_eq!(large.grpc().outbox_bytes, ByteSize::b(1_024_000_000));
    assert_eq!(large.grpc().outboxes_bytes, large.grpc().outbox_bytes);
    let most = "INGRESS_BUFFER_SIZE=9223372036854775807 EGRESS_BUFFER_SIZE=9223372036854775807";
    doppler(most).engine().check(1, 1).unwrap();
    doppler(most).grpc().check().unwrap();
}

#[test]
fn metrics_go_to_the_agent_under_its_name() {
    let settings = doppler(&format!("ROUTER_CIPHER_SUITES={SUITE}"));
    let agent = settings.agent();
    assert_eq!(
        (agent.address.as_str(), agent.interval_ms),
        ("127.0.0.1:0", 5_000)
    );
    assert_eq!(
        (agent.server_name.as_str(), agent.source_id.as_str()),
        ("metron", "doppler")
    );
    let tls = agent.tls.unwrap();
    assert_eq!(
        (tls.ca_file.as_path(), tls.suites.len()),
        (Path::new("/c/ca"), 0)
    );
    let interval = |more: &str| {
        let agent = rlp(more).agent();
        agent.check().unwrap();
        agent.interval_ms
    };
    assert_eq!(interval(""), 60_000);
    assert_eq!(interval("RLP_METRIC_EMITTER_INTERVAL=0s"), 0);
    assert_eq!(interval("RLP_METRIC_EMITTER_INTERVAL=1us"), 1);
    assert_eq!(
        interval("RLP_METRIC_EMITTER_INTERVAL=9000h"),
        INTERVAL_MS_MAX
    );
}

#[test]
fn the_profilers_port_is_the_operators() {
    assert_eq!(rlp("").operator().address.to_string(), "127.0.0.1:6061");
    let address = doppler("ROUTER_PPROF_PORT=7").operator().address;
    assert_eq!(address.to_string(), "127.0.0.1:7");
    assert_eq!(gateway("").operator().address.to_string(), "127.0.0.1:0");
}

#[test]
fn the_proxy_asks_every_router_once() {
    let settings = rlp("ROUTER_ADDRS=a:1,b:2,,a:1 MAX_EGRESS_STREAMS=7");
    let routers = settings.routers();
    let addresses: Vec<_> = routers.addresses().map(|(_, address)| address).collect();
    assert_eq!(addresses, ["a:1", "b:2"]);
    assert_eq!(routers.server_name, "doppler");
    routers.check().unwrap();
    let grpc = settings.grpc();
    assert_eq!((grpc.rules, grpc.sessions_max), (Rules::ReverseLogProxy, 7));
    grpc.check().unwrap();
}

#[test]
fn what_upstream_accepts_starts() {
    let streams = |text: &str| {
        let grpc = rlp(&format!("MAX_EGRESS_STREAMS={text}")).grpc();
        grpc.check().unwrap();
        assert!(grpc.connections_max >= grpc.sessions_max);
        grpc.sessions_max
    };
    assert_eq!(["-1", "0", "20000"].map(streams), [0, 0, 20_000]);
    assert_eq!(["200000", "9223372036854775807"].map(streams), [100_000; 2]);
    let timeout = |text: &str| {
        let gateway = gateway(&format!("STREAM_TIMEOUT={text}"))
            .gateway()
            .unwrap();
        gateway.check().unwrap();
        gateway.stream_timeout_ms
    };
    assert_eq!(["0s", "8000h"].map(timeout), [0, 28_800_000_000]);
    assert_eq!(["10000h", "2562047h"].map(timeout), [31_536_000_000; 2]);
}

#[test]
fn the_gateway_is_as_upstreams() {
    let config = gateway("").gateway().unwrap();
    config.check().unwrap();
    assert_eq!(config.address.to_string(), "127.0.0.1:8088");
    assert_eq!(config.stream_timeout_ms, 840_000);
    assert!(config.access_log && !config.insecure);
    assert_eq!(config.tls.unwrap().cert_file, Path::new("/h/crt"));
    assert_eq!(config.provider.address, "rlp:8082");
    assert_eq!(config.provider.server_name, "reverselogproxy");
    assert_eq!(config.provider.tls.unwrap().key_file, Path::new("/p/key"));
    let access = config.access.unwrap();
    assert!(!access.skip_cert_verify);
    assert_eq!(access.uaa.address, "https://uaa:8443");
    assert_eq!(access.uaa.client_id, "doppler");
    assert_eq!(access.uaa.ca_file.unwrap(), Path::new("/u/ca"));
    assert_eq!(access.capi.address, "https://cc:9023");
    assert_eq!(access.capi.external_address.unwrap(), "https://api");
    assert_eq!(access.capi.server_name, "cloud-controller");
    assert_eq!(access.capi.tls.unwrap().ca_file, Path::new("/a/ca"));
}

#[test]
fn the_gateway_listens_where_go_would() {
    let address = |text: &str| gateway(&format!("GATEWAY_ADDR={text}")).gateway();
    let everywhere = address(":8088").unwrap().address;
    assert!(everywhere.ip().is_unspecified() && everywhere.port() == 8088);
    assert!(address("localhost:1").unwrap().address.ip().is_loopback());
    for wrong in [":x", ":70000", "nowhere", "1.2.3.4"] {
        let error = address(wrong).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("failed to start listener: {wrong}: ")),
            "{error}"
        );
    }
}
