//! A connection to a drain, whichever way its lines travel.

use crate::asked::Asked;
use crate::batch::Batch;
use crate::connection::{Connection, Written};
use crate::dial::{Dialer, Target, no_answer};
use crate::format::frames::{first_frame_bytes, without_count};
use crate::limits::ANSWER_TIMEOUT_MS;
use crate::post::Poster;
use crate::tls::{TlsConnection, handshake};
use crate::trust::Trust;
use hydrant_bindings::{Credentials, Drain, Framing, Transport};
use hydrant_feed::ending::Ending;
use hyper::StatusCode;
use rustls::ClientConfig;
use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Where a drain is and what it is shown.
#[derive(Debug)]
pub(crate) struct Place {
    /// The drain.
    pub(crate) drain: Drain,
    /// What TLS to it needs.
    pub(crate) credentials: Credentials,
    /// Whether its addresses must be allowed.
    is_checked: bool,
    client: OnceCell<Arc<ClientConfig>>,
}

/// What all connections of a worker are made with.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) dialer: Dialer,
    pub(crate) trust: Trust,
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Link {
    Tcp(Connection),
    Tls(TlsConnection),
    Post(Poster),
}

/// How far a batch came.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Lines that whoever they are for has.
    pub(crate) line_count: u64,
    /// Why there are no more; the connection is of no use then.
    pub(crate) outcome: Result<(), SendError>,
}

/// Why lines did not go out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The drain answered, and not that it has taken them.
    #[error("the drain answered {}", .0.as_u16())]
    Refused(StatusCode),
}

impl Place {
    /// A drain with these credentials, whose addresses must be allowed if `is_checked`.
    pub(crate) const fn new(drain: Drain, credentials: Credentials, is_checked: bool) -> Self {
        Self {
            drain,
            credentials,
            is_checked,
            client: OnceCell::new(),
        }
    }

    fn client(&self, trust: &Trust) -> io::Result<Arc<ClientConfig>> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = trust.client(&self.credentials, self.drain.is_strict_internal())?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

impl Connector {
    /// Connects to a drain; may be dropped while it waits. `has_failed`: so it did when it was tried
    /// last. `when_broken` is called when the connection ends.
    ///
    /// # Errors
    /// There is no connection, or no agreement on TLS.
    pub(crate) async fn connect(
        &self,
        place: &Place,
        has_failed: bool,
        limit: Duration,
        when_broken: impl FnOnce() + 'static,
    ) -> io::Result<Link> {
        let drain = &place.drain;
        let _from = self.dialer.place(has_failed).await?;
        let target = Target {
            host: drain.host(),
            port: drain.port(),
            is_checked: place.is_checked,
        };
        let stream = self.dialer.dial(target, limit).await?;
        match drain.transport() {
            Transport::Tcp => {
                let connection = Connection::new(stream, |_| Ok(()), when_broken)?;
                Ok(Link::Tcp(connection))
            }
            Transport::Tls => {
                let (client, asked) = Asked::noting(&*place.client(&self.trust)?);
                let stream = secure(stream, drain, client, limit).await?;
                let connection = TlsConnection::new(stream, &asked, when_broken);
                Ok(Link::Tls(connection.await?))
            }
            Transport::Https | Transport::HttpsBatch => {
                let client = place.client(&self.trust)?;
                let stream = secure(stream, drain, client, limit).await?;
                Ok(Link::Post(Poster::new(stream, when_broken).await?))
            }
        }
    }
}

async fn secure(
    stream: TcpStream,
    drain: &Drain,
    client: Arc<ClientConfig>,
    limit: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let shaking = handshake(stream, drain.host(), client);
    let shaken = tokio::time::timeout(limit, shaking).await;
    shaken.unwrap_or_else(|_| Err(no_answer("shaking hands")))
}

impl Link {
    /// Whether the peer has closed the connection, or it broke.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Tcp(connection) => connection.is_broken(),
            Self::Tls(tls) => tls.connection().is_broken(),
            Self::Post(poster) => poster.is_broken(),
        }
    }

    /// Why the connection is broken, if it is. A peer that closes one between two POSTs has done
    /// nothing wrong.
    pub(crate) fn take_broken(&self) -> Option<io::Error> {
        match self {
            Self::Tcp(connection) => connection.take_broken(),
            Self::Tls(tls) => tls.connection().take_broken(),
            Self::Post(_) => None,
        }
    }

    /// Sends the lines of the batch, and takes out of it those that have arrived as far as anybody
    /// can know: at the kernel, or with HTTP at the drain.
    pub(crate) async fn send(
        &mut self,
        batch: &mut Batch,
        drain: &Drain,
        stuck: Duration,
        ending: &Ending,
    ) -> Sent {
        let written = match self {
            Self::Tcp(connection) => connection.write(batch.bytes(), stuck, ending).await,
            Self::Tls(tls) => tls.write(batch.bytes(), stuck, ending).await,
            Self::Post(poster) => return post(poster, batch, drain, ending).await,
        };
        settle(batch, written, drain.framing())
    }

    /// Ends the connection in order.
    pub(crate) async fn finish(self, stuck: Duration, ending: &Ending) {
        match self {
            Self::Tcp(connection) => connection.finish(ending).await,
            Self::Tls(tls) => tls.finish(stuck, ending).await,
            Self::Post(poster) => drop(poster),
        }
    }

    /// Closes the connection now.
    pub(crate) async fn close(self) {
        match self {
            Self::Tcp(connection) => connection.close().await,
            Self::Tls(tls) => tls.close().await,
            Self::Post(poster) => drop(poster),
        }
    }
}

fn settle(batch: &mut Batch, written: Written, framing: Framing) -> Sent {
    Sent {
        line_count: batch.settle(written.count, framing),
        outcome: written.outcome.map_err(SendError::Io),
    }
}

/// One POST for all, or one for each.
async fn post(poster: &mut Poster, batch: &mut Batch, drain: &Drain, ending: &Ending) -> Sent {
    let framing = Framing::OctetCounting;
    let mut line_count = 0;
    while !batch.is_empty() {
        let end = match drain.transport() {
            Transport::HttpsBatch => batch.bytes().len(),
            _ => first_frame_bytes(batch.bytes(), framing),
        };
        let lines = batch.bytes().slice(..end);
        if let Err(error) = post_lines(poster, &lines, drain, ending).await {
            return Sent {
                line_count,
                outcome: Err(error),
            };
        }
        line_count += batch.settle(end, framing);
    }
    Sent {
        line_count,
        outcome: Ok(()),
    }
}

async fn post_lines(
    poster: &mut Poster,
    lines: &[u8],
    drain: &Drain,
    ending: &Ending,
) -> Result<(), SendError> {
    let mut body = Vec::with_capacity(lines.len());
    let mut rest = lines;
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(first_frame_bytes(rest, Framing::OctetCounting));
        body.extend_from_slice(without_count(frame));
        rest = after;
    }
    let limit = Duration::from_millis(ANSWER_TIMEOUT_MS);
    let posting = poster.post(drain, body.into());
    let answered = ending.within(limit, posting).await;
    let status = answered.unwrap_or_else(|| Err(no_answer("posting")))?;
    if status.is_success() {
        Ok(())
    } else {
        Err(SendError::Refused(status))
    }
}
