//! The `[routers]` table.

use hydrant_engine::config::ConfigError;
use hydrant_rpc::address::{self, is_loopback};
use hydrant_rpc::tls::{ClientTls, TlsError, TlsFiles};
use serde::Deserialize;
use std::collections::HashSet;
use std::net::IpAddr;

/// Each is a task and, at times, a connection for every subscription.
const ROUTERS_MAX: usize = 1000;
/// Upstream's RLP has 20.
const CONNECTIONS_PER_ROUTER_MAX: u16 = 1000;

/// The `[routers]` table: the Dopplers to subscribe to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutersConfig {
    /// Groups of routers. Default: none.
    pub zones: Vec<ZoneConfig>,
    /// Our certificate, and the CA of the routers'. Default: plaintext.
    pub tls: Option<TlsFiles>,
    /// The name that every router's certificate must have. Default: `doppler`.
    pub server_name: String,
    /// Connections to a router, at most, of each runtime; a stream takes one at random.
    /// Default: 20.
    pub connections_per_router: u16,
    /// Allows plaintext over the network. Default: false.
    pub insecure: bool,
}

/// A `[[routers.zones]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneConfig {
    /// What the zone is called where routers are listed.
    pub name: String,
    /// `host:port` of each router's gRPC server.
    pub addresses: Vec<String>,
}

impl Default for RoutersConfig {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            tls: None,
            server_name: "doppler".to_owned(),
            connections_per_router: 20,
            insecure: false,
        }
    }
}

impl RoutersConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_connections()?;
        let mut names = HashSet::new();
        for zone in &self.zones {
            if zone.name.is_empty() || !names.insert(&zone.name) {
                let problem = format!("{:?} is empty or there twice", zone.name);
                return Err(error("routers.zones.name", problem));
            }
            if zone.addresses.is_empty() {
                let problem = format!("zone {:?} has none: add one or leave it out", zone.name);
                return Err(error("routers.zones.addresses", problem));
            }
        }
        self.check_addresses()
    }

    /// Reads the files of `tls`, if there are any.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load_tls(&self) -> Result<Option<ClientTls>, TlsError> {
        let load = |files| ClientTls::load(files, &self.server_name);
        self.tls.as_ref().map(load).transpose()
    }

    /// Zone and address of each router, in order.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.zones.iter().flat_map(|zone| {
            let addresses = zone.addresses.iter();
            addresses.map(|address| (zone.name.as_str(), address.as_str()))
        })
    }

    fn check_connections(&self) -> Result<(), ConfigError> {
        let count = self.connections_per_router;
        if (1..=CONNECTIONS_PER_ROUTER_MAX).contains(&count) {
            return Ok(());
        }
        let problem = format!("{count} is not allowed: from 1 to {CONNECTIONS_PER_ROUTER_MAX}");
        Err(error("routers.connections_per_router", problem))
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let mut known = HashSet::new();
        for (_, address) in self.addresses() {
            if let Some(problem) = self.problem_of(address) {
                let problem = format!("{address:?} {problem}");
                return Err(error("routers.zones.addresses", problem));
            }
            if !known.insert(address) {
                let problem = format!("{address:?} is there twice: all would come twice");
                return Err(error("routers.zones.addresses", problem));
            }
        }
        if known.len() > ROUTERS_MAX {
            let problem = format!("{} in all zones; at most {ROUTERS_MAX}", known.len());
            return Err(error("routers.zones.addresses", problem));
        }
        Ok(())
    }

    fn problem_of(&self, address: &str) -> Option<&'static str> {
        let Some(host) = host(address) else {
            return Some("is not host:port, such as doppler.example:8082 or [::1]:8082");
        };
        if self.tls.is_some() || self.insecure || is_loopback(host) {
            return None;
        }
        Some(
            "would be asked in plaintext over the network: give routers.tls, or allow it \
             with routers.insecure = true",
        )
    }
}

const fn error(key: &'static str, problem: String) -> ConfigError {
    ConfigError { key, problem }
}

/// A host whose name can be one.
fn host(address: &str) -> Option<&str> {
    let is_name = |host: &&str| host.parse::<IpAddr>().is_ok() || host.bytes().all(is_of_host);
    address::host(address).filter(is_name)
}

const fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RoutersConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn zone(addresses: &str) -> String {
        format!("[[zones]]\nname = 'z1'\naddresses = [{addresses}]\n")
    }

    fn problem(text: &str) -> String {
        parse(text).unwrap().check().unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_said_and_all_is_fine() {
        let config = parse("").unwrap();
        config.check().unwrap();
        assert_eq!(config.addresses().count(), 0);
        assert_eq!(config.server_name, "doppler");
        assert_eq!(config.connections_per_router, 20);
        assert!(config.load_tls().unwrap().is_none());
    }

    #[test]
    fn routers_keep_their_order_and_zone() {
        let text = format!(
            "{}[[zones]]\nname = 'z2'\naddresses = ['localhost:3']\n",
            zone("'127.0.0.1:1', '[::1]:2'")
        );
        let config = parse(&text).unwrap();
        config.check().unwrap();
        let addresses: Vec<_> = config.addresses().collect();
        let expected = [
            ("z1", "127.0.0.1:1"),
            ("z1", "[::1]:2"),
            ("z2", "localhost:3"),
        ];
        assert_eq!(addresses, expected);
    }

    #[test]
    fn plaintext_over_the_network_must_be_allowed() {
        let far = zone("'10.0.0.1:8082', 'doppler.example:8082', '[2001:db8::1]:8082'");
        assert_eq!(
            problem(&far),
            "routers.zones.addresses: \"10.0.0.1:8082\" would be asked in plaintext over the \
             network: give routers.tls, or allow it with routers.insecure = true"
        );
        parse(&format!("insecure = true\n{far}"))
            .unwrap()
            .check()
            .unwrap();
        let tls = "[tls]\ncert_file = 'a'\nkey_file = 'b'\nca_file = 'missing'\n";
        let config = parse(&format!("{far}{tls}")).unwrap();
        config.check().unwrap();
        let error = config.load_tls().unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn errors_name_their_key() {
        for address in [
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "::1:8",
            "[::1",
            "a b:1",
        ] {
            let said = problem(&zone(&format!("'{address}'")));
            let expected = format!("routers.zones.addresses: {address:?} is not host:port");
            assert!(said.starts_with(&expected), "{said}");
        }
        let twice = problem(&zone("'localhost:1', 'localhost:1'"));
        assert!(twice.contains("\"localhost:1\" is there twice"), "{twice}");
        assert!(problem(&zone("")).starts_with("routers.zones.addresses: zone \"z1\" has none"));
        let same = zone("'localhost:1'");
        assert!(problem(&format!("{same}{same}")).starts_with("routers.zones.name: \"z1\""));
        let none = problem("connections_per_router = 0");
        assert!(
            none.starts_with("routers.connections_per_router: 0 is not allowed"),
            "{none}"
        );
        let error = parse("zone = []").unwrap_err();
        assert!(error.contains("`zones`"), "{error}");
    }

    #[test]
    fn there_is_a_limit() {
        let addresses = |count: usize| {
            let all: Vec<_> = (1..=count)
                .map(|port| format!("'localhost:{port}'"))
                .collect();
            zone(&all.join(","))
        };
        parse(&addresses(ROUTERS_MAX)).unwrap().check().unwrap();
        let said = problem(&addresses(ROUTERS_MAX + 1));
        assert_eq!(
            said,
            "routers.zones.addresses: 1001 in all zones; at most 1000"
        );
    }
}
