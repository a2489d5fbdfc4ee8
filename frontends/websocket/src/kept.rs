//! What was kept of an app, as one answer of many parts: upstream has given this up, and clients
//! still ask (trafficcontroller of v105, `recent_logs_handler` and `container_metrics_handler`).

use crate::cookie::allow_origin;
use crate::handshake::{Answer, not_found};
use crate::multipart::Multipart;
use crate::recent::Recent;
use crate::routes::Kept;
use crate::v0;
use bytes::Bytes;
use http_body_util::Full;
use hydrant_engine::clock::UnixNanos;
use hyper::Response;
use hyper::header::{self, HeaderMap, HeaderValue};
use std::sync::Arc;

/// Answers from the store, if there is one.
#[derive(Debug)]
pub(crate) struct Keeper(pub(crate) Option<Arc<Recent>>);

impl Keeper {
    /// The newest logs of the app, oldest first.
    pub(crate) fn logs(&self, kept: &Kept, headers: &HeaderMap) -> Answer {
        let logs = |recent: &Arc<Recent>| newest(recent.logs(&kept.app), kept.limit);
        self.envelopes(headers, logs)
    }

    /// The newest container metric of each of the app's instances.
    pub(crate) fn container_metrics(&self, kept: &Kept, headers: &HeaderMap) -> Answer {
        self.envelopes(headers, |recent| {
            let mut metrics = recent.container_metrics(&kept.app, UnixNanos::now());
            metrics.truncate(kept.limit.unwrap_or(usize::MAX));
            metrics
        })
    }

    /// The newest logs as the first generation's messages.
    pub(crate) fn log_messages(&self, kept: &Kept) -> Answer {
        let Some(recent) = &self.0 else {
            return not_found();
        };
        let logs = newest(recent.logs(&kept.app), kept.limit);
        let messages = logs.iter().filter_map(|envelope| v0::log_message(envelope));
        parts(&messages.collect::<Vec<_>>())
    }

    fn envelopes(
        &self,
        headers: &HeaderMap,
        read: impl FnOnce(&Arc<Recent>) -> Vec<Bytes>,
    ) -> Answer {
        let Some(recent) = &self.0 else {
            return not_found();
        };
        let mut answer = parts(&read(recent));
        let origin = headers.get(header::ORIGIN).cloned();
        allow_origin(answer.headers_mut(), origin);
        answer
    }
}

fn newest(mut logs: Vec<Bytes>, limit: Option<usize>) -> Vec<Bytes> {
    let limit = limit.unwrap_or(usize::MAX);
    logs.split_off(logs.len().saturating_sub(limit))
}

fn parts(parts: &[Bytes]) -> Answer {
    let Multipart { content_type, body } = Multipart::new(parts);
    let mut answer = Response::new(Full::new(body));
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    answer
}
