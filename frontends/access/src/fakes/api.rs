//! The Cloud Controller's public interface, as Log Cache's proxy asks it.

use super::peer::{Manner, Peer};
use crate::SourcesConfig;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers below `/v3/apps` and `/v3/service_instances`, in pages of two.
#[derive(Debug)]
pub struct FakeApi {
    peer: Peer,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// GUIDs and names.
    apps: Vec<(String, String)>,
    instances: Vec<(String, String)>,
    /// Values of `Authorization` that it shows things to; none: all.
    tokens: Vec<String>,
}

const PAGE: usize = 2;

impl FakeApi {
    /// It knows nothing yet, and shows it to everybody.
    pub fn new() -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let theirs = known.clone();
        let peer = Peer::new(move |request| Some(lock(&theirs).answer(request)));
        Self { peer, known }
    }

    /// From now on there is this app.
    pub fn app(&self, guid: &str, name: &str) {
        lock(&self.known).apps.push((guid.into(), name.into()));
    }

    /// From now on there is this service instance.
    pub fn instance(&self, guid: &str) {
        lock(&self.known)
            .instances
            .push((guid.into(), "instance".into()));
    }

    /// From now on it shows things only to those who send such an `Authorization`.
    pub fn know(&self, authorization: &str) {
        lock(&self.known).tokens.push(authorization.to_owned());
    }

    /// From now on it treats those who ask like this.
    pub fn set_manner(&self, manner: Manner) {
        self.peer.set_manner(manner);
    }

    /// First lines of what it has been asked since this was called last.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.peer.requests();
        let path = |request: &String| request.split(' ').nth(1).unwrap_or_default().to_owned();
        requests.iter().map(path).collect()
    }

    /// The table that names it, without a cache.
    pub fn config(&self) -> SourcesConfig {
        SourcesConfig {
            address: format!("http://{}", self.peer.address()),
            ca_file: None,
            server_name: None,
            cache_ms: 0,
        }
    }
}

impl Default for FakeApi {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn answer(&self, request: &str) -> (&'static str, String) {
        let mut lines = request.lines();
        let path = lines.next().and_then(|line| line.split(' ').nth(1));
        let (path, query) = path
            .and_then(|path| path.split_once('?'))
            .unwrap_or_else(|| (path.unwrap_or_default(), ""));
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        let authorization = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let is_known = authorization.is_some_and(|(_, value)| {
            self.tokens.is_empty() || self.tokens.contains(&value.into())
        });
        let mut steps = path.trim_start_matches("/v3/").splitn(2, '/');
        let all = match steps.next() {
            _ if !is_known => return ("401 Unauthorized", "{}".to_owned()),
            Some("apps") => &self.apps,
            Some("service_instances") => &self.instances,
            _ => return ("404 Not Found", "{}".to_owned()),
        };
        match steps.next() {
            Some(guid) if all.iter().any(|(known, _)| known == guid) => ("200 OK", "{}".to_owned()),
            Some(_) => ("404 Not Found", "{}".to_owned()),
            None => ("200 OK", page(all, path, query).to_string()),
        }
    }
}

fn page(all: &[(String, String)], path: &str, query: &str) -> Value {
    let value = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let names = value("names");
    let is_wanted = |name: &String| {
        let names = names.as_ref();
        names.is_none_or(|names| names.split(',').any(|wanted| wanted == name))
    };
    let number: usize = value("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1);
    let wanted: Vec<_> = all.iter().filter(|(_, name)| is_wanted(name)).collect();
    let shown = wanted.iter().skip((number - 1) * PAGE).take(PAGE);
    let resources = shown.map(|(guid, name)| json!({ "guid": guid, "name": name }));
    let has_more = wanted.len() > number * PAGE;
    let first = query.split("&page=").next().unwrap_or_default();
    // Elsewhere, where the token must not go.
    let next = format!(
        "https://elsewhere.invalid{path}?{first}&page={}",
        number + 1
    );
    let next = has_more.then(|| json!({ "href": next }));
    json!({ "pagination": { "next": next }, "resources": resources.collect::<Vec<_>>() })
}
