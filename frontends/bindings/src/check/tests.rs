//! Rounds as a whole, with names that are looked up nowhere.

use super::*;
use crate::wire::read;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// `bad…` has no address, `inner…` one that no drain may have besides one that it may, and all
/// others one that they may.
fn checker(lookups: &Arc<AtomicUsize>) -> Checker {
    let lookups = lookups.clone();
    let resolver = Resolver::new(move |host| {
        lookups.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let outer = "93.0.0.1".parse().unwrap();
            match host.split('.').next() {
                Some("bad") => Err(io::ErrorKind::NotFound.into()),
                Some("inner") => Ok(vec![outer, "10.0.0.5".parse().unwrap()]),
                _ => Ok(vec![outer]),
            }
        })
    });
    Checker::with_resolver("10.0.0.0-10.255.255.255".parse().unwrap(), resolver)
}

fn binding(url: &str, apps: &[&str]) -> DrainUrl {
    let apps = apps
        .iter()
        .map(|app| json!({"app_id": app, "hostname": "h"}));
    let apps: Vec<_> = apps.collect();
    let list = json!([{"url": url, "credentials": [{"apps": apps}]}]);
    read(list.to_string().as_bytes()).unwrap().remove(0)
}

fn told(checked: &Checked) -> Vec<(&str, &str)> {
    let problems = checked.problems.iter();
    problems
        .map(|problem| (problem.app.as_deref().unwrap_or("-"), &*problem.message))
        .collect()
}

async fn check(checker: &mut Checker, urls: &[&str]) -> Checked {
    let list = urls.iter().map(|url| binding(url, &["app"])).collect();
    checker.check(list).await
}

#[tokio::test]
async fn each_problem_is_told_to_its_apps_in_upstreams_words() {
    let mut checker = checker(&Arc::default());
    let list = vec![
        binding("syslog://good.example.com:514?x=1", &["a"]),
        DrainUrl {
            url: "syslog://h:1".into(),
            credentials: Vec::new(),
        },
        binding("://u:hush@h", &["a", "b"]),
        binding("http://u:hush@h?hush", &["a"]),
        binding("https://u:hush@/?hush#hush", &["a"]),
        binding("syslog://bad.example.com:514?hush", &["a", ""]),
        binding("syslog://bad.example.com:514?other", &["b"]),
        binding("syslog://inner.example.com:514", &["a"]),
        binding("syslog://10.1.2.3:514", &["a"]),
        binding("syslog://[::ffff:10.1.2.3]:514", &["b"]),
        binding("syslog://[::1]:514", &["a"]),
    ];
    let checked = checker.check(list).await;
    let blacklisted = "Resolved ip address for syslog drain with url";
    let expected = [
        (
            "-",
            "No credentials - which include appIDs - for a binding. Check the bindings in the cloud controller.",
        ),
        ("a", "Cannot parse syslog drain URL."),
        ("b", "Cannot parse syslog drain URL."),
        ("a", "Invalid Scheme http for syslog drain url http://h"),
        ("a", "No hostname found in syslog drain url https:///"),
        (
            "a",
            "Cannot resolve ip address for syslog drain with url syslog://bad.example.com:514",
        ),
        (
            "b",
            "Skipped resolve ip address for syslog drain with url syslog://bad.example.com:514 due to prior failure",
        ),
        (
            "a",
            &format!("{blacklisted} syslog://inner.example.com:514 is blacklisted"),
        ),
        (
            "a",
            &format!("{blacklisted} syslog://10.1.2.3:514 is blacklisted"),
        ),
        (
            "b",
            &format!("{blacklisted} syslog://[::ffff:10.1.2.3]:514 is blacklisted"),
        ),
    ];
    assert_eq!(told(&checked), expected);
    assert_eq!((checked.invalid_drains, checked.blacklisted_drains), (7, 3));
    let valid: Vec<_> = checked.valid.iter().map(|it| it.url.reveal()).collect();
    assert_eq!(
        valid,
        ["syslog://good.example.com:514?x=1", "syslog://[::1]:514"]
    );
    assert!(!format!("{checked:?}").contains("hush"));
}

#[tokio::test]
async fn filters_are_checked_before_names() {
    let lookups = Arc::default();
    let mut checker = checker(&lookups);
    let urls = [
        "syslog://bad:1?include-source-types=app&exclude-source-types=rtr",
        "syslog://bad:1?include-source-types=app,what",
        "syslog://bad",
    ];
    let checked = check(&mut checker, &urls).await;
    let expected = [
        (
            "app",
            "include-source-types and exclude-source-types cannot be used at the same time in syslog drain url syslog://bad:1",
        ),
        (
            "app",
            "Unknown source types 'what' in source type filter in syslog drain url syslog://bad:1",
        ),
        ("app", "No port found in syslog drain url syslog://bad"),
    ];
    assert_eq!(told(&checked), expected);
    assert_eq!(checked.invalid_drains, 3);
    assert_eq!(lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_failed_is_left_alone_for_two_minutes() {
    let lookups = Arc::default();
    let mut checker = checker(&lookups);
    let urls = ["syslog://bad:1", "syslog://good:1", "syslog://good:2"];
    let mut message = async || {
        let checked = check(&mut checker, &urls).await;
        assert_eq!(checked.valid.len(), 2);
        (
            checked.problems[0].message.to_string(),
            checked.invalid_drains,
        )
    };
    let failed = "Cannot resolve ip address for syslog drain with url syslog://bad:1";
    let skipped =
        "Skipped resolve ip address for syslog drain with url syslog://bad:1 due to prior failure";
    assert_eq!(message().await, (failed.to_owned(), 1));
    assert_eq!(lookups.load(Ordering::SeqCst), 2, "each name once");
    assert_eq!(message().await, (skipped.to_owned(), 0));
    assert_eq!(lookups.load(Ordering::SeqCst), 3);
    tokio::time::advance(Duration::from_secs(119)).await;
    assert_eq!(message().await, (skipped.to_owned(), 0));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(message().await, (failed.to_owned(), 1));
}

#[tokio::test]
async fn wrong_credentials_cost_themselves() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["drain".to_owned()]).unwrap();
    let cert = certificate.self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    let app = |app| json!([{"app_id": app, "hostname": "h"}]);
    let list = json!([{"url": "syslog-tls://good:1?hush", "credentials": [
        {"cert": cert, "key": "hush", "apps": app("a")},
        {"cert": cert, "key": key, "ca": cert, "apps": app("b")},
        {"ca": "hush", "apps": app("c")},
        {"cert": cert, "apps": app("d")},
    ]}, {"url": "syslog-tls://good:2", "credentials": [{"ca": "hush", "apps": app("e")}]}]);
    let list = read(list.to_string().as_bytes()).unwrap();
    let mut checker = checker(&Arc::default());
    for _ in 0..2 {
        let checked = checker.check(list.clone()).await;
        let expected = [
            ("a", "failed to load certificate for syslog-tls://good:1"),
            ("c", "failed to load root CA for syslog-tls://good:1"),
            ("e", "failed to load root CA for syslog-tls://good:2"),
        ];
        assert_eq!(told(&checked), expected);
        assert_eq!((checked.invalid_drains, checked.blacklisted_drains), (3, 0));
        let apps: Vec<_> = checked.valid.iter().flat_map(DrainUrl::apps).collect();
        let apps: Vec<_> = apps.iter().map(|app| app.app_id.as_str()).collect();
        assert_eq!(apps, ["b", "d"]);
        let shown = format!("{checked:?} {checker:?}");
        assert!(
            !shown.contains("hush") && !shown.contains("BEGIN"),
            "{shown}"
        );
    }
}
