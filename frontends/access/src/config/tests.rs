use super::*;

const TABLE: &str = r#"
    [uaa]
    address = "https://uaa.example:8443"
    client_id = "doppler"
    client_secret = "hunter2"
    ca_file = "uaa-ca.pem"
    [capi]
    address = "https://cc.example:9023"
    server_name = "cloud-controller"
    tls = { cert_file = "c", key_file = "k", ca_file = "ca" }
"#;

fn read(text: &str) -> AccessConfig {
    toml::from_str(text).unwrap()
}

fn problem_of(config: &AccessConfig, keys: &Keys) -> String {
    let outcome = config.check(keys, false);
    outcome.map_or_else(|error| error.to_string(), |()| String::new())
}

/// What is wrong with the table once `from` is replaced by `to`.
fn problem_with(from: &str, to: &str) -> String {
    assert!(TABLE.contains(from), "{from}");
    problem_of(&read(&TABLE.replace(from, to)), &Keys::WEBSOCKET)
}

#[test]
fn reads_its_table_and_nothing_else() {
    let config = read(TABLE);
    assert_eq!(problem_of(&config, &Keys::WEBSOCKET), "");
    assert_eq!(config.capi.external_address, None);
    assert!(!config.skip_cert_verify);
    assert_eq!(config.cache(Duration::from_secs(5)).as_millis(), 5_000);
    let config = read(&format!("cache_ms = 0\n{TABLE}"));
    assert_eq!(config.cache(Duration::from_secs(5)).as_millis(), 0);
    for unknown in ["cache = 1\n", "[uua]\nx = 1\n"] {
        let text = format!("{unknown}{TABLE}");
        assert!(toml::from_str::<AccessConfig>(&text).is_err(), "{unknown}");
    }
}

#[test]
fn no_dump_shows_the_secret() {
    let config = read(TABLE);
    let dump = format!("{config:?} {config:#?}");
    assert!(
        dump.contains("doppler") && !dump.contains("hunter2"),
        "{dump}"
    );
    assert_eq!(config.uaa.client_secret.text(), "hunter2");
}

#[test]
fn the_table_is_whole() {
    for (from, to, key) in [
        ("https://uaa", "http://uaa", "uaa.address"),
        ("https://uaa", "ftp://uaa", "uaa.address"),
        ("ca_file = \"uaa-ca.pem\"", "", "uaa.ca_file"),
        ("https://cc.example:9023", "cc.example", "capi.address"),
        (
            "https://cc.example:9023",
            "https://cc.example/?x",
            "capi.address",
        ),
        ("server_name = \"cloud-controller\"", "", "capi.server_name"),
        (
            "tls = {",
            "external_address = \"x y\"\ntls = {",
            "capi.external_address",
        ),
        ("[uaa]", "cache_ms = 60001\n[uaa]", "cache_ms"),
    ] {
        let error = problem_with(from, to);
        let key = format!("websocket.access.{key}: ");
        assert!(error.starts_with(&key), "{key} {error}");
    }
    let tls = "tls = { cert_file = \"c\", key_file = \"k\", ca_file = \"ca\" }";
    let error = problem_with(tls, "");
    assert!(error.starts_with("websocket.access.capi.tls: "), "{error}");
    assert_eq!(problem_with("https://uaa.example", "http://localhost"), "");
    assert_eq!(problem_with("[uaa]", "cache_ms = 60000\n[uaa]"), "");
}

#[test]
fn errors_name_the_frontends_own_keys() {
    let config = read(&TABLE.replace("https://uaa", "http://uaa"));
    for (keys, frontend) in [(Keys::GATEWAY, "gateway"), (Keys::WEBSOCKET, "websocket")] {
        let error = problem_of(&config, &keys);
        let key = format!("{frontend}.access.uaa.address: ");
        assert!(error.starts_with(&key), "{error}");
        let allows = format!("{frontend}.insecure = true allows it");
        assert!(error.ends_with(&allows), "{error}");
        config.check(&keys, true).unwrap();
    }
}
