//! What each answer is worth, and each lack of one.

use super::{GUID, HURRY, Rig};
use crate::AccessCounter::{Asked, Failed, Granted, Refused};
use crate::fakes::{Manner, Peer, access_config};
use crate::{Access, AccessState, Allowance, LogAccess, Question, Verdict};
use hyper::StatusCode;
use std::sync::Arc;
use std::time::Duration;

const FIREHOSE: &[&str] = &["openid", "doppler.firehose"];

#[test]
fn the_scope_reads_the_firehose() {
    let rig = Rig::new();
    rig.uaa.know("good", FIREHOSE);
    rig.uaa
        .know("admin", &["logs.admin", "cloud_controller.admin"]);
    assert!(rig.reads_firehose("bearer good"));
    assert!(rig.reads_firehose("good"));
    assert!(!rig.reads_firehose("bearer admin"));
    let counts = [(Asked, 3), (Granted, 2), (Refused, 1)];
    assert_eq!(rig.counts(Question::CheckToken), counts);
    assert!(rig.state.latency_nanos(Question::CheckToken) > 0);
    assert_eq!(rig.state.latency_nanos(Question::LogAccess), 0);
}

#[test]
fn uaa_gets_the_token_less_the_exact_prefix() {
    let rig = Rig::new();
    for (token, form) in [
        ("bearer to&k=n+", "token=to%26k%3Dn%2B"),
        ("Bearer x", "token=Bearer+x"),
        ("bearer  x", "token=+x"),
        ("bearerx", "token=bearerx"),
    ] {
        assert!(!rig.reads_firehose(token));
        let requests = rig.uaa.peer().requests();
        assert!(
            requests[0].ends_with(&format!("\r\n\r\n{form}")),
            "{requests:?}"
        );
    }
    // Somebody might know it by what the others would make of it.
    rig.uaa.know("Bearer x", FIREHOSE);
    assert!(rig.reads_firehose("Bearer x"));
}

#[test]
fn tokens_that_are_over_malformed_or_missing_are_refused() {
    let rig = Rig::new();
    rig.uaa.expire("old");
    assert!(!rig.reads_firehose("bearer old"));
    for malformed in ["bearer", "bearer \t", "basic eDp5", "a b c", "bearer ÿ"] {
        assert!(!rig.reads_firehose(malformed), "{malformed}");
    }
    let asked = rig.uaa.asked();
    // Who has none is not asked for.
    assert!(!rig.reads_firehose(""));
    assert_eq!(rig.log_access("", GUID), LogAccess::Unauthorized);
    assert_eq!((rig.uaa.asked(), rig.capi.asked()), (asked, 0));
}

#[test]
fn a_token_of_64_kib_is_a_token() {
    let rig = Rig::new();
    let token = "t".repeat(64 * 1024);
    assert!(!rig.reads_firehose(&format!("bearer {token}")));
    rig.uaa.know(&token, FIREHOSE);
    assert!(rig.reads_firehose(&format!("bearer {token}")));
    rig.capi.show(GUID);
    assert_eq!(rig.log_access(&token, GUID), LogAccess::Granted);
    rig.capi.say(GUID, "400 Request Header Or Cookie Too Large");
    assert_eq!(rig.log_access(&token, GUID), LogAccess::Failed);
}

#[test]
fn the_cloud_controllers_answers() {
    let rig = Rig::new();
    for (status, expected) in [
        ("200 OK", LogAccess::Granted),
        ("401 Unauthorized", LogAccess::Unauthorized),
        ("403 Forbidden", LogAccess::NotFound),
        ("404 Not Found", LogAccess::NotFound),
        ("201 Created", LogAccess::Failed),
        (
            "302 Found\r\nLocation: http://127.0.0.1:1/",
            LogAccess::Failed,
        ),
        ("500 Internal Server Error", LogAccess::Failed),
        ("nonsense", LogAccess::Failed),
    ] {
        rig.capi.say(GUID, status);
        assert_eq!(rig.log_access("bearer x", GUID), expected, "{status}");
    }
    let counts = [(Asked, 8), (Granted, 1), (Refused, 3), (Failed, 4)];
    assert_eq!(rig.counts(Question::LogAccess), counts);
    let request = rig.capi.peer().requests().remove(0);
    let line = format!("GET /internal/v4/log_access/{GUID} HTTP/1.1\r\n");
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("authorization: bearer x\r\n"), "{request}");
    assert!(request.contains("connection: close\r\n"), "{request}");
}

#[test]
fn what_is_no_guid_is_not_asked_for() {
    let rig = Rig::new();
    for guid in [
        "",
        "app",
        "../../v3/apps",
        &format!("{GUID}/x"),
        &format!("{GUID}?"),
    ] {
        assert_eq!(rig.log_access("bearer x", guid), LogAccess::Unauthorized);
        let token = super::header("bearer x");
        let shown = rig.access.shows_logs(&token, guid);
        assert_eq!(rig.runtime.block_on(shown), Verdict::Failed(None));
    }
    assert_eq!(rig.capi.asked(), 0);
}

#[test]
fn who_is_down_allows_nothing_until_up_again() {
    let rig = Rig::new();
    rig.uaa.know("good", FIREHOSE);
    rig.capi.show(GUID);
    rig.uaa.set_manner(Manner::Down);
    rig.capi.set_manner(Manner::Down);
    assert!(!rig.reads_firehose("bearer good"));
    assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Failed);
    assert_eq!(rig.counts(Question::CheckToken), [(Asked, 1), (Failed, 1)]);
    assert_eq!(rig.counts(Question::LogAccess), [(Asked, 1), (Failed, 1)]);
    rig.uaa.set_manner(Manner::Prompt);
    rig.capi.set_manner(Manner::Prompt);
    assert!(rig.reads_firehose("bearer good"));
    assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Granted);
}

#[test]
fn nobody_listening_is_down_too() {
    let rig = Rig::new();
    let mut config = access_config(&rig.uaa, &rig.capi);
    config.uaa.address = "http://127.0.0.1:1".to_owned();
    config.capi.address = "http://127.0.0.1:1".to_owned();
    let state = Arc::<AccessState>::default();
    let access = Access::new(&config, Allowance::default(), state).unwrap();
    let token = super::header("bearer good");
    assert!(!rig.runtime.block_on(access.may_read_firehose(&token)));
    let log_access = rig.runtime.block_on(access.log_access(&token, GUID));
    assert_eq!(log_access, LogAccess::Failed);
}

#[test]
fn who_is_slow_has_so_much_time() {
    let rig = Rig::with(|allowance| allowance.answer_timeout = HURRY);
    rig.uaa.know("good", FIREHOSE);
    rig.capi.show(GUID);
    rig.uaa.set_manner(Manner::Silent);
    rig.capi.set_manner(Manner::Silent);
    assert!(!rig.reads_firehose("bearer good"));
    assert_eq!(rig.log_access("bearer good", GUID), LogAccess::Failed);
    assert_eq!(rig.counts(Question::CheckToken), [(Asked, 1), (Failed, 1)]);
    assert!(rig.state.latency_nanos(Question::CheckToken) >= 300_000_000);
    // And with enough of it, slow is good enough.
    let rig = Rig::new();
    rig.uaa.know("good", FIREHOSE);
    rig.uaa.set_manner(Manner::Slow(Duration::from_millis(50)));
    assert!(rig.reads_firehose("bearer good"));
}

#[test]
fn wrong_json_is_no_answer() {
    let rig = Rig::new();
    let mut config = access_config(&rig.uaa, &rig.capi);
    for body in [
        "",
        "<html>",
        r#"{"scope":"doppler.firehose"}"#,
        "{\"scope\":[\"doppler",
    ] {
        let peer = Peer::saying("200 OK", body);
        config.uaa.address = format!("http://{}", peer.address());
        let state = Arc::<AccessState>::default();
        let access = Access::new(&config, Allowance::default(), state.clone()).unwrap();
        let token = super::header("bearer good");
        assert!(!rig.runtime.block_on(access.may_read_firehose(&token)));
        assert_eq!(state.get(Question::CheckToken, Failed), 1, "{body}");
    }
}

#[test]
fn an_answer_without_end_is_no_answer() {
    let rig = Rig::new();
    let endless = format!(
        "{{\"scope\":[\"doppler.firehose\"]}}{}",
        " ".repeat(2 << 20)
    );
    let peer = Peer::saying("200 OK", &endless);
    let mut config = access_config(&rig.uaa, &rig.capi);
    config.uaa.address = format!("http://{}", peer.address());
    let access = Access::new(&config, Allowance::default(), Arc::default()).unwrap();
    let token = super::header("bearer good");
    assert!(!rig.runtime.block_on(access.may_read_firehose(&token)));
}

#[test]
fn only_the_right_client_may_ask_uaa() {
    let rig = Rig::new();
    rig.uaa.know("good", FIREHOSE);
    let mut config = access_config(&rig.uaa, &rig.capi);
    config.uaa.client_secret = crate::Secret::new("wrong");
    let state = Arc::<AccessState>::default();
    let access = Access::new(&config, Allowance::default(), state.clone()).unwrap();
    let token = super::header("bearer good");
    assert!(!rig.runtime.block_on(access.may_read_firehose(&token)));
    assert_eq!(state.get(Question::CheckToken, Failed), 1);
}

#[test]
fn the_gateways_questions() {
    let rig = Rig::new();
    rig.uaa.know("good", &["logs.admin"]);
    rig.capi.show(GUID);
    let token = super::header("bearer   good");
    let scopes = ["doppler.firehose", "logs.admin"];
    let has_scope = rig.access.has_scope(&token, &scopes);
    assert_eq!(rig.runtime.block_on(has_scope), Verdict::Granted);
    let other = super::header("bearer other");
    let has_scope = rig.access.has_scope(&other, &scopes);
    let refused = Verdict::Refused(StatusCode::BAD_REQUEST);
    assert_eq!(rig.runtime.block_on(has_scope), refused);
    let shown = rig.access.shows_logs(&token, GUID);
    assert_eq!(rig.runtime.block_on(shown), Verdict::Granted);
    // Nobody is there to be asked.
    let shown = rig.access.shows_service_instance(&token, GUID);
    assert_eq!(rig.runtime.block_on(shown), Verdict::Failed(None));
}
