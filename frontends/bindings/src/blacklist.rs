//! Addresses that no drain may have (`BLACKLISTED_SYSLOG_RANGES`): drains are users' choice, and the
//! addresses of the platform itself are none of their business.

use serde::Deserialize;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Ranges of addresses, both ends included. Cheap to look into: there are a handful.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Blacklist(Vec<Range>);

/// Ends as IPv6; those of IPv4 are mapped into it, so that an address is the same in either form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: Ipv6Addr,
    end: Ipv6Addr,
}

/// Why ranges cannot be read, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlacklistError {
    /// It is not two addresses with a dash between.
    #[error("invalid BlacklistRange: {0}")]
    Range(String),
    /// An end is no address.
    #[error("invalid IP Address for Blacklist IP Range: {0}")]
    Address(String),
    /// The end is before the start.
    #[error("invalid Blacklist IP Range: Start {start} has to be before End {end}")]
    Order {
        /// The first address.
        start: String,
        /// The last address.
        end: String,
    },
}

impl Blacklist {
    /// Whether no drain may have this address. An IPv4 address that is written as an IPv6 address
    /// (`::ffff:a.b.c.d`) is the same.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = as_ipv6(address);
        let mut ranges = self.0.iter();
        ranges.any(|range| (range.start..=range.end).contains(&address))
    }

    /// Whether every address is allowed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Blacklist {
    type Err = BlacklistError;

    /// Reads `start-end,start-end`; nothing for an empty text.
    fn from_str(text: &str) -> Result<Self, BlacklistError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let ranges: Result<_, _> = text.split(',').map(Range::from_str).collect();
        ranges.map(Self)
    }
}

impl TryFrom<Vec<String>> for Blacklist {
    type Error = BlacklistError;

    fn try_from(ranges: Vec<String>) -> Result<Self, BlacklistError> {
        let ranges: Result<_, _> = ranges.iter().map(|range| range.parse()).collect();
        ranges.map(Self)
    }
}

impl FromStr for Range {
    type Err = BlacklistError;

    fn from_str(text: &str) -> Result<Self, BlacklistError> {
        let text = text.trim();
        let ends = text.split_once('-').filter(|(_, end)| !end.contains('-'));
        let (start, end) = ends.ok_or_else(|| BlacklistError::Range(text.to_owned()))?;
        let range = Self {
            start: address(start)?,
            end: address(end)?,
        };
        if range.start > range.end {
            let (start, end) = (start.to_owned(), end.to_owned());
            return Err(BlacklistError::Order { start, end });
        }
        Ok(range)
    }
}

impl Display for Blacklist {
    /// `start-end,start-end`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let [start, end] = [range.start, range.end].map(|end| end.to_canonical());
            write!(f, "{comma}{start}-{end}")?;
        }
        Ok(())
    }
}

fn address(text: &str) -> Result<Ipv6Addr, BlacklistError> {
    let address = text.trim().parse().ok().map(as_ipv6);
    address.ok_or_else(|| BlacklistError::Address(text.to_owned()))
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(ranges: &str, addresses: &[&str]) -> Vec<bool> {
        let blacklist: Blacklist = ranges.parse().unwrap();
        let addresses = addresses.iter();
        addresses
            .map(|address| blacklist.contains(address.parse().unwrap()))
            .collect()
    }

    #[test]
    fn both_ends_are_in() {
        let addresses = ["10.0.0.4", "10.0.0.5", "10.0.0.9", "10.0.0.10", "123.4.5.6"];
        let ranges = "10.0.0.5-10.0.0.9,123.4.5.6-123.4.5.6";
        assert_eq!(
            contains(ranges, &addresses),
            [false, true, true, false, true]
        );
        assert_eq!(contains("", &addresses), [false; 5]);
    }

    #[test]
    fn addresses_are_the_same_in_either_form() {
        let addresses = ["10.0.0.7", "::ffff:10.0.0.7", "::10.0.0.7", "::a00:7"];
        let expected = [true, true, false, false];
        assert_eq!(contains("10.0.0.5-10.0.0.9", &addresses), expected);
        let mapped = "::ffff:10.0.0.5-::ffff:10.0.0.9";
        assert_eq!(contains(mapped, &addresses), expected);
        assert_eq!(contains("::-ffff::", &addresses), [true; 4]);
    }

    #[test]
    fn ranges_of_ipv6_are_ranges() {
        let addresses = ["fd00::1", "fd00::ffff", "fd01::", "10.0.0.1"];
        let expected = [true, true, false, false];
        assert_eq!(contains("fd00::-fd00::ffff", &addresses), expected);
    }

    #[test]
    fn what_is_wrong_is_told_in_upstreams_words() {
        let error = |text: &str| text.parse::<Blacklist>().unwrap_err().to_string();
        assert_eq!(error("10.0.0.1"), "invalid BlacklistRange: 10.0.0.1");
        assert_eq!(error("1-2-3"), "invalid BlacklistRange: 1-2-3");
        assert_eq!(error("10.0.0.1-10.0.0.2,"), "invalid BlacklistRange: ");
        let address = "invalid IP Address for Blacklist IP Range: 10.0.0";
        assert_eq!(error("10.0.0-10.0.0.1"), address);
        let order = "invalid Blacklist IP Range: Start 10.0.0.2 has to be before End 10.0.0.1";
        assert_eq!(error("10.0.0.2-10.0.0.1"), order);
    }

    #[test]
    fn it_is_shown_as_it_is_read() {
        let text = "10.0.0.5-10.0.0.9,fd00::-fd00::1";
        assert_eq!(text.parse::<Blacklist>().unwrap().to_string(), text);
    }
}
