//! Where logs are, told as a Cloud Controller tells it, so that clients which are given our address
//! find everything behind it.

use crate::handshake::Answer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{self, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What clients are told beside our own address.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    /// Whether ours is https and wss.
    pub(crate) is_https: bool,
    /// URL of the RLP gateway, if there is one.
    pub(crate) log_stream: Option<String>,
}

impl Discovery {
    /// `/`: links, for clients of version 3 of the Cloud Controller's API.
    pub(crate) fn root(&self, headers: &HeaderMap, address: SocketAddr) -> Answer {
        let host = host(headers, address);
        let link = |href: Option<String>| href.map_or(Value::Null, |href| json!({ "href": href }));
        answer(&json!({
            "links": {
                "self": link(Some(self.url("http", &host))),
                "logging": link(Some(self.url("ws", &host))),
                "log_stream": link(self.log_stream.clone()),
            }
        }))
    }

    /// `/v2/info`: endpoints, for clients of version 2.
    pub(crate) fn info(&self, headers: &HeaderMap, address: SocketAddr) -> Answer {
        let host = host(headers, address);
        let logs = self.url("ws", &host);
        answer(&json!({
            "name": "hydrant",
            "build": env!("CARGO_PKG_VERSION"),
            "doppler_logging_endpoint": logs,
            "logging_endpoint": logs,
        }))
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        let secure = if self.is_https { "s" } else { "" };
        format!("{scheme}{secure}://{host}")
    }
}

/// What the client calls us; our address, if it does not say.
fn host(headers: &HeaderMap, address: SocketAddr) -> String {
    let named = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    named
        .filter(|host| !host.is_empty())
        .map_or_else(|| address.to_string(), str::to_owned)
}

fn answer(body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn body(answer: Answer) -> Value {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn the_address_is_the_one_that_the_client_used() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8081));
        let mut discovery = Discovery {
            is_https: false,
            log_stream: None,
        };
        let mut headers = HeaderMap::new();
        let root = body(discovery.root(&headers, address)).await;
        assert_eq!(root["links"]["logging"]["href"], "ws://127.0.0.1:8081");
        assert_eq!(root["links"]["log_stream"], Value::Null);
        headers.insert(header::HOST, HeaderValue::from_static("logs.example:443"));
        discovery.is_https = true;
        discovery.log_stream = Some("https://stream.example".to_owned());
        let root = body(discovery.root(&headers, address)).await;
        assert_eq!(root["links"]["self"]["href"], "https://logs.example:443");
        assert_eq!(root["links"]["logging"]["href"], "wss://logs.example:443");
        assert_eq!(
            root["links"]["log_stream"]["href"],
            "https://stream.example"
        );
        let info = body(discovery.info(&headers, address)).await;
        assert_eq!(info["doppler_logging_endpoint"], "wss://logs.example:443");
        assert_eq!(info["logging_endpoint"], "wss://logs.example:443");
    }
}
