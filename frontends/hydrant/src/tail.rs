//! `hydrant tail` and `hydrant firehose`: a WebSocket's envelopes as lines.

use crate::lines::Lines;
use futures_util::StreamExt;
use hydrant_proto::v1::Envelope;
use prost::Message as _;
use std::io::{self, IsTerminal, Write};
use tokio_websockets::{ClientBuilder, Message};

/// Why a stream did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The URL is none.
    #[error("{url:?} is no URL of a WebSocket: {problem}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody answers, or not as a WebSocket.
    #[error("cannot connect to {url}: {error}; is Hydrant running there?")]
    Connect {
        /// Where to.
        url: String,
        /// What was said.
        error: tokio_websockets::Error,
    },
    /// The server ended the stream.
    #[error("the server ended the stream: {0}")]
    Ended(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(tokio_websockets::Error),
    /// Cannot write what came, or cannot run at all.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Prints what comes from `url` until the connection ends or nobody reads what we print.
///
/// # Errors
/// Why it ended. A closed pipe behind us is no error.
pub fn run(url: &str) -> Result<(), TailError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let is_colored = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let outcome = runtime.block_on(follow(
        url,
        &Lines::new(is_colored),
        &mut io::stdout().lock(),
    ));
    match outcome {
        Err(TailError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes a line for each envelope that comes from `url`.
///
/// # Errors
/// Why it ended; a stream never ends without a reason.
pub async fn follow(url: &str, lines: &Lines, out: &mut impl Write) -> Result<(), TailError> {
    let builder = ClientBuilder::new()
        .uri(url)
        .map_err(|error| TailError::Url {
            url: url.to_owned(),
            problem: error.to_string(),
        })?;
    let (mut stream, _) = builder
        .connect()
        .await
        .map_err(|error| TailError::Connect {
            url: url.to_owned(),
            error,
        })?;
    let mut unreadable: u64 = 0;
    while let Some(message) = stream.next().await {
        let message = message.map_err(TailError::Broken)?;
        if message.is_close() {
            return Err(TailError::Ended(reason(&message)));
        }
        if !message.is_binary() {
            continue;
        }
        match Envelope::decode(message.into_payload().as_ref()) {
            Ok(envelope) => out.write_all(lines.of(&envelope).as_bytes())?,
            Err(_) => {
                unreadable += 1;
                writeln!(out, "(a message that is no envelope, number {unreadable})")?;
            }
        }
        out.flush()?;
    }
    Err(TailError::Ended("without a word".to_owned()))
}

fn reason(message: &Message) -> String {
    match message.as_close() {
        Some((code, reason)) => format!("{} {reason}", u16::from(code)),
        None => "without a code".to_owned(),
    }
}
