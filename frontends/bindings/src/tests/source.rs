//! A source against a cache that does as it likes.

use super::rig::{Authority, Fake, Lines, bound, replace, wait_until};
use crate::source::{self, BindingsConfig, Source, SourceCounter, SourceGauge};
use crate::{Binding, ServiceConfig};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const CACHE: &str = "binding-cache";

struct Rig {
    authority: Authority,
    cache: Fake,
    lines: Lines,
}

/// A cache with these bindings and aggregate drains.
fn serving(bindings: Value, aggregates: Value) -> impl Fn(&str) -> Option<(u16, String)> {
    move |path| match path {
        "/v2/bindings" => Some((200, bindings.to_string())),
        "/v2/aggregate" => Some((200, aggregates.to_string())),
        _ => Some((404, String::new())),
    }
}

impl Rig {
    fn new(bindings: Value, aggregates: Value) -> Self {
        let authority = Authority::new();
        let cache = Fake::new(&authority.files(CACHE), serving(bindings, aggregates));
        Self {
            authority,
            cache,
            lines: Lines::default(),
        }
    }

    fn config(&self) -> BindingsConfig {
        BindingsConfig {
            cache: Some(self.service()),
            interval_ms: 10,
            aggregates_interval_ms: 10,
            ..BindingsConfig::default()
        }
    }

    fn service(&self) -> ServiceConfig {
        self.authority.service(self.cache.address, CACHE)
    }

    fn start(&self, config: &BindingsConfig) -> Source {
        source::start(config, self.lines.report()).unwrap()
    }
}

/// Each binding's app (`*` for all apps) and URL.
fn now(source: &Source) -> Vec<(String, String)> {
    let set = source.bindings().borrow().clone();
    let shown = |binding: &Binding| {
        let app = binding.app.clone().unwrap_or_else(|| "*".to_owned());
        (app, binding.url.reveal().to_owned())
    };
    set.bindings.iter().map(shown).collect()
}

fn is(source: &Source, expected: &[(&str, &str)]) -> bool {
    let now = now(source);
    let now = now.iter().map(|(app, url)| (app.as_str(), url.as_str()));
    now.eq(expected.iter().copied())
}

fn rounds(source: &Source, count: u64) {
    let state = source.state();
    let [apps, aggregates] = [SourceCounter::Refreshes, SourceCounter::AggregateRefreshes];
    let goal = [apps, aggregates].map(|counter| state.get(counter) + count);
    wait_until("rounds", || {
        state.get(apps) >= goal[0] && state.get(aggregates) >= goal[1]
    });
}

#[test]
fn apps_and_aggregates_are_one_set_that_wakes_only_when_it_changes() {
    let aggregates = json!([{"url": "syslog://all:1", "credentials": [{"ca": "CA", "apps": null}]}, {"url": ""}]);
    let bindings = json!([
        bound("syslog://127.0.0.1:2", &["b", "a"]),
        bound("syslog://127.0.0.1:1", &["a"])
    ]);
    let rig = Rig::new(bindings, aggregates.clone());
    let source = rig.start(&rig.config());
    let expected = [
        ("a", "syslog://127.0.0.1:1"),
        ("a", "syslog://127.0.0.1:2"),
        ("b", "syslog://127.0.0.1:2"),
        ("*", "syslog://all:1"),
    ];
    wait_until("the set", || is(&source, &expected));
    let set = source.bindings().borrow().clone();
    assert_eq!(set.bindings[0].hostname, "org.space.a");
    assert_eq!(set.bindings[3].credentials.ca.reveal(), "CA");
    let state = source.state();
    assert_eq!(state.gauge(SourceGauge::Bindings), 3);
    assert_eq!(state.gauge(SourceGauge::Aggregates), 1);
    assert!(state.latency_ms() > 0.0);
    let mut watcher = source.bindings();
    watcher.mark_unchanged();
    let changes = state.get(SourceCounter::Changes);
    rounds(&source, 3);
    assert!(!watcher.has_changed().unwrap());
    assert_eq!(state.get(SourceCounter::Changes), changes);
    rig.cache.say(serving(json!([]), aggregates));
    wait_until("only aggregates", || is(&source, &expected[3..]));
    assert!(watcher.has_changed().unwrap());
    rig.cache.say(serving(json!([]), json!(null)));
    wait_until("nothing", || is(&source, &[]));
    assert_eq!(rig.lines.all(), Vec::<String>::new());
}

#[test]
fn what_goes_wrong_leaves_the_old_set_and_is_counted() {
    let rig = Rig::new(json!([bound("syslog://127.0.0.1:1", &["a"])]), json!(null));
    let config = BindingsConfig {
        timeout_ms: 300,
        ..rig.config()
    };
    let source = rig.start(&config);
    let expected = [("a", "syslog://127.0.0.1:1")];
    wait_until("the set", || is(&source, &expected));
    let state = source.state();
    for (status, body, said) in [
        (Some(500), "[]", "unexpected response: 500"),
        (Some(204), "", "unexpected response: 204"),
        (
            Some(200),
            "{\"url\":\"hush\"}",
            "no JSON of bindings: wrong at line 1",
        ),
        (None, "", "no answer within 300ms"),
    ] {
        let errors = [SourceCounter::RefreshErrors, SourceCounter::AggregateErrors];
        let goal = errors.map(|counter| state.get(counter) + 2);
        rig.cache
            .say(move |_| status.map(|status| (status, body.to_owned())));
        wait_until(said, || {
            errors
                .iter()
                .zip(goal)
                .all(|(counter, goal)| state.get(*counter) >= goal)
        });
        for what in ["bindings", "aggregate"] {
            let line = format!("fetching v2/{what} failed: {said}");
            wait_until(&line, || rig.lines.has(&line));
        }
        assert!(is(&source, &expected), "{said}");
    }
    assert!(!rig.lines.has("hush"));
    rig.cache.say(serving(json!([]), json!([])));
    wait_until("the next set", || is(&source, &[]));
}

#[test]
fn what_the_cache_should_have_rejected_is_not_used() {
    let bindings = json!([
        bound("syslog://10.0.0.1:1?hush", &["a"]),
        bound("ftp://u:hush@127.0.0.1:1", &["a"]),
        bound("syslog://127.0.0.1:1", &["a"]),
        bound("syslog://127.0.0.1:2", &["a"]),
        bound("syslog://127.0.0.1:3", &["a"]),
    ]);
    let rig = Rig::new(
        bindings,
        json!([{"url": "syslog://u:hush@h"}, {"url": "syslog://10.0.0.1:1"}]),
    );
    let config = BindingsConfig {
        blacklist: "10.0.0.0-10.255.255.255".parse().unwrap(),
        per_app_limit: 4,
        ..rig.config()
    };
    let source = rig.start(&config);
    let expected = [
        ("a", "syslog://127.0.0.1:1"),
        ("a", "syslog://127.0.0.1:2"),
        ("*", "syslog://10.0.0.1:1"),
    ];
    wait_until("the set", || is(&source, &expected));
    let state = source.state();
    assert_eq!(state.gauge(SourceGauge::CutOff), 1);
    assert_eq!(state.gauge(SourceGauge::Invalid), 2);
    assert_eq!(state.gauge(SourceGauge::Blacklisted), 1);
    assert_eq!(state.gauge(SourceGauge::AggregatesUnusable), 1);
    rounds(&source, 2);
    let lines = rig.lines.all();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert!(count("Invalid drains detected in the Syslog Agent.") >= 2);
    assert_eq!(
        count("1 bindings of 1 apps are not used: an app has at most 4 drains"),
        1
    );
    assert!(
        count("1 aggregate drains are not used: No port found in syslog drain url syslog://h") > 0
    );
    assert!(!format!("{lines:?} {source:?}").contains("hush"));
}

#[test]
fn aggregate_urls_of_the_config_are_instead_of_the_caches() {
    let rig = Rig::new(json!([]), json!([{"url": "syslog://all:1"}]));
    let config = BindingsConfig {
        aggregate_urls: vec!["syslog://own:1".into()],
        ..rig.config()
    };
    let source = rig.start(&config);
    wait_until("rounds", || rig.cache.asked_for("/v2/bindings") > 2);
    assert!(is(&source, &[("*", "syslog://own:1")]));
    assert_eq!(rig.cache.asked_for("/v2/aggregate"), 0);
    let config = BindingsConfig {
        cache: None,
        ..config
    };
    let source = rig.start(&config);
    wait_until("the set", || is(&source, &[("*", "syslog://own:1")]));
}

#[test]
fn both_ends_prove_who_they_are() {
    let rig = Rig::new(json!([bound("syslog://127.0.0.1:1", &["a"])]), json!(null));
    let is_refused = |service: ServiceConfig| {
        let config = BindingsConfig {
            cache: Some(service),
            ..rig.config()
        };
        let source = rig.start(&config);
        let state = source.state();
        wait_until("errors", || state.get(SourceCounter::RefreshErrors) > 1);
        assert!(is(&source, &[]));
    };
    is_refused(rig.authority.service(rig.cache.address, "another"));
    let before = rig.cache.counts.tls_failed.load(Ordering::SeqCst);
    // It trusts the cache, which does not trust it.
    let other = Authority::new();
    let mut stranger = rig.service();
    let files = stranger.tls.as_mut().unwrap();
    let strange = other.files("client");
    (files.cert_file, files.key_file) = (strange.cert_file, strange.key_file);
    is_refused(stranger);
    assert!(rig.cache.counts.tls_failed.load(Ordering::SeqCst) > before);
}

#[test]
fn new_certificates_are_used_from_the_next_round_on() {
    let rig = Rig::new(json!([bound("syslog://127.0.0.1:1", &["a"])]), json!(null));
    let other = Authority::new();
    let mut strange = other.files("client");
    let service = rig.service();
    let files = service.tls.unwrap();
    strange.ca_file = files.ca_file.clone();
    let config = BindingsConfig {
        cache: Some(ServiceConfig {
            tls: Some(strange.clone()),
            ..rig.service()
        }),
        ..rig.config()
    };
    let source = rig.start(&config);
    let state = source.state();
    wait_until("errors", || state.get(SourceCounter::RefreshErrors) > 0);
    replace(&strange.key_file, &files.key_file);
    replace(&strange.cert_file, &files.cert_file);
    wait_until("the set", || is(&source, &[("a", "syslog://127.0.0.1:1")]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let rig = Rig::new(json!([]), json!([]));
    let mut service = rig.service();
    service.tls.as_mut().unwrap().key_file = "no/such.key".into();
    let config = BindingsConfig {
        cache: Some(service),
        ..rig.config()
    };
    let error = source::start(&config, |_| {}).unwrap_err().to_string();
    assert!(
        error.starts_with("syslog.bindings.cache.tls: no/such.key: "),
        "{error}"
    );
}
