use super::*;

const ACCESS: &str = r#"
    [access.uaa]
    address = "https://uaa.example:8443"
    client_id = "doppler"
    client_secret = "hunter2"
    ca_file = "uaa-ca.pem"
    [access.capi]
    address = "https://cc.example:9023"
    external_address = "https://api.example"
    server_name = "cloud-controller"
    tls = { cert_file = "c", key_file = "k", ca_file = "ca" }
"#;

fn read(text: &str) -> GatewayConfig {
    toml::from_str(text).unwrap()
}

fn problem_of(config: &GatewayConfig) -> String {
    let outcome = config.check();
    outcome.map_or_else(|error| error.to_string(), |()| String::new())
}

/// What is wrong with the access table once `from` is replaced by `to`.
fn access_problem(from: &str, to: &str) -> String {
    assert!(ACCESS.contains(from), "{from}");
    problem_of(&read(&ACCESS.replace(from, to)))
}

#[test]
fn reads_its_table_and_nothing_else() {
    let config = read("address = \"[::1]:0\"\nstream_timeout_ms = 840000");
    assert_eq!(config.stream_timeout_ms, 840_000);
    assert_eq!((config.heartbeat_ms, config.access_log), (15_000, false));
    assert_eq!(config.provider.server_name, "reverselogproxy");
    for unknown in ["adress = 1", "[provider]\nx = 1", "[tls]\nca_file = \"a\""] {
        assert!(
            toml::from_str::<GatewayConfig>(unknown).is_err(),
            "{unknown}"
        );
    }
    assert_eq!(problem_of(&GatewayConfig::default()), "");
}

#[test]
fn no_dump_shows_the_secret() {
    let config = read(ACCESS);
    assert_eq!(problem_of(&config), "");
    let dump = format!("{config:?} {config:#?}");
    assert!(
        dump.contains("doppler") && !dump.contains("hunter2"),
        "{dump}"
    );
    assert_eq!(config.access.unwrap().uaa.client_secret.text(), "hunter2");
}

#[test]
fn only_loopback_goes_without_tls_and_access_control() {
    let mut config = GatewayConfig {
        address: "0.0.0.0:1".parse().unwrap(),
        ..GatewayConfig::default()
    };
    let error = problem_of(&config);
    assert!(error.starts_with("gateway.address: "), "{error}");
    assert!(error.contains("gateway.tls"), "{error}");
    config.tls = Some(HttpsFiles {
        cert_file: "c".into(),
        key_file: "k".into(),
    });
    let error = problem_of(&config);
    assert!(error.contains("gateway.access"), "{error}");
    config.access = read(ACCESS).access;
    assert_eq!(problem_of(&config), "");
    config.tls = None;
    config.insecure = true;
    assert_eq!(problem_of(&config), "");
    for loopback in ["[::1]:1", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
        let config = GatewayConfig {
            address: loopback.parse().unwrap(),
            ..GatewayConfig::default()
        };
        assert_eq!(problem_of(&config), "");
    }
}

#[test]
fn the_provider_is_reached_over_tls_unless_it_is_here() {
    let with = |address: &str, more: &str| {
        problem_of(&read(&format!(
            "{more}\n[provider]\naddress = \"{address}\""
        )))
    };
    for address in ["localhost:1", "127.0.0.1:1", "[::1]:1"] {
        assert_eq!(with(address, ""), "");
    }
    let error = with("rlp.example:8082", "");
    assert!(error.starts_with("gateway.provider.address: "), "{error}");
    assert!(error.contains("gateway.provider.tls"), "{error}");
    assert_eq!(with("rlp.example:8082", "insecure = true"), "");
    for none in ["", "localhost", ":1", "localhost:port", "localhost:65536"] {
        let error = with(none, "");
        assert!(error.contains("is not host:port"), "{error}");
    }
}

#[test]
fn the_access_table_is_whole() {
    let error = access_problem("https://uaa", "http://uaa");
    assert!(error.starts_with("gateway.access.uaa.address: "), "{error}");
    assert_eq!(
        access_problem("https://uaa.example", "http://localhost"),
        ""
    );
    let error = access_problem("ca_file = \"uaa-ca.pem\"", "");
    assert!(error.starts_with("gateway.access.uaa.ca_file: "), "{error}");
    let error = access_problem("https://api.example", "api.example");
    assert!(
        error.starts_with("gateway.access.capi.external_address: "),
        "{error}"
    );
    let error = access_problem("external_address = \"https://api.example\"", "");
    assert!(
        error.starts_with("gateway.access.capi.external_address: is needed"),
        "{error}"
    );
    let error = access_problem("server_name = \"cloud-controller\"", "");
    assert!(
        error.starts_with("gateway.access.capi.server_name: "),
        "{error}"
    );
    let error = access_problem("https://cc.example:9023", "https://cc.example/?x");
    assert!(
        error.starts_with("gateway.access.capi.address: "),
        "{error}"
    );
    let tls = "tls = { cert_file = \"c\", key_file = \"k\", ca_file = \"ca\" }";
    let error = access_problem(tls, "");
    assert!(error.starts_with("gateway.access.capi.tls: "), "{error}");
}

#[test]
fn what_is_out_of_range_names_its_key() {
    for (text, key) in [
        ("heartbeat_ms = 0", "gateway.heartbeat_ms"),
        ("streams_max = 0", "gateway.streams_max"),
        (
            "stream_timeout_ms = 31536000001",
            "gateway.stream_timeout_ms",
        ),
    ] {
        let error = problem_of(&read(text));
        assert!(error.starts_with(&format!("{key}: ")), "{error}");
    }
}
