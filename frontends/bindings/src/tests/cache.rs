//! A binding cache between a Cloud Controller that does as it likes and those who ask.

use super::rig::{Answer, Authority, Fake, Lines, bound, wait_until};
use crate::cache::{self, BindingCache, CacheConfig, CacheCounter, CacheGauge, Hooks};
use crate::cache_client::CacheClient;
use crate::check::Problem;
use crate::service::Service;
use crate::wire::DrainUrl;
use hydrant_rpc::tls::Reloader;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CACHE: &str = "binding-cache";
const API: &str = "cloud-controller";
const FIRST_PAGE: &str = "/internal/v5/syslog_drain_urls?batch_size=2&next_id=0";

/// Pages of which each is asked for by the number that the one before it gave.
fn paged(pages: Vec<(i64, Value)>) -> impl Fn(&str) -> Option<(u16, String)> {
    move |path| {
        let query = "/internal/v5/syslog_drain_urls?batch_size=2&next_id=";
        let asked: i64 = path.strip_prefix(query)?.parse().ok()?;
        let page = pages.iter().position(|(id, _)| *id == asked)?;
        let next = pages.get(page + 1).map_or(0, |(id, _)| *id);
        let page = json!({"results": pages[page].1, "next_id": next});
        Some((200, page.to_string()))
    }
}

struct Rig {
    authority: Authority,
    api_authority: Authority,
    api: Fake,
    lines: Lines,
    problems: Arc<Mutex<Vec<Problem>>>,
}

impl Rig {
    fn new(answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let api_authority = Authority::new();
        Self {
            api: Fake::new(&api_authority.files(API), answer),
            authority: Authority::new(),
            api_authority,
            lines: Lines::default(),
            problems: Arc::default(),
        }
    }

    fn config(&self) -> CacheConfig {
        CacheConfig {
            address: ([127, 0, 0, 1], 0).into(),
            tls: self.authority.files(CACHE),
            api: self.api_authority.service(self.api.address, API),
            batch_size: 2,
            interval_ms: 10,
            timeout_ms: 500,
            aggregate_drains_file: None,
            blacklist: "10.0.0.0-10.255.255.255".parse().unwrap(),
            warn_on_invalid: true,
        }
    }

    fn start(&self, config: &CacheConfig) -> BindingCache {
        let problems = self.problems.clone();
        let hooks = Hooks {
            report: Arc::new(self.lines.report()),
            on_problem: Arc::new(move |problem| problems.lock().unwrap().push(problem.clone())),
        };
        cache::start(config, hooks).unwrap()
    }

    fn service(&self, cache: &BindingCache) -> Service {
        let service = self.authority.service(cache.address(), CACHE);
        Service::new(&service, 1 << 20, Duration::from_secs(10)).unwrap()
    }

    /// What is served at a path, byte for byte.
    fn get(&self, cache: &BindingCache, path: &str) -> Result<String, String> {
        let service = self.service(cache);
        let body = block_on(service.get(path));
        let body = body.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

#[test]
fn pages_are_one_list_in_their_order() {
    let pages = vec![
        (
            0,
            json!([
                bound("syslog://127.0.0.1:9?a&b", &["z"]),
                bound("syslog://[::1]:8", &["y"])
            ]),
        ),
        (17, json!([bound("https://127.0.0.1:7", &["x", "z"])])),
        (400, json!([bound("syslog-tls://127.0.0.1:6", &["w"])])),
    ];
    let rig = Rig::new(paged(pages));
    let cache = rig.start(&rig.config());
    let state = cache.state();
    wait_until("a round", || state.gauge(CacheGauge::Cached) > 0);
    let app = |app: &&str| format!(r#"{{"hostname":"org.space.{app}","app_id":"{app}"}}"#);
    let drain = |url, apps: &[&str]| {
        let apps: Vec<_> = apps.iter().map(app).collect();
        let apps = apps.join(",");
        format!(
            r#"{{"url":"{url}","credentials":[{{"cert":"","key":"","ca":"","apps":[{apps}]}}]}}"#
        )
    };
    let drains = [
        drain(r"syslog://127.0.0.1:9?a\u0026b", &["z"]),
        drain("syslog://[::1]:8", &["y"]),
        drain("https://127.0.0.1:7", &["x", "z"]),
        drain("syslog-tls://127.0.0.1:6", &["w"]),
    ];
    let expected = format!("[{}]\n", drains.join(","));
    assert_eq!(rig.get(&cache, "v2/bindings"), Ok(expected));
    assert_eq!(rig.get(&cache, "v2/aggregate"), Ok("null\n".to_owned()));
    assert_eq!(state.gauge(CacheGauge::Cached), 4, "apps, not bindings");
    assert_eq!(state.gauge(CacheGauge::LastRefreshCount), 4);
    let next = FIRST_PAGE.replace("next_id=0", "next_id=400");
    assert!(rig.api.asked_for(&next) > 0);
    cache.stop(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_round_that_fails_leaves_what_was_there_and_is_counted() {
    let rig = Rig::new(|_| Some((500, String::new())));
    let cache = rig.start(&rig.config());
    let state = cache.state();
    wait_until("failures", || state.get(CacheCounter::RefreshErrors) > 1);
    let not_ready = Err("unexpected response: 503".to_owned());
    assert_eq!(rig.get(&cache, "v2/bindings"), not_ready);
    assert_eq!(rig.get(&cache, "v2/aggregate"), Ok("null\n".to_owned()));
    rig.api.say(paged(vec![(0, json!([]))]));
    wait_until("a round", || {
        rig.get(&cache, "v2/bindings") == Ok("[]\n".to_owned())
    });
    rig.api.say(paged(vec![(
        0,
        json!([bound("syslog://127.0.0.1:1", &["a"])]),
    )]));
    wait_until("a binding", || state.gauge(CacheGauge::Cached) == 1);
    let served = rig.get(&cache, "v2/bindings");
    let circle = json!({"results": [], "next_id": 5}).to_string();
    let second = |path: &str, status, body: &str| match path {
        FIRST_PAGE => Some((200, json!({"results": [], "next_id": 5}).to_string())),
        _ => Some((status, body.to_owned())),
    };
    let cases: [(Box<Answer>, &str); 5] = [
        (
            Box::new(|_| Some((503, "{}".to_owned()))),
            "page 0 from internal bindings endpoint: unexpected response: 503",
        ),
        (
            Box::new(move |path| second(path, 404, "")),
            "page 5 from internal bindings endpoint: unexpected response: 404",
        ),
        (
            Box::new(|_| Some((200, "{\"results\":[{\"url\":[\"hush\"]}]}".to_owned()))),
            "page 0 from internal bindings endpoint: no JSON of bindings",
        ),
        (
            Box::new(move |_| Some((200, circle.clone()))),
            "after page 5 comes page 5",
        ),
        (
            Box::new(|_| None),
            "page 0 from internal bindings endpoint: no answer within 500ms",
        ),
    ];
    for (answer, said) in cases {
        let before = state.get(CacheCounter::RefreshErrors);
        rig.api.say(answer);
        wait_until(said, || rig.lines.has(said));
        wait_until("counts", || state.get(CacheCounter::RefreshErrors) > before);
        assert_eq!(rig.get(&cache, "v2/bindings"), served, "{said}");
    }
    assert!(!rig.lines.has("hush"));
    assert_eq!(state.gauge(CacheGauge::Cached), 1);
    // A Cloud Controller that hangs keeps nobody from stopping.
    let begun = Instant::now();
    cache.stop(Duration::from_secs(30)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_answer_that_is_too_long_is_none() {
    let rig = Rig::new(|_| Some((200, "[]".repeat(100))));
    let service = rig.api_authority.service(rig.api.address, API);
    let ask = |bytes_max| {
        let service = Service::new(&service, bytes_max, Duration::from_secs(10)).unwrap();
        block_on(service.get("x")).map_err(|error| error.to_string())
    };
    assert_eq!(ask(200).map(|body| body.len()), Ok(200));
    let error = ask(199).unwrap_err();
    assert!(error.starts_with("the answer's body: "), "{error}");
}

#[test]
fn what_is_invalid_is_not_served_and_told_once() {
    let page = json!([
        bound("syslog://u:hush@10.0.0.1:1?hush", &["a", "b"]),
        bound("ftp://u:hush@h", &["a"]),
        bound("syslog://127.0.0.1:1?hush", &["a"]),
        {"url": "syslog://h:1", "credentials": []},
    ]);
    let rig = Rig::new(paged(vec![(0, page)]));
    let cache = rig.start(&rig.config());
    let state = cache.state();
    wait_until("rounds", || state.get(CacheCounter::Refreshes) > 3);
    let list = CacheClient::new(
        &rig.authority.service(cache.address(), CACHE),
        Duration::from_secs(10),
    );
    let list = block_on(list.unwrap().bindings()).unwrap();
    let urls: Vec<_> = list.iter().map(|it: &DrainUrl| it.url.reveal()).collect();
    assert_eq!(urls, ["syslog://127.0.0.1:1?hush"]);
    assert_eq!(state.gauge(CacheGauge::Invalid), 2);
    assert_eq!(state.gauge(CacheGauge::Blacklisted), 1);
    let blacklisted =
        "Resolved ip address for syslog drain with url syslog://10.0.0.1:1 is blacklisted";
    let scheme = "Invalid Scheme ftp for syslog drain url ftp://h";
    let nobody = "No credentials - which include appIDs - for a binding. Check the bindings in the cloud controller.";
    let expected = [
        (Some("a"), blacklisted),
        (Some("b"), blacklisted),
        (Some("a"), scheme),
        (None, nobody),
    ];
    let problems = rig.problems.lock().unwrap().clone();
    let told: Vec<_> = problems
        .iter()
        .map(|it| (it.app.as_deref(), &*it.message))
        .collect();
    assert_eq!(told, expected);
    let lines = [
        format!("{blacklisted} for app a"),
        format!("{blacklisted} for app b"),
        format!("{scheme} for app a"),
        nobody.to_owned(),
    ];
    assert_eq!(rig.lines.all(), lines);
    assert_eq!(state.get(CacheCounter::Told), 4);
    assert!(state.get(CacheCounter::Untold) >= 8);
    assert!(!format!("{cache:?} {problems:?}").contains("hush"));
}

#[test]
fn nobody_is_told_where_nobody_is_to_be() {
    let rig = Rig::new(paged(vec![(0, json!([bound("ftp://h", &["a"])]))]));
    let config = CacheConfig {
        warn_on_invalid: false,
        ..rig.config()
    };
    let cache = rig.start(&config);
    let state = cache.state();
    wait_until("rounds", || state.get(CacheCounter::Refreshes) > 2);
    assert_eq!(state.gauge(CacheGauge::Invalid), 1);
    assert!(rig.lines.all().is_empty() && rig.problems.lock().unwrap().is_empty());
}

#[test]
fn aggregate_drains_are_those_of_the_file() {
    let rig = Rig::new(paged(vec![(0, json!([]))]));
    let file = rig
        .authority
        .directory
        .write("aggregates.yml", "- url: syslog://all:1\n  CA: ca\n");
    let config = CacheConfig {
        aggregate_drains_file: Some(file),
        ..rig.config()
    };
    let cache = rig.start(&config);
    let expected = "[{\"url\":\"syslog://all:1\",\"credentials\":[{\"cert\":\"\",\"key\":\"\",\"ca\":\"ca\",\"apps\":null}]}]\n";
    assert_eq!(rig.get(&cache, "v2/aggregate"), Ok(expected.to_owned()));
    let config = CacheConfig {
        aggregate_drains_file: Some("no/such.yml".into()),
        ..rig.config()
    };
    let hooks = Hooks {
        report: Arc::new(|_| {}),
        on_problem: Arc::new(|_| {}),
    };
    let error = cache::start(&config, hooks).unwrap_err().to_string();
    let expected = "binding_cache.aggregate_drains_file: no/such.yml: cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn strangers_get_nothing_and_a_new_certificate_is_shown() {
    let rig = Rig::new(paged(vec![(0, json!([]))]));
    let config = rig.config();
    let cache = rig.start(&config);
    let state = cache.state();
    wait_until("a round", || rig.get(&cache, "v2/bindings").is_ok());
    let mut service = rig.authority.service(cache.address(), CACHE);
    let other = Authority::new();
    let strange = other.files("client");
    let files = service.tls.as_mut().unwrap();
    (files.cert_file, files.key_file) = (strange.cert_file, strange.key_file);
    let service = Service::new(&service, 1 << 20, Duration::from_secs(10)).unwrap();
    block_on(service.get("v2/bindings")).unwrap_err();
    wait_until("refusal", || state.get(CacheCounter::TlsFailed) > 0);
    let mut plain = TcpStream::connect(cache.address()).unwrap();
    plain
        .write_all(b"GET /v2/bindings HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut said = String::new();
    plain.read_to_string(&mut said).unwrap();
    assert!(
        said.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{said}"
    );
    assert_eq!(state.get(CacheCounter::PlainHttp), 1);
    // Of another name from now on.
    let reloader = Reloader::start(|_| {}).unwrap();
    cache.watch(&reloader);
    let [certificate, key] = rig.authority.pair("renamed");
    std::fs::write(&config.tls.cert_file, certificate).unwrap();
    std::fs::write(&config.tls.key_file, key).unwrap();
    reloader.reload_all();
    let error = rig.get(&cache, "v2/bindings").unwrap_err();
    assert!(error.starts_with("TLS: "), "{error}");
}

#[test]
fn other_paths_and_methods_are_refused_as_upstream_does() {
    let rig = Rig::new(paged(vec![(0, json!([]))]));
    let cache = rig.start(&rig.config());
    let state = cache.state();
    for path in [
        "",
        "bindings",
        "v2/bindings/",
        "v2",
        "v2/bind%69ngs",
        "v2/aggregates",
    ] {
        let expected = Err("unexpected response: 404".to_owned());
        assert_eq!(rig.get(&cache, path), expected, "{path}");
    }
    assert_eq!(state.get(CacheCounter::Refused), 6);
}
