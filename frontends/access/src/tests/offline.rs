//! Tokens without UAA, and sources of the public interface.

use super::header;
use crate::fakes::{FakeApi, FakeUaa, Manner, Signer};
use crate::{
    AccessCounter, AccessState, Allowance, Bearer, KeysError, Question, Sources, SourcesConfig,
    TokenError, TokenKeys, UaaConfig,
};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

const SECRET: &str = "not so secret";

struct Rig {
    uaa: FakeUaa,
    keys: TokenKeys,
    state: Arc<AccessState>,
    runtime: Runtime,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut UaaConfig)) -> Self {
        let (uaa, state) = (FakeUaa::new(), Arc::<AccessState>::default());
        let mut config = uaa.config();
        change(&mut config);
        let keys = TokenKeys::new(&config, true, Allowance::default(), state.clone()).unwrap();
        let runtime = runtime();
        Self {
            uaa,
            keys,
            state,
            runtime,
        }
    }

    fn refresh(&self) -> Result<(), KeysError> {
        self.runtime.block_on(self.keys.refresh())
    }

    fn read(&self, authorization: &str) -> Result<Bearer, TokenError> {
        self.runtime
            .block_on(self.keys.read(&header(authorization)))
    }

    fn asked(&self) -> u64 {
        self.state.get(Question::TokenKeys, AccessCounter::Asked)
    }
}

fn shared() -> (Rig, Signer) {
    let rig = Rig::new();
    rig.uaa.publish("key-1", "HS256", SECRET);
    rig.refresh().unwrap();
    (rig, Signer::secret("key-1", SECRET))
}

#[test]
fn tokens_of_both_algorithms_are_read_without_asking() {
    let (rig, signer) = shared();
    let anybody = Bearer { is_admin: false };
    let admin = Bearer { is_admin: true };
    assert_eq!(rig.read(&signer.bearer(&["openid"])), Ok(anybody));
    for scope in ["doppler.firehose", "logs.admin"] {
        assert_eq!(rig.read(&signer.bearer(&["openid", scope])), Ok(admin));
    }
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    rig.uaa.publish("key-2", "RS256", &rsa.public_key_pem());
    rig.refresh().unwrap();
    let signer = Signer::rsa("key-2", &rsa.serialize_pem());
    assert_eq!(rig.read(&signer.bearer(&["logs.admin"])), Ok(admin));
    assert_eq!(rig.asked(), 2);
    // What UAA does not publish any more counts no more.
    let old = Signer::secret("key-1", SECRET);
    assert_eq!(rig.read(&old.bearer(&[])), Err(TokenError::UnknownKey));
}

#[test]
fn bearer_is_written_in_any_case_or_not_at_all() {
    let (rig, signer) = shared();
    let token = signer.bearer(&[]);
    let token = token.strip_prefix("bearer ").unwrap();
    for before in ["", "bearer ", "Bearer ", "BEARER \t "] {
        assert!(rig.read(&format!("{before}{token}")).is_ok(), "{before}");
    }
    for before in ["bearer", "basic ", " "] {
        assert!(rig.read(&format!("{before}{token}")).is_err(), "{before}");
    }
}

#[test]
fn claims_are_of_their_types_and_tokens_end() {
    let (rig, signer) = shared();
    let read = |claims: Value| rig.read(&signer.sign(&claims));
    assert_eq!(read(json!({"exp": 1})), Err(TokenError::Expired));
    assert_eq!(
        read(json!({"scope": ["logs.admin"]})),
        Err(TokenError::Expired)
    );
    let anybody = Ok(Bearer { is_admin: false });
    assert_eq!(read(json!({"exp": 4e9})), anybody);
    assert_eq!(
        read(json!({"exp": 4_102_444_800.5, "nbf": 4e9, "aud": "x"})),
        anybody
    );
    for wrong in [
        json!({"exp": "4102444800"}),
        json!({"exp": 4e9, "scope": "logs.admin"}),
        json!({"exp": 4e9, "scope": [1]}),
        json!([]),
    ] {
        assert_eq!(read(wrong.clone()), Err(TokenError::Malformed), "{wrong}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let rig = Rig::new();
    rig.uaa.publish("key-1", "RS256", &rsa.public_key_pem());
    rig.refresh().unwrap();
    let forger = Signer::secret("key-1", &rsa.public_key_pem());
    let forged = forger.bearer(&["logs.admin"]);
    assert_eq!(rig.read(&forged), Err(TokenError::Algorithm));
    let unsigned = "eyJhbGciOiJub25lIiwia2lkIjoia2V5LTEifQ.eyJleHAiOjQxMDI0NDQ4MDB9.";
    rig.read(unsigned).unwrap_err();
    for garbage in [
        "bearer ",
        "x",
        "a.b.c",
        "..",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
    ] {
        assert_eq!(rig.read(garbage), Err(TokenError::Malformed), "{garbage}");
    }
}

#[test]
fn a_key_that_is_not_known_is_asked_for_and_not_too_often() {
    let (rig, _) = shared();
    rig.uaa.publish("key-2", "HS256", SECRET);
    let signer = Signer::secret("key-2", SECRET);
    rig.read(&signer.bearer(&[])).unwrap();
    assert_eq!(rig.asked(), 2);
    for name in ["key-3", "key-4"] {
        let unknown = Signer::secret(name, SECRET);
        assert_eq!(rig.read(&unknown.bearer(&[])), Err(TokenError::UnknownKey));
    }
    assert_eq!(rig.asked(), 2);
}

#[test]
fn a_new_key_under_the_old_name_is_noticed() {
    let (rig, _) = shared();
    rig.uaa.publish("key-1", "HS256", "another");
    let signer = Signer::secret("key-1", "another");
    let token = signer.bearer(&[]);
    assert_eq!(rig.read(&token), Err(TokenError::Signature));
    // What was begun in the background ends before anything new of the kind begins.
    let unknown = Signer::secret("key-0", SECRET);
    assert_eq!(rig.read(&unknown.bearer(&[])), Err(TokenError::UnknownKey));
    rig.read(&token).unwrap();
    assert_eq!(rig.asked(), 2);
}

#[test]
fn keys_that_cannot_be_had_leave_the_old_ones() {
    let (rig, signer) = shared();
    for (alg, value) in [("HS256", ""), ("RS256", SECRET), ("", SECRET)] {
        rig.uaa.publish("key-9", alg, value);
        let error = rig.refresh().unwrap_err().to_string();
        assert!(
            error.contains("\"key-9\"") && !error.contains(SECRET),
            "{error}"
        );
    }
    rig.uaa.set_manner(Manner::Down);
    let error = rig.refresh().unwrap_err().to_string();
    assert!(
        error.starts_with("failed to get token keys from UAA: "),
        "{error}"
    );
    rig.read(&signer.bearer(&[])).unwrap();
    assert!(!format!("{:?}", rig.keys).contains(SECRET));
}

#[test]
fn uaa_is_told_who_asks_only_if_there_is_a_secret() {
    let credentials = |rig: &Rig| {
        rig.refresh().ok();
        let request = rig.uaa.peer().requests().remove(0).to_ascii_lowercase();
        assert!(
            request.starts_with("get /token_keys http/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("\r\ncontent-type: application/json\r\n"));
        request.contains("\r\nauthorization: basic ahlkcmfuddpodxno\r\n")
    };
    assert!(credentials(&Rig::new()));
    let anonymous = |config: &mut UaaConfig| config.client_id.clear();
    assert!(!credentials(&Rig::with(anonymous)));
}

fn sources(api: &FakeApi, cache_ms: u64) -> Sources {
    let config = SourcesConfig {
        cache_ms,
        ..api.config()
    };
    Sources::new(&config, true, Allowance::default(), Arc::default()).unwrap()
}

#[test]
fn an_app_is_asked_for_and_then_a_service_instance() {
    let api = FakeApi::new();
    api.app("app-1", "one");
    api.instance("instance-1");
    let sources = sources(&api, 60_000);
    let runtime = runtime();
    let may = |id: &str| runtime.block_on(sources.may_read(&header("bearer t"), id));
    assert!(may("app-1"));
    assert_eq!(api.requests(), ["/v3/apps/app-1"]);
    assert!(may("instance-1"));
    let both = ["/v3/apps/instance-1", "/v3/service_instances/instance-1"];
    assert_eq!(api.requests(), both);
    // What was allowed is remembered, what was not is asked again.
    assert!(may("app-1") && may("instance-1"));
    assert!(api.requests().is_empty());
    for _ in 0..2 {
        assert!(!may("a/../b?c"));
        let encoded = [
            "/v3/apps/a%2F..%2Fb%3Fc",
            "/v3/service_instances/a%2F..%2Fb%3Fc",
        ];
        assert_eq!(api.requests(), encoded);
    }
    for never in ["", ".", ".."] {
        assert!(!may(never));
    }
    assert!(api.requests().is_empty());
    // For who sends another token nothing is remembered.
    let other = runtime.block_on(sources.may_read(&header("bearer u"), "app-1"));
    assert!(other && api.requests().len() == 1);
}

#[test]
fn lists_are_read_to_their_ends_and_only_there() {
    let api = FakeApi::new();
    for number in 1..=5 {
        api.app(&format!("guid-{number}"), ["odd", "even"][(number + 1) % 2]);
    }
    api.instance("instance-1");
    let sources = sources(&api, 0);
    let runtime = runtime();
    let token = header("bearer t");
    let all = runtime.block_on(sources.all(&token));
    let expected = [
        "guid-1",
        "guid-2",
        "guid-3",
        "guid-4",
        "guid-5",
        "instance-1",
    ];
    assert_eq!(all, expected);
    let requests = api.requests();
    assert_eq!(requests[0], "/v3/apps?per_page=5000");
    assert_eq!(requests[1], "/v3/apps?per_page=5000&page=2");
    assert_eq!(requests[3], "/v3/service_instances?per_page=5000");
    let names = ["odd".to_owned(), "no such, app".to_owned()];
    let named = runtime.block_on(sources.named(&token, &names));
    let guids = ["guid-1", "guid-3", "guid-5"].map(str::to_owned).to_vec();
    assert_eq!(named, BTreeMap::from([("odd".to_owned(), guids)]));
    let first = "/v3/apps?names=odd%2Cno+such%2C+app&per_page=5000";
    assert_eq!(api.requests()[0], first);
    assert!(runtime.block_on(sources.named(&token, &[])).is_empty());
    assert!(api.requests().is_empty());
    api.know("bearer other");
    assert!(runtime.block_on(sources.all(&token)).is_empty());
    assert!(runtime.block_on(sources.named(&token, &names)).is_empty());
}
