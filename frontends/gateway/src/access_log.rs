//! The access log: a line for each request in Apache's common format, when its answer is over.

use crate::answer::{Answer, AnyBody};
use crate::config::GatewayConfig;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, StatusCode};
use jiff::Zoned;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// Where lines go.
#[derive(Clone)]
pub(crate) struct AccessLog(Arc<Mutex<dyn Write + Send>>);

/// A request whose answer is not over.
pub(crate) struct Entry {
    log: AccessLog,
    /// The line as far as it is known at the beginning.
    start: String,
    status: StatusCode,
    bytes: usize,
}

impl AccessLog {
    /// Stdout, if the config wants a log.
    pub(crate) fn of(config: &GatewayConfig) -> Option<Self> {
        config.access_log.then(|| Self::to(io::stdout()))
    }

    pub(crate) fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }

    /// Notes who asks what, and when.
    pub(crate) fn begin<B>(&self, request: &Request<B>, peer: SocketAddr) -> Entry {
        let host = peer.ip().to_canonical();
        let time = Zoned::now().strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        let uri = request.uri();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let (method, version) = (request.method(), request.version());
        let mut start = format!("{host} - - [{time}] \"{method} ");
        push_escaped(&mut start, path);
        write!(start, " {version:?}\"").ok(); // A string takes everything.
        Entry {
            log: self.clone(),
            start,
            status: StatusCode::OK,
            bytes: 0,
        }
    }

    fn write(&self, line: &str) {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Requests go on without their lines when nobody takes these any more.
        sink.write_all(line.as_bytes()).ok();
    }
}

/// What ends a field of the line, and what ends a line, cannot come from a client.
fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            character if character.is_control() => line.extend(character.escape_default()),
            character => line.push(character),
        }
    }
}

impl Entry {
    /// The answer, whose end ends the entry.
    pub(crate) fn watch(mut self, answer: Answer) -> Answer {
        self.status = answer.status();
        answer.map(|body| Watched { body, entry: self }.boxed_unsync())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (status, bytes) = (self.status.as_u16(), self.bytes);
        self.log
            .write(&format!("{} {status} {bytes}\n", self.start));
    }
}

/// A body that counts its bytes.
struct Watched {
    body: AnyBody,
    entry: Entry,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.entry.bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_ends_its_field() {
        let mut line = String::from(">");
        push_escaped(&mut line, "/a\"b\\c\nd\x1b?é");
        assert_eq!(line, ">/a\\\"b\\\\c\\nd\\u{1b}?é");
    }
}
