//! `/set-cookie`: a browser's way to have its token sent along (trafficcontroller,
//! `set_cookie_handler` and `cors_middleware`).

use crate::handshake::{Answer, empty};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;

/// What a form may be.
const FORM_BYTES_MAX: usize = 4096;
/// How long it may take to come.
const FORM_WITHIN: Duration = Duration::from_secs(5);

/// The answer: the cookie that the form, or the query, names.
pub(crate) async fn answer<B>(request: Request<B>, system_domain: &str) -> Answer
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut answer = match form(request).await {
        Some(form) => set(&form, system_domain),
        None => empty(StatusCode::BAD_REQUEST),
    };
    allow_origin(answer.headers_mut(), origin);
    let allowed = HeaderValue::from_static("Content-Type");
    answer
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    answer
}

/// Lets a page of any origin read the answer, with the client's cookies; as upstream, also if there
/// is no origin.
pub(crate) fn allow_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    let origin = origin.unwrap_or(HeaderValue::from_static(""));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let allowed = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
}

/// The fields of the body, if it is a form's, and then those of the query; nothing if the body
/// cannot be read.
async fn form<B>(request: Request<B>) -> Option<Vec<(String, String)>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (parts, body) = request.into_parts();
    let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let mut fields = Vec::new();
    if is_form {
        let body = Limited::new(body, FORM_BYTES_MAX).collect();
        let body = timeout(FORM_WITHIN, body).await.ok()?;
        fields.extend(pairs(&body.ok()?.to_bytes()));
    }
    fields.extend(pairs(parts.uri.query().unwrap_or_default().as_bytes()));
    Some(fields)
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn set(form: &[(String, String)], system_domain: &str) -> Answer {
    let field = |name: &str| {
        let found = form.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    let cookie = field("CookieName")
        .zip(field("CookieValue"))
        .and_then(|(name, value)| cookie(name, value, system_domain));
    let mut answer = empty(match cookie {
        Some(_) => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    });
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// The header, its attributes in Go's order. A name that cannot be a cookie's is refused.
fn cookie(name: &str, value: &str, system_domain: &str) -> Option<HeaderValue> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(is_token) {
        return None;
    }
    let kept: String = value.chars().filter(|c| is_cookie_character(*c)).collect();
    let quote = if kept.contains([' ', ',']) { "\"" } else { "" };
    let attributes = format!("Domain=doppler.{system_domain}; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::try_from(format!("{name}={quote}{kept}{quote}; {attributes}")).ok()
}

/// What Go's cookies keep of a value.
const fn is_cookie_character(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | ';' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;

    const FORM: &str = "application/x-www-form-urlencoded";

    async fn ask(query: &str, kind: Option<&'static str>, body: &str) -> Answer {
        let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
        *request.uri_mut() = format!("/set-cookie{query}").parse().unwrap();
        if let Some(kind) = kind {
            let kind = HeaderValue::from_static(kind);
            request.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        answer(request, "vcap.me").await
    }

    #[tokio::test]
    async fn the_form_or_the_query_names_a_cookie() {
        let expected = "authorization=bearer+iAmAnAdmin; Domain=doppler.vcap.me; HttpOnly; Secure; \
                        SameSite=Lax";
        let fields = "CookieName=authorization&CookieValue=bearer%2BiAmAnAdmin";
        for (query, kind, body) in [
            ("", Some(FORM), fields),
            (
                "",
                Some("application/x-www-form-urlencoded; charset=utf-8"),
                fields,
            ),
            (&*format!("?{fields}"), None, ""),
        ] {
            let answer = ask(query, kind, body).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[header::SET_COOKIE], expected);
            assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "");
        }
        let quoted = ask("?CookieName=a&CookieValue=b%20%22;c", None, "").await;
        let quoted = quoted.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(quoted.starts_with("a=\"b c\"; Domain="), "{quoted}");
    }

    #[tokio::test]
    async fn what_names_none_is_refused_with_the_same_headers() {
        let long = format!("CookieName=a&CookieValue={}", "x".repeat(FORM_BYTES_MAX));
        for (query, kind, body) in [
            ("", Some(FORM), "CookieName=a"),
            ("", Some(FORM), "CookieName=&CookieValue=b"),
            ("", None, "CookieName=a&CookieValue=b"),
            ("", Some(FORM), long.as_str()),
            ("?CookieName=a%20b&CookieValue=c", None, ""),
            ("", None, ""),
        ] {
            let answer = ask(query, kind, body).await;
            assert_eq!(
                answer.status(),
                StatusCode::BAD_REQUEST,
                "{query} {body:.40}"
            );
            assert!(!answer.headers().contains_key(header::SET_COOKIE));
            let headers = answer.headers();
            assert_eq!(
                headers[header::ACCESS_CONTROL_ALLOW_HEADERS],
                "Content-Type"
            );
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        }
    }
}
