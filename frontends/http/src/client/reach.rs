//! How a URL of a configuration is reached.

use hyper::Uri;
use std::net::IpAddr;

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// HTTPS.
    Https,
    /// Plain HTTP that does not leave this host.
    PlainLoopback,
    /// Plain HTTP over the network.
    Plain,
}

impl Reach {
    /// Of an http or https URL without a query.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn of(address: &str) -> Result<Self, String> {
        let Ok(uri) = address.parse::<Uri>() else {
            return Err(format!("{address:?} is not a URL"));
        };
        match (uri.scheme_str(), uri.host()) {
            (_, Some(_)) if uri.query().is_some() => {
                Err(format!("{address:?} has a query, which has no use"))
            }
            (Some("https"), Some(_)) => Ok(Self::Https),
            (Some("http"), Some(host)) if is_loopback_name(host) => Ok(Self::PlainLoopback),
            (Some("http"), Some(_)) => Ok(Self::Plain),
            _ => Err(format!("{address:?} is not an http or https URL")),
        }
    }
}

/// Whether a host is loopback without asking DNS.
fn is_loopback_name(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host == "localhost" || host.parse().is_ok_and(is_loopback)
}
