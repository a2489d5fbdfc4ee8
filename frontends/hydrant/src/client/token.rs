//! Tokens: who sends them says so here, and nothing of one is ever shown.

use super::address::{Address, AddressError};
use super::http::{Http, HttpError};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use std::fmt;

/// What an `Authorization` header says, checked to be fit for one: `bearer`, in the lower case that
/// the Traffic Controller looks for, and the token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nothing in it, or what no header can carry.
    #[error("{0} is empty or has characters that no token has")]
    Unfit(&'static str),
    /// UAA gives no other token for the one we have.
    #[error(
        "the token has expired and UAA does not renew it ({status}{reason}); \
         log in again (`cf login`)"
    )]
    NotRenewed {
        /// What UAA answered.
        status: StatusCode,
        /// With a space before it, if UAA gave one.
        reason: String,
    },
    /// UAA did not answer.
    #[error("the token has expired and UAA at {uaa} cannot be asked for another: {error}")]
    Unreachable {
        /// Where it should be.
        uaa: String,
        /// What happened.
        error: HttpError,
    },
    /// It answered something else.
    #[error("the token has expired and UAA at {uaa} answers without another")]
    NotUnderstood {
        /// Where it is.
        uaa: String,
    },
    /// Where UAA is cannot be built upon.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Who we are to the other end: a token, none, or one that can be renewed.
#[derive(Debug, Default)]
pub(super) struct Bearer {
    token: Option<Token>,
    renewal: Option<Renewal>,
}

/// With what UAA gives another token.
pub(super) struct Renewal {
    pub(super) uaa: Address,
    pub(super) client: String,
    pub(super) client_secret: String,
    pub(super) refresh_token: String,
}

#[derive(Deserialize)]
struct Renewed {
    access_token: String,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct NotRenewed {
    error: String,
}

impl Token {
    /// Takes what `cf oauth-token` prints, with or without `bearer` in front. `what` names it.
    pub(super) fn new(text: &str, what: &'static str) -> Result<Self, TokenError> {
        let text = text.trim();
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let token = match scheme.eq_ignore_ascii_case("bearer") {
            true => token.trim_start(),
            false => text,
        };
        match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(format!("bearer {token}"))),
            false => Err(TokenError::Unfit(what)),
        }
    }

    fn secret(&self) -> &str {
        self.0.trim_start_matches("bearer ")
    }
}

impl Bearer {
    pub(super) const fn new(token: Option<Token>, renewal: Option<Renewal>) -> Self {
        Self { token, renewal }
    }

    pub(super) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) const fn is_renewable(&self) -> bool {
        self.renewal.is_some()
    }

    /// Adds the token to a request. Only the endpoint it is for may be asked so.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        let Some(token) = &self.token else { return };
        // A token is made of what headers can carry.
        if let Ok(mut value) = HeaderValue::from_str(&token.0) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
    }

    /// Asks UAA for another token and keeps it in memory. The file it came from stays as it is: it
    /// is cf's.
    pub(super) async fn renew(&mut self, http: &Http) -> Result<(), TokenError> {
        let Some(renewal) = &mut self.renewal else {
            return Ok(());
        };
        let renewed = renewal.ask(http).await?;
        self.token = Some(Token::new(&renewed.access_token, "the token of UAA")?);
        if let Some(refresh_token) = renewed.refresh_token {
            renewal.refresh_token = refresh_token;
        }
        Ok(())
    }

    /// The text without what must not be shown: servers repeat what they were sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let token = self.token.as_ref().map(Token::secret);
        let renewal = self.renewal.as_ref().map(|renewal| &*renewal.refresh_token);
        let mut text = text.to_owned();
        for secret in [token, renewal].into_iter().flatten() {
            if !secret.is_empty() {
                text = text.replace(secret, "[token]");
            }
        }
        text
    }
}

impl Renewal {
    async fn ask(&self, http: &Http) -> Result<Renewed, TokenError> {
        let uaa = self.uaa.to_string();
        let url = self.uaa.at(&["oauth", "token"])?;
        let answer = match http.post_form(&url, &self.form()).await {
            Ok(answer) if answer.status.is_server_error() => Err(HttpError::Status(answer.status)),
            other => other,
        };
        match answer {
            Err(error) => Err(TokenError::Unreachable { uaa, error }),
            Ok(answer) if answer.status == StatusCode::OK => {
                let renewed = serde_json::from_slice(&answer.body);
                renewed.or(Err(TokenError::NotUnderstood { uaa }))
            }
            Ok(answer) => Err(TokenError::NotRenewed {
                status: answer.status,
                reason: reason(&answer.body),
            }),
        }
    }

    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", &self.refresh_token)
            .append_pair("client_id", &self.client)
            .append_pair("client_secret", &self.client_secret)
            .finish()
    }
}

impl TokenError {
    /// Whether it may be otherwise a moment later.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// UAA's word for why not. Its description repeats the token, so that is left out.
fn reason(body: &[u8]) -> String {
    match serde_json::from_slice::<NotRenewed>(body) {
        Ok(said) if is_word(&said.error) => format!(" {}", said.error),
        _ => String::new(),
    }
}

/// The words of RFC 6749, section 5.2, are such.
fn is_word(text: &str) -> bool {
    text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal")
            .field("uaa", &self.uaa)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer() -> Bearer {
        let renewal = Renewal {
            uaa: Address::of_api("https://uaa.example").unwrap(),
            client: "cf".into(),
            client_secret: "hidden".into(),
            refresh_token: "again&more".into(),
        };
        Bearer::new(Some(Token::new("Bearer abc", "it").unwrap()), Some(renewal))
    }

    #[test]
    fn every_form_of_a_token_is_sent_as_one() {
        for text in ["abc", "bearer abc", "Bearer abc\n", " BEARER  abc "] {
            let bearer = Bearer::new(Some(Token::new(text, "it").unwrap()), None);
            let mut headers = HeaderMap::new();
            bearer.authorize(&mut headers);
            let value = &headers[AUTHORIZATION];
            assert_eq!(value.to_str().unwrap(), "bearer abc", "{text:?}");
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn what_no_token_has_is_refused_and_not_shown() {
        for text in ["", "  ", "bearer ", "basic abc", "a\nb", "söcret"] {
            let said = Token::new(text, "CF_ACCESS_TOKEN").unwrap_err().to_string();
            assert_eq!(
                said,
                "CF_ACCESS_TOKEN is empty or has characters that no token has"
            );
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let bearer = bearer();
        let shown = format!("{bearer:?}");
        for secret in ["abc", "again", "hidden"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert_eq!(
            bearer.redact("no abc, no again&more here"),
            "no [token], no [token] here"
        );
    }

    #[test]
    fn a_form_is_escaped() {
        assert_eq!(
            bearer().renewal.unwrap().form(),
            "grant_type=refresh_token&refresh_token=again%26more&client_id=cf&client_secret=hidden"
        );
    }

    #[test]
    fn of_uaas_reason_only_the_word_is_told() {
        let body = br#"{"error":"invalid_token","error_description":"expired: again&more"}"#;
        assert_eq!(reason(body), " invalid_token");
        assert_eq!(reason(br#"{"error":"the token again&more"}"#), "");
        assert_eq!(reason(b"nonsense"), "");
    }
}
