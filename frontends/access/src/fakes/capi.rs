//! A Cloud Controller that shows some apps to some.

use super::peer::{Manner, Peer};
use crate::CapiConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers `GET /internal/v4/log_access/{guid}`.
#[derive(Debug)]
pub struct FakeCapi {
    peer: Peer,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// What it says of an app, whoever asks.
    statuses: HashMap<String, &'static str>,
    /// Values of `Authorization` that it knows; none: all.
    tokens: Vec<String>,
}

impl FakeCapi {
    /// It knows no app yet, and everybody.
    pub fn new() -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let theirs = known.clone();
        let peer = Peer::new(move |request| Some((lock(&theirs).answer(request), "{}".to_owned())));
        Self { peer, known }
    }

    /// From now on an app's logs are shown.
    pub fn show(&self, guid: &str) {
        self.say(guid, "200 OK");
    }

    /// From now on it says so of an app: the end of a status line, such as `403 Forbidden`.
    pub fn say(&self, guid: &str, status: &'static str) {
        lock(&self.known).statuses.insert(guid.to_owned(), status);
    }

    /// From now on it knows only those who send such an `Authorization`, and answers others 401.
    pub fn know(&self, authorization: &str) {
        lock(&self.known).tokens.push(authorization.to_owned());
    }

    /// How it treats those who ask, and what it was asked.
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// From now on it treats those who ask like this.
    pub fn set_manner(&self, manner: Manner) {
        self.peer.set_manner(manner);
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.peer.asked()
    }

    /// The table `access.capi` that names it.
    pub fn config(&self) -> CapiConfig {
        CapiConfig {
            address: format!("http://{}", self.peer.address()),
            external_address: None,
            tls: None,
            server_name: String::new(),
        }
    }
}

impl Default for FakeCapi {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn answer(&self, request: &str) -> &'static str {
        let mut lines = request.lines();
        let path = lines.next().and_then(|line| line.split(' ').nth(1));
        let guid = path.and_then(|path| path.strip_prefix("/internal/v4/log_access/"));
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        let authorization = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let is_known = authorization.is_some_and(|(_, value)| {
            self.tokens.is_empty() || self.tokens.contains(&value.into())
        });
        if !is_known {
            return "401 Unauthorized";
        }
        let status = guid.and_then(|guid| self.statuses.get(guid));
        status.copied().unwrap_or("404 Not Found")
    }
}
