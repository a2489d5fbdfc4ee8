//! The Cloud Controller: whose logs the bearer of a token may see.

use crate::config::CapiConfig;
use crate::is_guid;
use crate::questions::{Questions, Unknown, Verdict};
use crate::state::Question;
use http_body_util::Full;
use hydrant_http::client::{Ask, ClientFiles, Https, HttpsError, Said};
use hydrant_rpc::tls::TlsFiles;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode};

/// TLS to the Cloud Controller; nothing if no files are given.
pub(crate) fn https(config: &CapiConfig, is_verified: bool) -> Result<Option<Https>, HttpsError> {
    let make = |files: &TlsFiles| {
        let files = ClientFiles {
            is_verified,
            ..files.into()
        };
        Https::new(files, Some(config.server_name.clone()))
    };
    config.tls.as_ref().map(make).transpose()
}

/// The client of the Cloud Controller's two interfaces.
#[derive(Debug)]
pub(crate) struct Capi {
    internal: String,
    external: Option<String>,
    questions: Questions,
}

impl Capi {
    pub(crate) fn new(config: &CapiConfig, questions: Questions) -> Self {
        let base = |address: &str| address.trim_end_matches('/').to_owned();
        Self {
            internal: base(&config.address),
            external: config.external_address.as_deref().map(base),
            questions,
        }
    }

    /// Whether the bearer may read an app's logs.
    pub(crate) async fn log_access(&self, token: &HeaderValue, guid: &str) -> Verdict {
        let url = format!("{}/internal/v4/log_access/{guid}", self.internal);
        self.status(Question::LogAccess, token, guid, url).await
    }

    /// Whether the bearer may see a service instance. Not if nobody can be asked.
    pub(crate) async fn service_instance(&self, token: &HeaderValue, guid: &str) -> Verdict {
        let Some(external) = &self.external else {
            return Verdict::Failed(None);
        };
        let url = format!("{external}/v3/service_instances/{guid}");
        self.status(Question::ServiceInstance, token, guid, url)
            .await
    }

    async fn status(
        &self,
        question: Question,
        token: &HeaderValue,
        guid: &str,
        url: String,
    ) -> Verdict {
        // It becomes a path of a request that shows our certificate.
        if !is_guid(guid) {
            return Verdict::Failed(None);
        }
        let parts = [guid.as_bytes(), token.as_bytes()];
        let ask = || ask(url, token);
        let verdict = self.questions.verdict(question, &parts, ask, weigh);
        verdict.await
    }
}

fn ask(url: String, token: &HeaderValue) -> Result<Ask, Unknown> {
    let ask = Request::get(url).header(AUTHORIZATION, token);
    ask.body(Full::default()).or(Err(Unknown))
}

fn weigh(said: &Said) -> Verdict {
    match said.status {
        StatusCode::OK => Verdict::Granted,
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
            Verdict::Refused(status)
        }
        status => Verdict::Failed(Some(status)),
    }
}
