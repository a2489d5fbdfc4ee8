//! Queries: only over sources that the client may read, and with the GUIDs of apps in the place of
//! their names.

use super::{Client, Proxy, authorization};
use crate::answer::{Answer, empty, json};
use crate::form::{Form, has_form};
use crate::json::error;
use crate::promql;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, StatusCode, Uri};
use std::collections::BTreeMap;
use std::net::SocketAddr;

impl Proxy {
    pub(super) async fn query(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        if authorization(request.headers()).is_none() {
            return empty(StatusCode::NOT_FOUND);
        }
        let (parts, body) = request.into_parts();
        // Of an URL what can be read counts, as upstream.
        let form = match has_form(&parts) {
            true => Form::of_body(&parts, body).await,
            false => Ok(Form::parse_some(parts.uri.query().unwrap_or_default())),
        };
        let mut form = match form {
            Ok(form) => form,
            Err(problem) => return bad_data(&problem),
        };
        let (query, source_ids) = match promql::parse(form.first("query")) {
            Ok((_, none)) if none.is_empty() => {
                return bad_data("query does not request any source_ids");
            }
            Ok(parsed) => parsed,
            Err(problem) => return bad_data(&problem),
        };
        let Some(client) = self.client(&parts.headers).await else {
            return empty(StatusCode::NOT_FOUND);
        };
        let Some(sets) = self.readable(&client, source_ids).await else {
            return empty(StatusCode::NOT_FOUND);
        };
        form.set("query", promql::rewrite(&query, &sets));
        let Some((parts, body)) = with_form(parts, &form) else {
            return empty(StatusCode::BAD_GATEWAY);
        };
        self.gateway.pass_on_with(parts, body, peer).await
    }

    /// For each id itself and the GUIDs of the apps of that name, less what the client may not read;
    /// nothing, if nothing is left of one of them.
    async fn readable(
        &self,
        client: &Client<'_>,
        source_ids: Vec<String>,
    ) -> Option<BTreeMap<String, Vec<String>>> {
        let token = client.authorization;
        let mut named = self.sources.named(token, &source_ids).await;
        let mut readable = BTreeMap::new();
        for id in source_ids {
            let mut set = named.remove(&id).unwrap_or_default();
            set.push(id.clone());
            if !client.bearer.is_admin {
                set = self.only_readable(client, set).await;
            }
            if set.is_empty() {
                return None;
            }
            readable.insert(id, set);
        }
        Some(readable)
    }

    async fn only_readable(&self, client: &Client<'_>, ids: Vec<String>) -> Vec<String> {
        let mut readable = Vec::new();
        for id in ids {
            if self.sources.may_read(client.authorization, &id).await {
                readable.push(id);
            }
        }
        readable
    }
}

fn bad_data(problem: &str) -> Answer {
    json(StatusCode::BAD_REQUEST, error("bad_data", problem))
}

/// A request with these arguments, where it had its own. A body that is no form is left behind.
fn with_form(mut parts: Parts, form: &Form) -> Option<(Parts, Full<Bytes>)> {
    let path = parts.uri.path().to_owned();
    let (path, body) = match has_form(&parts) {
        true => (path, form.encoded()),
        false => (format!("{path}?{}", form.encoded()), String::new()),
    };
    if parts.headers.contains_key(CONTENT_LENGTH) || !body.is_empty() {
        let length = HeaderValue::from(body.len());
        parts.headers.insert(CONTENT_LENGTH, length);
    }
    let mut uri = parts.uri.into_parts();
    uri.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    parts.uri = Uri::from_parts(uri).ok()?;
    Some((parts, Full::from(body)))
}
