//! UAA: whose token it is.

use crate::config::UaaConfig;
use crate::questions::{Questions, Unknown, Verdict};
use crate::state::Question;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::byte_serialize;
use http_body_util::Full;
use hydrant_http::client::{Ask, ClientFiles, Https, HttpsError, Said};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, StatusCode, Uri};
use serde::Deserialize;
use std::fmt;

/// TLS to UAA, which is shown no certificate; nothing if its URL is not https.
pub(crate) fn https(config: &UaaConfig, is_verified: bool) -> Result<Option<Https>, HttpsError> {
    let url = config.address.parse::<Uri>();
    if url.is_ok_and(|url| url.scheme_str() != Some("https")) {
        return Ok(None);
    }
    let files = ClientFiles {
        ca_file: config.ca_file.clone(),
        identity: None,
        is_verified,
    };
    Https::new(files, None).map(Some)
}

/// The client of UAA's `/check_token`.
pub(crate) struct Uaa {
    gateway_url: Option<Uri>,
    firehose_url: Option<Uri>,
    credentials: Option<HeaderValue>,
    questions: Questions,
}

/// What the gateway looks at in what UAA says. The names of who it is are read so that what has
/// other types there is refused, as upstream does.
#[derive(Deserialize)]
struct Token {
    #[serde(flatten)]
    scopes: Scopes,
    #[serde(rename = "user_id")]
    _user_id: Option<String>,
    #[serde(rename = "client_id")]
    _client_id: Option<String>,
}

#[derive(Deserialize)]
struct Scopes {
    scope: Option<Vec<Option<String>>>,
}

impl Uaa {
    pub(crate) fn new(config: &UaaConfig, questions: Questions) -> Self {
        Self {
            gateway_url: at_root(&config.address, "/check_token"),
            firehose_url: below(&config.address),
            credentials: credentials(&config.client_id, config.client_secret.text()),
            questions,
        }
    }

    /// Whether the bearer of the token has one of the scopes, as the RLP gateway asks: who bears a
    /// token that UAA refuses has none.
    pub(crate) async fn has_scope(&self, authorization: &HeaderValue, scopes: &[&str]) -> Verdict {
        let token = bare(authorization.as_bytes());
        let mut parts = vec![token];
        parts.extend(scopes.iter().map(|scope| scope.as_bytes()));
        let ask = || self.ask(&self.gateway_url, token);
        let weigh = |said: &Said| weigh_for_gateway(said, scopes);
        let questions = &self.questions;
        questions
            .verdict(Question::CheckToken, &parts, ask, weigh)
            .await
    }

    /// Whether the bearer of the token has the scope, as the Traffic Controller asks.
    pub(crate) async fn reads_firehose(&self, token: &HeaderValue, scope: &str) -> Verdict {
        let token = token.as_bytes();
        let token = token.strip_prefix(b"bearer ").unwrap_or(token);
        let ask = || self.ask(&self.firehose_url, token);
        let weigh = |said: &Said| weigh_for_firehose(said, scope);
        let questions = &self.questions;
        questions
            .verdict(Question::CheckToken, &[token], ask, weigh)
            .await
    }

    fn ask(&self, url: &Option<Uri>, token: &[u8]) -> Result<Ask, Unknown> {
        let token: String = byte_serialize(token).collect();
        Request::post(url.clone().ok_or(Unknown)?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, self.credentials.clone().ok_or(Unknown)?)
            .body(Full::from(format!("token={token}")))
            .or(Err(Unknown))
    }
}

impl fmt::Debug for Uaa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uaa")
            .field("gateway_url", &self.gateway_url)
            .field("questions", &self.questions)
            .finish_non_exhaustive()
    }
}

impl Scopes {
    fn have(&self, wanted: &[&str]) -> bool {
        let mut scopes = self.scope.iter().flatten().flatten();
        scopes.any(|scope| wanted.contains(&scope.as_str()))
    }
}

/// Any status will do as long as there is JSON, of which the first value counts.
fn weigh_for_gateway(said: &Said, scopes: &[&str]) -> Verdict {
    let mut values = serde_json::Deserializer::from_slice(&said.body).into_iter::<Option<Token>>();
    let Some(Ok(token)) = values.next() else {
        return Verdict::Failed(None);
    };
    let has_scope = token.is_some_and(|token| token.scopes.have(scopes));
    match said.status {
        StatusCode::OK if has_scope => Verdict::Granted,
        status => Verdict::Refused(status),
    }
}

/// 400 is what UAA says of a token that is malformed or over. It answers 401 if our own credentials
/// are wrong.
fn weigh_for_firehose(said: &Said, scope: &str) -> Verdict {
    match said.status {
        StatusCode::OK => match serde_json::from_slice::<Option<Scopes>>(&said.body) {
            Ok(Some(scopes)) if scopes.have(&[scope]) => Verdict::Granted,
            Ok(_) => Verdict::Refused(StatusCode::OK),
            Err(_) => Verdict::Failed(None),
        },
        StatusCode::BAD_REQUEST => Verdict::Refused(StatusCode::BAD_REQUEST),
        status => Verdict::Failed(Some(status)),
    }
}

/// The token without `bearer`, which upstream knows in lower case only, and spaces around it.
fn bare(authorization: &[u8]) -> &[u8] {
    let token = authorization.strip_prefix(b"bearer");
    token.unwrap_or(authorization).trim_ascii()
}

/// Whatever the path of the address.
pub(crate) fn at_root(address: &str, path: &'static str) -> Option<Uri> {
    let mut parts = address.parse::<Uri>().ok()?.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    Uri::from_parts(parts).ok()
}

/// Below the path of the address.
fn below(address: &str) -> Option<Uri> {
    let address = address.trim_end_matches('/');
    format!("{address}/check_token").parse().ok()
}

pub(crate) fn credentials(client_id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = BASE64_STANDARD.encode(format!("{client_id}:{secret}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;

    const ADMINS: [&str; 2] = ["doppler.firehose", "logs.admin"];

    fn said(status: u16, body: &'static str) -> Said {
        Said {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
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
        let refused = Verdict::Refused(StatusCode::OK);
        for (body, expected) in [
            (r#"{"scope":["logs.admin"]}"#, Verdict::Granted),
            (
                r#"{"scope":["x","doppler.firehose"],"user_id":"u"}"#,
                Verdict::Granted,
            ),
            (r#"{"scope":[null,"logs.admin.x","LOGS.ADMIN"]}"#, refused),
            (r#"{"scope":null}"#, refused),
            (r#"{"error":"invalid_token"} trailing"#, refused),
            ("null", refused),
        ] {
            let verdict = weigh_for_gateway(&said(200, body), &ADMINS);
            assert_eq!(verdict, expected, "{body}");
        }
        let verdict = weigh_for_gateway(&said(401, r#"{"scope":["logs.admin"]}"#), &ADMINS);
        assert_eq!(verdict, Verdict::Refused(StatusCode::UNAUTHORIZED));
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
            let verdict = weigh_for_gateway(&said(200, body), &ADMINS);
            assert_eq!(verdict, Verdict::Failed(None), "{body}");
        }
    }

    #[test]
    fn one_scope_reads_the_firehose() {
        let refused = Verdict::Refused(StatusCode::OK);
        let unreadable = Verdict::Failed(None);
        let failed = |status| Verdict::Failed(Some(StatusCode::from_u16(status).unwrap()));
        let granting = r#"{"scope":["openid","doppler.firehose"],"user_id":7}"#;
        for (status, body, expected) in [
            (200, granting, Verdict::Granted),
            (200, r#"{"scope":["logs.admin"]}"#, refused),
            (200, r#"{"scope":[]}"#, refused),
            (200, "{}", refused),
            (200, "null", refused),
            (200, r#"{"scope":["doppler.firehose"]} x"#, unreadable),
            (200, r#"{"scope":"doppler.firehose"}"#, unreadable),
            (200, "<html>", unreadable),
            (200, "", unreadable),
            (
                400,
                r#"{"error":"invalid_token"}"#,
                Verdict::Refused(StatusCode::BAD_REQUEST),
            ),
            (201, granting, failed(201)),
            (401, granting, failed(401)),
            (404, "", failed(404)),
            (302, granting, failed(302)),
            (500, granting, failed(500)),
        ] {
            let verdict = weigh_for_firehose(&said(status, body), "doppler.firehose");
            assert_eq!(verdict, expected, "{status} {body}");
        }
    }

    #[test]
    fn the_path_of_the_address_counts_for_the_traffic_controller_only() {
        for (address, expected) in [
            ("http://uaa:1", "http://uaa:1/check_token"),
            ("http://uaa:1/", "http://uaa:1/check_token"),
            ("http://uaa:1/a/b", "http://uaa:1/a/b/check_token"),
        ] {
            assert_eq!(
                at_root(address, "/check_token").unwrap(),
                "http://uaa:1/check_token"
            );
            assert_eq!(below(address).unwrap(), expected);
        }
    }
}
