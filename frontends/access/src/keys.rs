//! UAA's keys, by which tokens are verified without asking it (log-cache, `internal/auth`).

use crate::config::UaaConfig;
use crate::limits::KEYS_PAUSE;
use crate::questions::{Allowance, Questions, Unheard, Unknown};
use crate::state::{AccessState, Question};
use crate::uaa::{at_root, credentials, https};
use http_body_util::Full;
use hydrant_http::client::{Ask, HttpsError};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex as AsyncMutex;

/// Scopes that make an administrator.
const ADMIN_SCOPES: [&str; 2] = ["doppler.firehose", "logs.admin"];

/// Verifies tokens. Cheap to clone; clones share the keys.
#[derive(Clone, Debug)]
pub struct TokenKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    url: Option<Uri>,
    credentials: Option<HeaderValue>,
    questions: Questions,
    keys: Mutex<HashMap<String, Arc<Key>>>,
    /// When UAA was asked last because of a token.
    asked: AsyncMutex<Option<Instant>>,
}

struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// What a token says of its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Whether everybody's logs are theirs.
    pub is_admin: bool,
}

/// Why UAA's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// UAA does not give them.
    #[error("failed to get token keys from UAA: {0}")]
    Unheard(#[from] Unheard),
    /// What it gives is not what keys are given in.
    #[error("unable to decode token keys from UAA")]
    Malformed,
    /// One of them is no key.
    #[error("UAA's token key {0:?} is neither an HS256 secret nor an RSA public key in PEM")]
    Key(String),
}

/// Why a token is none. Nothing of the token is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not three parts of base64 with JSON in them, or claims are not of their types.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed by another algorithm than RS256 and HS256, or than its key is for.
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    /// UAA has no such key.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// It was signed by another key than it says.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("the token is expired")]
    Expired,
}

#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    #[serde(default)]
    kid: String,
    #[serde(default)]
    alg: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Claims {
    scope: Option<Vec<String>>,
    exp: Option<f64>,
}

impl TokenKeys {
    /// No keys yet; UAA is not asked before [`refresh`](Self::refresh). It is told who we are if the
    /// config has both an id and a secret. Counts in `state`.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn new(
        config: &UaaConfig,
        is_verified: bool,
        allowance: Allowance,
        state: Arc<AccessState>,
    ) -> Result<Self, HttpsError> {
        let secret = config.client_secret.text();
        let is_known = !config.client_id.is_empty() && !secret.is_empty();
        Ok(Self(Arc::new(Shared {
            url: at_root(&config.address, "/token_keys"),
            credentials: is_known
                .then(|| credentials(&config.client_id, secret))
                .flatten(),
            questions: Questions::new(https(config, is_verified)?, allowance, state)?,
            keys: Mutex::default(),
            asked: AsyncMutex::default(),
        })))
    }

    /// Asks UAA for its keys, which from then on are those that count. If it gives none that can be
    /// used, those that were known still count.
    ///
    /// # Errors
    /// What is wrong with the answer, or why there is none.
    pub async fn refresh(&self) -> Result<(), KeysError> {
        self.0.refresh().await
    }

    /// Whose token it is: `authorization` is as the client gave it, with `bearer` in any case or
    /// without. A key that is not known is asked for, and so are all if a signature is wrong, but
    /// not sooner than every 5 s.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub async fn read(&self, authorization: &HeaderValue) -> Result<Bearer, TokenError> {
        let token = authorization.to_str().or(Err(TokenError::Malformed))?;
        let token = bare(token);
        let header = decode_header(token).or(Err(TokenError::Malformed))?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::HS256) {
            return Err(TokenError::Algorithm);
        }
        let name = header.kid.ok_or(TokenError::Malformed)?;
        let key = match self.0.key(&name) {
            Some(key) => key,
            None => {
                self.0.refresh_if_due().await;
                self.0.key(&name).ok_or(TokenError::UnknownKey)?
            }
        };
        if key.algorithm != header.alg {
            return Err(TokenError::Algorithm);
        }
        let claims = verified(token, &key);
        if claims.as_ref().err() == Some(&TokenError::Signature) {
            // UAA may have a new key under the old name. Who comes next will see.
            let shared = self.0.clone();
            tokio::spawn(async move { shared.refresh_if_due().await });
        }
        claims?.bearer()
    }
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, Arc<Key>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, name: &str) -> Option<Arc<Key>> {
        self.keys().get(name).cloned()
    }

    /// Those who want the same key wait for one answer.
    async fn refresh_if_due(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < KEYS_PAUSE) {
            return;
        }
        *asked = Some(Instant::now());
        // Without new keys the old ones count; the counters tell.
        self.refresh().await.ok();
    }

    async fn refresh(&self) -> Result<(), KeysError> {
        let ask = || self.ask();
        let said = self.questions.said(Question::TokenKeys, ask).await?;
        let published: Published =
            serde_json::from_slice(&said.body).or(Err(KeysError::Malformed))?;
        let keys = published.keys.into_iter().map(PublishedKey::parsed);
        *self.keys() = keys.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn ask(&self) -> Result<Ask, Unknown> {
        let mut ask =
            Request::get(self.url.clone().ok_or(Unknown)?).header(CONTENT_TYPE, "application/json");
        if let Some(credentials) = &self.credentials {
            ask = ask.header(AUTHORIZATION, credentials);
        }
        ask.body(Full::default()).or(Err(Unknown))
    }
}

impl PublishedKey {
    fn parsed(self) -> Result<(String, Arc<Key>), KeysError> {
        let Self { kid, alg, value } = self;
        let parsed = match alg.as_str() {
            _ if value.is_empty() => None,
            "HS256" => Some((Algorithm::HS256, DecodingKey::from_secret(value.as_bytes()))),
            _ => DecodingKey::from_rsa_pem(value.as_bytes())
                .ok()
                .map(|key| (Algorithm::RS256, key)),
        };
        match parsed {
            Some((algorithm, key)) => Ok((kid, Arc::new(Key { algorithm, key }))),
            None => Err(KeysError::Key(kid)),
        }
    }
}

impl Claims {
    fn bearer(&self) -> Result<Bearer, TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        if now > self.exp.unwrap_or(0.0).trunc() {
            return Err(TokenError::Expired);
        }
        let mut scopes = self.scope.iter().flatten();
        let is_admin = scopes.any(|scope| ADMIN_SCOPES.contains(&scope.as_str()));
        Ok(Bearer { is_admin })
    }
}

/// Claims of a token with the key's signature. Times are looked at elsewhere, and nothing else is.
fn verified(token: &str, key: &Key) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match decode::<Claims>(token, &key.key, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        }),
    }
}

/// The token without `bearer`, in any case, and the spaces behind it.
fn bare(authorization: &str) -> &str {
    let (scheme, rest) = authorization.split_at_checked(6).unwrap_or(("", ""));
    let token = rest.trim_start_matches([' ', '\t', '\n', '\x0c', '\r']);
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && token.len() < rest.len();
    if is_bearer { token } else { authorization }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
