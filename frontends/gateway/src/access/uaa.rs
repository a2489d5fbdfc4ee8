//! UAA: whose token it is.

use super::Unknown;
use super::ask::{Asker, Said};
use crate::config::UaaConfig;
use crate::state::{GatewayState, Latency};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::byte_serialize;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Scopes that make an administrator.
const ADMIN_SCOPES: [&str; 2] = ["doppler.firehose", "logs.admin"];

/// The client of UAA's `/check_token`.
pub(super) struct Uaa {
    check_token: Option<Uri>,
    credentials: Option<HeaderValue>,
    asker: Asker,
    state: Arc<GatewayState>,
}

/// What is of interest in what UAA says. The names of who it is are read so that what has other
/// types there is refused, as upstream does.
#[derive(Deserialize)]
struct Token {
    scope: Option<Vec<Option<String>>>,
    #[serde(rename = "user_id")]
    _user_id: Option<String>,
    #[serde(rename = "client_id")]
    _client_id: Option<String>,
}

impl Uaa {
    pub(super) fn new(config: &UaaConfig, asker: Asker, state: Arc<GatewayState>) -> Self {
        Self {
            check_token: check_token(&config.address),
            credentials: credentials(&config.client_id, config.client_secret.text()),
            asker,
            state,
        }
    }

    /// Whether the bearer of the token may read everything. Who bears one that UAA refuses may not;
    /// what else it is good for is for the Cloud Controller to say.
    pub(super) async fn is_admin(&self, authorization: &HeaderValue) -> Result<bool, Unknown> {
        let request = self.request(authorization)?;
        let asked_at = Instant::now();
        let said = self.asker.ask(request).await;
        self.state.set_latency(Latency::Uaa, asked_at.elapsed());
        let said = said?;
        let token = token(&said)?;
        Ok(said.status == StatusCode::OK && token.is_admin())
    }

    fn request(&self, authorization: &HeaderValue) -> Result<Request<Full<bytes::Bytes>>, Unknown> {
        let token: String = byte_serialize(bare(authorization.as_bytes())).collect();
        Request::post(self.check_token.clone().ok_or(Unknown)?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, self.credentials.clone().ok_or(Unknown)?)
            .body(Full::from(format!("token={token}")))
            .or(Err(Unknown))
    }
}

impl fmt::Debug for Uaa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uaa")
            .field("check_token", &self.check_token)
            .field("asker", &self.asker)
            .finish_non_exhaustive()
    }
}

impl Token {
    fn is_admin(&self) -> bool {
        let scopes = self.scope.iter().flatten().flatten();
        scopes
            .into_iter()
            .any(|scope| ADMIN_SCOPES.contains(&scope.as_str()))
    }
}

/// The first JSON value of the answer; what comes after it does not matter to upstream.
fn token(said: &Said) -> Result<Token, Unknown> {
    let mut values = serde_json::Deserializer::from_slice(&said.body).into_iter::<Option<Token>>();
    let token = values.next().ok_or(Unknown)?.or(Err(Unknown))?;
    Ok(token.unwrap_or(Token {
        scope: None,
        _user_id: None,
        _client_id: None,
    }))
}

/// The token without `bearer`, which upstream knows in lower case only, and spaces around it.
fn bare(authorization: &[u8]) -> &[u8] {
    let token = authorization.strip_prefix(b"bearer");
    token.unwrap_or(authorization).trim_ascii()
}

fn check_token(address: &str) -> Option<Uri> {
    let mut parts = address.parse::<Uri>().ok()?.into_parts();
    parts.path_and_query = Some(hyper::http::uri::PathAndQuery::from_static("/check_token"));
    Uri::from_parts(parts).ok()
}

fn credentials(client_id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = BASE64_STANDARD.encode(format!("{client_id}:{secret}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &'static str) -> Said {
        Said {
            status: StatusCode::OK,
            body: body.into(),
        }
    }

    #[test]
    fn only_lower_case_bearer_is_no_part_of_the_token() {
        assert_eq!(bare(b"bearer abc"), b"abc");
        assert_eq!(bare(b"  abc "), b"abc");
        assert_eq!(bare(b"bearerabc"), b"abc");
        assert_eq!(bare(b"Bearer abc"), b"Bearer abc");
        assert_eq!(bare(b"bearer bearer x"), b"bearer x");
    }

    #[test]
    fn scopes_make_administrators() {
        for (body, is_admin) in [
            (r#"{"scope":["logs.admin"]}"#, true),
            (r#"{"scope":["x","doppler.firehose"],"user_id":"u"}"#, true),
            (r#"{"scope":[null,"logs.admin.x","LOGS.ADMIN"]}"#, false),
            (r#"{"scope":null}"#, false),
            (r#"{"error":"invalid_token"} trailing"#, false),
            ("null", false),
        ] {
            let token = token(&said(body)).unwrap();
            assert_eq!(token.is_admin(), is_admin, "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_of_uaa_is_refused() {
        for body in [
            "",
            "<html>",
            "[",
            "\"logs.admin\"",
            r#"{"scope":"logs.admin"}"#,
            r#"{"scope":["logs.admin"],"user_id":7}"#,
        ] {
            assert!(token(&said(body)).is_err(), "{body}");
        }
    }

    #[test]
    fn the_path_of_the_address_does_not_count() {
        for address in ["http://uaa:1", "http://uaa:1/", "http://uaa:1/a/b"] {
            assert_eq!(check_token(address).unwrap(), "http://uaa:1/check_token");
        }
    }
}
