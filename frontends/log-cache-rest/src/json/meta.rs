//! What there is of each source: the gateway's form, which has all fields under the names of the
//! `.proto` file, and the proxy's, which has those that are not zero in camel case.

use hydrant_proto::json::{push_map, push_quoted_number, push_string};
use hydrant_proto::logcache::{MetaInfo, MetaResponse};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// By source id.
pub(crate) type Infos = BTreeMap<String, MetaInfo>;

/// The gateway's form.
pub(crate) fn meta(response: &MetaResponse) -> String {
    let mut out = String::from("{\"meta\":");
    push_map(&mut out, &response.meta, |out, info| {
        for (start, number) in [
            ("{\"count\":", info.count),
            (",\"expired\":", info.expired),
            (",\"oldest_timestamp\":", info.oldest_timestamp),
            (",\"newest_timestamp\":", info.newest_timestamp),
        ] {
            out.push_str(start);
            push_quoted_number(out, number);
        }
        out.push('}');
    });
    out.push_str("}\n");
    out
}

/// The proxy's form.
pub(crate) fn meta_in_camel_case(infos: &Infos) -> String {
    if infos.is_empty() {
        return "{}\n".to_owned();
    }
    let mut out = String::from("{\"meta\":");
    push_map(&mut out, infos, |out, info| {
        out.push('{');
        let fields = [
            ("count", info.count),
            ("expired", info.expired),
            ("oldestTimestamp", info.oldest_timestamp),
            ("newestTimestamp", info.newest_timestamp),
        ];
        let set = fields.into_iter().filter(|(_, number)| *number != 0);
        for (index, (name, number)) in set.enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_string(out, name);
            out.push(':');
            push_quoted_number(out, number);
        }
        out.push('}');
    });
    out.push_str("}\n");
    out
}

/// Reads either form.
///
/// # Errors
/// Where it is another.
pub(crate) fn read_meta(json: &[u8]) -> serde_json::Result<Infos> {
    let response: Response = serde_json::from_slice(json)?;
    let infos = response.meta.into_iter();
    Ok(infos.map(|(id, info)| (id, info.into())).collect())
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    meta: BTreeMap<String, Info>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default, deserialize_with = "number")]
    count: i64,
    #[serde(default, deserialize_with = "number")]
    expired: i64,
    #[serde(default, alias = "oldestTimestamp", deserialize_with = "number")]
    oldest_timestamp: i64,
    #[serde(default, alias = "newestTimestamp", deserialize_with = "number")]
    newest_timestamp: i64,
}

impl From<Info> for MetaInfo {
    fn from(info: Info) -> Self {
        Self {
            count: info.count,
            expired: info.expired,
            oldest_timestamp: info.oldest_timestamp,
            newest_timestamp: info.newest_timestamp,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Quoted(String),
}

/// Protobuf's JSON has 64-bit numbers in quotes or without.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Plain(number) => Ok(number),
        Number::Quoted(text) => text.parse().map_err(D::Error::custom),
    }
}
