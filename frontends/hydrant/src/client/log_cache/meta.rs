//! `hydrant meta`: the sources that Log Cache knows, the noisiest first.

use super::answer::{Info, Meta};
use super::table::Table;
use super::{ask, url};
use crate::client::address::Address;
use crate::client::arguments::MetaArguments;
use crate::client::end::printable;
use crate::client::error::ClientError;
use crate::client::session::Session;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A source, as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Source {
    source_id: String,
    per_second: f64,
    count: i64,
    expired: i64,
    oldest: String,
    newest: String,
    #[serde(skip)]
    span_ns: i64,
}

/// What to print, after two looks.
pub(in crate::client) async fn meta(
    session: &mut Session,
    log_cache: &Address,
    arguments: &MetaArguments,
) -> Result<String, ClientError> {
    let url = url(log_cache, &["meta"])?;
    let (before, since) = (ask::<Meta>(session, &url).await?, Instant::now());
    sleep(Duration::from_secs(arguments.seconds)).await;
    let now = ask::<Meta>(session, &url).await?;
    let mut sources = sources(&before.meta, now.meta, since.elapsed());
    sources.truncate(arguments.lines.unwrap_or(usize::MAX));
    Ok(match arguments.json {
        true => sources.iter().map(json).collect(),
        false => table(&sources),
    })
}

/// By rate, then by how many ever came.
fn sources(
    before: &BTreeMap<String, Info>,
    now: BTreeMap<String, Info>,
    elapsed: Duration,
) -> Vec<Source> {
    let ever = |info: &Info| info.count.saturating_add(info.expired);
    let source = |(source_id, info): (String, Info)| {
        // Of a new source all have come meanwhile; one that began anew has a lower number.
        let came = ever(&info) - before.get(&source_id).map_or(0, ever);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let per_second = came.max(0) as f64 / elapsed.as_secs_f64();
        Source {
            source_id,
            per_second,
            count: info.count,
            expired: info.expired,
            oldest: time(info.oldest_timestamp),
            newest: time(info.newest_timestamp),
            span_ns: info.newest_timestamp.saturating_sub(info.oldest_timestamp),
        }
    };
    let mut sources: Vec<_> = now.into_iter().map(source).collect();
    sources.sort_by(|one, other| {
        let ever = |source: &Source| source.count.saturating_add(source.expired);
        let by_rate = other.per_second.total_cmp(&one.per_second);
        by_rate.then(ever(other).cmp(&ever(one)))
    });
    sources
}

fn time(nanos: i64) -> String {
    let time = Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.9}")
}

fn json(source: &Source) -> String {
    // Texts and numbers only, under keys that are texts: there is nothing to fail.
    serde_json::to_string(source).unwrap_or_default() + "\n"
}

fn table(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "Log Cache knows no source, or none that is for this user\n".to_owned();
    }
    let row = |source: &Source| {
        [
            printable(&source.source_id),
            format!("{:.1}", source.per_second),
            source.count.to_string(),
            source.expired.to_string(),
            span(source.span_ns),
        ]
    };
    let table = Table {
        titles: ["SOURCE", "PER SECOND", "KEPT", "DROPPED", "SPAN"],
        rows: sources.iter().map(row).collect(),
    };
    table.to_string()
}

/// From the oldest envelope to the newest.
fn span(nanos: i64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours}:{minutes:02}:{seconds:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(count: i64, expired: i64) -> Info {
        Info {
            count,
            expired,
            oldest_timestamp: 1_000_000_000,
            newest_timestamp: 3_725_000_000_000,
        }
    }

    fn map(infos: &[(&str, Info)]) -> BTreeMap<String, Info> {
        let infos = infos.iter();
        infos.map(|(id, info)| ((*id).to_owned(), *info)).collect()
    }

    #[test]
    fn the_noisiest_is_first_and_rates_count_what_was_dropped() {
        let before = map(&[
            ("full", info(100, 0)),
            ("quiet", info(5, 0)),
            ("again", info(9, 9)),
        ]);
        let now = map(&[
            ("full", info(100, 40)),
            ("quiet", info(5, 0)),
            ("again", info(1, 0)),
            ("new", info(6, 0)),
        ]);
        let sources = sources(&before, now, Duration::from_secs(2));
        let order: Vec<_> = sources
            .iter()
            .map(|it| (&*it.source_id, it.per_second))
            .collect();
        assert_eq!(
            order,
            [("full", 20.0), ("new", 3.0), ("quiet", 0.0), ("again", 0.0)]
        );
        let table = table(&sources);
        let first = table.lines().nth(1).unwrap();
        assert_eq!(first, "full          20.0   100       40  1:02:04");
        let json: serde_json::Value = serde_json::from_str(&json(&sources[0])).unwrap();
        assert_eq!(json["oldest"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(
            (&json["per_second"], &json["expired"]),
            (&20.0.into(), &40.into())
        );
    }

    #[test]
    fn no_source_is_said() {
        assert!(table(&[]).contains("no source"));
    }
}
