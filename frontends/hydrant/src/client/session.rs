//! Requests with a token, renewed once if it has expired.

use super::end::printable;
use super::error::ClientError;
use super::http::{Answer, Http, HttpError, Opened, WebSocket};
use super::tell;
use super::token::Bearer;
use hydrant_rpc::away::AWAY_OF_GATEWAY;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use url::Url;

/// As much of an error's body as fits a line.
const SAID_CHARS_MAX: usize = 200;
/// gorouter says by this header that an answer is its own.
const ROUTER_ERROR: &str = "x-cf-routererror";

const NOT_RUNNING: &str = "; is Hydrant running there? (--cf and --api lead to a Cloud Foundry)";
const UNTRUSTED: &str = "; --ca-file names the CA that signed it";
const NO_TOKEN: &str = "; no token was sent: --cf, CF_ACCESS_TOKEN and --token-file give one";
const BAD_TOKEN: &str = "; the token has expired or does not allow it";
const NO_APP: &str = "; there is no such app, or it is not for this user";
const NO_NAMES: &str = "; no Cloud Controller is there: --id takes APP as an id";
const NO_RECENT_LOGS: &str = "; Traffic Controllers since 2022 keep no recent logs \
                              (Log Cache does: `hydrant tail --recent`)";
const NO_SOURCE: &str = "; the proxy says no more to a token that has expired or is not for that";

/// Someone who asks.
#[derive(Debug)]
pub(super) struct Session {
    http: Http,
    bearer: Bearer,
    is_default: bool,
    /// The nodes of Log Cache that were away when it was last asked.
    away: Option<String>,
}

impl Session {
    /// `is_default`: nobody said where to ask.
    pub(super) const fn new(http: Http, bearer: Bearer, is_default: bool) -> Self {
        Self {
            http,
            bearer,
            is_default,
            away: None,
        }
    }

    /// The answer to a GET without a token, whatever its status.
    pub(super) async fn ask_openly(&self, url: &Url) -> Result<Answer, ClientError> {
        let answer = self.http.get(url, HeaderMap::new()).await;
        answer.map_err(|error| self.unreachable(url, error))
    }

    /// The answer to a GET, whatever its status, unless that is 401.
    pub(super) async fn get(&mut self, url: &Url) -> Result<Answer, ClientError> {
        self.get_unless(url, &[StatusCode::UNAUTHORIZED]).await
    }

    /// The same of Log Cache, whose proxy says 404 to a token that has expired.
    pub(super) async fn get_of_log_cache(&mut self, url: &Url) -> Result<Answer, ClientError> {
        let refusals = [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND];
        let answer = self.get_unless(url, &refusals).await?;
        if answer.status == StatusCode::OK {
            let away = answer.headers.get(AWAY_OF_GATEWAY);
            self.tell_away(away.and_then(|away| away.to_str().ok()));
        }
        Ok(answer)
    }

    /// Says whose part of an answer is missing, whenever that is somebody else than before.
    fn tell_away(&mut self, away: Option<&str>) {
        if self.away.as_deref() != away {
            match away {
                Some(away) => tell(&format!(
                    "a node of Log Cache is away ({}): what it keeps is not shown",
                    printable(away)
                )),
                None => tell("all nodes of Log Cache are there again"),
            }
            self.away = away.map(str::to_owned);
        }
    }

    /// Renews the token at one of these statuses, once.
    async fn get_unless(
        &mut self,
        url: &Url,
        refusals: &[StatusCode],
    ) -> Result<Answer, ClientError> {
        let mut answer = self.ask(url).await?;
        if refusals.contains(&answer.status) && self.bearer.is_renewable() {
            self.bearer.renew(&self.http).await?;
            answer = self.ask(url).await?;
        }
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(self.refused(url, &answer)),
            _ => Ok(answer),
        }
    }

    /// A WebSocket.
    pub(super) async fn open(&mut self, url: &Url) -> Result<Box<WebSocket>, ClientError> {
        let mut opened = self.try_open(url).await?;
        let is_unauthorized = matches!(
            &opened,
            Opened::Refused(answer) if answer.status == StatusCode::UNAUTHORIZED
        );
        if is_unauthorized && self.bearer.is_renewable() {
            self.bearer.renew(&self.http).await?;
            opened = self.try_open(url).await?;
        }
        match opened {
            Opened::Stream(stream) => Ok(stream),
            Opened::Refused(answer) => Err(self.refused(url, &answer)),
        }
    }

    /// An answer that is not what was asked for.
    pub(super) fn refused(&self, url: &Url, answer: &Answer) -> ClientError {
        let is_of_router = answer.headers.contains_key(ROUTER_ERROR);
        let hint = match answer.status {
            _ if is_of_router => "",
            StatusCode::UNAUTHORIZED if self.bearer.has_token() => BAD_TOKEN,
            StatusCode::UNAUTHORIZED => NO_TOKEN,
            StatusCode::NOT_FOUND => not_found(url),
            _ => "",
        };
        ClientError::Refused {
            url: url.to_string(),
            status: answer.status,
            said: self.said(&answer.body),
            hint,
            is_of_router,
        }
    }

    async fn ask(&self, url: &Url) -> Result<Answer, ClientError> {
        let answer = self.http.get(url, self.headers()).await;
        answer.map_err(|error| self.unreachable(url, error))
    }

    async fn try_open(&self, url: &Url) -> Result<Opened, ClientError> {
        let opened = self.http.open(url, self.headers()).await;
        opened.map_err(|error| self.unreachable(url, error))
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.bearer.authorize(&mut headers);
        headers
    }

    fn unreachable(&self, url: &Url, error: HttpError) -> ClientError {
        let hint = match &error {
            error if error.is_untrusted() => UNTRUSTED,
            HttpError::Connect(_) if self.is_default => NOT_RUNNING,
            _ => "",
        };
        let url = url.to_string();
        ClientError::Unreachable { url, error, hint }
    }

    /// What a server says of its error, after a colon. Tokens go out before it is cut: half of one
    /// would not be known for one.
    fn said(&self, body: &[u8]) -> String {
        let text = self.bearer.redact(&String::from_utf8_lossy(body));
        let text: String = printable(&text).chars().take(SAID_CHARS_MAX).collect();
        match text.is_empty() {
            true => text,
            false => format!(": {text}"),
        }
    }
}

fn not_found(url: &Url) -> &'static str {
    if url.path().contains("/api/v1/") {
        return NO_SOURCE;
    }
    match url.path().rsplit('/').next() {
        Some("stream") => NO_APP,
        Some("recentlogs") => NO_RECENT_LOGS,
        Some("apps") => NO_NAMES,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::Trust;
    use super::super::token::Token;
    use super::*;
    use bytes::Bytes;

    fn session(token: Option<&str>) -> Session {
        let token = token.map(|token| Token::new(token, "it").unwrap());
        Session::new(Http::new(Trust::System), Bearer::new(token, None), false)
    }

    fn answer(status: StatusCode, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn a_server_that_repeats_the_token_does_not_show_it() {
        let url = Url::parse("wss://h/apps/a/stream").unwrap();
        let body = format!("{} secret\u{7}", "x".repeat(195));
        let said = session(Some("secret")).refused(&url, &answer(StatusCode::UNAUTHORIZED, &body));
        let said = said.to_string();
        assert!(!said.contains("secr"), "{said}");
        assert!(said.contains("401 Unauthorized: xxx"), "{said}");
        assert!(
            said.ends_with("the token has expired or does not allow it"),
            "{said}"
        );
    }

    #[test]
    fn who_sends_no_token_is_told_how_to() {
        let url = Url::parse("wss://h/firehose/a").unwrap();
        let refused = session(None).refused(&url, &answer(StatusCode::UNAUTHORIZED, ""));
        assert!(refused.to_string().contains("CF_ACCESS_TOKEN"), "{refused}");
        assert!(!refused.is_passing());
    }
}
