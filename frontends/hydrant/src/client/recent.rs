//! `hydrant recent`: an app's last logs, as far as the Traffic Controller keeps them.

use super::envelope;
use super::error::ClientError;
use super::http::Answer;
use super::multipart;
use super::output::Output;
use super::session::Session;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use std::io::Write;
use url::Url;

/// Prints what `url` gives, in the order of time; the last `lines_max` of it if that is said.
/// Gives whether the answer was whole.
///
/// # Errors
/// Why there is nothing to print.
pub(super) async fn run<W: Write>(
    session: &mut Session,
    mut url: Url,
    lines_max: Option<usize>,
    output: &mut Output<W>,
) -> Result<bool, ClientError> {
    // The server counts before anything is sorted out here.
    if let Some(lines_max) = lines_max.filter(|_| output.is_open()) {
        let limit = lines_max.to_string();
        url.query_pairs_mut().append_pair("limit", &limit);
    }
    let answer = session.get(&url).await?;
    if answer.status != StatusCode::OK {
        return Err(session.refused(&url, &answer));
    }
    print(&url, &answer, lines_max, output)
}

fn print<W: Write>(
    url: &Url,
    answer: &Answer,
    lines_max: Option<usize>,
    output: &mut Output<W>,
) -> Result<bool, ClientError> {
    let content_type = answer.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let Some(boundary) = content_type.and_then(multipart::boundary) else {
        return Err(ClientError::NotUnderstood {
            url: url.to_string(),
            problem: "the answer is not multipart, as recent logs are".to_owned(),
        });
    };
    let parts = multipart::parts(&answer.body, boundary);
    let mut envelopes: Vec<_> = parts
        .parts
        .iter()
        .filter_map(|part| output.take(part))
        .collect();
    envelopes.sort_by_key(envelope::timestamp_ns);
    let first = envelopes
        .len()
        .saturating_sub(lines_max.unwrap_or(usize::MAX));
    for envelope in &envelopes[first..] {
        output.print(envelope)?;
    }
    output.flush()?;
    Ok(parts.is_whole)
}
