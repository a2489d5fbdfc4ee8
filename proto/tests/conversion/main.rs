//! The conversion between v1 and v2, against the tables of what upstream does.

#![cfg(test)]

mod forwarder;
mod round_trip;
mod strategies;
mod to_v1;
mod to_v2;

use std::collections::BTreeMap;

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
