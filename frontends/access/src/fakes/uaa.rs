//! A UAA that knows some tokens.

use super::peer::{Manner, Peer};
use crate::{Secret, UaaConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What UAA says of a token that it does not know.
const INVALID: &str =
    r#"{"error":"invalid_token","error_description":"Cannot convert access token to JSON"}"#;
/// And of one that is over.
const EXPIRED: &str = r#"{"error":"invalid_token","error_description":"Access token expired"}"#;
/// And to a client that may not ask.
const UNAUTHORIZED: &str = r#"{"error":"unauthorized","error_description":"Bad credentials"}"#;

/// `hydrant:hush`, as `Authorization` has it.
const CREDENTIALS: &str = "Basic aHlkcmFudDpodXNo";

/// Answers `POST /check_token` and `GET /token_keys`.
#[derive(Debug)]
pub struct FakeUaa {
    peer: Peer,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    tokens: Tokens,
    /// As `/token_keys` shows them.
    keys: Vec<serde_json::Value>,
}

/// Scopes of each token that is known; none if the token is over.
type Tokens = HashMap<String, Option<Vec<String>>>;

impl FakeUaa {
    /// It knows no token yet.
    pub fn new() -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let theirs = known.clone();
        let peer = Peer::new(move |request| Some(answer(request, &lock(&theirs))));
        Self { peer, known }
    }

    /// From now on tokens are signed by this key alone.
    pub fn publish(&self, kid: &str, alg: &str, value: &str) {
        let key = serde_json::json!({ "kid": kid, "alg": alg, "value": value, "use": "sig" });
        lock(&self.known).keys = vec![key];
    }

    /// From now on it knows a token, which is one without `bearer`.
    pub fn know(&self, token: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        lock(&self.known)
            .tokens
            .insert(token.to_owned(), Some(scopes));
    }

    /// From now on the token is over.
    pub fn expire(&self, token: &str) {
        lock(&self.known).tokens.insert(token.to_owned(), None);
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

    /// The table `access.uaa` that names it.
    pub fn config(&self) -> UaaConfig {
        UaaConfig {
            address: format!("http://{}", self.peer.address()),
            client_id: "hydrant".to_owned(),
            client_secret: Secret::new("hush"),
            ca_file: None,
        }
    }
}

impl Default for FakeUaa {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(request: &str, known: &Known) -> (&'static str, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    if head.starts_with("GET /token_keys HTTP/1.1\r\n") {
        let keys = serde_json::json!({ "keys": known.keys });
        return ("200 OK", keys.to_string());
    }
    if !head.starts_with("POST /check_token HTTP/1.1\r\n") {
        return ("404 Not Found", String::new());
    }
    if !head.lines().any(|line| line.ends_with(CREDENTIALS)) {
        return ("401 Unauthorized", UNAUTHORIZED.to_owned());
    }
    let mut form = form_urlencoded::parse(body.as_bytes());
    let token = form.find(|(name, _)| name == "token");
    match token.and_then(|(_, token)| known.tokens.get(&*token)) {
        Some(Some(scopes)) => {
            let scopes = serde_json::json!({ "scope": scopes, "user_id": "user" });
            ("200 OK", scopes.to_string())
        }
        Some(None) => ("400 Bad Request", EXPIRED.to_owned()),
        None => ("400 Bad Request", INVALID.to_owned()),
    }
}
