//! `host:port`, as peers are named in settings.

use std::net::IpAddr;

/// The host of `host:port`, without the brackets of IPv6. Whether a name is one is for the resolver to
/// say.
pub fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner.parse::<IpAddr>().is_ok().then_some(inner),
        None => (!host.is_empty() && !host.contains(|c: char| c == ':' || c.is_whitespace()))
            .then_some(host),
    };
    host.filter(|_| port != 0)
}

/// Whether what is sent to the host stays on this one.
pub fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_port_behind_it() {
        for (address, expected) in [
            ("node.example:8080", Some("node.example")),
            ("[::1]:8080", Some("::1")),
            ("127.0.0.1:1", Some("127.0.0.1")),
            ("node.example", None),
            ("node.example:0", None),
            ("node.example:65536", None),
            (":8080", None),
            ("::1:8080", None),
            ("[x]:8080", None),
            ("a b:8080", None),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }

    #[test]
    fn loopback_is_an_address_or_localhost() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "::", "node.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
