//! Why a command of the client fails. No text in here has a token in it.

use super::address::AddressError;
use super::end::End;
use super::http::HttpError;
use super::token::TokenError;
use hyper::StatusCode;
use std::io;
use std::path::PathBuf;

/// Why a stream or recent logs cannot be had, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A URL cannot be used.
    #[error("{what}: {error}")]
    Address {
        /// Where it stands.
        what: &'static str,
        /// What is wrong with it.
        error: AddressError,
    },
    /// The id of an app or the name of a subscription cannot be part of a URL.
    #[error(transparent)]
    Path(#[from] AddressError),
    /// TLS would be left behind.
    #[error("{from} leads to {to}, without TLS; no token goes that way")]
    Downgrade {
        /// Who says so.
        from: String,
        /// Where to.
        to: String,
    },
    /// cf's config cannot be read.
    #[error("{}: {problem}", .path.display())]
    CfConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file with a token cannot be read.
    #[error("{}: {error}", .path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no token, or no other for one that has expired.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody answers.
    #[error("cannot connect to {url}: {error}{hint}")]
    Unreachable {
        /// Where to.
        url: String,
        /// What happened.
        error: HttpError,
        /// What may help.
        hint: &'static str,
    },
    /// It answers, and does not give what was asked for.
    #[error("{url} answers {status}{said}{hint}")]
    Refused {
        /// What was asked.
        url: String,
        /// The answer's status.
        status: StatusCode,
        /// The beginning of its body.
        said: String,
        /// What may help.
        hint: &'static str,
        /// Whether the answer is a proxy's on the way, which knows nobody to ask at the moment.
        is_of_router: bool,
    },
    /// It answers what nobody understands.
    #[error("{url}: {problem}")]
    NotUnderstood {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The API says nothing about logs.
    #[error("{api} says neither at / nor at /v2/info where logs are")]
    NoLogging {
        /// The API.
        api: String,
    },
    /// Nobody says where Log Cache is.
    #[error("say where Log Cache is: --log-cache URL, or --api, --cf or CF_API of a Cloud Foundry")]
    NoLogCache,
    /// The API says nothing about Log Cache, and has a name of its own.
    #[error("{api} does not say at / where Log Cache is; --log-cache URL does")]
    NoLogCacheOf {
        /// The API.
        api: String,
    },
    /// Log Cache answers that there is no answer to a query.
    #[error("Log Cache answers {status} ({kind}): {said}")]
    Query {
        /// The answer's status.
        status: StatusCode,
        /// `bad_data`, `internal`, …
        kind: String,
        /// What is wrong.
        said: String,
    },
    /// No app has this name, or none that the token may see.
    #[error("there is no app {name:?}{place}, or it is not for this user; an id always works")]
    NoApp {
        /// The name.
        name: String,
        /// Where it was looked for.
        place: &'static str,
    },
    /// Apps of several spaces have this name.
    #[error("{name:?} is the name of several apps; say --space GUID or the id: {apps}")]
    ManyApps {
        /// The name.
        name: String,
        /// Their ids and spaces.
        apps: String,
    },
    /// A stream ended, and is not to be asked for again.
    #[error("{0}")]
    Ended(End),
    /// It was asked for so often that it will not come back.
    #[error("{0}; gave up after {1} tries")]
    GaveUp(Box<Self>, u32),
    /// Cannot write what came, or cannot run at all.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ClientError {
    pub(super) fn address(what: &'static str) -> impl FnOnce(AddressError) -> Self {
        move |error| Self::Address { what, error }
    }

    /// Whether asking again may help, without anybody changing anything.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // CAs do not come by waiting.
            Self::Unreachable { error, .. } => !matches!(error, HttpError::Trust(_)),
            Self::Refused {
                status,
                is_of_router,
                ..
            } => *is_of_router || is_passing(*status),
            Self::Token(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// Refusals that stay are the client's fault; two of those are about time.
fn is_passing(status: StatusCode) -> bool {
    let of_time = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_client_error() || of_time.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: StatusCode, is_of_router: bool) -> ClientError {
        ClientError::Refused {
            url: "u".into(),
            status,
            said: String::new(),
            hint: "",
            is_of_router,
        }
    }

    #[test]
    fn what_stays_refused_is_not_asked_for_again() {
        for status in [400, 401, 403, 404] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!refused(status, false).is_passing(), "{status}");
        }
        for status in [200, 429, 500, 502, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(refused(status, false).is_passing(), "{status}");
        }
        assert!(refused(StatusCode::NOT_FOUND, true).is_passing());
    }
}
