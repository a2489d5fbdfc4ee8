//! The Cloud Controller's public interface: which apps and service instances the bearer of a token
//! may see (log-cache, `internal/auth`).

use crate::limits::{CACHE_MS_MAX, PAGE_BYTES_MAX, PAGES_MAX, PER_PAGE};
use crate::questions::{Allowance, Questions, Unknown, Verdict};
use crate::state::{AccessState, Question};
use form_urlencoded::byte_serialize;
use http_body_util::Full;
use hydrant_engine::config::ConfigError;
use hydrant_http::client::{Ask, ClientFiles, Https, HttpsError, Reach, Said};
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where to ask for sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcesConfig {
    /// URL of the Cloud Controller. Plain http for loopback only.
    pub address: String,
    /// CAs of its certificate. Default: those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The name that its certificate must have. Default: the URL's host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// How long it is remembered that somebody may read something; 0: not at all. Default: 60000.
    #[serde(default = "minute_ms")]
    pub cache_ms: u64,
}

const fn minute_ms() -> u64 {
    60_000
}

impl SourcesConfig {
    /// Checks the table `key`. What is `is_insecure` may send tokens over the network in plain text.
    ///
    /// # Errors
    /// Names the key if it cannot be used.
    pub fn check(&self, key: &'static str, is_insecure: bool) -> Result<(), ConfigError> {
        let problem = match Reach::of(&self.address) {
            Ok(Reach::Plain) if !is_insecure => {
                format!("{} would get tokens in plain text", self.address)
            }
            Err(wrong) => wrong,
            Ok(_) if self.cache_ms > CACHE_MS_MAX => {
                format!("cache_ms = {} is more than {CACHE_MS_MAX}", self.cache_ms)
            }
            Ok(_) => return Ok(()),
        };
        Err(ConfigError { key, problem })
    }
}

/// Asks for sources. What may be read is remembered.
#[derive(Debug)]
pub struct Sources {
    base: String,
    /// The base without its path: what links of answers are relative to.
    origin: String,
    questions: Questions,
}

/// What a source id may have in a path as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[derive(Deserialize)]
struct Page {
    pagination: Option<Pagination>,
    resources: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    href: Option<String>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    guid: String,
    #[serde(default)]
    name: String,
}

impl Sources {
    /// Connects to nobody before the first question. Counts in `state`.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn new(
        config: &SourcesConfig,
        is_verified: bool,
        allowance: Allowance,
        state: Arc<AccessState>,
    ) -> Result<Self, HttpsError> {
        let files = ClientFiles {
            ca_file: config.ca_file.clone(),
            identity: None,
            is_verified,
        };
        let is_https = Reach::of(&config.address) == Ok(Reach::Https);
        let https = is_https.then(|| Https::new(files, config.server_name.clone()));
        let allowance = Allowance {
            cache: Duration::from_millis(config.cache_ms),
            answer_bytes_max: PAGE_BYTES_MAX,
            ..allowance
        };
        let url = config.address.parse::<Uri>().unwrap_or_default();
        let (scheme, authority) = (url.scheme_str(), url.authority());
        Ok(Self {
            base: config.address.trim_end_matches('/').to_owned(),
            origin: scheme
                .zip(authority)
                .map(|(scheme, authority)| format!("{scheme}://{authority}"))
                .unwrap_or_default(),
            questions: Questions::new(https.transpose()?, allowance, state)?,
        })
    }

    /// Whether a source is an app or a service instance that the Cloud Controller shows to the
    /// bearer of the token. What can be the name of neither is not asked for.
    pub async fn may_read(&self, token: &HeaderValue, source_id: &str) -> bool {
        if matches!(source_id, "" | "." | "..") {
            return false;
        }
        let parts = [source_id.as_bytes(), token.as_bytes()];
        let kinds = [
            (Question::App, "apps"),
            (Question::ServiceInstance, "service_instances"),
        ];
        let remembers = |(question, _)| self.questions.remembers(question, &parts);
        if kinds.into_iter().any(remembers) {
            return true;
        }
        for (question, kind) in kinds {
            let id = utf8_percent_encode(source_id, UNRESERVED);
            let url = format!("{}/v3/{kind}/{id}", self.base);
            let ask = || ask(&url, token);
            let verdict = self.questions.verdict(question, &parts, ask, weigh);
            if verdict.await == Verdict::Granted {
                return true;
            }
        }
        false
    }

    /// GUIDs of the apps of each of these names that are shown to the bearer of the token. None if
    /// the Cloud Controller does not say.
    pub async fn named(
        &self,
        token: &HeaderValue,
        names: &[String],
    ) -> BTreeMap<String, Vec<String>> {
        let mut guids: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if names.is_empty() {
            return guids;
        }
        let names: String = byte_serialize(names.join(",").as_bytes()).collect();
        let query = format!("names={names}&per_page={PER_PAGE}");
        let url = format!("{}/v3/apps?{query}", self.base);
        let apps = self.list(Question::AppsByName, token, url).await;
        for app in apps.unwrap_or_default() {
            guids.entry(app.name).or_default().push(app.guid);
        }
        guids
    }

    /// GUIDs of all apps and service instances that are shown to the bearer of the token. None if
    /// the Cloud Controller does not say them all.
    pub async fn all(&self, token: &HeaderValue) -> Vec<String> {
        let apps = format!("{}/v3/apps?per_page={PER_PAGE}", self.base);
        let Some(mut all) = self.list(Question::Apps, token, apps).await else {
            return Vec::new();
        };
        let instances = format!("{}/v3/service_instances?per_page={PER_PAGE}", self.base);
        let instances = self.list(Question::ServiceInstances, token, instances);
        let Some(instances) = instances.await else {
            return Vec::new();
        };
        all.extend(instances);
        all.into_iter().map(|resource| resource.guid).collect()
    }

    /// All pages from the first on.
    async fn list(
        &self,
        question: Question,
        token: &HeaderValue,
        first: String,
    ) -> Option<Vec<Resource>> {
        let mut resources = Vec::new();
        let mut url = first;
        for _ in 0..PAGES_MAX {
            let said = self.questions.said(question, || ask(&url, token)).await;
            let page: Page = serde_json::from_slice(&said.ok()?.body).ok()?;
            resources.extend(page.resources.unwrap_or_default());
            let next = page
                .pagination
                .and_then(|it| it.next)
                .and_then(|it| it.href);
            let Some(next) = next.filter(|next| !next.is_empty()) else {
                return Some(resources);
            };
            // The token goes nowhere else, whatever the answer says.
            let next = next.parse::<Uri>().ok()?;
            url = format!("{}{}", self.origin, next.path_and_query()?);
        }
        None
    }
}

fn ask(url: &str, token: &HeaderValue) -> Result<Ask, Unknown> {
    let ask = Request::get(url).header(AUTHORIZATION, token);
    ask.body(Full::default()).or(Err(Unknown))
}

fn weigh(said: &Said) -> Verdict {
    match said.status {
        StatusCode::OK => Verdict::Granted,
        status => Verdict::Refused(status),
    }
}
