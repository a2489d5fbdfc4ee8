//! Sources: all that the gateway knows, less those that the client may not see.

use super::forward::asker;
use super::{Client, Proxy, in_time};
use crate::answer::{Answer, add_away, empty, text};
use crate::json::{Infos, meta_in_camel_case, read_meta};
use crate::limits::META_BYTES_MAX;
use http_body_util::Full;
use hydrant_http::client::{Asker, HttpsError, Said};
use hydrant_rpc::away::AWAY_OF_GATEWAY;
use hyper::header::HeaderValue;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::OnceLock;

impl Proxy {
    pub(super) async fn meta<B>(&self, request: &Request<B>) -> Answer {
        let Some(client) = self.client(request.headers()).await else {
            return empty(StatusCode::NOT_FOUND);
        };
        let Some((infos, away)) = in_time(self.metas.read()).await else {
            return empty(StatusCode::BAD_GATEWAY);
        };
        let seen = self.seen(infos, &client).await;
        let mut answer = text(StatusCode::OK, meta_in_camel_case(&seen));
        add_away(&mut answer, away);
        answer
    }

    async fn seen(&self, mut infos: Infos, client: &Client<'_>) -> Infos {
        if client.bearer.is_admin {
            return infos;
        }
        let available = self.sources.all(client.authorization).await;
        let of = |id: String| infos.remove_entry(&id);
        available.into_iter().filter_map(of).collect()
    }
}

/// The gateway, as the proxy itself asks it.
#[derive(Debug)]
pub(super) struct Metas {
    base: String,
    asker: Asker,
    /// What is asked, once it is known which generation the gateway is of.
    path: OnceLock<&'static str>,
}

#[derive(Deserialize)]
struct Info {
    version: String,
}

impl Metas {
    pub(super) fn new(address: &str, ca_file: Option<&PathBuf>) -> Result<Self, HttpsError> {
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            asker: asker(address, ca_file, META_BYTES_MAX)?,
            path: OnceLock::new(),
        })
    }

    /// All sources, and the nodes that could not be asked for theirs; nothing if the gateway does not say,
    /// or does not say what it is.
    async fn read(&self) -> Option<(Infos, Option<HeaderValue>)> {
        let path = self.path().await?;
        let said = self.ask(path).await?;
        let is_ok = said.status == StatusCode::OK;
        let infos = read_meta(&said.body).ok().filter(|_| is_ok)?;
        Some((infos, said.headers.get(AWAY_OF_GATEWAY).cloned()))
    }

    /// Gateways before 2.0.0, and those that do not tell, have it elsewhere.
    async fn path(&self) -> Option<&'static str> {
        if let Some(path) = self.path.get() {
            return Some(path);
        }
        let said = self.ask("/api/v1/info").await?;
        let major = match said.status {
            StatusCode::NOT_FOUND => 1,
            StatusCode::OK => major(&serde_json::from_slice::<Info>(&said.body).ok()?.version)?,
            _ => return None,
        };
        let path = if major < 2 {
            "/v1/meta"
        } else {
            "/api/v1/meta"
        };
        Some(self.path.get_or_init(|| path))
    }

    async fn ask(&self, path: &str) -> Option<Said> {
        let request = Request::get(format!("{}{path}", self.base));
        let request = request.body(Full::default()).ok()?;
        self.asker.ask(request).await.ok()
    }
}

/// The first number of a semantic version: three numbers without needless zeros, and what may follow.
fn major(version: &str) -> Option<u64> {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    let mut numbers = version[..end].split('.').map(|number| {
        let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = is_plain && (number == "0" || !number.starts_with('0'));
        number.parse::<u64>().ok().filter(|_| is_plain)
    });
    let three = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(three[0])
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_have_three_numbers() {
        assert_eq!(major("3.2.12"), Some(3));
        assert_eq!(major("1.4.7"), Some(1));
        assert_eq!(major("2.0.0-dev.1+x.y"), Some(2));
        for wrong in [
            "", "3", "3.2", "3.2.1.0", "v3.2.1", "03.2.1", "3..1", "+1.2.3",
        ] {
            assert_eq!(major(wrong), None, "{wrong}");
        }
    }
}
