//! Who may read: tokens, and what UAA and the Cloud Controller say of them, with the Traffic
//! Controller's answers (`log_access_middleware`, `admin_access_middleware`; of the first
//! generation, `output_proxy`).

use crate::handshake::{self, Answer, empty};
use crate::routes::{Form, Target};
use crate::{token, v0};
use bytes::Bytes;
use http_body_util::Full;
use hydrant_access::{Access, LogAccess, is_guid};
use hydrant_engine::clock::UnixNanos;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};

/// Access control, if there is any.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Option<Access>);

/// Why a request of the first generation is refused, in the words its clients look for.
const NO_APP: &str = "Error: Invalid target";
const NO_TOKEN: &str = "Error: Authorization not provided";
const BAD_TOKEN: &str = "Error: Invalid authorization";

impl Guard {
    /// Lets who may read a stream pass.
    pub(crate) async fn stream<B>(
        &self,
        request: &Request<B>,
        target: &Target,
    ) -> Result<(), Answer> {
        match (target.form, target.app_id()) {
            (Form::LogMessage, app) => {
                self.first_generation(request, app.unwrap_or_default())
                    .await
            }
            (Form::Envelope, Some(app)) => self.app(request.headers(), app).await,
            (Form::Envelope, None) => self.firehose(request.headers()).await,
        }
    }

    /// Lets who may read everything pass.
    async fn firehose(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let Some(access) = &self.0 else {
            return Ok(());
        };
        let Some(token) = token::today(headers) else {
            return Err(unauthorized(
                "You are not authorized. authorization not provided",
            ));
        };
        match access.may_read_firehose(&token).await {
            true => Ok(()),
            false => Err(unauthorized(
                "You are not authorized. invalid authorization",
            )),
        }
    }

    /// Lets who may read the app's logs pass.
    pub(crate) async fn app(&self, headers: &HeaderMap, app: &str) -> Result<(), Answer> {
        let Some(access) = &self.0 else {
            return Ok(());
        };
        if !is_guid(app) {
            return Err(empty(StatusCode::UNAUTHORIZED));
        }
        let Some(token) = token::today(headers) else {
            return Err(unauthorized(""));
        };
        match access.log_access(&token, app).await {
            LogAccess::Granted => Ok(()),
            LogAccess::Unauthorized => Err(unauthorized("")),
            LogAccess::NotFound => Err(empty(StatusCode::NOT_FOUND)),
            LogAccess::Failed => Err(empty(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }

    /// The same, in the first generation's words.
    pub(crate) async fn first_generation<B>(
        &self,
        request: &Request<B>,
        app: &str,
    ) -> Result<(), Answer> {
        let Some(access) = &self.0 else {
            return Ok(());
        };
        let (headers, query) = (request.headers(), request.uri().query());
        let Some(token) = token::first_generation(headers, query) else {
            return Err(refused(app, NO_TOKEN));
        };
        let granted = is_guid(app) && access.log_access(&token, app).await == LogAccess::Granted;
        granted.then_some(()).ok_or_else(|| refused(app, BAD_TOKEN))
    }

    /// The answer to a request of the first generation that names no app.
    pub(crate) fn no_app(&self) -> Answer {
        match &self.0 {
            Some(_) => refused("", NO_APP),
            None => handshake::no_app(),
        }
    }
}

/// A log message in protobuf's text form, which these clients search for the error.
fn refused(app: &str, error: &str) -> Answer {
    unauthorized(&v0::unauthorized(app, error, UnixNanos::now()))
}

fn unauthorized(body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_owned())));
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = answer.headers_mut();
    let basic = HeaderValue::from_static("Basic");
    headers.insert(header::WWW_AUTHENTICATE, basic);
    if !body.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
    }
    answer
}
