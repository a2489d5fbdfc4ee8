//! The bindings of a process that sends to drains: asked for at a binding cache, checked, and given
//! to whoever watches, when they change.

mod config;
mod state;

pub use config::BindingsConfig;
pub use state::{SourceCounter, SourceGauge, SourceState};

use crate::binding::{Binding, Credentials};
use crate::cache_client::CacheClient;
use crate::check::{Checker, wrong_url};
use crate::grouping::by_app;
use crate::limits::FIRST_RETRY_MAX;
use crate::secret::Secret;
use crate::wire::DrainUrl;
use futures_util::future::{join, select};
use hydrant_engine::config::ConfigError;
use hydrant_http::client::HttpsError;
use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// All bindings there are at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingSet {
    /// Those of apps, by app and URL, then aggregate drains, whose `app` is none. Each has a URL
    /// that [`Drain::parse`](crate::Drain::parse) takes.
    pub bindings: Vec<Binding>,
}

/// A running source. Its thread ends when it is dropped.
#[derive(Debug)]
pub struct Source {
    bindings: watch::Receiver<Arc<BindingSet>>,
    state: Arc<SourceState>,
    _stop: oneshot::Sender<()>,
}

/// Why a source does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the TLS to the cache cannot be used.
    #[error("syslog.bindings.cache.tls: {0}")]
    Tls(#[from] HttpsError),
    /// Its thread or runtime cannot be had.
    #[error("cannot start the source of bindings: {0}")]
    Thread(#[from] io::Error),
}

/// Starts the thread that asks, at once and then every interval. `report` is given lines for the
/// operator's log, which hold nothing secret: why there was no answer, and what is wrong with one.
///
/// # Errors
/// Says which setting, file or system call stands in the way.
pub fn start(
    config: &BindingsConfig,
    report: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Source, StartError> {
    config.check()?;
    let timeout = Duration::from_millis(config.timeout_ms);
    let client = |cache| CacheClient::new(cache, timeout);
    let client = config.cache.as_ref().map(client).transpose()?;
    let (sender, bindings) = watch::channel(Arc::default());
    let (stop, stopped) = oneshot::channel();
    let state = Arc::<SourceState>::default();
    let (config, theirs) = (config.clone(), state.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = move || {
        let run = run(config, client, sender, theirs, Box::new(report));
        runtime.block_on(select(stopped, pin!(run)));
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    };
    thread::Builder::new()
        .name("bindings".to_owned())
        .spawn(work)?;
    Ok(Source {
        bindings,
        state,
        _stop: stop,
    })
}

impl Source {
    /// Where the newest set is: empty until there was an answer, and then for as long as there is no
    /// other. Wakes who waits only if something changed. If the sender is gone, the thread has ended.
    #[must_use]
    pub fn bindings(&self) -> watch::Receiver<Arc<BindingSet>> {
        self.bindings.clone()
    }

    /// How it is doing.
    #[must_use]
    pub fn state(&self) -> Arc<SourceState> {
        self.state.clone()
    }
}

async fn run(
    config: BindingsConfig,
    client: Option<CacheClient>,
    sender: watch::Sender<Arc<BindingSet>>,
    state: Arc<SourceState>,
    report: Box<Report>,
) {
    let shared = Rc::new(Shared {
        app_count: Cell::new(0),
        sender,
        state,
        report,
    });
    shared.set_aggregates(config.aggregates().map(of_url).collect());
    let Some(client) = client else {
        return std::future::pending().await;
    };
    let mut apps = Apps {
        checker: Checker::new(config.blacklist.clone()),
        client: &client,
        config: &config,
        shared: &shared,
        cut_off: 0,
    };
    let interval = Duration::from_millis(config.interval_ms);
    let asks_apps = every(interval + chance(interval), async || apps.refresh().await);
    let interval = Duration::from_millis(config.aggregates_interval_ms);
    let asks_aggregates = async {
        if config.aggregates().next().is_none() {
            every(interval, async || shared.refresh_aggregates(&client).await).await;
        }
    };
    join(asks_apps, asks_aggregates).await;
}

/// Does it now and every `period`, counted from its beginnings; sooner until it has succeeded once.
async fn every(period: Duration, mut refresh: impl AsyncFnMut() -> bool) {
    let mut has_succeeded = false;
    loop {
        let begun = Instant::now();
        has_succeeded |= refresh().await;
        let pause = match has_succeeded {
            true => period,
            false => period.min(FIRST_RETRY_MAX),
        };
        sleep_until(begun + pause).await;
    }
}

/// Up to as much, by chance, so that agents that start together do not ask together.
fn chance(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(());
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(random % most)
}

type Report = dyn Fn(&str) + Send + Sync;

/// What both kinds of bindings go through.
struct Shared {
    /// How many of the set, from its start, are apps'.
    app_count: Cell<usize>,
    sender: watch::Sender<Arc<BindingSet>>,
    state: Arc<SourceState>,
    report: Box<Report>,
}

/// Asks for apps' bindings.
struct Apps<'r> {
    checker: Checker,
    client: &'r CacheClient,
    config: &'r BindingsConfig,
    shared: &'r Shared,
    /// As of the last round.
    cut_off: usize,
}

const INVALID: &str = "Invalid drains detected in the Syslog Agent. This should not happen. Check your Syslog Binding Cache and its API";

impl Apps<'_> {
    async fn refresh(&mut self) -> bool {
        let Shared { state, report, .. } = self.shared;
        state.count(SourceCounter::Refreshes);
        let begun = Instant::now();
        match self.client.bindings().await {
            Ok(list) => {
                state.set_latency(begun.elapsed());
                self.take(list).await;
                true
            }
            Err(error) => {
                state.count(SourceCounter::RefreshErrors);
                report(&format!("fetching v2/bindings failed: {error}"));
                false
            }
        }
    }

    /// As upstream, what is invalid counts towards an app's limit: else, whenever a name did not
    /// resolve, another drain would come in its place and go again.
    async fn take(&mut self, list: Vec<DrainUrl>) {
        let limit = self.config.per_app_limit;
        let mut grouped = by_app(&list, limit);
        let checked = self.checker.check(list).await;
        let valid: HashSet<_> = checked.valid.iter().flat_map(parts).collect();
        let is_valid = |it: &Binding| valid.contains(&(&it.url, &it.credentials));
        grouped.bindings.retain(is_valid);
        let Shared { state, report, .. } = self.shared;
        if self.config.warn_on_invalid && !checked.problems.is_empty() {
            report(INVALID);
        }
        if grouped.cut_off > 0 && grouped.cut_off != self.cut_off {
            let (cut_off, apps) = (grouped.cut_off, grouped.apps_cut_off);
            report(&format!(
                "{cut_off} bindings of {apps} apps are not used: an app has at most {limit} drains"
            ));
        }
        self.cut_off = grouped.cut_off;
        state.set(SourceGauge::CutOff, grouped.cut_off);
        state.set(SourceGauge::Invalid, checked.invalid_drains);
        state.set(SourceGauge::Blacklisted, checked.blacklisted_drains);
        self.shared.set_apps(grouped.bindings);
    }
}

fn parts(url: &DrainUrl) -> impl Iterator<Item = (&Secret, &Credentials)> {
    let credentials = url.credentials.iter();
    credentials.map(|grant| (&url.url, &grant.credentials))
}

impl Shared {
    async fn refresh_aggregates(&self, client: &CacheClient) -> bool {
        self.state.count(SourceCounter::AggregateRefreshes);
        match client.aggregates().await {
            Ok(list) => {
                self.set_aggregates(list.into_iter().filter_map(aggregate).collect());
                true
            }
            Err(error) => {
                self.state.count(SourceCounter::AggregateErrors);
                (self.report)(&format!("fetching v2/aggregate failed: {error}"));
                false
            }
        }
    }

    fn set_apps(&self, mut apps: Vec<Binding>) {
        let count = apps.len();
        self.state.set(SourceGauge::Bindings, count);
        let now = self.sender.borrow().clone();
        let (old, aggregates) = now.bindings.split_at(self.app_count.get());
        if old != apps {
            apps.extend_from_slice(aggregates);
            self.app_count.set(count);
            self.publish(apps);
        }
    }

    /// Of the operator's drains only the URL is checked, as upstream: they may be where apps' may
    /// not, and a name that does not resolve is tried again when there is something to send.
    fn set_aggregates(&self, mut aggregates: Vec<Binding>) {
        let all = aggregates.len();
        let mut wrong = None;
        aggregates.retain(|binding| match wrong_url(&binding.url) {
            None => true,
            Some(problem) => {
                wrong = Some(problem);
                false
            }
        });
        let unusable = all - aggregates.len();
        self.state.set(SourceGauge::AggregatesUnusable, unusable);
        if let Some(wrong) = wrong {
            (self.report)(&format!(
                "{unusable} aggregate drains are not used: {wrong}"
            ));
        }
        self.state.set(SourceGauge::Aggregates, aggregates.len());
        let now = self.sender.borrow().clone();
        let (apps, old) = now.bindings.split_at(self.app_count.get());
        if old != aggregates {
            self.publish([apps, &aggregates].concat());
        }
    }

    fn publish(&self, bindings: Vec<Binding>) {
        self.state.count(SourceCounter::Changes);
        self.sender.send_replace(Arc::new(BindingSet { bindings }));
    }
}

/// As upstream, the first credentials are its, and an empty URL is no drain.
fn aggregate(drain: DrainUrl) -> Option<Binding> {
    let credentials = drain.credentials.into_iter().next();
    let credentials = credentials.map(|grant| grant.credentials);
    (!drain.url.is_empty()).then(|| Binding {
        url: drain.url,
        credentials: credentials.unwrap_or_default(),
        app: None,
        hostname: String::new(),
    })
}

fn of_url(url: &Secret) -> Binding {
    Binding {
        url: url.clone(),
        credentials: Credentials::default(),
        app: None,
        hostname: String::new(),
    }
}
