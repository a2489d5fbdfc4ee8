//! What upstream's variables mean, and what is said of those that cannot be.

use super::*;
use std::path::Path;

/// As upstream's suite starts its Traffic Controller.
const SUITE: [(&str, &str); 26] = [
    ("USE_RFC339", "false"),
    ("TRAFFIC_CONTROLLER_IP", "127.0.0.1"),
    ("TRAFFIC_CONTROLLER_API_HOST", "http://127.0.0.1:65530"),
    ("TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT", "0"),
    ("TRAFFIC_CONTROLLER_OUTGOING_CERT_FILE", "/o/crt"),
    ("TRAFFIC_CONTROLLER_OUTGOING_KEY_FILE", "/o/key"),
    ("TRAFFIC_CONTROLLER_SYSTEM_DOMAIN", "vcap.me"),
    ("TRAFFIC_CONTROLLER_SKIP_CERT_VERIFY", "true"),
    ("TRAFFIC_CONTROLLER_UAA_HOST", "http://127.0.0.1:65531"),
    ("TRAFFIC_CONTROLLER_UAA_CLIENT", "bob"),
    ("TRAFFIC_CONTROLLER_UAA_CLIENT_SECRET", "hush"),
    ("TRAFFIC_CONTROLLER_UAA_CA_CERT", "/u/ca"),
    ("TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG", ""),
    ("TRAFFIC_CONTROLLER_PPROF_PORT", "0"),
    ("TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL", "0s"),
    ("TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL", "true"),
    ("ROUTER_ADDRS", "127.0.0.1:1"),
    ("CC_CERT_FILE", "/a/crt"),
    ("CC_KEY_FILE", "/a/key"),
    ("CC_CA_FILE", "/a/ca"),
    ("CC_SERVER_NAME", "cloud-controller"),
    ("AGENT_GRPC_ADDRESS", "localhost:0"),
    ("ROUTER_CA_FILE", "/r/ca"),
    ("ROUTER_CERT_FILE", "/r/crt"),
    ("ROUTER_KEY_FILE", "/r/key"),
    ("HYDRANT_RECENT_LOGS", ""),
];

fn read(changes: &[(&str, &str)]) -> Result<(TrafficControllerSettings, Report), Fatal> {
    TrafficControllerSettings::read(&SUITE.iter().chain(changes).copied().collect())
}

/// The suite's settings, with changes.
pub(crate) fn settings(changes: &[(&str, &str)]) -> TrafficControllerSettings {
    read(changes).unwrap().0
}

fn files(folder: &str) -> Files {
    let file = |name| PathBuf::from(format!("{folder}/{name}"));
    Files {
        cert: file("crt"),
        key: file("key"),
        ca: file("ca"),
    }
}

#[test]
fn upstreams_suite_is_understood() {
    let settings = settings(&[]);
    assert_eq!(settings.log_stamp, Stamp::Microseconds);
    assert_eq!(settings.ip, "127.0.0.1");
    assert_eq!(settings.cloud_controller.address, "http://127.0.0.1:65530");
    assert_eq!(settings.cloud_controller.files, files("/a"));
    assert_eq!(settings.cloud_controller.name, "cloud-controller");
    assert_eq!((settings.port, settings.pprof_port), (0, 0));
    assert_eq!(settings.cert_file, Path::new("/o/crt"));
    assert_eq!(settings.key_file, Path::new("/o/key"));
    assert_eq!(settings.system_domain, "vcap.me");
    assert!(settings.skip_cert_verify && settings.is_open_to_all);
    assert_eq!(settings.uaa.address, "http://127.0.0.1:65531");
    assert_eq!(settings.uaa.client_id, "bob");
    assert_eq!(settings.uaa.ca, Path::new("/u/ca"));
    assert_eq!(settings.security_event_log, None);
    assert_eq!(settings.metric_interval, Duration::ZERO);
    assert_eq!(settings.router_addresses, ["127.0.0.1:1"]);
    assert_eq!(settings.agent_address, "localhost:0");
    assert_eq!(settings.tls, files("/r").tls());
    assert!(settings.keeps_recent_logs);
}

#[test]
fn the_rest_can_be_set_or_left_out() {
    let settings = settings(&[
        ("USE_RFC339", "true"),
        ("TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT", "8081"),
        ("TRAFFIC_CONTROLLER_PPROF_PORT", "7"),
        ("TRAFFIC_CONTROLLER_SECURITY_EVENT_LOG", "/l/events.log"),
        ("TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL", ""),
        ("TRAFFIC_CONTROLLER_DISABLE_ACCESS_CONTROL", ""),
        ("TRAFFIC_CONTROLLER_SKIP_CERT_VERIFY", "TRUE"),
        ("TRAFFIC_CONTROLLER_UAA_HOST", ""),
        ("TRAFFIC_CONTROLLER_UAA_CA_CERT", ""),
        ("ROUTER_ADDRS", ""),
        ("AGENT_GRPC_ADDRESS", ""),
        ("HYDRANT_RECENT_LOGS", "false"),
    ]);
    assert_eq!(settings.log_stamp, Stamp::Rfc3339);
    assert_eq!((settings.port, settings.pprof_port), (8081, 7));
    let events = settings.security_event_log.unwrap();
    assert_eq!(events, Path::new("/l/events.log"));
    assert_eq!(settings.metric_interval, Duration::from_secs(60));
    assert!(!settings.is_open_to_all && !settings.skip_cert_verify);
    assert!(settings.router_addresses.is_empty() && settings.agent_address.is_empty());
    assert!(!settings.keeps_recent_logs);
}

#[test]
fn what_upstream_dies_of_is_said_in_its_words() {
    let said = |name, value| read(&[(name, value)]).unwrap_err().to_string();
    let port = "TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT";
    let interval = "TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL";
    for (name, value, expected) in [
        (
            SYSTEM_DOMAIN,
            "",
            "need system domain in order to create the proxies",
        ),
        (IP, "", "need IP address for access logging"),
        (
            ROUTER_CA_FILE,
            "",
            "invalid router config, no GRPC.CAFile provided",
        ),
        (
            ROUTER_CERT_FILE,
            "",
            "invalid router config, no GRPC.CertFile provided",
        ),
        (
            ROUTER_KEY_FILE,
            "",
            "invalid router config, no GRPC.KeyFile provided",
        ),
        (UAA_CLIENT_SECRET, "", "missing UAA client secret"),
        (UAA_CA_CERT, "", "missing UAA CA certificate"),
        (
            port,
            "x",
            "strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        (interval, "5", "time: missing unit in duration \"5\""),
    ] {
        assert_eq!(
            said(name, value),
            format!("Unable to load config: {expected}")
        );
    }
}

#[test]
fn what_is_missed_first_is_said() {
    let said = |variables: &[(&str, &str)]| {
        let environment = variables.iter().copied().collect();
        let error = TrafficControllerSettings::read(&environment).unwrap_err();
        error.to_string()
    };
    assert!(said(&[]).ends_with(": need system domain in order to create the proxies"));
    let domain = (SYSTEM_DOMAIN, "d");
    assert!(said(&[domain]).ends_with(": need IP address for access logging"));
    let rest = said(&[domain, (IP, "1.2.3.4"), (UAA_HOST, "https://uaa")]);
    assert!(rest.ends_with(" no GRPC.CAFile provided"), "{rest}");
}

#[test]
fn the_report_has_upstreams_rows_and_ours() {
    let (settings, report) = read(&[]).unwrap();
    let report = report.to_string();
    assert!(!report.contains("hush") && !format!("{settings:?}").contains("hush"));
    let rows: Vec<_> = report
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(rows.len(), 1 + 25 + 1);
    assert_eq!(rows[1], "Config.UseRFC339 bool USE_RFC339 false (OMITTED)");
    assert_eq!(
        rows[2],
        "Config.IP string TRAFFIC_CONTROLLER_IP false 127.0.0.1"
    );
    let port = "TRAFFIC_CONTROLLER_OUTGOING_DROPSONDE_PORT";
    assert_eq!(
        rows[4],
        format!("Config.OutgoingDropsondePort uint32 {port} false 0")
    );
    let secret = "Config.UaaClientSecret string TRAFFIC_CONTROLLER_UAA_CLIENT_SECRET";
    assert_eq!(rows[11], format!("{secret} false (OMITTED)"));
    let interval = "TRAFFIC_CONTROLLER_METRIC_EMITTER_INTERVAL";
    assert_eq!(
        rows[15],
        format!("Config.MetricEmitterInterval time.Duration {interval} false 0s")
    );
    assert_eq!(
        rows[17],
        "Config.RouterAddrs []string ROUTER_ADDRS false [127.0.0.1:1]"
    );
    assert_eq!(
        rows[18],
        "CCTLSClientConfig.CertFile string CC_CERT_FILE false (OMITTED)"
    );
    assert_eq!(
        rows[22],
        "Agent.GRPCAddress string AGENT_GRPC_ADDRESS false (OMITTED)"
    );
    assert_eq!(
        rows[23],
        "GRPC.CAFile string ROUTER_CA_FILE false (OMITTED)"
    );
    assert_eq!(
        rows[26],
        "Hydrant.RecentLogs bool HYDRANT_RECENT_LOGS false true"
    );
}
