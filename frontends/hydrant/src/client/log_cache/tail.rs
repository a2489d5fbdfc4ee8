//! `hydrant tail` from Log Cache: what there is, and then what comes, asked for again and again.

use super::answer::Read;
use super::{understood, url};
use crate::client::address::Address;
use crate::client::arguments::Kind;
use crate::client::error::ClientError;
use crate::client::output::Output;
use crate::client::session::Session;
use crate::client::stop::Stop;
use crate::client::tell;
use hydrant_proto::v2::Envelope;
use hyper::StatusCode;
use jiff::Timestamp;
use std::io::Write;
use std::time::Duration;
use tokio::time::sleep;
use url::Url;

/// What is newer is left for the next time: envelopes of several senders come late and out of order.
/// The cf CLI waits for two seconds.
const LAG_NS: i64 = 1_000_000_000;
/// As the cf CLI, if there is nothing new.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two tries of what cannot be had.
const PAUSE_MAX: Duration = Duration::from_secs(60);
const TRIES_MAX: u32 = 1000;
/// Envelopes of an answer while we follow: as many as there may be.
const LIMIT: u16 = 1000;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Reading {
    /// So many of the last ones.
    Recent(u16),
    /// Those first, and then what comes.
    RecentAndOn(u16),
    /// What comes.
    On,
}

/// A source of Log Cache, and where it is printed.
#[derive(Debug)]
pub(in crate::client) struct Tail<'t, W: Write> {
    pub(in crate::client) session: &'t mut Session,
    pub(in crate::client) log_cache: &'t Address,
    pub(in crate::client) source_id: &'t str,
    /// Those that are asked for; logs, if none is named.
    pub(in crate::client) kinds: &'t [Kind],
    pub(in crate::client) output: &'t mut Output<W>,
    pub(in crate::client) stop: Stop,
}

impl<W: Write> Tail<'_, W> {
    /// Prints what there is, until we are told to stop.
    ///
    /// # Errors
    /// Why there is nothing, or nothing more; or that nobody reads what we print.
    pub(in crate::client) async fn run(&mut self, reading: Reading) -> Result<(), ClientError> {
        let now = settled_ns();
        let (recent, is_followed) = match reading {
            Reading::Recent(count) => (Some((count, None)), false),
            Reading::RecentAndOn(count) => (Some((count, Some(now))), true),
            Reading::On => (None, true),
        };
        if let Some((count, end)) = recent {
            let mut stop = self.stop.clone();
            let Some(recent) = stop.or(self.recent(count, end)).await else {
                return Ok(());
            };
            self.print(recent?)?;
        }
        if is_followed {
            self.output.tally.has_begun = true;
            self.follow(now).await?;
        }
        Ok(())
    }

    /// The last ones, in the order of time. Asks for fewer if the answer would be too large, as the cf
    /// CLI does.
    async fn recent(
        &mut self,
        mut count: u16,
        end: Option<i64>,
    ) -> Result<Vec<Envelope>, ClientError> {
        let end = end.map(|end| end.to_string());
        loop {
            let limit = count.to_string();
            let mut url = self.url(&[("descending", "true"), ("limit", &limit)])?;
            if let Some(end) = &end {
                url.query_pairs_mut().append_pair("end_time", end);
            }
            let answer = self.session.get_of_log_cache(&url).await?;
            match answer.status {
                StatusCode::OK => {
                    let mut envelopes = understood::<Read>(&url, &answer)?.envelopes();
                    envelopes.reverse();
                    return Ok(envelopes);
                }
                StatusCode::TOO_MANY_REQUESTS if count > 1 => count /= 2,
                _ => return Err(self.session.refused(&url, &answer)),
            }
        }
    }

    async fn follow(&mut self, mut next: i64) -> Result<(), ClientError> {
        let (mut pause, mut tries) = (PAUSE, 0);
        loop {
            let mut stop = self.stop.clone();
            let Some(read) = stop.or(self.read(next)).await else {
                return Ok(());
            };
            match read {
                Ok((envelopes, end)) => {
                    (pause, tries) = (PAUSE, 0);
                    let is_all = envelopes.len() < usize::from(LIMIT);
                    let newest = envelopes.iter().map(|it| it.timestamp).max();
                    next = match newest.filter(|_| !is_all) {
                        Some(newest) => newest.saturating_add(1),
                        None => end,
                    };
                    self.print(envelopes)?;
                    if !is_all {
                        continue;
                    }
                }
                Err(error) if !error.is_passing() => return Err(error),
                Err(error) if tries >= TRIES_MAX => {
                    return Err(ClientError::GaveUp(Box::new(error), tries));
                }
                Err(error) => {
                    tries += 1;
                    pause = (pause * 2).min(PAUSE_MAX);
                    tell(&format!("{error}; again in {:.1} s", pause.as_secs_f64()));
                }
            }
            if stop.or(sleep(pause)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// What is not older than that, and old enough: older than what is given beside it.
    async fn read(&mut self, start: i64) -> Result<(Vec<Envelope>, i64), ClientError> {
        let end = settled_ns();
        if end <= start {
            return Ok((Vec::new(), start));
        }
        let [from, to, limit] = [start.to_string(), end.to_string(), LIMIT.to_string()];
        let url = self.url(&[("start_time", &from), ("end_time", &to), ("limit", &limit)])?;
        let read: Read = super::ask(self.session, &url).await?;
        Ok((read.envelopes(), end))
    }

    fn url(&self, arguments: &[(&str, &str)]) -> Result<Url, ClientError> {
        let mut url = url(self.log_cache, &["read", self.source_id])?;
        let kinds = kinds(self.kinds).into_iter();
        let kinds = kinds.map(|kind| ("envelope_types", kind));
        url.query_pairs_mut()
            .extend_pairs(arguments)
            .extend_pairs(kinds);
        Ok(url)
    }

    fn print(&mut self, envelopes: Vec<Envelope>) -> Result<(), ClientError> {
        for envelope in envelopes {
            self.output.show(envelope)?;
        }
        Ok(self.output.flush()?)
    }
}

/// Log Cache's types of envelopes that these are found in.
fn kinds(kinds: &[Kind]) -> Vec<&'static str> {
    let kind = |kind: &Kind| match kind {
        // Errors travel as logs.
        Kind::Log | Kind::Error => "LOG",
        Kind::Counter => "COUNTER",
        Kind::Value | Kind::Container => "GAUGE",
        Kind::Http => "TIMER",
    };
    let mut found: Vec<_> = kinds.iter().map(kind).collect();
    found.sort_unstable();
    found.dedup();
    match found.is_empty() {
        true => vec!["LOG"],
        false => found,
    }
}

/// What is older than this has come, in nanoseconds since 1970.
fn settled_ns() -> i64 {
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    now.saturating_sub(LAG_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_printed_is_asked_for() {
        assert_eq!(kinds(&[]), ["LOG"]);
        let asked = kinds(&[Kind::Container, Kind::Value, Kind::Http, Kind::Error]);
        assert_eq!(asked, ["GAUGE", "LOG", "TIMER"]);
        assert_eq!(kinds(&[Kind::Counter]), ["COUNTER"]);
    }
}
