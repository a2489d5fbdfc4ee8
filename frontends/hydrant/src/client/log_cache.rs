//! `hydrant tail --recent`, `hydrant query` and `hydrant meta`: what Log Cache has, over HTTP.

mod answer;
mod meta;
mod query;
mod table;
mod tail;

pub(super) use meta::meta;
pub(super) use query::query;
pub(super) use tail::{Reading, Tail};

use super::address::Address;
use super::error::ClientError;
use super::http::Answer;
use super::session::Session;
use hyper::StatusCode;
use serde::de::DeserializeOwned;
use url::Url;

/// Below Log Cache's address.
const API: [&str; 2] = ["api", "v1"];

/// The URL of what is below Log Cache's interface.
fn url(log_cache: &Address, segments: &[&str]) -> Result<Url, ClientError> {
    Ok(log_cache.at(&[&API, segments].concat())?)
}

/// What a question is answered with, if that is what was asked for.
async fn ask<A: DeserializeOwned>(session: &mut Session, url: &Url) -> Result<A, ClientError> {
    let answer = session.get_of_log_cache(url).await?;
    if answer.status != StatusCode::OK {
        return Err(session.refused(url, &answer));
    }
    understood(url, &answer)
}

fn understood<A: DeserializeOwned>(url: &Url, answer: &Answer) -> Result<A, ClientError> {
    serde_json::from_slice(&answer.body).map_err(|error| ClientError::NotUnderstood {
        url: url.to_string(),
        problem: format!("the answer is not Log Cache's: {error}"),
    })
}
