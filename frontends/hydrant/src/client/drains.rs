//! `hydrant drains`: the drains of a server, asked for at its operator's endpoint, as a table.

use super::error::ClientError;
use super::http::{Http, HttpError};
use crate::drains::Drain;
use bytes::Bytes;
use bytesize::ByteSize;
use clap::Args;
use hyper::{HeaderMap, StatusCode};
use std::fmt::{self, Display};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use url::Url;

/// Between the two looks of which the rate is made.
const PAUSE: Duration = Duration::from_secs(1);
const TITLES: [&str; 7] = [
    "DRAIN",
    "LINES/S",
    "DELIVERED",
    "WAITING",
    "LOST",
    "STATE",
    "LAST ERROR",
];

/// What `hydrant drains` takes.
#[derive(Debug, Args)]
pub struct DrainsArguments {
    /// The operator's endpoint of the server.
    #[arg(long, default_value = "http://127.0.0.1:8089")]
    pub operator: Url,
    /// Print what the endpoint answers, which is JSON, and look only once.
    #[arg(long)]
    pub json: bool,
}

/// The drains, and what they were delivered meanwhile.
#[derive(Debug, PartialEq, Eq)]
struct Table(Vec<[String; TITLES.len()]>);

/// What to print.
pub(super) async fn text(http: &Http, arguments: &DrainsArguments) -> Result<String, ClientError> {
    let mut url = arguments.operator.clone();
    url.set_path("/drains");
    if arguments.json {
        let body = ask(http, &url).await?;
        return Ok(String::from_utf8_lossy(&body).into_owned());
    }
    let (before, since) = (drains(http, &url).await?, Instant::now());
    sleep(PAUSE).await;
    let now = drains(http, &url).await?;
    Ok(Table::of(&before, &now, since.elapsed()).to_string())
}

async fn drains(http: &Http, url: &Url) -> Result<Vec<Drain>, ClientError> {
    let body = ask(http, url).await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood {
        url: url.to_string(),
        problem: error.to_string(),
    })
}

async fn ask(http: &Http, url: &Url) -> Result<Bytes, ClientError> {
    let failed = |error| ClientError::Unreachable {
        url: url.to_string(),
        error,
        hint: "; --operator says where the operator's endpoint is",
    };
    let answer = http.get(url, HeaderMap::new()).await.map_err(failed)?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        status => Err(failed(HttpError::Status(status))),
    }
}

impl Table {
    fn of(before: &[Drain], now: &[Drain], elapsed: Duration) -> Self {
        let delivered_before = |drain: &Drain| {
            let same = before
                .get(drain.number)
                .filter(|same| same.url == drain.url);
            same.map_or(drain.delivered, |same| same.delivered)
        };
        let row = |drain: &Drain| {
            let lines = drain.delivered.saturating_sub(delivered_before(drain));
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = lines as f64 / elapsed.as_secs_f64();
            [
                drain.url.clone(),
                format!("{rate:.0}"),
                drain.delivered.to_string(),
                waiting(drain),
                lost(drain),
                drain.state.clone(),
                drain.last_error.clone(),
            ]
        };
        Self(now.iter().map(row).collect())
    }
}

/// How many, and how many of them on disk.
fn waiting(drain: &Drain) -> String {
    match drain.spooled {
        0 => drain.waiting.to_string(),
        spooled => {
            let bytes = ByteSize::b(drain.spool_bytes).display().iec();
            format!("{} ({spooled} on disk, {bytes})", drain.waiting)
        }
    }
}

/// How many in all, and by which names.
fn lost(drain: &Drain) -> String {
    let names: Vec<_> = drain
        .lost
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    match names.as_slice() {
        [] => "0".to_owned(),
        names => format!("{} ({})", drain.lost_in_all(), names.join(", ")),
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "there are no drains");
        }
        let titles = TITLES.map(str::to_owned);
        let rows = || std::iter::once(&titles).chain(&self.0);
        let width = |column: usize| {
            let widths = rows().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: [usize; TITLES.len()] = std::array::from_fn(width);
        for row in rows() {
            let cells = row.iter().zip(widths);
            let padded: String = cells
                .map(|(text, width)| format!("{text:<width$}  "))
                .collect();
            writeln!(f, "{}", padded.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(number: usize, delivered: u64) -> Drain {
        Drain {
            number,
            url: format!("syslog://h:{number}"),
            state: "connected".to_owned(),
            delivered,
            ..Drain::default()
        }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let before = [drain(0, 100), drain(1, 50)];
        let mut now = [drain(0, 300), drain(1, 50), drain(2, 7)];
        now[1].waiting = 9;
        now[1].state = "connecting".to_owned();
        now[1].last_error = "refused".to_owned();
        now[1].lost = [
            ("outbox_full".to_owned(), 2),
            ("session_gone".to_owned(), 1),
        ]
        .into();
        let table = Table::of(&before, &now, Duration::from_secs(2));
        let expected = "\
DRAIN         LINES/S  DELIVERED  WAITING  LOST                               STATE       LAST ERROR
syslog://h:0  100      300        0        0                                  connected
syslog://h:1  0        50         9        3 (outbox_full 2, session_gone 1)  connecting  refused
syslog://h:2  0        7          0        0                                  connected
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn what_waits_on_disk_is_said() {
        let mut drain = drain(0, 0);
        drain.waiting = 12;
        assert_eq!(waiting(&drain), "12");
        (drain.spooled, drain.spool_bytes) = (10, 2048);
        assert_eq!(waiting(&drain), "12 (10 on disk, 2.0 KiB)");
    }

    #[test]
    fn no_drains_are_said() {
        let table = Table::of(&[], &[], PAUSE);
        assert_eq!(table.to_string(), "there are no drains\n");
    }
}
